"""Notes in a pitch track: steady stretches, how well they are in tune, and their vibrato."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from evalkit.signal.frames import Array, runs

SMOOTH_S = 0.19
"""About one swing of a vibrato; what is left after averaging over it is the note."""
REACH = 0.8
"""Semitones from its median that still belong to a note."""
MAX_SLOPE = 5.0
"""Semitones per second; what moves faster is a glide."""
MIN_NOTE_S = 0.12
MIN_VIBRATO_NOTE_S = 0.4
VIBRATO_HZ = (3.5, 8.5)
MIN_EXTENT_CENTS = 10.0
MIN_FIT = 0.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Note:
    """A steady stretch.

    Attributes:
        start: First frame.
        semitones: Pitch in each frame, as sung [frames].
        centre: Pitch of the note, a fractional MIDI number.
    """

    start: int
    semitones: Array
    centre: float

    @property
    def n_frames(self) -> int:
        """Length."""
        return len(self.semitones)


def find_notes(semitones: Array, frame_s: float) -> list[Note]:
    """Steady stretches of a track.

    The track is averaged over `SMOOTH_S`, which takes the vibrato out. A note goes on as long as the average stays
    within `REACH` of its median so far; it counts if it lasts `MIN_NOTE_S` and drifts slower than `MAX_SLOPE`.

    Args:
        semitones: Fractional MIDI numbers, NaN where nothing is sung [frames].
        frame_s: Seconds between frames.
    """
    found: list[Note] = []
    width, least = max(1, round(SMOOTH_S / frame_s)), max(2, round(MIN_NOTE_S / frame_s))
    for start, end in zip(*runs(np.isfinite(semitones)), strict=True):
        # A jump between two frames is another note, not a glide.
        jumps = start + 1 + np.flatnonzero(np.abs(np.diff(semitones[start:end])) > REACH)
        for first, last in pairwise([start, *jumps.tolist(), end]):
            smooth = _averaged(semitones[first:last], width)
            for a, b in _steady(smooth):
                if b - a < least or abs(_slope(smooth[a:b])) > MAX_SLOPE * frame_s:
                    continue
                quarter = (b - a) // 4  # the ends belong to the glides around it
                centre = float(np.median(smooth[a + quarter : b - quarter]))
                found.append(Note(start=int(first + a), semitones=semitones[first + a : first + b], centre=centre))
    return found


def _steady(smooth: Array) -> list[tuple[int, int]]:
    """Stretches that stay near their own median, one after the other."""
    found, start = [], 0
    for index in range(1, len(smooth) + 1):
        if index == len(smooth) or abs(smooth[index] - np.median(smooth[start:index])) > REACH:
            found.append((start, index))
            start = index
    return found


def _slope(values: Array) -> float:
    """Of the straight line through the values, per frame."""
    time = np.arange(len(values)) - (len(values) - 1) / 2
    return float(time @ values / (time @ time))


def tuning_and_deviation(centres: Array, weights: Array) -> tuple[float, float]:
    """The tuning that suits the notes best, and how far they are from its semitones on average.

    Args:
        centres: Fractional MIDI numbers [notes].
        weights: Lengths [notes].

    Returns:
        Offset from A4 = 440 Hz in cents in (-50, 50], and the weighted mean absolute deviation from the nearest
        semitone in cents: 0 is exact; random pitches have 25 less what the free tuning gains.
    """
    offsets = np.arange(-49, 51) / 100.0
    distance = np.abs((centres[:, None] - offsets + 0.5) % 1.0 - 0.5)
    means = weights @ distance / weights.sum()
    # Of equally good tunings the one nearest to 440 Hz.
    best = int(np.lexsort((np.abs(offsets), np.round(means, 9)))[0])
    return 100.0 * float(offsets[best]), 100.0 * float(means[best])


@dataclass(frozen=True, slots=True, kw_only=True)
class Vibrato:
    """A regular swing of a note: its rate in Hz, and its extent to each side in cents."""

    rate_hz: float
    extent_cents: float


def find_vibrato(note: Note, frame_s: float) -> Vibrato | None:
    """The swing of one note; None if it has none.

    A sine on a straight line is fitted at every rate between 3.5 and 8.5 Hz. It is a vibrato if the best explains half
    of what is left beside the line, and swings by at least 10 cents.
    """
    time_s = np.arange(note.n_frames) * frame_s
    line = np.stack([np.ones_like(time_s), time_s], axis=1)
    cents = 100.0 * (note.semitones - note.centre)
    left = cents - line @ np.linalg.lstsq(line, cents, rcond=None)[0]
    energy = float(left @ left)
    if energy <= 0.0:
        return None
    best = (0.0, 0.0, 0.0)
    for rate_hz in np.arange(VIBRATO_HZ[0], VIBRATO_HZ[1] + 0.05, 0.1):
        angle = 2.0 * np.pi * rate_hz * time_s
        basis = np.concatenate([line, np.stack([np.sin(angle), np.cos(angle)], axis=1)], axis=1)
        weights = np.linalg.lstsq(basis, cents, rcond=None)[0]
        rest = cents - basis @ weights
        fit = 1.0 - float(rest @ rest) / energy
        if fit > best[0]:
            best = (fit, float(rate_hz), float(np.hypot(weights[2], weights[3])))
    fit, rate, extent = best
    if fit < MIN_FIT or extent < MIN_EXTENT_CENTS:
        return None
    return Vibrato(rate_hz=rate, extent_cents=extent)


def long_notes(notes: Sequence[Note], frame_s: float) -> list[Note]:
    """Notes long enough to tell a vibrato."""
    return [note for note in notes if note.n_frames * frame_s >= MIN_VIBRATO_NOTE_S]


def _averaged(values: Array, width: int) -> Array:
    """Running mean; at the ends over what there is of the window."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    index = np.arange(len(values))
    first, last = np.maximum(index - width // 2, 0), np.minimum(index + width // 2 + 1, len(values))
    return np.asarray((sums[last] - sums[first]) / (last - first))
