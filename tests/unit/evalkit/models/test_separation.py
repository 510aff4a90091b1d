import hashlib
import json
import sys
from fractions import Fraction

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from evalkit.errors import MissingDependencyError, ModelError
from evalkit.models.separation import HTDemucsSeparator, load_separator
from evalkit.types import Audio


def clip(seed, duration_s=1.0, rate=8000):
    samples = np.random.default_rng(seed).standard_normal((2, round(duration_s * rate))).astype(np.float32) * 0.1
    return Audio(samples=samples, sample_rate=rate)


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

    def test_a_model_folder_gives_its_separator(self, archive):
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        separator = load_separator("htdemucs", archive.parent)
        assert separator.name == f"htdemucs-{digest[:16]}"


def test_a_folder_without_its_file_is_a_sentence(tmp_path):
    with pytest.raises(ModelError, match="holds none of the files of htdemucs_ft"):
        load_separator("htdemucs_ft", tmp_path)


def test_a_published_file_must_have_the_digest_in_its_name(tmp_path):
    (tmp_path / "04573f0d-f3cf25b2.th").write_bytes(b"something else")
    with pytest.raises(ModelError, match="does not begin with f3cf25b2"):
        load_separator("htdemucs_ft", tmp_path)
