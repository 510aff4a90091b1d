"""Properties of the arrangement: grid, chords, instruments, genres, moods, sections, seeds."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generation.band import instruments, moods, patterns, voicing
from generation.band.arrange import arrange, step_to_beat
from generation.band.player import Note, Part
from generation.singing.plan import Chord, SongPlan

MakePlan = Callable[..., SongPlan]
GENRES = ("pop", "rock", "folk", "jazz", "electronic", "ballad", "r&b", "country", "latin", "funk", "ambient")
GRID_S = 0.0085  # 8 ms of humanised timing
STRUM_S = 0.0152  # and the spread of a strum over four strings


def named(parts: tuple[Part, ...], name: str) -> Part:
    (part,) = [part for part in parts if part.name == name]
    return part


def bar_of(note: Note, plan: SongPlan) -> int:
    return int((note.start_s + 0.01) // plan.bar_s)


def in_section(part: Part, plan: SongPlan, label: str) -> list[Note]:
    return [
        note
        for note in part.notes
        if bar_of(note, plan) < len(plan.bars) and plan.bars[bar_of(note, plan)].label.startswith(label)
    ]


def steps_of(part: Part, plan: SongPlan, bar: int, key: int) -> list[int]:
    """Sixteenth steps, after swing is rounded away, at which a percussion key sounds in a bar."""
    return sorted(
        round((note.start_s - bar * plan.bar_s) / plan.bar_s * 16)
        for note in part.notes
        if bar_of(note, plan) == bar and note.key == key
    )


@settings(max_examples=25, deadline=None)
@given(
    genre=st.sampled_from(GENRES),
    emotion=st.sampled_from(("", *moods.MOODS)),
    asked=st.lists(st.sampled_from(sorted(instruments.TABLE)), max_size=4),
    bpm=st.floats(55, 190),
    key=st.integers(0, 11),
    mode=st.sampled_from(("major", "minor")),
    seed=st.integers(0, 2**63),
)
def test_every_onset_is_on_the_grid_and_every_chord_in_its_bar(
    make_plan: MakePlan, genre: str, emotion: str, asked: list[str], bpm: float, key: int, mode: str, seed: int
) -> None:
    plan = make_plan(genre, emotion, asked, bpm=bpm, key=key, mode=mode)
    style = patterns.find(genre)
    steps = np.array([step_to_beat(step, style) for step in range(17)]) * plan.beat_s
    chords = [set(voicing.chord_tones(bar.chord, key=plan.key, sevenths=style.sevenths)) for bar in plan.bars]
    scale = set(voicing.scale(plan.key, plan.mode))
    for part in arrange(plan, seed=seed):
        role = instruments.TABLE[part.name].role
        starts = np.array([note.start_s for note in part.notes])
        bars = np.minimum(((starts + 0.01) // plan.bar_s).astype(int), len(plan.bars) - 1)
        errors = (starts - bars * plan.bar_s)[:, None] - steps
        latest = GRID_S + (STRUM_S if role == "comp" else 0)
        assert np.all(np.any((errors >= -GRID_S) & (errors <= latest), axis=1))
        assert all(1 <= note.velocity <= 127 and 0 <= note.key <= 127 and note.duration_s > 0 for note in part.notes)
        for note, bar in zip(part.notes, bars, strict=True):
            if role in ("comp", "pad", "arp"):
                assert note.key % 12 in chords[bar]
            elif role == "melody" or (role == "bass" and bar < len(plan.bars) - 1):
                assert note.key % 12 in scale | chords[bar] | {(plan.bars[bar].chord.root + 7) % 12}


@pytest.mark.parametrize("name", sorted(instruments.TABLE))
@pytest.mark.parametrize("genre", ["pop", "jazz"])
def test_a_requested_instrument_plays_in_every_section(make_plan: MakePlan, name: str, genre: str) -> None:
    plan = make_plan(genre, instruments=[name])
    part = named(arrange(plan, seed=3), name)
    program = instruments.TABLE[name].program
    assert program in (-1, part.program)
    for label in ("intro", "verse", "chorus", "outro"):
        assert in_section(part, plan, label), label


@pytest.mark.parametrize(
    ("tags", "names"),
    [
        (["piano and drums"], ["piano", "drums"]),
        (["Electric Guitar", "synth"], ["electric guitar", "synthesizer"]),
        (["a soft grand piano", "strings"], ["piano", "strings"]),
        (["synth bass", "bass guitar"], ["synth bass", "bass"]),
        (["electric pianos", "piano"], ["electric piano", "piano"]),
        (["guitar, violin & cello"], ["acoustic guitar", "violin", "cello"]),
        (["erhu"], ["fiddle"]),
        (["vuvuzela"], []),
        (["drums", "percussion"], ["drums"]),
    ],
)
def test_instrument_tags(tags: list[str], names: list[str]) -> None:
    assert [instrument.name for instrument in instruments.find_all(tags)] == names


def test_every_alias_and_band_names_an_instrument() -> None:
    assert set(instruments.ALIASES.values()) <= set(instruments.TABLE)
    for style in patterns.STYLES:
        assert {*style.band, style.colour or "piano"} <= set(instruments.TABLE)
        for pattern in (*style.verse.values(), *style.chorus.values(), style.comp, style.comp_chorus, style.arp):
            assert len(pattern) == 16
            assert set(pattern) <= set("Xxo.")
        assert all(0 <= step < 16 and step + length <= 17 for step, length, _ in style.bass)


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("Pop", "pop"),
        ("indie rock", "rock"),
        ("R&B", "r&b"),
        ("soul", "r&b"),
        ("bossa-nova", "latin"),
        ("pop ballad", "ballad"),
        ("hip-hop", "r&b"),
        ("baroque", "pop"),
        ("polka", "pop"),
        ("", "pop"),
    ],
)
def test_genre_tags(tag: str, name: str) -> None:
    assert patterns.find(tag).name == name


def test_drums_unless_quiet(make_plan: MakePlan) -> None:
    for genre in GENRES:
        for emotion in ("", "calm"):
            names = [part.name for part in arrange(make_plan(genre, emotion), seed=1)]
            assert ("drums" in names) == (genre != "ambient" and emotion != "calm")
    assert "drums" in [part.name for part in arrange(make_plan("ambient", "calm", ["drums"]), seed=1)]
    ballad = make_plan("ballad")
    drums = named(arrange(ballad, seed=1), "drums")
    assert not in_section(drums, ballad, "verse")
    assert in_section(drums, ballad, "chorus")


def test_genres_have_their_beats(make_plan: MakePlan) -> None:
    chorus = 7  # second bar of the chorus: no crash, no fill

    def steps(genre: str, key: int) -> list[int]:
        plan = make_plan(genre)
        return steps_of(named(arrange(plan, seed=1), "drums"), plan, chorus, key)

    assert steps("electronic", patterns.KICK) == [0, 4, 8, 12]
    for genre in ("rock", "pop"):
        assert steps(genre, patterns.SNARE) == [4, 12]
    assert len(steps("funk", patterns.CLOSED_HAT)) == 14
    assert steps("latin", patterns.CLAVES) == [0, 3, 6, 10, 12]
    assert steps("jazz", patterns.RIDE)[0] == 0
    assert patterns.CLAVES not in {note.key for note in named(arrange(make_plan("rock"), seed=1), "drums").notes}


def test_jazz_swings_and_rock_does_not(make_plan: MakePlan) -> None:
    def offbeat(genre: str, key: int) -> float:
        plan = make_plan(genre, bpm=120.0)
        phases = [
            note.start_s / plan.beat_s % 1 for note in named(arrange(plan, seed=1), "drums").notes if note.key == key
        ]
        return float(np.median([phase for phase in phases if 0.2 < phase < 0.8]))

    assert offbeat("jazz", patterns.RIDE) == pytest.approx(0.66, abs=0.02)
    assert offbeat("rock", patterns.CLOSED_HAT) == pytest.approx(0.5, abs=0.02)


def test_styles_choose_different_programs(make_plan: MakePlan) -> None:
    casts = {
        genre: tuple((part.name, part.bank, part.program) for part in arrange(make_plan(genre), seed=1))
        for genre in GENRES
    }
    assert len(set(casts.values())) == len(GENRES)


def test_a_rock_guitar_is_overdriven(make_plan: MakePlan) -> None:
    programs = {
        g: named(arrange(make_plan(g, "", ["electric guitar"]), seed=1), "electric guitar").program for g in GENRES
    }
    assert programs["rock"] == 29
    assert programs["funk"] == 28
    assert programs["pop"] == 27


def test_moods_bend_touch_density_and_register(make_plan: MakePlan) -> None:
    def piano(emotion: str) -> Part:
        return named(arrange(make_plan("pop", emotion, ["piano"]), seed=1), "piano")

    touch = {
        mood: np.mean([note.velocity for note in piano(mood).notes]) for mood in ("energetic", "happy", "sad", "calm")
    }
    assert touch["energetic"] > touch["happy"] > touch["sad"] > touch["calm"]
    n_notes = {m: sum(len(p.notes) for p in arrange(make_plan("pop", m), seed=1)) for m in ("energetic", "sad", "calm")}
    assert n_notes["energetic"] > n_notes["sad"] > n_notes["calm"]
    assert np.mean([n.key for n in piano("happy").notes]) > np.mean([n.key for n in piano("sad").notes]) + 3
    assert moods.find("very joyful").touch == moods.MOODS["happy"].touch
    assert moods.find("blah") is moods.NEUTRAL


def test_even_a_sad_song_has_a_chorus(make_plan: MakePlan) -> None:
    for emotion in ("", "sad", "energetic"):
        plan = make_plan("ballad", emotion)
        parts = arrange(plan, seed=1)
        assert in_section(named(parts, "drums"), plan, "chorus")
        strings = named(parts, "strings")  # the colour nobody asked for
        assert in_section(strings, plan, "chorus")
        assert not in_section(strings, plan, "verse")


def test_sections_differ(make_plan: MakePlan) -> None:
    sections = (("intro-medium", 4), ("verse", 4), ("chorus", 4), ("bridge", 4), ("silence", 2), ("outro-short", 2))
    plan = make_plan("pop", sections=sections)
    parts = arrange(plan, seed=1)

    def force(label: str) -> float:
        return float(sum(n.velocity for part in parts for n in in_section(part, plan, label)))

    assert force("chorus") > 1.4 * force("verse")
    assert force("verse") > force("intro")
    assert force("bridge") < force("chorus")
    assert force("silence") == 0
    drums = named(parts, "drums")
    assert not [n for n in drums.notes if n.start_s < 2 * plan.bar_s - 0.02 and n.key == patterns.KICK]
    piano = named(parts, "piano")
    rhythm = {label: len(in_section(piano, plan, label)) for label in ("verse", "chorus", "bridge")}
    assert rhythm["chorus"] > rhythm["verse"]


def test_fills_close_sections(make_plan: MakePlan) -> None:
    plan = make_plan("rock")
    drums = named(arrange(plan, seed=1), "drums")
    toms = {patterns.FLOOR_TOM, patterns.LOW_TOM, patterns.HIGH_TOM}
    filled = {bar_of(note, plan) for note in drums.notes if note.key in toms}
    assert filled == {1, 5, 9}  # the last bar of the outro rings instead
    assert {bar_of(note, plan) for note in drums.notes if note.key == patterns.CRASH} >= {6}


@pytest.mark.parametrize("ends_on_tonic", [True, False])
@pytest.mark.parametrize("mode", ["major", "minor"])
def test_ends_on_a_ringing_tonic(make_plan: MakePlan, ends_on_tonic: bool, mode: str) -> None:
    plan = make_plan("pop", key=4, mode=mode, ends_on_tonic=ends_on_tonic)
    parts = arrange(plan, seed=1)
    assert plan.bars[-1].chord.root == 4 or not ends_on_tonic
    tonic = {(4 + interval) % 12 for interval in voicing.TRIADS[mode]}
    last = plan.duration_s - plan.bar_s if ends_on_tonic else plan.duration_s
    for part in parts:
        if part.bank == 0 and part.name != "strings":  # a colour may stay silent in the outro's last bar
            final = [note for note in part.notes if note.start_s > last - 0.02]
            assert final
            assert {note.key % 12 for note in final} <= tonic
            assert min(note.duration_s for note in final) >= 1.0


def test_melodies_leave_room_for_the_voice(make_plan: MakePlan) -> None:
    plan = make_plan("jazz", instruments=["saxophone"], sections=(("inst-short", 4), ("verse", 4), ("outro-short", 2)))
    saxophone = named(arrange(plan, seed=1), "saxophone")
    alone, beneath = in_section(saxophone, plan, "inst"), in_section(saxophone, plan, "verse")
    assert len(alone) >= 2 * len(beneath)
    assert np.mean([note.velocity for note in beneath]) < 0.8 * np.mean([note.velocity for note in alone])


@given(root=st.integers(0, 11), mode=st.sampled_from(("major", "minor")), centre=st.integers(45, 75))
def test_voicings_are_close_and_near(root: int, mode: str, centre: int) -> None:
    tones = voicing.chord_tones(Chord(root=root, mode=mode))
    keys = voicing.close_voicing(tones, centre, None)
    assert sorted(key % 12 for key in keys) == sorted(tones)
    assert max(keys) - min(keys) < 12
    assert abs(np.mean(keys) - centre) <= 3


def test_voice_leading_moves_little(make_plan: MakePlan) -> None:
    keys: tuple[int, ...] | None = None
    moves = []
    for bar in make_plan().bars:
        new = voicing.close_voicing(voicing.chord_tones(bar.chord), 62, keys)
        if keys is not None:
            moves.append(np.mean(np.abs(np.array(new) - np.array(keys))))
        keys = new
    assert max(moves) <= 3  # parallel root-position triads would move up to 7 semitones


def test_known_chords() -> None:
    assert voicing.chord_tones(Chord(root=9, mode="minor")) == (9, 0, 4)
    assert voicing.chord_tones(Chord(root=7, mode="major"), key=0, sevenths=True) == (7, 11, 2, 5)
    assert voicing.chord_tones(Chord(root=0, mode="major"), key=0, sevenths=True) == (0, 4, 7, 11)
    assert voicing.scale(9, "minor") == (9, 11, 0, 2, 4, 5, 7)
    assert voicing.nearest_key(0, 61) == 60
    assert voicing.nearest_key(0, 67) == 72


def test_seeds(make_plan: MakePlan) -> None:
    plan = make_plan("pop", instruments=["piano", "flute"])
    assert arrange(plan, seed=7) == arrange(plan, seed=7)
    assert arrange(plan, seed=7) != arrange(plan, seed=8)
    piano = named(arrange(plan, seed=7), "piano")
    with_drums = named(arrange(make_plan("pop", instruments=["piano", "drums"]), seed=7), "piano")
    assert piano == with_drums  # what one plays does not depend on who else plays
