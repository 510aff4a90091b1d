"""What neural evaluators are given: one channel, at one level, at the rate they want.

Learned scores and recognisers are not indifferent to gain, so every song is brought to the same loudness before a
network hears it: -16 LUFS integrated, lowered if its true peak would exceed -1 dBTP. Technical metrics never use this.
"""

import math

import numpy as np

from evalkit import audio as audio_door
from evalkit.errors import AudioError
from evalkit.signal.frames import NotMeasurable
from evalkit.signal.loudness import integrated_loudness, loudness_blocks, true_peak, weighted_blocks
from evalkit.types import Audio, Clip

TARGET_LUFS = -16.0
MAX_PEAK_DBTP = -1.0
MAX_GAIN_DB = 30.0
"""What is softer than -46 LUFS is not lifted all the way: a stem that holds only bleed must not become a voice."""

LEVEL = f"lufs{TARGET_LUFS:g}tp{MAX_PEAK_DBTP:g}"
"""Name of the level rule, for signatures."""


def source_audio(clip: Clip, source: str) -> Audio:
    """The mix (``"mix"``) or a stem the system made, as it was decoded.

    Raises:
        AudioError: there is no such stem.
    """
    if source == "mix":
        return clip.mix
    if source not in clip.stems:
        raise AudioError(f"{clip.song.id} has no {source} stem.")
    return clip.stems[source]


def heard(clip: Clip, source: str, sample_rate: int, *, levelled: bool = True) -> Audio:
    """One source as mono at a rate, made once for each song.

    Args:
        clip: The song.
        source: ``"mix"`` or a stem's name.
        sample_rate: In Hz; resampled by `evalkit.audio.RESAMPLER`.
        levelled: Bring to -16 LUFS first (`LEVEL`).

    Returns:
        Mean of the channels [1, time]. Silence stays silence.
    """

    def make() -> Audio:
        mono = clip.derived.once(("mono", source), lambda: audio_door.to_mono(source_audio(clip, source)))
        at_rate = clip.derived.once(("mono", source, sample_rate), lambda: audio_door.resample(mono, sample_rate))
        if not levelled:
            return at_rate
        factor = np.float32(10.0 ** (level_gain_db(clip, source) / 20.0))
        return Audio(samples=at_rate.samples * factor, sample_rate=sample_rate)

    return clip.derived.once(("heard", source, sample_rate, levelled), make)


def level_gain_db(clip: Clip, source: str) -> float:
    """Gain that brings a source to the common level, in dB; 0 for silence and for what is too short to measure.

    Rounded to 0.01 dB, so that a copy at another level or in another container is heard alike.
    """

    def measure() -> float:
        audio = source_audio(clip, source)
        try:
            loudness = integrated_loudness(loudness_blocks(weighted_power(clip, source)[0]))
        except NotMeasurable:
            return 0.0
        gain_db = min(TARGET_LUFS - loudness, MAX_GAIN_DB)
        peak = true_peak(audio)
        if peak > 0.0:
            gain_db = min(gain_db, MAX_PEAK_DBTP - 20.0 * math.log10(peak))
        return round(gain_db, 2)

    return clip.derived.once(("level_gain_db", source), measure)


def weighted_power(clip: Clip, source: str) -> tuple[np.ndarray, np.ndarray]:
    """`evalkit.signal.loudness.weighted_blocks` of a source, made once for each song."""
    return clip.derived.once(("weighted_power", source), lambda: weighted_blocks(source_audio(clip, source)))
