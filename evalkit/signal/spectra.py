"""Power spectra at steady steps, shared by harmony, timbre and fingerprints."""

import numpy as np
import numpy.typing as npt

from evalkit.types import FloatArray

Array = npt.NDArray[np.float64]

_BLOCK = 256


def power_spectra(samples: FloatArray, n_fft: int, hop_length: int) -> FloatArray:
    """Squared magnitudes of Hann-windowed spectra.

    Frame ``k`` is centred on sample ``k * hop_length``; beyond the ends there is silence. The window is periodic.

    Args:
        samples: One channel [time].
        n_fft: Samples in a frame, even.
        hop_length: Samples between frames.

    Returns:
        [frames, n_fft / 2 + 1], ``time // hop_length + 1`` frames.
    """
    from scipy import fft  # takes a while, and listing the metrics must not

    window = (0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(n_fft) / n_fft)).astype(np.float32)
    padded = np.pad(samples.astype(np.float32, copy=False), n_fft // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop_length]
    spectra = np.empty((len(frames), n_fft // 2 + 1), dtype=np.float32)
    for start in range(0, len(frames), _BLOCK):
        found = fft.rfft(frames[start : start + _BLOCK] * window, axis=1)
        spectra[start : start + _BLOCK] = found.real**2 + found.imag**2
    return spectra


def bin_frequencies(n_fft: int, sample_rate: int) -> Array:
    """Centre of each bin in Hz [n_fft / 2 + 1]."""
    return np.arange(n_fft // 2 + 1, dtype=np.float64) * (sample_rate / n_fft)
