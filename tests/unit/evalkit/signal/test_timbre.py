"""Power spectra and MFCC against SciPy and torchaudio."""

import numpy as np
import pytest
import scipy.signal
import torch
import torchaudio

from evalkit.signal.spectra import bin_frequencies, power_spectra
from evalkit.signal.timbre import mel_weights, mfcc

RATE, N_FFT, HOP = 16_000, 1024, 512


@pytest.fixture
def samples(rng: np.random.Generator) -> np.ndarray:
    sweep = scipy.signal.chirp(np.arange(2 * RATE) / RATE, 100.0, 2.0, 7000.0)
    return (0.3 * sweep + 0.01 * rng.standard_normal(2 * RATE)).astype(np.float32)


def test_spectra_agree_with_scipy(samples: np.ndarray) -> None:
    found = power_spectra(samples, N_FFT, HOP)
    _, _, other = scipy.signal.stft(
        samples, window="hann", nperseg=N_FFT, noverlap=N_FFT - HOP, boundary="zeros", padded=True
    )
    other = np.abs(other.T * (N_FFT / 2)) ** 2  # SciPy divides by the window's sum
    assert found.shape == (len(samples) // HOP + 1, N_FFT // 2 + 1)
    np.testing.assert_allclose(found, other[: len(found)], rtol=1e-3, atol=1e-2)


def test_a_tone_is_in_its_bin() -> None:
    hz = bin_frequencies(N_FFT, RATE)[100]
    found = power_spectra(np.sin(2 * np.pi * hz * np.arange(RATE) / RATE).astype(np.float32), N_FFT, HOP)
    assert np.argmax(found[5]) == 100


def test_mfcc_agree_with_torchaudio(samples: np.ndarray) -> None:
    found = mfcc(power_spectra(samples, N_FFT, HOP), mel_weights(40, N_FFT, RATE, 60.0, 7600.0), 13)
    transform = torchaudio.transforms.MFCC(
        sample_rate=RATE,
        n_mfcc=13,
        log_mels=False,
        melkwargs={
            "n_fft": N_FFT,
            "hop_length": HOP,
            "n_mels": 40,
            "f_min": 60.0,
            "f_max": 7600.0,
            "mel_scale": "htk",
            "pad_mode": "constant",
        },
    )
    other = transform(torch.from_numpy(samples)).numpy().T
    np.testing.assert_allclose(found, other, atol=2e-2)


def test_gain_moves_only_the_first_coefficient(samples: np.ndarray) -> None:
    weights = mel_weights(40, N_FFT, RATE, 60.0, 7600.0)
    loud = mfcc(power_spectra(samples, N_FFT, HOP), weights, 13)
    soft = mfcc(power_spectra(samples * np.float32(0.1), N_FFT, HOP), weights, 13)
    np.testing.assert_allclose(loud[:, 1:], soft[:, 1:], atol=1e-2)
    np.testing.assert_allclose(loud[:, 0] - soft[:, 0], 20.0 * np.sqrt(40.0), atol=1e-2)
