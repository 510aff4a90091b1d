import numpy as np
import pytest

from generation.singing.melody import FEMALE, MALE, chord_tones, make_melody, scale_tones
from generation.singing.plan import Chord


def test_triads_and_scales():
    assert chord_tones(Chord(root=0, mode="major")) == {0, 4, 7}
    assert chord_tones(Chord(root=9, mode="minor")) == {9, 0, 4}
    assert scale_tones(0, "major") == scale_tones(9, "minor") == {0, 2, 4, 5, 7, 9, 11}


@pytest.mark.parametrize("register", [FEMALE, MALE])
@pytest.mark.parametrize("seed", range(5))
def test_strong_notes_are_chord_tones_and_the_line_stays_in_its_register(register, seed):
    chords = [Chord(root=2, mode="minor")] * 8 + [Chord(root=7, mode="major")] * 8 + [Chord(root=0, mode="major")] * 4
    strong = [index % 4 == 0 for index in range(20)]
    pitches = make_melody(
        chords,
        strong,
        key=0,
        mode="major",
        register=register,
        ends_on_tonic=True,
        rng=np.random.default_rng(seed),
    )
    assert len(pitches) == 20
    assert all(abs(pitch - register.centre) <= register.reach for pitch in pitches)
    for pitch, chord, is_strong in zip(pitches, chords, strong, strict=True):
        assert pitch % 12 in (chord_tones(chord) if is_strong else scale_tones(0, "major"))
    assert pitches[-1] % 12 == 0
    # Mostly steps: a melody that leaps is not understood.
    assert np.median(np.abs(np.diff(pitches))) <= 3


def test_seed_decides():
    chords, strong = [Chord(root=0, mode="major")] * 12, [False] * 12

    def sing(seed):
        options = {"key": 0, "mode": "major", "register": FEMALE, "ends_on_tonic": False}
        return make_melody(chords, strong, rng=np.random.default_rng(seed), **options)

    assert sing(1) == sing(1)
    assert sing(1) != sing(2)
