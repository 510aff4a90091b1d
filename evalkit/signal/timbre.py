"""How it sounds, apart from the notes: mel-frequency cepstral coefficients.

Source: Davis and Mermelstein, "Comparison of parametric representations for monosyllabic word recognition …", 1980;
the mel scale is O'Shaughnessy's, 2595 log10(1 + f / 700).
"""

import numpy as np

from evalkit.signal.spectra import Array, bin_frequencies
from evalkit.types import FloatArray


def mel_weights(n_mels: int, n_fft: int, sample_rate: int, low_hz: float, high_hz: float) -> Array:
    """Triangles of equal height whose corners are evenly spaced in mel [n_fft / 2 + 1, n_mels]."""
    low, high = (2595.0 * np.log10(1.0 + hz / 700.0) for hz in (low_hz, high_hz))
    corners = 700.0 * (10.0 ** (np.linspace(low, high, n_mels + 2) / 2595.0) - 1.0)
    hz = bin_frequencies(n_fft, sample_rate)[:, None]
    rising = (hz - corners[None, :-2]) / np.diff(corners)[None, :-1]
    falling = (corners[None, 2:] - hz) / np.diff(corners)[None, 1:]
    return np.maximum(0.0, np.minimum(rising, falling))


def mfcc(spectra: FloatArray, weights: Array, n_coefficients: int) -> Array:
    """Orthonormal DCT-II of the mel powers in dB.

    Args:
        spectra: Powers [frames, bins].
        weights: From `mel_weights` [bins, n_mels].
        n_coefficients: Kept, from the first on (the first is the level).

    Returns:
        [frames, n_coefficients]. Powers lower than 80 dB below the song's loudest band count as that.
    """
    from scipy import fft

    bands = (spectra @ weights.astype(np.float32)).astype(np.float64)
    decibel = 10.0 * np.log10(np.maximum(bands, max(1e-8 * float(bands.max(initial=0.0)), 1e-30)))
    return np.asarray(fft.dct(decibel, type=2, axis=1, norm="ortho")[:, :n_coefficients])
