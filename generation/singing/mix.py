"""Voice and band at fixed proportions; the stems add up to the mix."""

import math

import numpy as np

from evalkit.types import Audio, FloatArray

VOCALS_ABOVE_DB = 6.0
"""Level of the voice over the band, both measured where they sound."""
TARGET_DB = -16.0
PEAK_DB = -1.5
"""Highest sample; between samples the wave may rise by almost half a decibel, and -1 dBTP is the limit."""

_FRAME_S = 0.05
_ACTIVE_RANGE_DB = 35.0


def active_rms_db(audio: Audio) -> float:
    """RMS in dBFS over the 50 ms frames within 35 dB of the loudest; -inf for silence."""
    frame = round(_FRAME_S * audio.sample_rate)
    n_frames = audio.samples.shape[1] // frame
    power = np.square(audio.samples[:, : n_frames * frame], dtype=np.float64)
    power = power.reshape(audio.channels, n_frames, frame).mean(axis=(0, 2))
    if n_frames == 0 or power.max() <= 0:
        return -math.inf
    active = power[power > power.max() * 10 ** (-_ACTIVE_RANGE_DB / 10)]
    return 10 * math.log10(float(active.mean()))


def mix_stems(vocals: Audio, accompaniment: Audio) -> tuple[Audio, Audio, Audio]:
    """Balance two stems of the same rate and sum them.

    Args:
        vocals: Stereo; may be silent.
        accompaniment: Stereo; may be silent.

    Returns:
        Mix, vocals and accompaniment, all as long as the longer stem; mix = vocals + accompaniment in float32. The
        voice is `VOCALS_ABOVE_DB` above the band; the mix is at `TARGET_DB` RMS or, if that would bring its peak above
        `PEAK_DB`, at that peak.
    """
    length = max(vocals.samples.shape[1], accompaniment.samples.shape[1])
    voice, band = (_padded(stem.samples, length) for stem in (vocals, accompaniment))
    voice_db, band_db = active_rms_db(vocals), active_rms_db(accompaniment)
    if math.isfinite(voice_db) and math.isfinite(band_db):
        voice = voice * np.float32(10 ** ((band_db + VOCALS_ABOVE_DB - voice_db) / 20))
    rate = vocals.sample_rate
    rough = voice + band
    level_db = active_rms_db(Audio(samples=rough, sample_rate=rate))
    gain = np.float32(0.0)
    if math.isfinite(level_db):
        # Stems alone may peak higher than their sum.
        peak = max(float(np.abs(part).max()) for part in (rough, voice, band))
        gain = np.float32(min(10 ** ((TARGET_DB - level_db) / 20), 10 ** (PEAK_DB / 20) / peak * (1 - 1e-6)))
    voice, band = voice * gain, band * gain
    mixed, sung, played = (Audio(samples=part, sample_rate=rate) for part in (voice + band, voice, band))
    return mixed, sung, played


def _padded(samples: FloatArray, length: int) -> FloatArray:
    return np.pad(samples, ((0, 0), (0, length - samples.shape[1])))
