"""One door to all networks that turn music into vectors: CLAP, MuQ-MuLan, musicnn, and whatever others bring.

An embedder cuts a song into windows and gives one vector for each. What it computed is kept under the digest of the
audio (`evalkit.derived`), so that style, diversity and distances to a reference set listen once between them.

Another embedder is a class like `Embedder` under the entry-point group ``evalkit.embedders``, or a line in `_OWN`.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any, ClassVar, Protocol, cast

import numpy as np

from evalkit.derived import array
from evalkit.errors import ConfigError, ShapeError
from evalkit.registry import suggestion
from evalkit.types import Clip, FloatArray, ModelLocator, SetSong

GROUP = "evalkit.embedders"
_OWN = {
    "clap": "evalkit.models.clap:ClapEmbedder",
    "muq": "evalkit.models.muq:MuqEmbedder",
    "musicnn": "evalkit.models.musicnn:MusicnnEmbedder",
}
_MADE: dict[str, "type[Embedder]"] = {}


class Embedder(Protocol):
    """Vectors of a song, one for each window.

    Constructing one is cheap and loads nothing; the network is loaded when the first song is not in the cache.

    Attributes:
        name: Registered name.
        licence: Of the weights, for the metrics made from it.
    """

    name: ClassVar[str]
    licence: ClassVar[str]

    @classmethod
    def required_models(cls, options: Mapping[str, Any]) -> Sequence[str]:
        """Registered names of the model files these options need."""
        ...

    def __init__(self, options: Mapping[str, Any], locate: ModelLocator) -> None:
        """Check the options; unknown ones are a `ConfigError`."""
        ...

    @property
    def signature_parts(self) -> Mapping[str, str | int | float]:
        """All that decides the vectors: model and digest, engine, level, resampler, windows."""
        ...

    def windows(self, song: Clip | SetSong, source: str = "mix") -> FloatArray:
        """Vectors of a song's windows, in time order, at least one [windows, dim] float32.

        Args:
            song: An unopened song is only decoded if nothing is stored.
            source: ``"mix"`` or a stem's name.

        Raises:
            AudioError: the audio cannot be read, or there is no such stem.
            ModelError: the weights are not there or do not fit.
        """
        ...


def names() -> list[str]:
    """Embedders that can be asked for by name."""
    return sorted({*_OWN, *_MADE, *(point.name for point in entry_points(group=GROUP))})


def get(name: str) -> "type[Embedder]":
    """The class of an embedder, imported on first use.

    Raises:
        ConfigError: the name is unknown.
    """
    if name in _MADE:
        return _MADE[name]
    if name in _OWN:
        module, attribute = _OWN[name].split(":")
        return cast("type[Embedder]", getattr(importlib.import_module(module), attribute))
    for point in entry_points(group=GROUP):
        if point.name == name:
            return cast("type[Embedder]", point.load())
    raise ConfigError(f"Unknown embedder {name!r}.", suggestion(name, names()))


def register(name: str, embedder: "type[Embedder]") -> None:
    """Make a class available under a name in this process: for tests and notebooks.

    Raises:
        ConfigError: the name is taken by another class.
    """
    if name in _OWN or _MADE.get(name, embedder) is not embedder:
        raise ConfigError(f"The embedder {name!r} exists already.", "Choose another name.")
    _MADE[name] = embedder


def signature_of(parts: Mapping[str, str | int | float]) -> str:
    """The parts in one line, as the name under which vectors are stored."""
    return "|".join(f"{key}:{value}" for key, value in parts.items())


_RECORD = "embedding|{}"


def stored_windows(
    song: Clip | SetSong, source: str, signature: str, compute: Callable[[Clip], FloatArray]
) -> FloatArray:
    """What `Embedder.windows` does: look into the cache, else open the song and compute.

    Args:
        song: The song; opened only where needed.
        source: ``"mix"`` or a stem's name.
        signature: Names all that decides the vectors.
        compute: Gives [windows, dim] for the opened song.

    Raises:
        ShapeError: ``compute`` gave something else than finite vectors [windows, dim].
    """

    def make() -> Mapping[str, Any]:
        return _record(compute(song if isinstance(song, Clip) else song.open()))

    return array(song.derived.stored(source, _RECORD.format(signature), make), "windows")


def knows_windows(song: Clip | SetSong, source: str, signature: str) -> bool:
    """Whether `stored_windows` would find vectors without computing them."""
    return song.derived.knows(source, _RECORD.format(signature))


def keep_windows(song: Clip | SetSong, source: str, signature: str, vectors: FloatArray) -> None:
    """Put where `stored_windows` looks what was computed together with other songs.

    Raises:
        ShapeError: ``vectors`` are something else than finite numbers [windows, dim].
    """
    song.derived.stored(source, _RECORD.format(signature), lambda: _record(vectors))


def _record(vectors: FloatArray) -> Mapping[str, Any]:
    if vectors.ndim != 2 or 0 in vectors.shape or not np.isfinite(vectors).all():
        raise ShapeError(f"Embeddings must be finite numbers [windows, dim], got {list(vectors.shape)}.")
    return {"windows": vectors.astype(np.float32, copy=False)}


def unit(vectors: FloatArray) -> FloatArray:
    """Vectors at length 1 along the last axis; a vector of zeros stays one."""
    length = np.linalg.norm(vectors.astype(np.float64), axis=-1, keepdims=True)
    return (vectors / np.where(length > 0.0, length, 1.0)).astype(np.float32)


def song_vector(windows: FloatArray) -> FloatArray:
    """Direction of a whole song [dim]: mean of its windows' unit vectors, at length 1."""
    return unit(unit(windows).mean(axis=0))
