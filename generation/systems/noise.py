"""Seeded pink noise of the length asked for: sound without music or words."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
import scipy.fft

from evalkit.types import Audio, Prompt
from generation.base import Calibration, Generated, ModelLocator, ProgressCallback

SAMPLE_RATE = 48_000
DURATION_S = 20.0
"""Where the prompt asks for none."""
LEVEL = 0.1
"""RMS, -20 dBFS."""
LOWEST_HZ = 20.0


class Noise(Calibration):
    """Pink noise, independent in both channels; see `generation.base.System`."""

    title: ClassVar[str] = "Calibration: pink noise"
    notes: ClassVar[Mapping[str, str]] = {"*": "Noise: a metric that likes it does not measure songs."}
    role: ClassVar[Literal["ceiling", "floor"]] = "floor"

    @classmethod
    def required_models(cls, variant: str) -> Sequence[str]:
        """None."""
        return ()

    def __init__(self, variant: str, locate: ModelLocator) -> None:
        """Nothing to load."""

    def generate(self, prompt: Prompt, *, take: int, seed: int, progress: ProgressCallback | None = None) -> Generated:
        """Make noise whose power falls by 3 dB an octave from 20 Hz on."""
        n_samples = round((prompt.duration_s or DURATION_S) * SAMPLE_RATE)
        white = np.random.default_rng(seed).standard_normal((2, n_samples))
        spectrum = scipy.fft.rfft(white, axis=1)
        hertz = scipy.fft.rfftfreq(n_samples, 1 / SAMPLE_RATE)
        shape = np.where(hertz < LOWEST_HZ, 0.0, 1 / np.sqrt(np.maximum(hertz, LOWEST_HZ)))
        pink = scipy.fft.irfft(spectrum * shape, n_samples, axis=1)
        samples = np.clip(LEVEL * pink / np.sqrt(np.mean(pink**2)), -1.0, 1.0).astype(np.float32)
        return Generated(mix=Audio(samples=samples, sample_rate=SAMPLE_RATE), params={"level_dbfs": -20.0})

    def close(self) -> None:
        """Nothing to free."""


SYSTEM = Noise
