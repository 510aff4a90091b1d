"""What is played, as energies of the twelve pitch classes, and how alike two passages are in that.

Pitch classes count from C. Nothing is retuned: a song half a semitone off looks blurred, but alike to itself.

Source: Müller and Ewert, "Chroma Toolbox: MATLAB implementations for extracting variants of chroma-based audio
features", ISMIR 2011 (pitch classes, CENS).
"""

import numpy as np

from evalkit.signal.spectra import Array, bin_frequencies
from evalkit.types import FloatArray

LOWEST_MIDI = 43  # G2: below, the bins of 2 Hz are too coarse for semitones, and drums and basses rumble
HIGHEST_MIDI = 96
CENS_STEPS = (0.05, 0.1, 0.2, 0.4)


def pitch_class_weights(n_fft: int, sample_rate: int) -> Array:
    """How much each bin counts for each pitch class [n_fft / 2 + 1, 12].

    A bin is shared between the two semitones next to it by a raised cosine; bins below G2 or above C7 count nothing.
    """
    hz = bin_frequencies(n_fft, sample_rate)
    midi = 69.0 + 12.0 * np.log2(np.maximum(hz, 1e-3) / 440.0)
    weights = np.zeros((len(hz), 12))
    for pitch in range(LOWEST_MIDI, HIGHEST_MIDI + 1):
        distance = np.minimum(np.abs(midi - pitch), 1.0)
        weights[:, pitch % 12] += np.where(distance < 1.0, 0.5 + 0.5 * np.cos(np.pi * distance), 0.0)
    return weights


def chroma(spectra: FloatArray, n_fft: int, sample_rate: int) -> Array:
    """Amplitude of each pitch class.

    Args:
        spectra: Powers [frames, n_fft / 2 + 1].
        n_fft: Samples in a frame.
        sample_rate: In Hz.

    Returns:
        Square roots of the energies [frames, 12]; zeros more than 80 dB below the loudest pitch class of the song, and
        in silence.
    """
    energy = (spectra @ pitch_class_weights(n_fft, sample_rate).astype(np.float32)).astype(np.float64)
    return np.sqrt(np.where(energy > 1e-8 * energy.max(initial=0.0), energy, 0.0))


def cens(classes: Array, smooth: int, step: int) -> Array:
    """Chroma Energy Normalised Statistics: coarse steps of the shares of the pitch classes, smoothed over time.

    Args:
        classes: Energies of the pitch classes [frames, 12].
        smooth: Frames of the Hann window that smooths.
        step: Every so many frames one is kept, from the first on.

    Returns:
        Vectors of length 1 [ceil(frames / step), 12]; zeros where there is silence.
    """
    total = np.abs(classes).sum(axis=1, keepdims=True)
    shares = classes / np.where(total > 0.0, total, 1.0)
    coarse = sum((shares > limit).astype(np.float64) for limit in CENS_STEPS) / 4.0
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(smooth + 2) / (smooth + 1))
    window /= window.sum()
    smoothed = np.stack([np.convolve(column, window[1:-1], mode="full") for column in np.asarray(coarse).T], axis=1)[
        smooth // 2 : smooth // 2 + len(classes)
    ]
    return unit_rows(smoothed[::step])


def unit_rows(rows: Array) -> Array:
    """Rows at length 1; rows of zeros stay."""
    length = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(rows / np.where(length > 1e-12, length, 1.0))
