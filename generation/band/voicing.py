"""Which keys a chord is played on, so that hands move little from chord to chord."""

from itertools import pairwise

from generation.singing.plan import Chord, Mode

TRIADS: dict[Mode, tuple[int, int, int]] = {"major": (0, 4, 7), "minor": (0, 3, 7)}


def chord_tones(chord: Chord, *, key: int = 0, sevenths: bool = False) -> tuple[int, ...]:
    """Pitch classes of a chord, root first.

    Args:
        chord: The triad.
        key: Tonic of the song; the chord on its fifth degree takes a dominant seventh.
        sevenths: Add the seventh: minor on minor chords and on the dominant, major otherwise.
    """
    intervals: tuple[int, ...] = TRIADS[chord.mode]
    if sevenths:
        is_dominant = (chord.root - key) % 12 == 7
        intervals = (*intervals, 10 if chord.mode == "minor" or is_dominant else 11)
    return tuple((chord.root + interval) % 12 for interval in intervals)


def close_voicing(tones: tuple[int, ...], centre: int, previous: tuple[int, ...] | None) -> tuple[int, ...]:
    """The inversion nearest to the previous chord, or to ``centre`` if there is none.

    Args:
        tones: Pitch classes.
        centre: MIDI key around which the chord should lie.
        previous: Keys of the chord before.

    Returns:
        One key for each tone, ascending, within an octave.
    """
    ordered = sorted(tones)
    candidates: list[tuple[int, ...]] = []
    for turn in range(len(ordered)):
        shape = [*ordered[turn:], *(tone + 12 for tone in ordered[:turn])]
        candidates.extend(tuple(tone + 12 * octave for tone in shape) for octave in range(2, 9))

    def cost(keys: tuple[int, ...]) -> float:
        middle = sum(keys) / len(keys)
        drift = abs(middle - centre)
        if previous is None:
            return drift
        moved = sum(abs(a - b) for a, b in zip(keys, previous, strict=False))
        return moved + 0.4 * drift + 3 * max(drift - 6, 0)

    return min(candidates, key=cost)


def nearest_key(pitch_class: int, centre: float) -> int:
    """The MIDI key of a pitch class nearest to ``centre``, the lower one of two."""
    below = int(centre) - (int(centre) - pitch_class) % 12
    return below if centre - below <= below + 12 - centre else below + 12


def scale(key: int, mode: Mode) -> tuple[int, ...]:
    """Pitch classes of the major or natural minor scale."""
    steps = (2, 2, 1, 2, 2, 2) if mode == "major" else (2, 1, 2, 2, 1, 2)
    tones = [key % 12]
    for step in steps:
        tones.append((tones[-1] + step) % 12)
    assert all(a != b for a, b in pairwise(tones))
    return tuple(tones)
