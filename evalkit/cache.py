"""Results on disk by content: transcripts, embeddings and other things that are costly to compute again.

One file a record, ``<cache>/results/<two digits>/<key>.npz``, written under a temporary name and renamed, so that any
number of processes may share the folder. A record that cannot be read is dropped and computed again. The least recently
used records go first when the folder grows beyond its limit.
"""

import contextlib
import io
import json
import logging
import os
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from evalkit.derived import Record
from evalkit.errors import ConfigError, StoreError
from evalkit.files import write_atomically

log = logging.getLogger(__name__)

DEFAULT_LIMIT_GB = 5.0
_JSON = "json"


def cache_dir() -> Path:
    """``$EVALKIT_CACHE``, or the platform's cache folder for evalkit."""
    configured = os.environ.get("EVALKIT_CACHE")
    return Path(configured).expanduser() if configured else Path(platformdirs.user_cache_dir("evalkit"))


def limit_bytes() -> int:
    """``$EVALKIT_CACHE_LIMIT_GB``, or 5 GB.

    Raises:
        ConfigError: it is set to something that is no number.
    """
    text = os.environ.get("EVALKIT_CACHE_LIMIT_GB", "")
    try:
        found = float(text) if text else DEFAULT_LIMIT_GB
    except ValueError:
        found = -1.0
    if not 0.0 <= found < float("inf"):
        raise ConfigError(f"EVALKIT_CACHE_LIMIT_GB is {text!r}, expected gigabytes, for example 5.")
    return round(found * 1e9)


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheInfo:
    """What the cache of results holds."""

    folder: Path
    n_records: int
    size_bytes: int
    limit_bytes: int


class ResultCache:
    """A `evalkit.derived.Store` in a folder.

    Args:
        folder: Made when the first record is put; ``cache_dir() / "results"`` if None.
        limit: Bytes that `trim` leaves; ``limit_bytes()`` if None.
    """

    def __init__(self, folder: Path | None = None, limit: int | None = None) -> None:
        self.folder = folder or cache_dir() / "results"
        self._limit = limit_bytes() if limit is None else limit

    def get(self, key: str) -> Record | None:
        """A record, or None; one that is damaged is removed."""
        path = self._path(key)
        try:
            content = path.read_bytes()
        except OSError:
            return None
        try:
            record = _decode(content)
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
            log.warning("The cached result %s is damaged (%s) and is computed again.", path, error)
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # what was used last goes last
        return record

    def put(self, key: str, record: Record) -> None:
        """Keep a record; a full or read-only disk costs the record only."""
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, _encode(record))
        except (OSError, StoreError) as error:
            log.warning("A result could not be cached: %s", error)

    def info(self) -> CacheInfo:
        """Count and size of the records."""
        sizes = [size for _, size, _ in self._records()]
        return CacheInfo(folder=self.folder, n_records=len(sizes), size_bytes=sum(sizes), limit_bytes=self._limit)

    def trim(self) -> int:
        """Remove the least recently used records until the limit holds; returns the bytes removed."""
        records = sorted(self._records(), key=lambda record: record[2])
        excess = sum(size for _, size, _ in records) - self._limit
        removed = 0
        for path, size, _ in records:
            if removed >= excess:
                break
            with contextlib.suppress(OSError):
                path.unlink()
                removed += size
        return removed

    def clear(self) -> int:
        """Remove all records; returns the bytes removed."""
        size = self.info().size_bytes
        shutil.rmtree(self.folder, ignore_errors=True)
        return size

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.npz"

    def _records(self) -> list[tuple[Path, int, float]]:
        found = []
        for path in self.folder.glob("??/*.npz"):
            with contextlib.suppress(OSError):
                state = path.stat()
                found.append((path, state.st_size, state.st_mtime))
        return found


def _encode(record: Record) -> bytes:
    arrays = {name: value for name, value in record.items() if isinstance(value, np.ndarray)}
    rest = {name: value for name, value in record.items() if name not in arrays}
    if _JSON in arrays or any(value.dtype.kind not in "biuf" for value in arrays.values()):
        raise ValueError(f"Only numeric arrays can be cached, got {[str(value.dtype) for value in arrays.values()]}.")
    text = json.dumps(rest, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    buffer = io.BytesIO()
    parts: Mapping[str, Any] = {**arrays, _JSON: np.frombuffer(text, dtype=np.uint8)}
    np.savez_compressed(buffer, **parts)
    return buffer.getvalue()


def _decode(content: bytes) -> Record:
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        record: dict[str, Any] = {name: stored[name] for name in stored.files if name != _JSON}
        record |= json.loads(stored[_JSON].tobytes())
    return record
