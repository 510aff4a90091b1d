"""Digital silence of the length asked for: the floor of everything that listens."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np

from evalkit.types import Audio, Prompt
from generation.base import Calibration, Generated, ModelLocator, ProgressCallback

SAMPLE_RATE = 48_000
DURATION_S = 20.0
"""Where the prompt asks for none."""


class Silence(Calibration):
    """Stereo zeros; see `generation.base.System`."""

    title: ClassVar[str] = "Calibration: digital silence"
    notes: ClassVar[Mapping[str, str]] = {"*": "Silence: a metric that likes it does not measure songs."}
    role: ClassVar[Literal["ceiling", "floor"]] = "floor"

    @classmethod
    def required_models(cls, variant: str) -> Sequence[str]:
        """None."""
        return ()

    def __init__(self, variant: str, locate: ModelLocator) -> None:
        """Nothing to load."""

    def generate(self, prompt: Prompt, *, take: int, seed: int, progress: ProgressCallback | None = None) -> Generated:
        """Make nothing, for as long as was asked."""
        n_samples = round((prompt.duration_s or DURATION_S) * SAMPLE_RATE)
        samples = np.zeros((2, n_samples), dtype=np.float32)
        return Generated(mix=Audio(samples=samples, sample_rate=SAMPLE_RATE))

    def close(self) -> None:
        """Nothing to free."""


SYSTEM = Silence
