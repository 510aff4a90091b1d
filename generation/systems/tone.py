"""Seeded tones: a system without any model, for trying out the machinery in seconds."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from evalkit.types import Audio, Prompt
from generation.base import Generated, ModelLocator, ProgressCallback

SAMPLE_RATE = 48_000
DEFAULT_DURATION_S = 6.0


class ToneSystem:
    """A chord of three sines with a pulse, its pitch drawn from the seed. It sings nothing, and says so."""

    title: ClassVar[str] = "Seeded tones, no voice: for testing the machinery"
    notes: ClassVar[Mapping[str, str]] = {
        "*": "These are test tones without a voice; lyric errors near 100 % are right."
    }

    @classmethod
    def required_models(cls, variant: str) -> Sequence[str]:
        """None."""
        return ()

    def __init__(self, variant: str, locate: ModelLocator) -> None:
        """Nothing to load."""

    def generate(self, prompt: Prompt, *, take: int, seed: int, progress: ProgressCallback | None = None) -> Generated:
        """Make the tones."""
        rng = np.random.default_rng(seed)
        root_hz = 110.0 * 2 ** (int(rng.integers(0, 25)) / 12)
        duration_s = prompt.duration_s or DEFAULT_DURATION_S
        time = np.arange(round(duration_s * SAMPLE_RATE)) / SAMPLE_RATE
        phases = rng.uniform(0, 2 * np.pi, size=(3, 2))
        wave = sum(
            np.sin(2 * np.pi * root_hz * ratio * time[None] + phase[:, None])
            for ratio, phase in zip((1.0, 1.25, 1.5), phases, strict=True)
        )
        pulse = 0.6 + 0.4 * np.cos(2 * np.pi * 2.0 * time)
        fade = np.minimum(1.0, np.minimum(time, duration_s - time) / 0.05)
        samples = (0.15 * wave * pulse * fade).astype(np.float32)
        return Generated(mix=Audio(samples=samples, sample_rate=SAMPLE_RATE), params={"root_hz": round(root_hz, 3)})

    def close(self) -> None:
        """Nothing to free."""


SYSTEM = ToneSystem
