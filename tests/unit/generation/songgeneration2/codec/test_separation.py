import json
import sys
from fractions import Fraction

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from evalkit.errors import MissingDependencyError, ModelError
from evalkit.types import Audio
from generation.songgeneration2.codec.prompt import PromptEncoder
from generation.songgeneration2.codec.separation import HTDemucsSeparator, encode_prompt, prompt_excerpt, prompt_vocals
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


def test_an_absent_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "demucs", None)
    monkeypatch.setitem(sys.modules, "demucs.apply", None)
    with pytest.raises(MissingDependencyError, match=r"demucs.*pip install 'music-evalkit\[prompt-audio\]'"):
        HTDemucsSeparator(tmp_path / "htdemucs.pth")


class TestWithDemucs:
    """With the real package and a small random network."""

    @pytest.fixture
    def network(self):
        htdemucs = pytest.importorskip("demucs.htdemucs", reason="needs the optional package demucs")
        torch.manual_seed(0)
        kwargs = {
            "sources": ["drums", "bass", "other", "vocals"],
            "channels": 8, "depth": 4, "t_layers": 1, "t_heads": 2, "nfft": 4096,
            "samplerate": 44_100, "segment": Fraction(39, 5),
        }  # fmt: skip
        return htdemucs.HTDemucs, kwargs, htdemucs.HTDemucs(**kwargs).state_dict()

    @pytest.fixture
    def archive(self, network, tmp_path):
        klass, kwargs, state = network
        half = {name: tensor.half() for name, tensor in state.items()}
        torch.save({"klass": klass, "args": (), "kwargs": kwargs, "state": half}, tmp_path / "htdemucs.pth")
        return tmp_path / "htdemucs.pth"

    def test_vocals_are_aligned_and_repeat(self, archive):
        mix = clip(0, 2.0, 48_000)
        separator = HTDemucsSeparator(archive)
        first, again = separator.vocals(mix), HTDemucsSeparator(archive).vocals(mix)
        assert first.samples.shape == mix.samples.shape
        assert np.array_equal(first.samples, again.samples)
        assert float(np.abs(first.samples).max()) > 0

    def test_both_file_formats_give_the_same(self, archive, network, tmp_path):
        _, kwargs, state = network
        arguments = {**kwargs, "segment": {"_type": "fraction", "numerator": 39, "denominator": 5}}
        metadata = {"klass": "demucs.htdemucs.HTDemucs", "args": "[]", "kwargs": json.dumps(arguments)}
        half = {name: tensor.half().contiguous() for name, tensor in state.items()}
        save_file(half, tmp_path / "model.safetensors", metadata)
        mix = clip(0, 1.0, 44_100)
        one = HTDemucsSeparator(archive).vocals(mix)
        two = HTDemucsSeparator(tmp_path / "model.safetensors").vocals(mix)
        assert np.array_equal(one.samples, two.samples)

    def test_other_objects_are_refused(self, network, tmp_path):
        class_of_another_module = np.random.Generator
        torch.save({"klass": class_of_another_module, "args": (), "kwargs": {}, "state": {}}, tmp_path / "x.pth")
        with pytest.raises(ModelError, match="other Python objects"):
            HTDemucsSeparator(tmp_path / "x.pth")
