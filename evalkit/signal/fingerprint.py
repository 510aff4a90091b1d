"""Fingerprints: whether two recordings share a stretch of the very same audio, whatever its gain, format or place.

Peaks of the spectrogram are joined in pairs; a pair (two frequencies and the time between them) rarely recurs by
chance, and pairs from a copied stretch all agree on one shift in time. Other arrangements of the tune do not match.

Source: Wang, "An industrial-strength audio search algorithm", ISMIR 2003; the numbers are our own.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evalkit.signal.spectra import power_spectra
from evalkit.types import FloatArray

NAME = "peaks1"
"""Of the method with its numbers, for signatures."""

SAMPLE_RATE = 16_000
N_FFT = 1024
HOP_LENGTH = 256
LOWEST_BIN, HIGHEST_BIN = 10, 352
"""156 to 5500 Hz: what a telephone or a poor codec leaves."""

NEIGHBOURS = (31, 21)
"""A peak is the largest value among so many frames (0.5 s) and bins (330 Hz) around it."""

FLOOR_DB = 60.0
FAN_OUT = 6
LEAST_FRAMES, MOST_FRAMES = 4, 127
MOST_BINS = 127
WINDOW_S = 10.0
FRAME_S = HOP_LENGTH / SAMPLE_RATE

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The best agreement of two recordings.

    Attributes:
        hits: Pairs that agree on one shift, inside the 10 s where there are most of them.
        share: Those over all pairs of the first recording inside these seconds, 0 to 1.
        start_s: Where these seconds begin in the first recording.
        other_start_s: Where they begin in the other.
    """

    hits: int
    share: float
    start_s: float
    other_start_s: float


def pairs_of_peaks(samples: FloatArray) -> IntArray:
    """The fingerprint of a recording.

    Args:
        samples: One channel at 16 kHz [time]; any gain.

    Returns:
        Hash and frame of each pair, in order of time [pairs, 2]; none for silence.
    """
    from scipy.ndimage import maximum_filter

    spectra = power_spectra(samples, N_FFT, HOP_LENGTH)[:, LOWEST_BIN:HIGHEST_BIN]
    # Above the noise of a codec or of 16-bit rounding, in relation to the song.
    floor = max(float(spectra.max(initial=0.0)) * 10.0 ** (-FLOOR_DB / 10.0), 1e-12)
    is_peak = (spectra == maximum_filter(spectra, size=NEIGHBOURS, mode="nearest")) & (spectra > floor)
    frames, bins = (part.astype(np.int64) for part in np.nonzero(is_peak))
    found = []
    for step in range(1, 4 * FAN_OUT):
        first, second = slice(0, -step), slice(step, None)
        apart, up = frames[second] - frames[first], bins[second] - bins[first]
        near = (apart >= LEAST_FRAMES) & (apart <= MOST_FRAMES) & (np.abs(up) <= MOST_BINS)
        hashes = (bins[first] * 256 + up + 128) * 128 + apart
        found.append(np.stack([hashes[near], frames[first][near], np.full(int(near.sum()), step)], axis=1))
    if not found or not len(frames):
        return np.empty((0, 2), dtype=np.int64)
    every = np.concatenate(found)
    every = every[np.lexsort((every[:, 2], every[:, 1]))]
    return _first_of_each(every)[:, :2]


def match(one: IntArray, other: IntArray) -> Match:
    """Find the shift on which most pairs agree.

    Args:
        one: Fingerprint from `pairs_of_peaks`.
        other: Another.
    """
    nothing = Match(hits=0, share=0.0, start_s=0.0, other_start_s=0.0)
    if not len(one) or not len(other):
        return nothing
    rows, others = _equal_pairs(one[:, 0], other[:, 0])
    if not len(rows):
        return nothing
    shifts = other[others, 1] - one[rows, 1]
    low = int(shifts.min())
    votes = np.bincount(shifts - low)
    votes = np.convolve(votes, np.array([1, 2, 1]), mode="same")  # peaks move by a frame
    size = round(WINDOW_S / FRAME_S)
    best = nothing
    for place in np.argsort(-votes, kind="stable")[:3]:
        agreeing = np.abs(shifts - low - int(place)) <= 1
        times = np.unique(np.stack([one[rows[agreeing], 1], one[rows[agreeing], 0]], axis=1), axis=0)[:, 0]
        ends = np.searchsorted(times, times + size)
        counts = ends - np.arange(len(times))
        densest = int(np.argmax(counts))
        start = int(times[densest])
        total = int(np.searchsorted(one[:, 1], start + size) - np.searchsorted(one[:, 1], start))
        if counts[densest] > best.hits:
            best = Match(
                hits=int(counts[densest]),
                share=float(counts[densest]) / total,
                start_s=start * FRAME_S,
                other_start_s=max(0.0, (start + int(place) + low) * FRAME_S),
            )
    return best


def _first_of_each(pairs: IntArray) -> IntArray:
    """At most `FAN_OUT` pairs for each frame in which a peak stands."""
    _, starts = np.unique(pairs[:, 1], return_index=True)
    rank = np.arange(len(pairs)) - np.repeat(starts, np.diff(starts, append=len(pairs)))
    return pairs[rank < FAN_OUT]


def _equal_pairs(one: IntArray, other: IntArray) -> tuple[IntArray, IntArray]:
    """Indices of all equal entries."""
    order = np.argsort(other, kind="stable")
    sorted_other = other[order]
    left, right = np.searchsorted(sorted_other, one, "left"), np.searchsorted(sorted_other, one, "right")
    counts = right - left
    rows = np.repeat(np.arange(len(one)), counts)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    return rows, order[np.repeat(left, counts) + within]
