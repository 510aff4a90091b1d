"""Keys: cadences in all 24 keys, written keys, and MIREX's weighting against mir_eval."""

import itertools

import numpy as np
import pytest

from evalkit.signal.frames import NotMeasurable
from evalkit.signal.key import MODES, NAMES, SAMPLE_RATE, Key, Mode, closeness, find_key, written
from evalkit.types import FloatArray

_CHORDS: dict[Mode, tuple[tuple[int, ...], ...]] = {
    "major": ((0, 4, 7), (5, 9, 12), (7, 11, 14), (0, 4, 7)),
    "minor": ((0, 3, 7), (5, 8, 12), (7, 11, 14), (0, 3, 7)),
}


def cadence(tonic: int, mode: Mode) -> FloatArray:
    """Tonic, subdominant, dominant, tonic, each a second, with five harmonics a note."""
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    bars = []
    for chord in _CHORDS[mode]:
        bar = np.zeros_like(time)
        for note, harmonic in itertools.product(chord, range(1, 6)):
            hz = 440.0 * 2 ** ((60 + tonic + note - 69) / 12)
            bar += np.sin(2 * np.pi * harmonic * hz * time) / harmonic**2
        bars.append(bar)
    return (0.05 * np.concatenate(bars * 2)).astype(np.float32)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("tonic", range(12))
def test_a_cadence_has_its_key(tonic: int, mode: Mode) -> None:
    found, margin = find_key(cadence(tonic, mode))
    assert found == Key(tonic=tonic, mode=mode)
    assert margin > 0.0


def test_closeness_is_mirexs() -> None:
    mir_eval = pytest.importorskip("mir_eval")
    every = [Key(tonic=tonic, mode=mode) for tonic in range(12) for mode in MODES]
    for estimate, reference in itertools.product(every, every):
        wanted = mir_eval.key.weighted_score(
            f"{NAMES[reference.tonic]} {reference.mode}", f"{NAMES[estimate.tonic]} {estimate.mode}"
        )
        assert closeness(estimate, reference) == pytest.approx(wanted), (estimate, reference)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("C major", "C major"),
        ("in A minor", "A minor"),
        ("Bb major", "A# major"),
        ("F# min", "F# minor"),
        ("E♭ maj", "D# major"),
        ("key of g minor", "G minor"),
        ("c-sharp minor", "C# minor"),
        ("D flat major", "C# major"),
        ("the bpm is 90", None),
        ("a minor detail", None),
        ("a minor", "A minor"),
        ("in a minor way", None),
        ("major label", None),
        ("Beautiful major", None),
    ],
)
def test_written_keys(text: str, key: str | None) -> None:
    found = written(text)
    assert (str(found) if found else None) == key


def test_silence_has_no_key() -> None:
    with pytest.raises(NotMeasurable, match="no key"):
        find_key(np.zeros(80_000, np.float32))
