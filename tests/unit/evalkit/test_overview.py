import base64
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.overview import overview
from evalkit.types import Audio


def decode(text, shape):
    return np.frombuffer(base64.b64decode(text), dtype=np.uint8).reshape(shape)


def spectrogram(found):
    part = found["spectrogram"]
    return decode(part["data"], (part["n_frames"], part["n_mels"]))


def sine(frequency_hz, duration_s=4.0, sample_rate=48000, amplitude=0.5):
    t = np.arange(int(duration_s * sample_rate)) / sample_rate
    wave = (amplitude * np.sin(2 * np.pi * frequency_hz * t)).astype(np.float32)
    return Audio(samples=wave[None, :], sample_rate=sample_rate)


def mel(frequency_hz):
    return 2595.0 * np.log10(1.0 + frequency_hz / 700.0)


def test_peaks_follow_the_waveform():
    samples = np.zeros((2, 40_000), dtype=np.float32)
    samples[1, 10_000:20_000] = -0.5
    found = overview(Audio(samples=samples, sample_rate=10_000))
    peaks = decode(found["peaks"], 400)
    assert found["duration_s"] == 4.0
    assert set(peaks[100:200]) == {128}
    assert set(peaks[:100]) == set(peaks[200:]) == {0}


def test_beyond_full_scale_is_drawn_as_full_scale():
    assert set(
        decode(overview(Audio(samples=np.full((1, 8000), -1.7, np.float32), sample_rate=8000))["peaks"], 400)
    ) == {255}


@pytest.mark.parametrize("frequency_hz", [100.0, 440.0, 3000.0, 12_000.0])
def test_sine_stands_at_its_place_on_the_mel_scale(frequency_hz):
    found = overview(sine(frequency_hz))
    part = found["spectrogram"]
    low, high = mel(part["f_min_hz"]), mel(part["f_max_hz"])
    expected = (mel(frequency_hz) - low) / (high - low) * (part["n_mels"] + 1) - 1
    loudest = spectrogram(found)[50:350].argmax(axis=1)
    assert np.all(np.abs(loudest - expected) <= 1.0)


def test_levels_are_decibels_below_the_loudest():
    loud, quiet = sine(1000.0).samples, sine(1000.0, amplitude=0.005).samples
    picture = spectrogram(overview(Audio(samples=np.concatenate([loud, quiet], axis=1), sample_rate=48000)))
    step = (int(picture[100].max()) - int(picture[300].max())) / 255 * 80
    assert picture.max() == 255
    assert step == pytest.approx(40.0, abs=0.5)


def test_gain_changes_peaks_but_not_the_spectrogram():
    loud, quiet = overview(sine(700.0, amplitude=0.5)), overview(sine(700.0, amplitude=0.25))
    assert np.abs(spectrogram(loud).astype(int) - spectrogram(quiet).astype(int)).max() <= 1
    assert decode(loud["peaks"], 400).max() == pytest.approx(2 * decode(quiet["peaks"], 400).max(), abs=1)


def test_opposite_phase_does_not_vanish():
    wave = sine(700.0).samples
    both = overview(Audio(samples=np.concatenate([wave, -wave]), sample_rate=48000))
    assert np.array_equal(spectrogram(both), spectrogram(overview(sine(700.0))))


def test_silence_is_even():
    found = overview(Audio(samples=np.zeros((2, 48000), np.float32), sample_rate=48000))
    assert not decode(found["peaks"], 400).any()
    assert not spectrogram(found).any()


@given(n=st.integers(1, 3000), channels=st.integers(1, 3), sample_rate=st.sampled_from([8000, 44100, 192_000]))
@settings(max_examples=15, deadline=None)
def test_any_length_gives_the_documented_form(n, channels, sample_rate):
    rng = np.random.default_rng(n)
    samples = rng.uniform(-1, 1, (channels, n)).astype(np.float32)
    before = samples.copy()
    audio = Audio(samples=samples, sample_rate=sample_rate)
    found = overview(audio)
    assert found == overview(audio)
    assert np.array_equal(samples, before)
    part = found["spectrogram"]
    assert set(found) == {"duration_s", "peaks", "spectrogram"}
    assert set(part) == {"n_mels", "n_frames", "f_min_hz", "f_max_hz", "floor_db", "data"}
    assert part["n_mels"] == 64
    assert part["n_frames"] == min(400, n)
    assert 0 < part["f_min_hz"] < part["f_max_hz"] <= sample_rate / 2
    decode(found["peaks"], part["n_frames"])
    spectrogram(found)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
