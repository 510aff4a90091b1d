"""Damage done to the sound of a song on purpose, by a known amount; the same is done to its vocal stem."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.signal import butter, sosfiltfilt

from evalkit.derived import Derived
from evalkit.types import Audio, Clip

Samples = np.ndarray


def damaged(clip: Clip, change: Callable[[Samples, int], Samples]) -> Clip:
    """The clip with its mix and each stem changed."""

    def apply(audio: Audio) -> Audio:
        samples = change(audio.samples.astype(np.float64), audio.sample_rate)
        return Audio(samples=np.ascontiguousarray(samples, dtype=np.float32), sample_rate=audio.sample_rate)

    stems = {name: apply(stem) for name, stem in clip.stems.items()}
    return replace(clip, mix=apply(clip.mix), stems=stems, derived=Derived())


def noise(snr_db: float) -> Callable[[Samples, int], Samples]:
    """White noise so many dB below the song."""

    def change(samples: Samples, _: int) -> Samples:
        level = np.sqrt(np.mean(samples**2)) * 10.0 ** (-snr_db / 20.0)
        return samples + level * np.random.default_rng(1).standard_normal(samples.shape)

    return change


def clipping(gain_db: float) -> Callable[[Samples, int], Samples]:
    """Driven into the ceiling: gain relative to a peak at full scale."""

    def change(samples: Samples, _: int) -> Samples:
        return np.clip(samples / np.abs(samples).max() * 10.0 ** (gain_db / 20.0), -1.0, 1.0)

    return change


def low_pass(cutoff_hz: float) -> Callable[[Samples, int], Samples]:
    """A steep low-pass without delay; none from 22 kHz on."""

    def change(samples: Samples, rate: int) -> Samples:
        if cutoff_hz >= 22_000.0:
            return samples
        return sosfiltfilt(butter(12, cutoff_hz, fs=rate, output="sos"), samples, axis=1)

    return change


def narrowed(share: float) -> Callable[[Samples, int], Samples]:
    """So much of the way to mono."""

    def change(samples: Samples, _: int) -> Samples:
        return (1.0 - share) * samples + share * samples.mean(axis=0)

    return change


def gain(gain_db: float) -> Callable[[Samples, int], Samples]:
    """Softer or louder."""
    return lambda samples, _: samples * 10.0 ** (gain_db / 20.0)


def holes(count: float, length_s: float) -> Callable[[Samples, int], Samples]:
    """Stretches of silence, evenly spaced and away from both ends."""

    def change(samples: Samples, rate: int) -> Samples:
        out = samples.copy()
        for start in np.linspace(0.15, 0.8, int(count) + 2)[1:-1] * samples.shape[1]:
            out[:, int(start) : int(start + length_s * rate)] = 0.0
        return out

    return change


def crackled(per_minute: float) -> Callable[[Samples, int], Samples]:
    """Single samples that jump."""

    def change(samples: Samples, rate: int) -> Samples:
        out = samples.copy()
        count = round(per_minute * samples.shape[1] / rate / 60.0)
        places = np.linspace(0.1, 0.9, count + 2)[1:-1] * samples.shape[1]
        out[:, places.astype(int)] += 0.5
        return out

    return change


def humming(level_db: float) -> Callable[[Samples, int], Samples]:
    """A mains tone at 50 Hz and two harmonics, so many dB below the song."""

    def change(samples: Samples, rate: int) -> Samples:
        time = np.arange(samples.shape[1]) / rate
        tone = sum(np.sin(2 * np.pi * 50.0 * k * time) / k for k in (1, 2, 3))
        return samples + np.sqrt(np.mean(samples**2)) * 10.0 ** (level_db / 20.0) * tone

    return change
