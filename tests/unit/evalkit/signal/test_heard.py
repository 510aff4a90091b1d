import numpy as np
import pytest

from evalkit.errors import AudioError
from evalkit.signal.heard import MAX_GAIN_DB, heard, level_gain_db
from evalkit.signal.loudness import integrated_loudness, loudness_blocks, true_peak, weighted_blocks
from evalkit.types import Audio, Clip, Prompt, Song


def clip_of(audio: Audio, **stems: Audio) -> Clip:
    song = Song(prompt_id="p", system="s", take=0, seed=0, status="ok", path="a.flac")
    return Clip(prompt=Prompt(id="p", language="en"), song=song, mix=audio, stems=stems)


def scaled(audio: Audio, gain_db: float) -> Audio:
    return Audio(samples=(audio.samples * 10 ** (gain_db / 20)).astype(np.float32), sample_rate=audio.sample_rate)


def loudness(audio: Audio) -> float:
    return integrated_loudness(loudness_blocks(weighted_blocks(audio)[0]))


def test_a_sine_is_brought_to_the_common_level(make_sine):
    quiet = make_sine(997.0, 6.0, amplitude=0.02)
    gain_db = level_gain_db(clip_of(quiet), "mix")
    assert loudness(scaled(quiet, gain_db)) == pytest.approx(-16.0, abs=0.01)


def test_the_true_peak_limits_the_gain(make_sine):
    """A click carries little loudness and much peak."""
    sine = make_sine(997.0, 6.0, amplitude=0.02)
    samples = sine.samples.copy()
    samples[:, 48_000] = 0.9
    clicked = Audio(samples=samples, sample_rate=48_000)
    lifted = scaled(clicked, level_gain_db(clip_of(clicked), "mix"))
    assert 20 * np.log10(true_peak(lifted)) == pytest.approx(-1.0, abs=0.02)
    assert loudness(lifted) < -16.0


@pytest.mark.parametrize("change_db", [-12.0, -6.0, -0.5, 0.5, 6.0])
def test_what_is_heard_does_not_depend_on_the_level(make_noise, change_db):
    noise = make_noise(6.0, level=0.05)
    before = heard(clip_of(noise), "mix", 16_000)
    after = heard(clip_of(scaled(noise, change_db)), "mix", 16_000)
    assert before.samples.shape == (1, 6 * 16_000)
    assert before.sample_rate == 16_000
    np.testing.assert_allclose(after.samples, before.samples, atol=2e-6)


def test_bleed_is_not_lifted_into_a_voice(make_noise):
    bleed = make_noise(6.0, level=1e-3)
    assert level_gain_db(clip_of(bleed), "mix") == MAX_GAIN_DB


def test_silence_stays_silence():
    silence = Audio(samples=np.zeros((2, 48_000 * 6), np.float32), sample_rate=48_000)
    assert level_gain_db(clip_of(silence), "mix") == 0.0
    assert not heard(clip_of(silence), "mix", 16_000).samples.any()


def test_each_source_has_its_own_level_and_is_made_once(make_sine, make_noise):
    clip = clip_of(make_sine(amplitude=0.5), vocals=make_noise(level=0.01))
    assert heard(clip, "vocals", 16_000) is heard(clip, "vocals", 16_000)
    assert level_gain_db(clip, "mix") < level_gain_db(clip, "vocals")
    raw = heard(clip, "vocals", 48_000, levelled=False)
    np.testing.assert_allclose(raw.samples[0], clip.stems["vocals"].samples.mean(axis=0), atol=1e-7)


def test_a_missing_stem_is_a_sentence(make_sine):
    with pytest.raises(AudioError, match="no vocals stem"):
        heard(clip_of(make_sine()), "vocals", 16_000)
