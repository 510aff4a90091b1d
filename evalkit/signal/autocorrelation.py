"""Fundamental frequency from the autocorrelation, with the cheapest path through its candidates.

Boersma's method: in every frame each peak of the autocorrelation (divided by the window's) is a candidate, and so is
"unvoiced"; the path through all frames that costs least in weak peaks, jumps and changes of voicing wins. Of what
was tried on the singer's stems with their reverb it comes nearest to Harvest, at a fortieth of its cost; DIO with
StoneMask, which WORLD offers for speed, strays twice as far.

Source: Boersma, "Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise ratio of a
sampled sound", IFA Proceedings 17, 1993; costs and thresholds as published.
"""

import numpy as np
import numpy.typing as npt
from scipy import fft

Array = npt.NDArray[np.float64]

NAME = "autocorrelation1"
"""Of the method with its numbers, for signatures."""

PERIODS = 3
"""Of the lowest frequency in a window."""
VOICING_THRESHOLD = 0.45
SILENCE_THRESHOLD = 0.03
OCTAVE_COST = 0.01
JUMP_COST = 0.35
VOICING_COST = 0.14
N_CANDIDATES = 6
_FINER = 2
_BATCH = 512
_LEAST_PEAK = 0.5 * VOICING_THRESHOLD


def pitch_path(samples: Array, sample_rate: int, floor_hz: float, ceiling_hz: float, frame_s: float) -> Array:
    """The pitch of one voice.

    Args:
        samples: One channel [time].
        sample_rate: In Hz.
        floor_hz: Lowest pitch; also decides the window.
        ceiling_hz: Highest pitch.
        frame_s: Seconds between two values; the first is at time 0.

    Returns:
        In Hz, 0 where there is none; silence has none [frames].
    """
    if len(samples) == 0:
        return np.zeros(1)
    hz, strength = _candidates(samples, sample_rate, floor_hz, ceiling_hz, frame_s)
    chosen = _cheapest_path(np.log2(hz), strength, 0.01 / frame_s)
    return np.asarray(np.where(chosen > 0, hz[np.arange(len(hz)), chosen], 0.0))


def _candidates(
    samples: Array, sample_rate: int, floor_hz: float, ceiling_hz: float, frame_s: float
) -> tuple[Array, Array]:
    """Frequencies and strengths of the candidates; the first is "unvoiced" [frames, candidates + 1], twice."""
    size = 2 * round(PERIODS * sample_rate / floor_hz / 2)
    n_frames = int(len(samples) / sample_rate / frame_s) + 1
    starts = np.rint(np.arange(n_frames) * frame_s * sample_rate).astype(np.int64)
    padded = np.pad(samples, (size // 2, size // 2 + round(frame_s * sample_rate)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)
    window = np.hanning(size + 1)[:-1]
    n_fft = 2 * fft.next_fast_len(round(0.75 * size) + 1, real=True)
    own = _autocorrelation(window, n_fft)
    rate = _FINER * sample_rate
    lags = np.arange(int(np.ceil(rate / ceiling_hz)), int(rate / floor_hz) + 1)
    loudest = float(np.max(np.abs(samples - samples.mean())))
    hz = np.full((n_frames, N_CANDIDATES + 1), floor_hz)
    strength = np.full((n_frames, N_CANDIDATES + 1), -np.inf)
    for first in range(0, n_frames, _BATCH):
        rows = slice(first, min(first + _BATCH, n_frames))
        part = frames[starts[rows]]
        part = part - part.mean(axis=1, keepdims=True)
        level = np.max(np.abs(part), axis=1) / max(loudest, 1e-12)
        strength[rows, 0] = VOICING_THRESHOLD + np.maximum(
            0.0, 2.0 - level * (1.0 + VOICING_THRESHOLD) / SILENCE_THRESHOLD
        )
        found = _autocorrelation(part * window, n_fft) / own
        hz[rows, 1:], strength[rows, 1:] = _peaks(found[:, lags[0] - 1 : lags[-1] + 2], lags, rate, floor_hz)
    return hz, strength


def _autocorrelation(frames: Array, n_fft: int) -> Array:
    """Autocorrelation at finer lags, 1 at lag 0 (0 throughout for silence) [..., lags]."""
    power = np.abs(fft.rfft(frames, n_fft, axis=-1)) ** 2
    found = fft.irfft(power, _FINER * n_fft, axis=-1)[..., : _FINER * n_fft // 2]
    return np.asarray(found / np.maximum(found[..., :1], 1e-20))


def _peaks(values: Array, lags: npt.NDArray[np.int64], rate: int, floor_hz: float) -> tuple[Array, Array]:
    """The strongest peaks of each frame, by a parabola through three points [frames, candidates], twice.

    Args:
        values: Autocorrelation at ``lags`` and one lag more on both sides [frames, lags + 2].
        lags: In samples of ``rate``.
        rate: In Hz.
        floor_hz: Lowest pitch.
    """
    middle = values[:, 1:-1]
    is_peak = (middle > values[:, :-2]) & (middle >= values[:, 2:]) & (middle > _LEAST_PEAK)
    rank = np.where(is_peak, middle + OCTAVE_COST * np.log2(rate / (floor_hz * lags)), -np.inf)
    best = np.argpartition(-rank, N_CANDIDATES - 1, axis=1)[:, :N_CANDIDATES]
    is_found = np.isfinite(np.take_along_axis(rank, best, axis=1))
    before, top, after = (np.take_along_axis(values, best + shift, axis=1) for shift in range(3))
    bend = np.where(is_found, before - 2.0 * top + after, -1.0)
    shift = np.where(is_found, 0.5 * (before - after) / np.minimum(bend, -1e-12), 0.0)
    hz = np.where(is_found, rate / (lags[best] + shift), floor_hz)
    height = np.where(is_found, top - 0.25 * (before - after) * shift, 1.0)
    height = np.where(height > 1.0, 1.0 / height, height)
    return hz, np.where(is_found, height + OCTAVE_COST * np.log2(hz / floor_hz), -np.inf)


def _cheapest_path(octaves: Array, strength: Array, per_frame: float) -> npt.NDArray[np.int64]:
    """Index of the chosen candidate of each frame [frames]."""
    n_frames, n = strength.shape
    back = np.zeros((n_frames, n), dtype=np.int64)
    total = strength[0].copy()
    cost = np.zeros((n, n))
    cost[0, 1:] = cost[1:, 0] = VOICING_COST * per_frame
    columns = np.arange(n)
    for index in range(1, n_frames):
        cost[1:, 1:] = JUMP_COST * per_frame * np.abs(octaves[index - 1, 1:, None] - octaves[index, None, 1:])
        ways = total[:, None] - cost
        back[index] = ways.argmax(axis=0)
        total = ways[back[index], columns] + strength[index]
    chosen = np.zeros(n_frames, dtype=np.int64)
    chosen[-1] = total.argmax()
    for index in range(n_frames - 1, 0, -1):
        chosen[index - 1] = back[index, chosen[index]]
    return chosen
