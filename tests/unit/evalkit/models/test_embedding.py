"""The door to embedders: names, caching, what is refused."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pytest

from evalkit.derived import Derived, Record
from evalkit.errors import ConfigError, ShapeError
from evalkit.models import embedding
from evalkit.types import Audio, Clip, FloatArray, ModelLocator, Prompt, SetSong, Song

SONG = Song(prompt_id="p", system="s", take=0, seed=1, status="ok")


class Memory:
    """A store that counts what it hands out."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}

    def get(self, key: str) -> Record | None:
        return self.records.get(key)

    def put(self, key: str, record: Record) -> None:
        self.records[key] = record


class FlatEmbedder:
    """Gives one vector that says how loud the mix is."""

    name: ClassVar[str] = "flat"
    licence: ClassVar[str] = "MIT"

    @classmethod
    def required_models(cls, options: Mapping[str, Any]) -> Sequence[str]:
        return []

    def __init__(self, options: Mapping[str, Any], locate: ModelLocator) -> None:
        pass

    @property
    def signature_parts(self) -> Mapping[str, str | int | float]:
        return {"embed": "flat"}

    def windows(self, song: Clip | SetSong, source: str = "mix") -> FloatArray:
        signature = embedding.signature_of(self.signature_parts)
        return embedding.stored_windows(song, source, signature, lambda clip: clip.mix.samples[:, :4])


def clip(store: Memory | None = None) -> Clip:
    audio = Audio(samples=np.ones((1, 8), np.float32), sample_rate=8)
    derived = Derived({"mix": "abc"}, store)
    return Clip(prompt=Prompt(id="p", language="en"), song=SONG, mix=audio, derived=derived)


def unopened(store: Memory) -> SetSong:
    def refuse() -> Clip:
        raise AssertionError("the song was opened although its vectors are stored")

    return SetSong(prompt=Prompt(id="p", language="en"), song=SONG, derived=Derived({"mix": "abc"}, store), open=refuse)


def test_a_registered_embedder_is_found_by_name() -> None:
    embedding.register("flat", FlatEmbedder)
    assert "flat" in embedding.names()
    assert embedding.get("flat") is FlatEmbedder
    with pytest.raises(ConfigError, match="exists already"):
        embedding.register("clap", FlatEmbedder)


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"Unknown embedder 'clapp'.*Did you mean 'clap'"):
        embedding.get("clapp")


def test_what_was_computed_for_a_song_is_not_computed_for_its_set() -> None:
    store = Memory()
    embedder = FlatEmbedder({}, lambda name: pytest.fail(name))
    first = embedder.windows(clip(store))
    again = embedder.windows(unopened(store))
    assert first.dtype == again.dtype == np.float32
    assert np.array_equal(first, again)


@pytest.mark.parametrize("vectors", [np.zeros(4), np.zeros((0, 4)), np.full((1, 2), np.nan)])
def test_what_is_no_set_of_vectors_is_refused(vectors: FloatArray) -> None:
    with pytest.raises(ShapeError, match="finite numbers"):
        embedding.stored_windows(clip(), "mix", "x", lambda _: vectors)


def test_unit_vectors() -> None:
    found = embedding.unit(np.array([[3.0, 4.0], [0.0, 0.0]], np.float32))
    assert found.tolist() == [[pytest.approx(0.6), pytest.approx(0.8)], [0.0, 0.0]]


def test_a_song_points_where_its_windows_point_whatever_their_length() -> None:
    windows = np.array([[10.0, 0.0], [0.0, 0.1]], np.float32)
    assert embedding.song_vector(windows) == pytest.approx([2**-0.5, 2**-0.5])
