"""Pitch tracks: known tones, unvoiced stretches, level, caching."""

import numpy as np
import pytest

from evalkit.derived import Derived
from evalkit.errors import AudioError
from evalkit.signal.f0 import SAMPLE_RATE, F0Track, f0_track, find_f0
from evalkit.types import Audio, Clip, Prompt, Song


def voice(f0_hz, duration_s=4.0, sample_rate=48_000, level=0.2, seed=0):
    """A harmonic tone that follows a frequency or a curve, with a little breath."""
    n = round(duration_s * sample_rate)
    curve = np.broadcast_to(f0_hz, n)
    phase = 2 * np.pi * np.cumsum(curve) / sample_rate
    tone = sum(np.sin(k * phase) / k for k in range(1, 10))
    breath = 0.003 * np.random.default_rng(seed).standard_normal(n)
    return (level * (tone + breath)).astype(np.float32)


def clip(samples, store=None, digest="abc", sample_rate=48_000):
    stem = Audio(samples=np.atleast_2d(samples).astype(np.float32), sample_rate=sample_rate)
    return Clip(
        prompt=Prompt(id="p", language="en"),
        song=Song(prompt_id="p", system="s", take=0, seed=1, status="ok"),
        mix=stem,
        stems={"vocals": stem},
        derived=Derived({"vocals": digest}, store),
    )


@pytest.mark.parametrize("hz", [82.4, 110.0, 196.0, 261.6, 440.0, 698.5, 987.8])
def test_a_tone_has_its_pitch(hz):
    track = f0_track(clip(voice(hz)))
    assert track.voiced[20:-20].all()
    cents = 1200 * np.log2(track.hz[20:-20] / hz)
    assert np.abs(cents).max() < 5.0
    assert track.median_hz == pytest.approx(hz, rel=1e-3)
    assert track.voiced_s == pytest.approx(4.0, abs=0.2)


def test_a_glide_is_followed():
    curve = 220.0 * 2.0 ** (np.arange(4 * 48_000) / (4 * 48_000))
    track = f0_track(clip(voice(curve)))
    expected = 220.0 * 2.0 ** (np.arange(len(track.hz)) * track.frame_s / 4.0)
    cents = 1200 * np.log2(track.hz[30:-30] / expected[30:-30])
    assert np.abs(cents).max() < 10.0


def test_pauses_and_noise_have_no_pitch():
    pause = np.concatenate([voice(220.0, 2.0), np.zeros(96_000, np.float32), voice(330.0, 2.0)])
    track = f0_track(clip(pause))
    assert not track.voiced[210:390].any()
    assert track.voiced_s == pytest.approx(4.0, abs=0.2)
    noise = (0.1 * np.random.default_rng(3).standard_normal(96_000)).astype(np.float32)
    assert f0_track(clip(noise)).voiced.mean() < 0.25


def test_the_tail_of_a_reverb_is_not_sung():
    loud, soft = voice(220.0, 3.0), voice(330.0, 3.0) * np.float32(0.01)
    track = f0_track(clip(np.concatenate([loud, soft])))
    assert track.voiced[:290].mean() > 0.95
    assert not track.voiced[310:].any()


def test_silence_and_the_missing_stem():
    track = f0_track(clip(np.zeros(96_000, np.float32)))
    assert track.median_hz is None
    assert len(track.hz) == 201
    assert np.isnan(track.semitones).all()
    with pytest.raises(AudioError, match="no vocals stem"):
        f0_track(Clip(prompt=Prompt(id="p", language="en"), song=clip(voice(220.0)).song, mix=clip(voice(220.0)).mix))


def test_level_rate_and_channels_do_not_matter():
    loud = f0_track(clip(voice(247.0)))
    for other in (
        clip(voice(247.0) * np.float32(0.25)),
        clip(np.stack([voice(247.0)] * 2)),
        clip(voice(247.0, sample_rate=44_100), sample_rate=44_100),
    ):
        found = f0_track(other)
        assert found.median_hz == pytest.approx(loud.median_hz, rel=2e-4)
        assert np.count_nonzero(found.voiced) == pytest.approx(np.count_nonzero(loud.voiced), abs=4)


def test_semitones_count_from_a4():
    track = F0Track(hz=np.array([440.0, 880.0, 0.0, 466.164], np.float32))
    assert track.semitones[[0, 1, 3]] == pytest.approx([69.0, 81.0, 70.0], abs=1e-4)
    assert np.isnan(track.semitones[2])


def test_a_track_is_found_again_by_content():
    class Memory:
        records: dict = {}  # noqa: RUF012

        def get(self, key):
            return self.records.get(key)

        def put(self, key, record):
            self.records[key] = record

    store = Memory()
    first = f0_track(clip(voice(220.0), store))
    again = f0_track(clip(np.zeros(4800, np.float32), store))
    assert np.array_equal(first.hz, again.hz)
    assert not np.array_equal(f0_track(clip(voice(330.0), store, digest="other")).hz, first.hz)


def test_repeats_bit_for_bit():
    samples = voice(220.0, sample_rate=SAMPLE_RATE)
    before = samples.copy()
    assert np.array_equal(find_f0(samples, SAMPLE_RATE), find_f0(samples, SAMPLE_RATE))
    assert np.array_equal(samples, before)


@pytest.mark.parametrize("hz", [65.4, 123.5, 311.1, 880.0])
def test_agrees_with_harvest(hz):
    import pyworld

    curve = hz * 2.0 ** (0.4 / 12 * np.sin(2 * np.pi * 5.3 * np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE))
    samples = voice(curve, 3.0, SAMPLE_RATE)
    theirs, _ = pyworld.harvest(samples.astype(np.float64), SAMPLE_RATE, f0_floor=60, f0_ceil=1100, frame_period=10)
    ours = find_f0(samples, SAMPLE_RATE)
    both = slice(20, -20)
    cents = 1200 * np.log2(ours[both] / theirs[: len(ours)][both])
    assert np.abs(cents).max() < 12.0


def test_an_empty_clip_has_one_unvoiced_frame():
    assert find_f0(np.zeros(0, np.float32), SAMPLE_RATE).tolist() == [0.0]


def test_a_higher_octave_in_the_timbre_is_not_taken_for_the_pitch():
    """Even harmonics stronger than odd ones, as in some vowels."""
    t = np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE
    samples = sum((0.3 if k % 2 else 1.0) * np.sin(2 * np.pi * 150 * k * t) / k for k in range(1, 12))
    track = find_f0((0.2 * samples).astype(np.float32), SAMPLE_RATE)
    assert np.median(track[20:-20]) == pytest.approx(150.0, rel=0.002)
