import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.evaluators._repetition import longest_loop
from evalkit.evaluators._stereo import frame_correlations, mono_loss, side_mid_ratio
from evalkit.signal.frames import NotMeasurable, cell_sums
from evalkit.signal.loudness import weighted_blocks
from evalkit.types import Audio


def audio(samples, sample_rate=48000):
    return Audio(samples=np.atleast_2d(samples).astype(np.float32), sample_rate=sample_rate)


def white(seed, duration_s=6.0, level=0.1, sample_rate=48000):
    return np.random.default_rng(seed).normal(0, level, round(duration_s * sample_rate))


def mixed(share):
    """Two channels with ``share`` of the power in common."""
    common = np.sqrt(share) * white(0)
    return np.stack([common + np.sqrt(1 - share) * white(1), common + np.sqrt(1 - share) * white(2)])


def correlations(samples):
    return frame_correlations(cell_sums(audio(samples)))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_correlation_is_the_share_in_common(share):
    assert correlations(mixed(share)).mean() == pytest.approx(share, abs=0.02)


def test_correlation_of_equal_and_opposite_channels():
    assert correlations(np.stack([white(0), white(0)])) == pytest.approx(np.ones(15), abs=1e-9)
    assert correlations(np.stack([white(0), -0.5 * white(0)])) == pytest.approx(-np.ones(15), abs=1e-9)


def test_correlation_agrees_with_numpy_and_ignores_dc():
    samples = mixed(0.5) + np.array([[0.2], [-0.1]])
    frame = samples.astype(np.float32).astype(np.float64)[:, 19_200 * 3 : 19_200 * 4]
    assert correlations(samples)[3] == pytest.approx(np.corrcoef(frame)[0, 1], abs=1e-9)


def test_correlation_leaves_out_silent_frames():
    samples = np.concatenate([mixed(0.3), np.zeros((2, 96000))], axis=1)
    assert len(correlations(samples)) == 15
    for empty in (np.zeros((2, 96000)), np.stack([white(0), np.zeros(288_000)])):
        with pytest.raises(NotMeasurable, match="no frame"):
            correlations(empty)


@given(gain=st.floats(0.05, 1.0), share=st.sampled_from([0.1, 0.6]))
@settings(max_examples=6, deadline=None)
def test_stereo_measures_do_not_depend_on_gain(gain, share):
    samples = mixed(share)
    assert correlations(samples * gain).mean() == pytest.approx(correlations(samples).mean(), abs=1e-5)
    found = [side_mid_ratio(cell_sums(audio(part))) for part in (samples, samples * gain)]
    assert found[0] == pytest.approx(found[1], abs=1e-4)


def test_side_to_mid_of_known_mixtures():
    assert side_mid_ratio(cell_sums(audio(mixed(0.0)))) == pytest.approx(0.0, abs=0.1)
    assert side_mid_ratio(cell_sums(audio(np.stack([white(0), 0 * white(0)])))) == pytest.approx(0.0, abs=1e-9)
    assert side_mid_ratio(cell_sums(audio(np.stack([white(0), 0.5 * white(0)])))) == pytest.approx(-9.54, abs=0.01)
    assert side_mid_ratio(cell_sums(audio(np.stack([white(0), -white(0)])))) == 120.0


def test_side_to_mid_of_mono_and_silence():
    with pytest.raises(NotMeasurable, match=r"equal \(mono\)"):
        side_mid_ratio(cell_sums(audio(np.stack([white(0), white(0)]))))
    with pytest.raises(NotMeasurable, match="silence"):
        side_mid_ratio(cell_sums(audio(np.zeros((2, 48000)))))


def loss(samples):
    return mono_loss(*weighted_blocks(audio(samples)))


def test_mono_loss_of_known_mixtures():
    assert loss(np.stack([white(0), white(0)])) == pytest.approx(0.0, abs=1e-9)
    assert loss(mixed(0.0)) == pytest.approx(3.01, abs=0.1)
    assert loss(np.stack([white(0), -0.5 * white(0)])) == pytest.approx(10 * np.log10(1.25 / 0.125), abs=0.01)


def test_mono_loss_grows_with_the_opposite_phase_and_stays_finite():
    losses = [loss(np.stack([white(0), -share * white(0) + (1 - share) * white(1)])) for share in (0.0, 0.5, 0.9, 1.0)]
    assert losses == sorted(losses)
    assert 40.0 < losses[-1] < 80.0


def test_mono_loss_equals_the_loudness_of_a_real_mono_sum():
    samples = mixed(0.4)
    mono = np.tile(samples.mean(axis=0), (2, 1))
    stereo_squares, mono_squares = (weighted_blocks(audio(part))[0].sum(axis=0) for part in (samples, mono))
    expected = 10 * np.log10(stereo_squares.sum() / mono_squares.sum())
    assert loss(samples) == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize(("sample_rate", "lag_s"), [(48000, 2.0), (44100, 3.36), (22050, 1.04), (16000, 11.0)])
def test_stuck_loop_is_found_with_its_lag(sample_rate, lag_s):
    lag = round(lag_s * sample_rate)
    start = white(3, 5.0, sample_rate=sample_rate)
    loop = white(4, lag_s, sample_rate=sample_rate)[:lag]
    repeats = int(14 / lag_s) + 2
    stretch_s, found_s = longest_loop(audio(np.concatenate([start, np.tile(loop, repeats)]), sample_rate))
    assert found_s == pytest.approx(lag_s, abs=1e-4)
    assert stretch_s == pytest.approx((repeats - 1) * lag_s, abs=0.5)


def test_longer_loops_give_longer_stretches():
    found = [longest_loop(audio(np.concatenate([white(5, 8.0), np.tile(white(6, 2.0), n)])))[0] for n in (1, 3, 6, 9)]
    assert found[:2] == [0.0, 0.0], "2 s and 6 s are too short"
    assert found[2:] == pytest.approx([10.0, 16.0], abs=0.5)


def test_loop_survives_a_little_noise_and_opposite_channels():
    loop = np.tile(white(7, 2.0), 8)
    noisy = loop + white(8, 16.0, level=0.005)
    assert longest_loop(audio(np.stack([noisy, -noisy])))[0] == pytest.approx(14.0, abs=0.5)


def test_a_voice_over_the_loop_is_music():
    assert longest_loop(audio(np.tile(white(9, 2.0), 8) + white(10, 16.0, level=0.05)))[0] == 0.0


def test_noise_silence_and_short_clips_do_not_repeat():
    assert longest_loop(audio(white(11, 20.0)))[0] == 0.0
    assert longest_loop(audio(np.zeros(48000 * 20)))[0] == 0.0
    assert longest_loop(audio(white(12, 1.0)))[0] == 0.0
    assert longest_loop(audio(np.concatenate([white(13, 6.0), np.zeros(48000 * 14)])))[0] == 0.0
