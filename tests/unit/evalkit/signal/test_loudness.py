import numpy as np
import pyloudnorm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import resample_poly, sosfreqz

from evalkit.signal.frames import NotMeasurable
from evalkit.signal.loudness import (
    TRUE_PEAK_FILTER,
    channel_weights,
    integrated_loudness,
    k_weighting,
    loudness_blocks,
    loudness_range,
    true_peak,
    weighted_blocks,
)
from evalkit.types import Audio


def sine(frequency_hz, *, sample_rate=48000, duration_s=6.0, amplitude=1.0, phase=0.0, channels=1):
    t = np.arange(round(duration_s * sample_rate)) / sample_rate
    wave = amplitude * np.sin(2 * np.pi * frequency_hz * t + phase)
    return Audio(samples=np.tile(wave.astype(np.float32), (channels, 1)), sample_rate=sample_rate)


def noise(seed, *, sample_rate=48000, duration_s=6.0, level=0.1, channels=2):
    samples = np.random.default_rng(seed).normal(0, level, (channels, round(duration_s * sample_rate)))
    return Audio(samples=samples.astype(np.float32), sample_rate=sample_rate)


def loudness(audio):
    return integrated_loudness(loudness_blocks(weighted_blocks(audio)[0]))


def test_filters_equal_the_table_of_the_standard_at_48_khz():
    shelf = [1.53512485958697, -2.69169618940638, 1.19839281085285, 1.0, -1.69065929318241, 0.73248077421585]
    high_pass = [1.0, -2.0, 1.0, 1.0, -1.99004745483398, 0.99007225036621]
    assert k_weighting(48000) == pytest.approx(np.array([shelf, high_pass]), abs=1e-9)


@pytest.mark.parametrize("sample_rate", [16000, 22050, 44100, 96000, 192_000])
def test_filters_have_the_same_response_at_every_rate(sample_rate):
    hz = np.array([20.0, 50.0, 100.0, 500.0, 1000.0, 2000.0, 4000.0])
    ours, table = (20 * np.log10(np.abs(sosfreqz(k_weighting(rate), hz, fs=rate)[1])) for rate in (sample_rate, 48000))
    assert ours == pytest.approx(table, abs=0.3)


@pytest.mark.parametrize(
    ("amplitude", "channels", "expected"),
    [(1.0, 1, -3.05), (1.0, 2, -0.04), (10 ** (-23 / 20), 2, -23.04)],
)
@pytest.mark.parametrize("sample_rate", [44100, 48000])
def test_sine_of_997_hz(amplitude, channels, expected, sample_rate):
    found = loudness(sine(997.0, amplitude=amplitude, channels=channels, sample_rate=sample_rate))
    assert found == pytest.approx(expected, abs=0.1)


def test_sine_in_one_of_two_channels():
    samples = sine(997.0, channels=2).samples.copy()
    samples[1] = 0.0
    assert loudness(Audio(samples=samples, sample_rate=48000)) == pytest.approx(-3.01, abs=0.02)


def test_sine_of_997_hz_in_surround_channels():
    quiet = np.zeros((5, 288_000), np.float32)
    wave = sine(997.0).samples[0]
    samples = np.vstack([quiet, wave])
    assert loudness(Audio(samples=samples, sample_rate=48000)) == pytest.approx(-3.01 + 1.49, abs=0.02)
    low_frequency = np.zeros((6, 288_000), np.float32)
    low_frequency[3] = wave
    with pytest.raises(NotMeasurable, match="-70 LUFS"):
        loudness(Audio(samples=low_frequency, sample_rate=48000))
    assert list(channel_weights(3)) == [1.0, 1.0, 1.0]


def test_silence_and_short_clips_have_no_loudness():
    with pytest.raises(NotMeasurable, match="nothing louder than -70 LUFS"):
        loudness(Audio(samples=np.zeros((2, 48000), np.float32), sample_rate=48000))
    with pytest.raises(NotMeasurable, match=r"shorter than one loudness block of 0\.4 s"):
        loudness(sine(997.0, duration_s=0.2))
    with pytest.raises(NotMeasurable, match="3 s"):
        loudness_range(loudness_blocks(weighted_blocks(sine(997.0, duration_s=2.9))[0]))


def test_pauses_do_not_count():
    loud = sine(997.0, amplitude=0.1, duration_s=10.0).samples
    pause = np.zeros((1, 480_000), np.float32)
    whisper = sine(997.0, amplitude=0.001, duration_s=10.0).samples
    alone = loudness(Audio(samples=loud, sample_rate=48000))
    for other in (pause, whisper):
        both = Audio(samples=np.concatenate([loud, other], axis=1), sample_rate=48000)
        assert loudness(both) == pytest.approx(alone, abs=0.15)


@pytest.mark.parametrize("sample_rate", [22050, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2])
def test_agrees_with_pyloudnorm(sample_rate, channels):
    audio = noise(1, sample_rate=sample_rate, channels=channels, duration_s=8.0)
    swell = (0.02 + np.linspace(0, 1, audio.samples.shape[1]) ** 2).astype(np.float32)
    audio = Audio(samples=audio.samples * swell, sample_rate=sample_rate)
    theirs = pyloudnorm.Meter(sample_rate).integrated_loudness(audio.samples.T.astype(np.float64))
    assert loudness(audio) == pytest.approx(theirs, abs=0.1)


def test_chunks_leave_no_seam():
    audio = noise(2, duration_s=23.4)
    squares, products = weighted_blocks(audio)
    short, _ = weighted_blocks(Audio(samples=audio.samples[:, : 48000 * 9], sample_rate=48000))
    assert squares.shape == (2, 234)
    assert products.shape == (234,)
    assert np.array_equal(squares[:, :90], short)
    middle = weighted_blocks(Audio(samples=audio.samples[:, 48000 * 5 :], sample_rate=48000))[0]
    assert squares[:, 70:] == pytest.approx(middle[:, 20:], rel=1e-6)


@given(gain_db=st.floats(-30, 6))
@settings(max_examples=8, deadline=None)
def test_gain_moves_loudness_by_the_gain_and_not_the_range(gain_db):
    audio = noise(3, duration_s=5.0)
    louder = Audio(samples=(audio.samples * 10 ** (gain_db / 20)).astype(np.float32), sample_rate=48000)
    assert loudness(louder) - loudness(audio) == pytest.approx(gain_db, abs=1e-3)
    ranges = [loudness_range(loudness_blocks(weighted_blocks(a)[0])) for a in (audio, louder)]
    assert ranges[0] == pytest.approx(ranges[1], abs=1e-3)


@pytest.mark.parametrize("step_lu", [5.0, 10.0, 15.0])
def test_loudness_range_of_two_levels(step_lu):
    # EBU Tech 3342, test signals 1 to 3: 20 s of a tone at one level, 20 s at another.
    tones = [
        sine(1000.0, amplitude=10 ** (db / 20), duration_s=20.0, channels=2).samples for db in (-20, -20 - step_lu)
    ]
    both = Audio(samples=np.concatenate(tones, axis=1), sample_rate=48000)
    assert loudness_range(loudness_blocks(weighted_blocks(both)[0])) == pytest.approx(step_lu, abs=1.0)


def test_true_peak_between_the_samples():
    audio = sine(12_000.0, phase=np.pi / 4)
    assert 20 * np.log10(np.abs(audio.samples).max()) == pytest.approx(-3.01, abs=0.01)
    # The interpolator of the standard has a ripple of some tenths of a decibel.
    assert 20 * np.log10(true_peak(audio)) == pytest.approx(0.0, abs=0.3)


@pytest.mark.parametrize("frequency_hz", [100.0, 997.0, 4000.0, 11_000.0])
def test_true_peak_agrees_with_a_long_interpolator(frequency_hz):
    audio = sine(frequency_hz, amplitude=0.5, phase=0.3, duration_s=1.0)
    fine = np.abs(resample_poly(audio.samples[0].astype(np.float64), 32, 1))[2000:-2000].max()
    assert 20 * np.log10(true_peak(audio) / fine) == pytest.approx(0.0, abs=0.35)


@given(seed=st.integers(0, 1000), n=st.integers(1, 5000), channels=st.integers(1, 2))
@settings(max_examples=20, deadline=None)
def test_skipping_quiet_pieces_does_not_change_the_true_peak(seed, n, channels):
    rng = np.random.default_rng(seed)
    samples = (rng.laplace(0, 0.1, (channels, n)) * rng.choice([0.01, 1.0], n)).astype(np.float32)
    plain = max(np.abs(np.convolve(channel, phase)).max() for channel in samples for phase in TRUE_PEAK_FILTER)
    expected = max(plain, np.abs(samples).max())
    assert true_peak(Audio(samples=samples, sample_rate=44100)) == pytest.approx(expected, rel=1e-5)


def test_true_peak_has_no_seam_where_chunks_meet():
    samples = np.zeros((1, 2**20 + 5000), np.float32)
    burst = sine(12_000.0, phase=np.pi / 4, duration_s=0.01).samples[0]
    samples[0, 2**20 - 240 : 2**20 + 240] = burst
    alone = true_peak(Audio(samples=np.pad(burst[None], ((0, 0), (50, 50))), sample_rate=48000))
    assert true_peak(Audio(samples=samples, sample_rate=48000)) == pytest.approx(alone, rel=1e-6)


def test_true_peak_of_silence_is_zero():
    assert true_peak(Audio(samples=np.zeros((2, 1000), np.float32), sample_rate=48000)) == 0.0
