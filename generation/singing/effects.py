"""What happens to a dry voice: high-pass, gentle compression, stereo reverb at 48 kHz."""

import functools
import itertools

import numpy as np
import scipy.ndimage
import scipy.signal

from evalkit.audio import resample
from evalkit.types import Audio, FloatArray

SAMPLE_RATE = 48_000
HIGH_PASS_HZ = 90.0

_THRESHOLD_DB = -24.0
_RATIO = 2.5
_CEILING = 0.4
_LOOK_AHEAD_S = 0.004
_HOP_S = 0.01
_ATTACK_S, _RELEASE_S = 0.02, 0.15

_REVERB_S = 0.9
_REVERB_DECAY_S = 0.28
_PRE_DELAY_S = 0.018
_REVERB_GAIN = 0.16


def polish(voice: FloatArray, sample_rate: int) -> Audio:
    """Dry mono voice [time] to stereo at 48 kHz; the length in seconds is kept."""
    clip = resample(Audio(samples=voice.reshape(1, -1), sample_rate=sample_rate), SAMPLE_RATE)
    dry = limit(compress(high_pass(clip.samples[0])))
    wet = np.stack([scipy.signal.oaconvolve(dry, impulse)[: dry.size] for impulse in _reverb_impulses()])
    return Audio(samples=(dry + wet).astype(np.float32), sample_rate=SAMPLE_RATE)


def high_pass(samples: FloatArray) -> FloatArray:
    """Second-order Butterworth high-pass at `HIGH_PASS_HZ`."""
    sections = scipy.signal.butter(2, HIGH_PASS_HZ, btype="highpass", fs=SAMPLE_RATE, output="sos")
    return np.asarray(scipy.signal.sosfilt(sections, samples), dtype=np.float32)


def compress(samples: FloatArray) -> FloatArray:
    """Feed-forward compressor on 10 ms levels; the voice's loud frames are brought to 0.1 RMS (-20 dBFS) first."""
    hop = round(_HOP_S * SAMPLE_RATE)
    n_hops = -(-samples.size // hop)
    padded = np.zeros(n_hops * hop, dtype=np.float32)
    padded[: samples.size] = samples
    level = np.sqrt(np.mean(padded.reshape(n_hops, hop).astype(np.float64) ** 2, axis=1))
    loud = float(np.percentile(level[level > 1e-4], 75)) if np.any(level > 1e-4) else 0.0
    if loud == 0.0:
        return samples
    gain = 0.1 / loud
    level_db = 20 * np.log10(np.maximum(level * gain, 1e-6))
    reduction_db = np.maximum(0.0, level_db - _THRESHOLD_DB) * (1 - 1 / _RATIO)
    attack, release = (float(np.exp(-_HOP_S / time_s)) for time_s in (_ATTACK_S, _RELEASE_S))
    smooth_db = list(
        itertools.accumulate(
            reduction_db.tolist(),
            lambda state, now: now + (attack if now > state else release) * (state - now),
            initial=0.0,
        )
    )[1:]
    centres = (np.arange(n_hops) + 0.5) * hop
    curve = np.interp(np.arange(samples.size), centres, 10 ** (-np.array(smooth_db) / 20))
    return np.asarray(samples * curve * gain, dtype=np.float32)


def limit(samples: FloatArray) -> FloatArray:
    """Keep peaks at or below 0.4, 12 dB above the loud frames, by a gain that moves smoothly ahead of them."""
    gain = np.minimum(1.0, _CEILING / np.maximum(np.abs(samples), 1e-9))
    reach = round(_LOOK_AHEAD_S * SAMPLE_RATE)
    held = scipy.ndimage.minimum_filter1d(gain, 2 * reach + 1)
    return np.asarray(samples * scipy.ndimage.uniform_filter1d(held, 2 * reach + 1), dtype=np.float32)


@functools.lru_cache(maxsize=1)
def _reverb_impulses() -> tuple[FloatArray, FloatArray]:
    """Left and right: decaying noise, darker than white, the same in every song."""
    rng = np.random.default_rng(19260817)
    n_samples = round(_REVERB_S * SAMPLE_RATE)
    times_s = np.arange(n_samples) / SAMPLE_RATE
    noise = rng.standard_normal((2, n_samples)) * np.exp(-times_s / _REVERB_DECAY_S)
    sections = scipy.signal.butter(1, (250.0, 5500.0), btype="bandpass", fs=SAMPLE_RATE, output="sos")
    shaped = scipy.signal.sosfilt(sections, noise, axis=1)
    shaped *= _REVERB_GAIN / np.sqrt(np.sum(shaped**2, axis=1, keepdims=True))
    delayed = np.pad(shaped, ((0, 0), (round(_PRE_DELAY_S * SAMPLE_RATE), 0))).astype(np.float32)
    return delayed[0], delayed[1]
