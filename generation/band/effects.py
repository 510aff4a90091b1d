"""The room around the band: one reverb, one chorus, and the final level."""

from functools import lru_cache

import numpy as np
from scipy import signal

from evalkit.types import FloatArray

REVERB_S = 1.1
REVERB_T60_S = 1.3
REVERB_PRE_DELAY_S = 0.018
CHORUS_HZ, CHORUS_DELAY_S, CHORUS_DEPTH_S = 0.7, 0.014, 0.003
BLOCK = 1 << 14
"""Samples at once, so that the work stays in the processor's cache."""

TARGET_RMS_DB = -19.0
"""Level of the whole accompaniment, dBFS (full-scale square wave = 0)."""

KNEE = 0.6
CEILING = 0.89
"""Peaks above the knee are bent so that none exceeds the ceiling."""


@lru_cache(maxsize=4)
def _room(sample_rate: int) -> FloatArray:
    """Impulse response of a small hall [2, time]: decaying noise, darker as it fades, different in both ears."""
    rng = np.random.default_rng(20040101)  # the room is a constant, not part of the song's seed
    n_samples = round(REVERB_S * sample_rate)
    times_s = np.arange(n_samples) / sample_rate
    noise = rng.standard_normal((2, n_samples))
    dark = signal.sosfilt(signal.butter(1, 1800, "lowpass", fs=sample_rate, output="sos"), noise)
    bright = signal.sosfilt(signal.butter(1, 6000, "lowpass", fs=sample_rate, output="sos"), noise)
    share = np.exp(-times_s / 0.15)
    response = (share * bright + (1 - share) * dark) * 10 ** (-3 * times_s / REVERB_T60_S)
    response = signal.sosfilt(signal.butter(2, 200, "highpass", fs=sample_rate, output="sos"), response)
    response *= np.minimum(1, (n_samples - np.arange(n_samples)) / (0.1 * sample_rate))
    response /= np.sqrt(np.sum(response**2, axis=1, keepdims=True))
    silence = np.zeros((2, round(REVERB_PRE_DELAY_S * sample_rate)))
    return np.concatenate([silence, response], axis=1).astype(np.float32)


def reverb(send: FloatArray, sample_rate: int) -> FloatArray:
    """The wet signal [2, time] of a mono send [time], as long as the send."""
    wet = signal.oaconvolve(send[None, :], _room(sample_rate), axes=1)
    return np.asarray(wet[:, : len(send)], dtype=np.float32)


def chorus(send: FloatArray, sample_rate: int) -> FloatArray:
    """Two slowly moving delays of a mono send [time], one for each ear [2, time]."""
    wet = np.empty((2, len(send)), dtype=np.float32)
    for begin in range(0, len(send), BLOCK):
        places = np.arange(begin, min(begin + BLOCK, len(send)), dtype=np.int32)
        angle = places.astype(np.float32) * np.float32(2 * np.pi * CHORUS_HZ / sample_rate)
        for ear, phase in enumerate((0.0, np.pi / 2)):
            delay = (CHORUS_DELAY_S + CHORUS_DEPTH_S * np.sin(angle + np.float32(phase))) * np.float32(sample_rate)
            whole = delay.astype(np.int32)  # split before adding the place, or float32 loses the fraction
            x = delay - whole.astype(np.float32)
            index = np.maximum(places - whole, 1)
            wet[ear, begin : begin + BLOCK] = send[index] * (1 - x) + send[index - 1] * x
    return wet


def master(mix: FloatArray, sample_rate: int) -> FloatArray:
    """Remove what is below hearing, set the level and keep every peak of ``mix`` [2, time] below the ceiling."""
    sos = signal.butter(2, 28, "highpass", fs=sample_rate, output="sos")
    clean = signal.sosfilt(sos, mix.astype(np.float64), axis=1)
    power = float(np.mean(clean**2))
    if power <= 0:
        return np.zeros_like(mix)
    clean *= 10 ** (TARGET_RMS_DB / 20) / np.sqrt(power)
    over = np.abs(clean) > KNEE
    excess = (np.abs(clean[over]) - KNEE) / (CEILING - KNEE)
    clean[over] = np.sign(clean[over]) * (KNEE + (CEILING - KNEE) * np.tanh(excess))
    return np.asarray(clean, dtype=np.float32)
