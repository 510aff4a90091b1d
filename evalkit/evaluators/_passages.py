"""What passages of a song sound like, and how alike two of them are: harmony and timbre, twice a second."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evalkit.audio import RESAMPLER
from evalkit.evaluators.base import make_signature
from evalkit.signal.harmony import cens, chroma, unit_rows
from evalkit.signal.heard import heard
from evalkit.signal.spectra import Array, power_spectra
from evalkit.signal.timbre import mel_weights, mfcc
from evalkit.types import Clip, SetSong

NAME = "cens2-mfcc12"
"""Of the features with their numbers, for signatures."""

SAMPLE_RATE = 16_000
N_FFT = 8192
HOP_S = 0.1
FRAME_S = 0.5
SMOOTH_FRAMES = 21
N_MELS = 40
N_COEFFICIENTS = 13
STEPS = 16
"""A passage is compared at so many moments, evenly spread over its length."""

_STEP = round(FRAME_S / HOP_S)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Track:
    """Harmony and timbre of a song, one row each half second.

    Attributes:
        harmony: CENS less the song's mean, at length 1 [frames, 12].
        timbre: MFCC 1 to 12, standardised over the song, at length 1 [frames, 12].
    """

    harmony: Array
    timbre: Array

    @property
    def similarity(self) -> Array:
        """The self-similarity matrix: mean cosine of harmony and timbre, -1 to 1 [frames, frames]."""
        return np.asarray(0.5 * (self.harmony @ self.harmony.T + self.timbre @ self.timbre.T))

    def frames(self, start_s: float, end_s: float) -> slice:
        """Rows whose moments lie in a stretch, at least one."""
        first = min(int(np.ceil(start_s / FRAME_S)), len(self.harmony) - 1)
        return slice(first, max(first + 1, min(int(end_s / FRAME_S) + 1, len(self.harmony))))

    def passage(self, start_s: float, end_s: float) -> Array:
        """One vector of length 1 for a stretch: its harmony and its timbre in order of time, weighted equally."""
        moments = np.linspace(start_s, end_s, STEPS) / FRAME_S
        parts = [_at(rows, moments).ravel() for rows in (self.harmony, self.timbre)]
        return np.asarray(np.concatenate([unit_rows(part) for part in parts]) / np.sqrt(2.0))


def track(song: Clip | SetSong) -> Track:
    """The features of a song, from the cache if anything computed them before."""

    def standardised() -> Track:
        record = features(song)
        harmony = np.asarray(record["cens"], dtype=np.float64)
        timbre = np.asarray(record["mfcc"], dtype=np.float64)[:, 1:]
        spread = timbre.std(axis=0)
        return Track(
            harmony=unit_rows(harmony - harmony.mean(axis=0)),
            timbre=unit_rows((timbre - timbre.mean(axis=0)) / np.where(spread > 1e-9, spread, 1.0)),
        )

    return song.derived.once(("passages", NAME), standardised)


def features(song: Clip | SetSong) -> Mapping[str, Any]:
    """``cens`` [frames, 12] and ``mfcc`` [frames, 13] of the mix; an unopened song is opened if they are not stored."""

    def make() -> Mapping[str, Any]:
        clip = song if isinstance(song, Clip) else song.open()
        samples = heard(clip, "mix", SAMPLE_RATE, levelled=False).samples[0]
        spectra = power_spectra(samples, N_FFT, round(HOP_S * SAMPLE_RATE))
        weights = mel_weights(N_MELS, N_FFT, SAMPLE_RATE, 60.0, 7600.0)
        coefficients = mfcc(spectra, weights, N_COEFFICIENTS)
        starts = np.arange(0, len(coefficients), _STEP)
        counts = np.diff(starts, append=len(coefficients))[:, None]
        return {
            "cens": cens(chroma(spectra, N_FFT, SAMPLE_RATE), SMOOTH_FRAMES, _STEP).astype(np.float32),
            "mfcc": (np.add.reduceat(coefficients, starts, axis=0) / counts).astype(np.float32),
        }

    parts: dict[str, str | int | float] = {"resample": RESAMPLER}
    return song.derived.stored("mix", make_signature(NAME, "1", parts), make)


def mean_similarity(matrix: Array, pairs: Sequence[tuple[int, int]]) -> float | None:
    """Mean of some entries; None if there are none."""
    return float(np.mean([matrix[i, j] for i, j in pairs])) if pairs else None


def _at(rows: Array, moments: Array) -> Array:
    """Rows at fractional positions [moments, dim]."""
    places = np.arange(len(rows))
    return np.stack([np.interp(moments, places, column) for column in rows.T], axis=1)
