"""What several evaluators need of the same song, computed once.

A transcript, an embedding or a pitch track costs seconds, and lyrics, structure and style all want it. `Derived` keeps
such results while a song is scored and, where a store is given, on disk under the digest of the audio file and the
signature of the computation; so a new run over the same audio, or another evaluator, finds it again.
"""

import hashlib
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Protocol, TypeVar, cast

import numpy as np
import numpy.typing as npt

T = TypeVar("T")

Record = Mapping[str, Any]
"""What can be stored: names to JSON values or numeric arrays."""


class Store(Protocol):
    """Keeps records by key; losing one costs time only."""

    def get(self, key: str) -> Record | None:
        """The record, or None if there is none that can be read."""
        ...

    def put(self, key: str, record: Record) -> None:
        """Keep a record; must not raise."""
        ...


class Derived:
    """Results that belong to the audio of one song.

    Args:
        digests: SHA-256 of the audio files by source (``mix``, ``vocals`` ...); a source without one is not stored.
        store: Where records live beyond this song; None keeps them in memory only.
    """

    def __init__(self, digests: Mapping[str, str] | None = None, store: Store | None = None) -> None:
        self._digests = dict(digests or {})
        self._store = store
        self._memory: dict[Hashable, Any] = {}

    def of_other(self, digests: Mapping[str, str]) -> "Derived":
        """Results of other audio, kept in the same place."""
        return Derived(digests, self._store)

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of ``key``, made on first use and kept while the song is scored."""
        if key not in self._memory:
            self._memory[key] = make()
        return cast(T, self._memory[key])

    def stored(self, source: str, signature: str, make: Callable[[], Record]) -> Record:
        """As `once`, and kept on disk too.

        Args:
            source: Which audio it comes from.
            signature: All else it depends on: model and its digest, options, versions.
            make: Computes the record; JSON values and numeric arrays only.
        """
        key = ("stored", source, signature)
        if not self.knows(source, signature):
            self._memory[key] = record = make()
            digest = self._digests.get(source)
            if digest is not None and self._store is not None:
                self._store.put(record_key(digest, signature), record)
        return cast(Record, self._memory[key])

    def knows(self, source: str, signature: str) -> bool:
        """Whether `stored` would find a record without making it; what is found on disk stays in memory."""
        key, digest = ("stored", source, signature), self._digests.get(source)
        if key not in self._memory and digest is not None and self._store is not None:
            found = self._store.get(record_key(digest, signature))
            if found is not None:
                self._memory[key] = found
        return key in self._memory


def record_key(digest: str, signature: str) -> str:
    """Name of a record: SHA-256 over the audio's digest and the signature."""
    return hashlib.sha256(f"{digest}\n{signature}".encode()).hexdigest()


def array(record: Record, name: str) -> npt.NDArray[np.float32]:
    """A numeric array of a record as float32."""
    return np.asarray(record[name], dtype=np.float32)
