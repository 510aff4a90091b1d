"""MuQ-MuLan through a small seeded network that is called as the package's is."""

import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evalkit.derived import Derived
from evalkit.errors import ConfigError, ModelError
from evalkit.evaluators.muq import MuqEvaluator
from evalkit.models import embedding
from evalkit.models.muq import MuqEmbedder
from evalkit.types import Audio, Clip, Prompt, Song, Tags

JAZZ = Tags(genre="jazz")


class Small(torch.nn.Module):
    """Energy in eight parts of a window, or of a text's letters, through one seeded matrix."""

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(weight)

    @classmethod
    def from_pretrained(cls, folder: str) -> "Small":
        from safetensors.torch import load_file

        return cls(load_file(Path(folder) / "model.safetensors")["weight"])

    def forward(self, wavs: torch.Tensor | None = None, texts: list[str] | None = None) -> torch.Tensor:
        if wavs is not None:
            assert wavs.shape == (1, 240_000)
            parts = wavs.reshape(1, 8, -1).square().mean(dim=2)
        else:
            assert texts is not None
            parts = torch.tensor([[float(sum(map(ord, text[k::8])) % 97) for k in range(8)] for text in texts])
        return parts @ self.weight


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from safetensors.torch import save_file

    save_file({"weight": torch.randn(8, 6, generator=torch.Generator().manual_seed(1))}, tmp_path / "model.safetensors")
    package: Any = types.ModuleType("muq")
    package.MuQMuLan = Small
    monkeypatch.setitem(sys.modules, "muq", package)
    return tmp_path


def clip(tags: Tags = JAZZ, duration_s: float = 25.0) -> Clip:
    time = np.arange(round(24_000 * duration_s)) / 24_000
    samples = (0.2 * np.sin(2 * np.pi * 220 * time) * (0.2 + (time % 7) / 7)).astype(np.float32)
    song = Song(prompt_id="p", system="s", take=0, seed=1, status="ok")
    audio = Audio(samples=samples[None], sample_rate=24_000)
    return Clip(prompt=Prompt(id="p", language="en", tags=tags), song=song, mix=audio, derived=Derived())


def test_cosines_of_all_windows(folder: Path) -> None:
    found = {one.metric: one for one in MuqEvaluator({"folder": str(folder)}, lambda name: folder).score(clip())}
    embedder = MuqEmbedder({"folder": str(folder)}, lambda name: folder)
    windows, text = embedder.windows(clip()), embedder.text(["A jazz song."])[0]
    assert windows.shape == (3, 6)
    each = embedding.unit(windows) @ text
    assert found["muq_ta"].value == pytest.approx(float(embedding.song_vector(windows) @ text), abs=1e-6)
    assert found["muq_ta_min"].value == pytest.approx(each.min(), abs=1e-6)
    assert found["muq_ta_std"].value == pytest.approx(each.std(), abs=1e-6)
    assert found["muq_ta"].details["text"] == "A jazz song."
    assert "muq-mulan@absent" not in found["muq_ta"].signature


def test_without_a_folder_or_weights_the_model_is_missing(tmp_path: Path) -> None:
    for options in ({}, {"folder": str(tmp_path)}):
        with pytest.raises(ModelError, match=r"MuQ-MuLan is not there.*option folder"):
            MuqEvaluator(options, lambda name: tmp_path).score(clip())


def test_without_the_package_the_model_is_missing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "muq", None)
    with pytest.raises(ModelError, match="pip install muq"):
        MuqEvaluator({"folder": str(folder)}, lambda name: folder).score(clip())


def test_no_style_and_unknown_options(folder: Path) -> None:
    scores = MuqEvaluator({"folder": str(folder)}, lambda name: folder).score(clip(Tags()))
    assert {score.status for score in scores} == {"not_applicable"}
    with pytest.raises(ConfigError, match="no option 'revision'"):
        MuqEmbedder({"revision": "x"}, lambda name: folder)
    assert embedding.get("muq") is MuqEmbedder
