import numpy as np
import torch

from evalkit.types import Audio
from generation.songgeneration2.codec.prompt import PromptEncoder
from generation.songgeneration2.codec.separation import encode_prompt, prompt_excerpt, prompt_vocals
from generation.songgeneration2.codec.tiny import tiny_codec


class Counting:
    """A separator that halves the song and counts how often it is asked."""

    name = "half"

    def __init__(self):
        self.calls = 0

    def vocals(self, mix):
        self.calls += 1
        return Audio(samples=mix.samples * np.float32(0.5), sample_rate=mix.sample_rate)


def clip(seed, duration_s=1.0, rate=8000):
    samples = np.random.default_rng(seed).standard_normal((2, round(duration_s * rate))).astype(np.float32) * 0.1
    return Audio(samples=samples, sample_rate=rate)


def test_only_the_beginning_is_separated():
    excerpt = prompt_excerpt(clip(0, 30))
    assert excerpt.duration_s == 20
    assert np.array_equal(excerpt.samples, clip(0, 30).samples[:, : 20 * 8000])


def test_the_cache_goes_by_content_and_separator(tmp_path):
    separator = Counting()
    first = prompt_vocals(clip(0), separator, tmp_path)
    again = prompt_vocals(clip(0), separator, tmp_path)
    assert separator.calls == 1
    assert np.array_equal(first.samples, again.samples)
    prompt_vocals(clip(1), separator, tmp_path)
    assert separator.calls == 2
    separator.name = "other"
    prompt_vocals(clip(0), separator, tmp_path)
    assert separator.calls == 3
    assert not list(tmp_path.glob("*.partial"))


def test_a_damaged_cache_file_is_made_again(tmp_path):
    separator = Counting()
    prompt_vocals(clip(0), separator, tmp_path)
    (stored,) = tmp_path.iterdir()
    stored.write_bytes(stored.read_bytes()[:40])
    found = prompt_vocals(clip(0), separator, tmp_path)
    assert separator.calls == 2
    assert np.array_equal(found.samples, clip(0).samples * np.float32(0.5))


def test_a_song_becomes_a_prompt(tmp_path):
    separator, stages = Counting(), tiny_codec(1)
    mix = clip(2, 3.0, 48_000)
    prompt = encode_prompt(mix, stages, separator, cache=tmp_path)
    by_hand = PromptEncoder(stages).encode(mix, separator.vocals(mix))
    assert torch.equal(prompt.codes, by_hand.codes)
    assert torch.equal(prompt.parts["mixed"].latents, by_hand.parts["mixed"].latents)
    assert len(list(tmp_path.iterdir())) == 1
