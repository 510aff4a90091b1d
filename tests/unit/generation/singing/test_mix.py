import numpy as np
import pytest

from evalkit.types import Audio
from generation.singing.effects import high_pass, limit, polish
from generation.singing.mix import PEAK_DB, active_rms_db, mix_stems

RATE = 48_000


def test_levels_are_measured_where_there_is_sound(make_sine):
    sine = make_sine(440, 2.0, amplitude=0.5)
    padded = np.pad(sine.samples, ((0, 0), (0, 10 * RATE)))
    assert active_rms_db(Audio(samples=padded, sample_rate=RATE)) == pytest.approx(-9.03, abs=0.02)
    assert active_rms_db(Audio(samples=np.zeros((2, RATE), dtype=np.float32), sample_rate=RATE)) == -np.inf


def test_stems_add_up_and_the_voice_is_6_db_above(make_sine, make_noise):
    vocals, band = make_sine(440, 2.0, amplitude=0.9), make_noise(3.0, level=0.2)
    mix, sung, played = mix_stems(vocals, band)
    assert np.array_equal(mix.samples, sung.samples + played.samples)
    assert mix.samples.shape == (2, 3 * RATE)
    assert active_rms_db(sung) - active_rms_db(played) == pytest.approx(6.0, abs=0.1)
    assert 20 * np.log10(np.abs(mix.samples).max()) <= PEAK_DB


def test_silence_stays_silence():
    silence = Audio(samples=np.zeros((2, RATE), dtype=np.float32), sample_rate=RATE)
    mix, _, _ = mix_stems(silence, silence)
    assert not mix.samples.any()


def test_only_a_band_still_gets_its_level(make_noise):
    silence = Audio(samples=np.zeros((2, 1), dtype=np.float32), sample_rate=RATE)
    mix, sung, played = mix_stems(silence, make_noise(1.0, level=0.01))
    assert active_rms_db(mix) == pytest.approx(-16, abs=0.1)
    assert not sung.samples.any()
    assert np.array_equal(mix.samples, played.samples)


def test_high_pass_removes_rumble_and_keeps_the_voice(make_sine):
    def gain_db(f0_hz):
        samples = make_sine(f0_hz, 1.0, channels=1).samples[0]
        return 20 * np.log10(np.std(high_pass(samples)[RATE // 2 :]) / np.std(samples[RATE // 2 :]))

    assert gain_db(30) < -18
    assert gain_db(90) == pytest.approx(-3.0, abs=0.1)
    assert abs(gain_db(400)) < 0.1


def test_limiter_holds_its_ceiling_and_leaves_quiet_sound_alone(rng):
    samples = (0.3 * rng.standard_normal(RATE)).astype(np.float32)
    assert np.abs(limit(samples)).max() <= 0.4 + 1e-6
    quiet = samples * np.float32(0.05)
    assert limit(quiet) == pytest.approx(quiet)


def test_polish_keeps_the_length_and_gives_stereo(rng):
    voice = (0.1 * rng.standard_normal(24_000)).astype(np.float32)
    audio = polish(voice, 24_000)
    assert audio.samples.shape == (2, RATE)
    assert not np.array_equal(audio.samples[0], audio.samples[1])
    assert np.isfinite(audio.samples).all()
    assert not polish(np.zeros(24_000, dtype=np.float32), 24_000).samples.any()
