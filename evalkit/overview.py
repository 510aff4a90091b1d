"""What a report draws of a song: its waveform and a small mel spectrogram, as compact JSON.

The form is documented at `evalkit.store.RunData.overview`. It is for the eye only; no number is computed from it.
"""

import base64
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import fft

from evalkit.types import Audio

N_COLUMNS = 400
N_MELS = 64
N_FFT = 2048
FLOOR_DB = -80.0
F_MIN_HZ = 30.0
F_MAX_HZ = 16_000.0


def overview(audio: Audio) -> dict[str, Any]:
    """Reduce a clip to about 400 columns.

    Silence gives peaks of 0 and an even floor; a clip shorter than 400 samples gives as many columns as it has samples.

    Args:
        audio: Any rate, any number of channels, not empty.

    Returns:
        See `evalkit.store.RunData.overview`; can be written as JSON.
    """
    columns = min(N_COLUMNS, audio.samples.shape[1])
    spectrogram, f_max_hz = mel_levels(audio, columns)
    n_frames, n_mels = spectrogram.shape
    return {
        "duration_s": round(audio.duration_s, 6),
        "peaks": _base64(np.clip(np.rint(peaks(audio, columns) * 255.0), 0, 255)),
        "spectrogram": {
            "n_mels": n_mels,
            "n_frames": n_frames,
            "f_min_hz": min(F_MIN_HZ, f_max_hz / 2),
            "f_max_hz": f_max_hz,
            "floor_db": FLOOR_DB,
            "data": _base64(np.rint((spectrogram / -FLOOR_DB + 1.0) * 255.0)),
        },
    }


def peaks(audio: Audio, columns: int) -> npt.NDArray[np.float32]:
    """Largest absolute sample of any channel in each of ``columns`` equal parts [columns]."""
    starts = np.arange(columns) * audio.samples.shape[1] // columns
    highest = np.maximum.reduceat(audio.samples, starts, axis=1).max(axis=0)
    lowest = np.minimum.reduceat(audio.samples, starts, axis=1).min(axis=0)
    return np.asarray(np.maximum(highest, -lowest), dtype=np.float32)


def mel_levels(audio: Audio, columns: int) -> tuple[npt.NDArray[np.float32], float]:
    """Mel levels below the loudest cell.

    One Hann window is looked at in the middle of each column: a picture, not a measurement.

    Returns:
        dB in [-80, 0] [columns, mels], and the highest frequency in Hz.
    """
    n_samples = audio.samples.shape[1]
    starts = ((np.arange(columns) + 0.5) * n_samples / columns).astype(np.int64) - N_FFT // 2
    index = starts[:, None] + np.arange(N_FFT)
    inside = (index >= 0) & (index < n_samples)
    np.clip(index, 0, n_samples - 1, out=index)
    window = inside * np.hanning(N_FFT).astype(np.float32)
    power = np.zeros((columns, N_FFT // 2 + 1), dtype=np.float32)
    # Powers are added, not samples: channels in opposite phase must not vanish from the picture.
    for channel in audio.samples:
        power += np.abs(fft.rfft(channel[index] * window, axis=1)) ** 2
    f_max_hz = min(F_MAX_HZ, audio.sample_rate / 2)
    mel = power @ _mel_filters(audio.sample_rate, f_max_hz)
    loudest = float(mel.max())
    if loudest <= 0.0:
        return np.full(mel.shape, FLOOR_DB, dtype=np.float32), f_max_hz
    return 10.0 * np.log10(np.maximum(mel / loudest, 10.0 ** (FLOOR_DB / 10.0))).astype(np.float32), f_max_hz


@lru_cache(maxsize=8)
def _mel_filters(sample_rate: int, f_max_hz: float) -> npt.NDArray[np.float32]:
    """Triangles evenly spaced on the mel scale, 2595 log10(1 + f / 700) [bins, mels]."""
    low, high = (2595.0 * np.log10(1.0 + f / 700.0) for f in (min(F_MIN_HZ, f_max_hz / 2), f_max_hz))
    edges_hz = 700.0 * (10.0 ** (np.linspace(low, high, N_MELS + 2) / 2595.0) - 1.0)
    bins_hz = np.arange(N_FFT // 2 + 1) * sample_rate / N_FFT
    # A low band can be narrower than one bin; widening it to a bin leaves no band empty.
    width_hz = sample_rate / N_FFT
    rise = np.maximum(edges_hz[1:-1] - edges_hz[:-2], width_hz)
    fall = np.maximum(edges_hz[2:] - edges_hz[1:-1], width_hz)
    offset = bins_hz[:, None] - edges_hz[1:-1]
    filters = np.maximum(0.0, 1.0 - np.where(offset < 0, -offset / rise, offset / fall))
    return np.ascontiguousarray(filters, dtype=np.float32)


def _base64(values: npt.NDArray[Any]) -> str:
    return base64.b64encode(values.astype(np.uint8).tobytes()).decode("ascii")
