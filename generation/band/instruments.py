"""Which General MIDI program a requested instrument is, and what it does in a band."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Role = Literal["comp", "pad", "arp", "melody", "bass", "drums"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One instrument of the band.

    Attributes:
        name: For people and tests.
        program: General MIDI program from 0; of a kit for drums, -1 to let the genre choose.
        role: comp = rhythmic chords, pad = sustained chords, arp = broken chords, melody = counter-lines.
        centre: Key around which it plays.
        gain_db: Balances the programs of the default soundfont against each other.
        pan: -1 left to 1 right.
    """

    name: str
    program: int
    role: Role
    centre: int = 60
    gain_db: float = 0.0
    pan: float = 0.0


def _make(name: str, program: int, role: Role, centre: int = 60, gain_db: float = 0.0, pan: float = 0.0) -> Instrument:
    return Instrument(name=name, program=program, role=role, centre=centre, gain_db=gain_db, pan=pan)


TABLE: dict[str, Instrument] = {
    instrument.name: instrument
    for instrument in (
        _make("piano", 0, "comp", 62, 2.0, -0.15),
        _make("electric piano", 4, "comp", 60, -3.5, -0.2),
        _make("harpsichord", 6, "arp", 64, 3.0, -0.2),
        _make("celesta", 8, "arp", 76, 1.0, 0.3),
        _make("music box", 10, "arp", 76, -2.0, 0.3),
        _make("vibraphone", 11, "comp", 66, -6.0, 0.25),
        _make("marimba", 12, "arp", 64, 3.5, 0.25),
        _make("bells", 14, "arp", 72, -2.0, 0.3),
        _make("organ", 16, "pad", 60, -5.5, -0.3),
        _make("church organ", 19, "pad", 60, -4.0, 0.0),
        _make("accordion", 21, "comp", 64, -4.5, 0.3),
        _make("harmonica", 22, "melody", 72, -2.0, 0.25),
        _make("ukulele", 24, "comp", 67, -2.5, 0.3),
        _make("acoustic guitar", 25, "comp", 57, -0.5, 0.3),
        _make("classical guitar", 24, "arp", 57, -3.0, 0.3),
        _make("jazz guitar", 26, "comp", 57, -4.5, 0.3),
        _make("electric guitar", 27, "comp", 57, 3.0, 0.35),
        _make("muted guitar", 28, "comp", 57, -1.0, 0.35),
        _make("overdriven guitar", 29, "comp", 52, -1.5, 0.35),
        _make("distorted guitar", 30, "comp", 50, -4.0, -0.35),
        _make("bass", -1, "bass", 36, 0.0),
        _make("acoustic bass", 32, "bass", 36, 0.5),
        _make("synth bass", 38, "bass", 36, -1.0),
        _make("violin", 40, "melody", 76, -1.5, -0.25),
        _make("cello", 42, "melody", 50, -1.0, 0.25),
        _make("strings", 48, "pad", 64, -5.0, 0.0),
        _make("harp", 46, "arp", 67, -6.0, -0.3),
        _make("choir", 52, "pad", 62, -6.5, 0.0),
        _make("trumpet", 56, "melody", 70, 3.0, 0.25),
        _make("trombone", 57, "melody", 54, 3.0, -0.2),
        _make("horn", 60, "pad", 57, -11.5, -0.2),
        _make("brass", 61, "comp", 60, 2.5, 0.2),
        _make("saxophone", 65, "melody", 65, 4.0, 0.25),
        _make("oboe", 68, "melody", 72, 0.0, 0.2),
        _make("clarinet", 71, "melody", 67, 1.5, 0.2),
        _make("flute", 73, "melody", 79, -2.0, -0.25),
        _make("pan flute", 75, "melody", 76, 0.0, -0.25),
        _make("shakuhachi", 77, "melody", 72, 2.0, -0.25),
        _make("synthesizer", 90, "pad", 62, -3.0, 0.0),
        _make("synth lead", 81, "melody", 74, 0.0, 0.2),
        _make("synth arpeggio", 81, "arp", 69, -3.5, 0.25),
        _make("warm pad", 89, "pad", 60, -4.0, 0.0),
        _make("sitar", 104, "arp", 60, 1.5, 0.3),
        _make("banjo", 105, "arp", 64, -1.0, 0.35),
        _make("shamisen", 106, "arp", 62, 4.0, 0.3),
        _make("koto", 107, "arp", 64, 0.0, 0.3),
        _make("kalimba", 108, "arp", 69, -1.0, 0.3),
        _make("fiddle", 110, "melody", 74, 0.0, -0.25),
        _make("steel guitar", 26, "melody", 67, 5.5, 0.3),
        _make("drums", -1, "drums"),
    )
}

ALIASES = {
    "keys": "piano",
    "keyboard": "piano",
    "grand piano": "piano",
    "rhodes": "electric piano",
    "guitar": "acoustic guitar",
    "nylon guitar": "classical guitar",
    "spanish guitar": "classical guitar",
    "mandolin": "ukulele",
    "distorted electric guitar": "distorted guitar",
    "pedal steel": "steel guitar",
    "double bass": "acoustic bass",
    "upright bass": "acoustic bass",
    "contrabass": "acoustic bass",
    "bass guitar": "bass",
    "electric bass": "bass",
    "string": "strings",
    "string section": "strings",
    "orchestra": "strings",
    "viola": "violin",
    "erhu": "fiddle",
    "dizi": "flute",
    "bamboo flute": "flute",
    "recorder": "flute",
    "guzheng": "koto",
    "pipa": "shamisen",
    "sax": "saxophone",
    "brass section": "brass",
    "horns": "brass",
    "french horn": "horn",
    "vocals": "choir",
    "synth": "synthesizer",
    "synthesiser": "synthesizer",
    "synth pad": "warm pad",
    "bandoneon": "accordion",
    "xylophone": "marimba",
    "glockenspiel": "celesta",
    "drum": "drums",
    "drum machine": "drums",
    "percussion": "drums",
    "drum kit": "drums",
    "beats": "drums",
}

_WORDS = re.compile(r"[^a-z ]+")


def find(tag: str) -> Instrument | None:
    """The instrument a tag names, by the longest known name inside it; None if it names none."""
    text = " ".join(_WORDS.sub(" ", tag.lower()).split())
    names = [*TABLE, *ALIASES]
    inside = [name for name in names if re.search(rf"\b{re.escape(name)}s?\b", text)]
    if not inside:
        return None
    best = max(inside, key=lambda name: (len(name), name))
    return TABLE[ALIASES.get(best, best)]


def find_all(tags: Iterable[str]) -> tuple[Instrument, ...]:
    """Instruments of several tags, each once, in order; ``"piano and drums"`` counts as two tags."""
    found: dict[str, Instrument] = {}
    for tag in tags:
        for word in re.split(r",|&|\+|/|\band\b|\bwith\b", tag.lower()):
            instrument = find(word)
            if instrument is not None:
                found.setdefault(instrument.name, instrument)
    return tuple(found.values())
