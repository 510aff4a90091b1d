"""The pitch of a voice over time, found once for each song.

About a third of a processor second for a minute of audio (`evalkit.signal.autocorrelation`). A frame that is soft
beside the rest of the voice counts as unvoiced: reverb and bleed have a pitch too, but nobody sings there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from evalkit.audio import RESAMPLER
from evalkit.derived import array
from evalkit.signal import autocorrelation
from evalkit.signal.heard import LEVEL, heard
from evalkit.types import Clip, FloatArray

SAMPLE_RATE = 16_000
FRAME_S = 0.01
FLOOR_HZ = 60.0
CEILING_HZ = 1100.0
RANGE_DB = 30.0
"""What is so much softer than the loud frames (95th percentile) is not sung."""

_SILENCE_DB = -60.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class F0Track:
    """Fundamental frequency of a voice.

    Attributes:
        hz: In Hz, 0 where nothing is sung; one value each ``frame_s``, the first at time 0 [frames].
        frame_s: Seconds between two values.
    """

    hz: FloatArray
    frame_s: float = FRAME_S

    @property
    def voiced(self) -> npt.NDArray[np.bool_]:
        """Frames with a pitch [frames]."""
        return self.hz > 0.0

    @property
    def voiced_s(self) -> float:
        """Seconds with a pitch."""
        return float(np.count_nonzero(self.voiced)) * self.frame_s

    @property
    def median_hz(self) -> float | None:
        """Median of the voiced frames; None if there are none."""
        return float(np.median(self.hz[self.voiced])) if self.voiced.any() else None

    @property
    def semitones(self) -> npt.NDArray[np.float64]:
        """Pitch as a fractional MIDI number (A4 = 440 Hz = 69), NaN where nothing is sung [frames]."""
        hz = np.where(self.voiced, self.hz, np.nan).astype(np.float64)
        return np.asarray(69.0 + 12.0 * np.log2(hz / 440.0))


def signature_parts() -> Mapping[str, str | int | float]:
    """All that decides a track, in a fixed order."""
    return {
        "f0": autocorrelation.NAME,
        "hz": f"{FLOOR_HZ:g}-{CEILING_HZ:g}",
        "frame": f"{1000 * FRAME_S:g}ms",
        "voiced": f"p95-{RANGE_DB:g}dB",
        "level": LEVEL,
        "resample": RESAMPLER,
    }


def f0_track(clip: Clip, source: str = "vocals") -> F0Track:
    """The pitch of one source of a song; kept for the song and, by content, on disk.

    Args:
        clip: The song.
        source: A stem's name. On ``"mix"`` the number is the pitch of whatever is loudest: rarely of use.

    Returns:
        The track; all zero for silence.

    Raises:
        AudioError: there is no such stem.
    """
    signature = "|".join(["track", *(f"{key}:{value}" for key, value in signature_parts().items())])

    def make() -> Mapping[str, Any]:
        return {"hz": find_f0(heard(clip, source, SAMPLE_RATE).samples[0], SAMPLE_RATE)}

    return F0Track(hz=array(clip.derived.stored(source, signature, make), "hz"))


def find_f0(samples: FloatArray, sample_rate: int) -> FloatArray:
    """Fundamental frequency of one voice.

    Args:
        samples: One channel at the common level [time].
        sample_rate: In Hz.

    Returns:
        In Hz every 10 ms, 0 where nothing is sung [frames].
    """
    n_frames = int(len(samples) / sample_rate / FRAME_S) + 1
    levels = _levels_db(samples, sample_rate, n_frames)
    loud = float(np.percentile(levels, 95.0))
    if loud < _SILENCE_DB:
        return np.zeros(n_frames, dtype=np.float32)
    hz = autocorrelation.pitch_path(samples.astype(np.float64), sample_rate, FLOOR_HZ, CEILING_HZ, FRAME_S)
    return np.where(levels > max(_SILENCE_DB, loud - RANGE_DB), hz, 0.0).astype(np.float32)


def _levels_db(samples: FloatArray, sample_rate: int, n_frames: int) -> npt.NDArray[np.float64]:
    """RMS level of the 40 ms around each frame, in dBFS [frames]."""
    squares = np.concatenate([[0.0], np.cumsum(samples.astype(np.float64) ** 2)])
    centres = np.arange(n_frames) * FRAME_S * sample_rate
    half = 0.02 * sample_rate
    first = np.clip(np.rint(centres - half), 0, len(samples)).astype(np.int64)
    last = np.clip(np.rint(centres + half), 0, len(samples)).astype(np.int64)
    power = (squares[last] - squares[first]) / np.maximum(last - first, 1)
    return np.asarray(10.0 * np.log10(np.maximum(power, 1e-20)))
