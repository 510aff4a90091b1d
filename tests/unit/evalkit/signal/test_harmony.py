"""Pitch classes and CENS: known answers, and agreement with librosa."""

import json
from pathlib import Path

import numpy as np
import pytest

from evalkit.signal.harmony import cens, chroma, pitch_class_weights, unit_rows
from evalkit.signal.spectra import power_spectra

RATE, N_FFT, HOP = 16_000, 8192, 1600
DATA = Path(__file__).parents[3] / "data"


def tones(*hz: float, duration_s: float = 3.0, amplitude: float = 0.2) -> np.ndarray:
    time = np.arange(round(duration_s * RATE)) / RATE
    return (amplitude * sum(np.sin(2 * np.pi * f * time) for f in hz)).astype(np.float32)


def classes(samples: np.ndarray) -> np.ndarray:
    return chroma(power_spectra(samples, N_FFT, HOP), N_FFT, RATE)


@pytest.mark.parametrize("midi", [45, 57, 60, 66, 71, 83, 95])
def test_a_tone_is_its_pitch_class(midi: int) -> None:
    found = classes(tones(440.0 * 2 ** ((midi - 69) / 12)))[10]
    assert int(np.argmax(found)) == midi % 12
    assert found[midi % 12] ** 2 > 0.9 * np.sum(found**2)


def test_a_quarter_tone_is_shared_and_what_is_out_of_range_ignored() -> None:
    found = classes(tones(440.0 * 2 ** (0.5 / 12)))[10]
    assert found[9] == pytest.approx(found[10], rel=0.1)
    assert pitch_class_weights(N_FFT, RATE)[:20].sum() == 0.0, "below 40 Hz"
    # Inside the range every bin counts once in all.
    hz = np.arange(N_FFT // 2 + 1) * RATE / N_FFT
    inside = (hz > 100.0) & (hz < 2000.0)
    np.testing.assert_allclose(pitch_class_weights(N_FFT, RATE)[inside].sum(axis=1), 1.0)


def test_a_chord_is_its_three_classes_at_any_gain() -> None:
    chord = tones(261.63, 329.63, 392.0)
    strongest = set(np.argsort(classes(chord)[10])[-3:].tolist())
    assert strongest == {0, 4, 7}
    soft, loud = (cens(classes(gain * chord), 21, 5) for gain in (np.float32(0.05), np.float32(1.0)))
    np.testing.assert_allclose(soft, loud, atol=1e-3)


def test_silence_is_zeros_not_nan() -> None:
    found = cens(classes(np.zeros(RATE, np.float32)), 21, 5)
    assert found.shape == (3, 12)
    assert not found.any()


def test_cens_agrees_with_librosa() -> None:
    golden = np.array(json.loads((DATA / "librosa_cens.json").read_text())["cens"])
    given = np.random.default_rng(7).random((60, 12)) ** 4
    np.testing.assert_allclose(cens(given, 21, 1), golden, atol=1e-6)
    np.testing.assert_allclose(cens(given, 21, 5), golden[::5], atol=1e-6)


def test_rows_have_length_one() -> None:
    rows = unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]]))
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0.0, 0.0]])
