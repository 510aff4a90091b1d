import numpy as np
import pytest
import torch

from evalkit.errors import AudioError
from evalkit.types import Audio
from generation.songgeneration2.codec.prompt import NO_CODE, PromptEncoder, prepare
from generation.songgeneration2.codec.renderer import Renderer
from generation.songgeneration2.codec.tiny import tiny_codec
from generation.songgeneration2.codec.vae import split_posterior


@pytest.fixture(scope="module")
def stages():
    return tiny_codec(1)


def tone(duration_s, *, hz=330.0, rate=48_000, channels=2):
    time = np.arange(round(duration_s * rate)) / rate
    wave = np.stack([0.3 * np.sin(2 * np.pi * hz * (1 + index / 7) * time) for index in range(channels)])
    return Audio(samples=wave.astype(np.float32), sample_rate=rate)


def test_ten_seconds_at_48_khz_stereo_are_taken():
    assert prepare(tone(12)).shape == (2, 480_000)
    assert prepare(tone(3, rate=44_100)).shape == (2, 144_000)


def test_mono_is_doubled_not_split():
    found = prepare(tone(2, channels=1))
    assert found.shape == (2, 96_000)
    assert torch.equal(found[0], found[1])


def test_resampling_keeps_a_tone():
    found = prepare(tone(2, rate=44_100, hz=1000))[0, 4800:-4800]
    expected = torch.from_numpy(tone(2, hz=1000).samples)[0, 4800:-4800]
    assert torch.allclose(found, expected, atol=2e-3)


def test_cutting_before_resampling_changes_nothing():
    long = tone(11.5, rate=44_100, hz=1000)
    assert torch.allclose(prepare(tone(14, rate=44_100, hz=1000)), prepare(long), atol=1e-6)


def test_too_short_is_refused():
    with pytest.raises(AudioError, match="30 ms"):
        prepare(tone(0.03))


def test_codes_latents_and_continuation(stages):
    encoder = PromptEncoder(stages)
    prompt = encoder.encode(tone(10.4), tone(10.4, hz=500), parts=("mixed", "vocal", "bgm"))
    assert prompt.codes.shape == (3, 250)
    assert prompt.codes.dtype == torch.int64
    assert int(prompt.codes.max()) < 16384
    mixed, vocal, bgm = (prompt.parts[part] for part in ("mixed", "vocal", "bgm"))
    assert len(mixed.vocal) == 251  # one more than the latents, as upstream; the renderer trims it
    assert mixed.latents.shape == (64, 250)
    assert torch.equal(mixed.vocal[:250], prompt.codes[1])
    assert torch.equal(vocal.vocal, mixed.vocal)
    assert torch.equal(bgm.bgm, mixed.bgm)
    assert not torch.equal(vocal.bgm, mixed.bgm)
    assert not torch.equal(vocal.latents, bgm.latents)
    codes = torch.randint(0, 16384, (3, 20), generator=torch.Generator().manual_seed(0))
    song = Renderer(stages).render([codes], seeds=[0], prompts=[prompt.parts])[0]
    assert song.mix.samples.shape == (2, 20 * 1920)


def test_a_short_prompt_is_padded(stages):
    prompt = PromptEncoder(stages).encode(tone(2), tone(2 + 1 / 48_000, hz=500))  # a sample more is no obstacle
    assert (prompt.codes[:, 51:] == NO_CODE).all()
    assert (prompt.codes[:, :51] < 16384).all()
    assert prompt.parts["mixed"].latents.shape == (64, 50)


def test_sampled_latents_follow_the_seed(stages):
    clips = {"mixed": prepare(tone(1))}
    encoder = PromptEncoder(stages)
    mean, one, again, other = (encoder.latents(clips, seed=seed)["mixed"] for seed in (None, 1, 1, 2))
    assert mean.shape == (64, 25)
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert not torch.equal(one, mean)


def test_long_clips_are_encoded_in_pieces_without_seams(stages, close):
    clip = prepare(tone(9.2, hz=123))
    found = PromptEncoder(stages).latents({"mixed": clip})["mixed"]
    with stages.use("encoder") as encoder:
        whole, _ = split_posterior(encoder(clip[None]))
    assert found.shape == (64, 230)
    close(found, whole[0])
    assert 0.1 < float(found.std()) < 10
