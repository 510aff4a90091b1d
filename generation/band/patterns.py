"""What makes a genre: drum, bass and chord patterns, swing, and who plays when nobody is asked for.

A pattern is one bar of sixteen steps (sixteenth notes): ``X`` accent, ``x`` normal, ``o`` soft, ``.`` rest.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

STEPS = 16
ACCENTS = {"X": 1.12, "x": 1.0, "o": 0.62}

# General MIDI percussion keys.
KICK, RIM, SNARE, CLAP, CLOSED_HAT, PEDAL_HAT, OPEN_HAT = 36, 37, 38, 39, 42, 44, 46
FLOOR_TOM, LOW_TOM, HIGH_TOM, CRASH, RIDE, TAMBOURINE, COWBELL = 41, 45, 50, 49, 51, 54, 56
BONGO, CONGA_MUTE, CONGA, CONGA_LOW, SHAKER, MARACAS, CLAVES = 60, 62, 63, 64, 82, 70, 75

Pattern = str
Beat = Mapping[int, Pattern]
BassStep = tuple[int, float, str]  # step, length in steps, degree


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """One genre.

    Attributes:
        name: The genre.
        verse: Percussion key to pattern, in quiet sections.
        chorus: The same in full sections.
        bass: Steps, lengths and degrees: 1 root, 3 third, 5 fifth, 8 octave, a = half a step or so below the next root.
        bass_program: General MIDI program from 0.
        comp: Rhythm of chord instruments in quiet sections.
        comp_chorus: In full sections.
        comp_length: Length of a struck chord in steps; 0 holds it until the next.
        arp: Rhythm of broken chords.
        band: Instruments by name when the prompt asks for none that plays chords.
        voices: What a requested instrument sounds like here, where it is not its own entry in the table.
        colour: Instrument added in choruses when not asked for, or empty.
        kit: General MIDI drum kit.
        swing: Where the off-beat falls inside its pair: 0.5 straight, 0.667 triplets.
        swings_sixteenths: The pair is two sixteenths rather than two eighths.
        sevenths: Chords have four tones.
        plays_drums: Drums play without being asked for.
        drums_from_start: False holds them back until the first chorus.
        drum_gain_db: Level of the kit.
        has_loud_fills: False for kits that only hint at a fill.
        timing: Scale of the humanised timing; 0 is a machine.
    """

    name: str
    verse: Beat
    chorus: Beat
    bass: tuple[BassStep, ...]
    comp: Pattern
    comp_chorus: Pattern
    band: tuple[str, ...]
    bass_program: int = 33
    comp_length: float = 0
    arp: Pattern = "x.x.x.x.x.x.x.x."
    voices: Mapping[str, str] = field(default_factory=dict)
    colour: str = ""
    kit: int = 0
    swing: float = 0.5
    swings_sixteenths: bool = False
    sevenths: bool = False
    plays_drums: bool = True
    drums_from_start: bool = True
    drum_gain_db: float = 0.0
    has_loud_fills: bool = True
    timing: float = 1.0
    aliases: tuple[str, ...] = field(default=())


STYLES: tuple[Style, ...] = (
    Style(
        name="pop",
        verse={KICK: "x.....x.x.......", SNARE: "....x.......x...", CLOSED_HAT: "x.o.x.o.x.o.x.o."},
        chorus={
            KICK: "X.....x.x.x.....",
            SNARE: "....X.......X...",
            CLOSED_HAT: "x.x.x.x.x.x.x...",
            OPEN_HAT: "..............x.",
            TAMBOURINE: "..o...o...o...o.",
        },
        bass=((0, 5, "1"), (6, 2, "1"), (8, 4, "1"), (14, 2, "5")),
        comp="x.......x.......",
        comp_chorus="x...x...x...x.x.",
        band=("piano", "acoustic guitar"),
        colour="strings",
        drum_gain_db=2.0,
        aliases=("indie", "k-pop", "j-pop", "c-pop", "mandopop", "schlager", "dance pop", "synth-pop"),
    ),
    Style(
        name="rock",
        verse={KICK: "X.....x.X.......", SNARE: "....X.......X...", CLOSED_HAT: "X.x.X.x.X.x.X.x."},
        chorus={
            KICK: "X..x..x.X.x..x..",
            SNARE: "....X.......X...",
            OPEN_HAT: "x...x...x...x...",
            CRASH: "x...............",
        },
        bass=(*((step, 1.8, "1") for step in range(0, 14, 2)), (14, 1.8, "5")),
        bass_program=34,
        comp="x.x.x.x.x.x.x.x.",
        comp_chorus="X.x.X.x.X.x.X.x.",
        comp_length=1.7,
        band=("overdriven guitar", "electric guitar"),
        voices={"electric guitar": "overdriven guitar"},
        colour="distorted guitar",
        kit=16,
        drum_gain_db=2.0,
        aliases=("metal", "punk", "alternative", "grunge", "hard rock", "indie rock"),
    ),
    Style(
        name="folk",
        verse={SHAKER: "x.o.x.o.x.o.x.o.", KICK: "x.......o......."},
        chorus={SHAKER: "x.x.x.x.x.x.x.x.", KICK: "x.......x.......", TAMBOURINE: "....x.......x..."},
        bass=((0, 7, "1"), (8, 7, "5")),
        bass_program=32,
        comp="x...x.x...x.x.x.",
        comp_chorus="X...x.x.X.x.x.x.",
        arp="x.x.x.x.x.x.x.x.",
        band=("acoustic guitar", "classical guitar"),
        colour="fiddle",
        kit=40,
        drum_gain_db=1.0,
        has_loud_fills=False,
        aliases=("acoustic", "singer-songwriter", "celtic", "chinese style", "chinese tradition", "world"),
    ),
    Style(
        name="jazz",
        verse={RIDE: "x...x.x.x...x.x.", PEDAL_HAT: "....x.......x...", KICK: "o.......o......."},
        chorus={
            RIDE: "x...X.x.x...X.x.",
            PEDAL_HAT: "....x.......x...",
            KICK: "o...o...o...o...",
            SNARE: "......o.......o.",
        },
        bass=((0, 3.8, "1"), (4, 3.8, "3"), (8, 3.8, "5"), (12, 3.8, "a")),
        bass_program=32,
        comp="......x.......x.",
        comp_chorus="x.....x.......x.",
        comp_length=3,
        arp="x...x.x.x...x.x.",
        band=("piano", "jazz guitar"),
        colour="saxophone",
        kit=32,
        swing=0.66,
        sevenths=True,
        drum_gain_db=4.0,
        has_loud_fills=False,
        aliases=("swing", "blues", "lounge"),
    ),
    Style(
        name="electronic",
        verse={KICK: "X...X...X...X...", CLOSED_HAT: "..x...x...x...x."},
        chorus={
            KICK: "X...X...X...X...",
            OPEN_HAT: "..X...X...X...X.",
            CLAP: "....X.......X...",
            CLOSED_HAT: "xoxoxoxoxoxoxoxo",
        },
        bass=tuple((step, 1.6, degree) for step, degree in zip(range(2, 16, 4), "1181", strict=True)),
        bass_program=38,
        comp="x..x..x.x..x..x.",
        comp_chorus="X..x..x.X..x..x.",
        comp_length=1.5,
        arp="xxxxxxxxxxxxxxxx",
        band=("synthesizer", "synth arpeggio"),
        colour="warm pad",
        kit=24,
        drum_gain_db=2.0,
        timing=0.0,
        aliases=("edm", "dance", "house", "techno", "trance", "disco", "synthwave"),
    ),
    Style(
        name="ballad",
        verse={RIM: "....o.......o...", KICK: "x.........o.....", CLOSED_HAT: "o...o...o...o..."},
        chorus={KICK: "x.....o.x.......", SNARE: "....x.......x...", RIDE: "x.o.x.o.x.o.x.o."},
        bass=((0, 12, "1"), (12, 4, "5")),
        comp="x...o...x...o...",
        comp_chorus="x...x...x...x...",
        arp="x.x.x.x.x.x.x.x.",
        band=("piano",),
        colour="strings",
        kit=40,
        drums_from_start=False,
        drum_gain_db=1.0,
        has_loud_fills=False,
        aliases=("slow", "chanson", "soft pop", "enka"),
    ),
    Style(
        name="r&b",
        verse={KICK: "X..x......x.....", RIM: "....X.......X...", CLOSED_HAT: "x.xox.x.x.xox.x."},
        chorus={
            KICK: "X..x......xx....",
            SNARE: "....X.......X...",
            CLOSED_HAT: "xoxoxoxoxoxoxoxo",
            CLAP: "....x.......x...",
        },
        bass=((0, 3, "1"), (3, 2, "1"), (7, 1, "5"), (10, 3, "8"), (14, 2, "5")),
        bass_program=39,
        comp="x.....x...x.....",
        comp_chorus="x..x..x...x..x..",
        comp_length=3,
        band=("electric piano",),
        colour="warm pad",
        kit=25,
        swing=0.57,
        swings_sixteenths=True,
        sevenths=True,
        drum_gain_db=2.0,
        aliases=("rnb", "r b", "soul", "neo soul", "gospel", "hip hop", "rap", "trap", "lo fi"),
    ),
    Style(
        name="country",
        verse={KICK: "x.......x.......", RIM: "....x.......x...", CLOSED_HAT: "xoxoxoxoxoxoxoxo"},
        chorus={KICK: "X.....x.X.......", SNARE: "....X..o....X..o", CLOSED_HAT: "x.x.x.x.x.x.x.x."},
        bass=((0, 6, "1"), (8, 6, "5")),
        bass_program=32,
        comp="....x.x.....x.x.",
        comp_chorus="....X.x...x.X.x.",
        comp_length=2,
        arp="x.xxx.xxx.xxx.xx",
        band=("acoustic guitar", "banjo"),
        colour="steel guitar",
        drum_gain_db=2.0,
        aliases=("bluegrass", "americana", "western"),
    ),
    Style(
        name="latin",
        # 2-3 son clave over two bars does not fit one; this is the 3 side's tresillo with the 2 side's answer.
        verse={
            CLAVES: "x..x..x...x.x...",
            MARACAS: "x.xox.xox.xox.xo",
            CONGA_MUTE: "x.o.X.o.x.o.X...",
            CONGA_LOW: "............o.xx",
        },
        chorus={
            CLAVES: "X..X..X...X.X...",
            MARACAS: "x.xox.xox.xox.xo",
            CONGA_MUTE: "x.o.X.o.x.o.X...",
            CONGA_LOW: "......xx......XX",
            KICK: "x.....x.x.....x.",
            COWBELL: "x...x...x...x...",
        },
        bass=((0, 5, "1"), (6, 5, "5"), (12, 4, "a")),
        bass_program=32,
        comp="x..x..x...x.x...",
        comp_chorus="x.xx.xx.x.xx.xx.",
        comp_length=1.6,
        arp="x..x..x...x.x...",
        band=("piano", "classical guitar"),
        colour="trumpet",
        drum_gain_db=1.5,
        aliases=(
            "salsa",
            "bossa nova",
            "samba",
            "reggaeton",
            "bachata",
            "tango",
            "cumbia",
            "flamenco",
            "mpb",
            "sertanejo",
        ),
    ),
    Style(
        name="funk",
        verse={KICK: "X.x....x..x.....", SNARE: "....X..o.o..X...", CLOSED_HAT: "xoxoxoxoxoxoxoxo"},
        chorus={
            KICK: "X.x...x...x..x..",
            SNARE: "....X..o.o..X..o",
            CLOSED_HAT: "xxxxxxxxxxxxxx..",
            OPEN_HAT: "..............X.",
        },
        bass=((0, 2, "1"), (3, 1, "8"), (6, 1, "1"), (7, 1, "5"), (10, 2, "1"), (13, 1, "8"), (15, 1, "a")),
        bass_program=36,
        comp="..x.x..x..x.x..x",
        comp_chorus="x.xox.xox.xxx.xo",
        comp_length=0.8,
        band=("muted guitar", "organ"),
        voices={"electric guitar": "muted guitar"},
        colour="brass",
        kit=8,
        drum_gain_db=1.0,
        aliases=("groove", "afrobeat", "reggae", "ska"),
    ),
    Style(
        name="ambient",
        verse={SHAKER: "o...o...o...o..."},
        chorus={SHAKER: "x.o.x.o.x.o.x.o.", KICK: "x.......o......."},
        bass=((0, 16, "1"),),
        bass_program=32,
        comp="x...............",
        comp_chorus="x.......x.......",
        band=("warm pad", "harp"),
        colour="strings",
        plays_drums=False,
        has_loud_fills=False,
        aliases=("classical", "lullaby", "new age", "meditation", "orchestral", "choral"),
    ),
)


def find(genre: str) -> Style:
    """The style of a genre tag, by the longest known name inside it; pop for unknown ones."""
    text = " ".join(genre.lower().replace("-", " ").split())
    best, length = STYLES[0], 0
    for style in STYLES:
        for name in (style.name, *style.aliases):
            spelling = name.replace("-", " ")
            if re.search(rf"\b{re.escape(spelling)}\b", text) and len(spelling) > length:
                best, length = style, len(spelling)
    return best
