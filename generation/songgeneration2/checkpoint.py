"""Checkpoint files: opened lazily, checked strictly, never executed.

A checkpoint is either safetensors or a PyTorch zip archive that holds nothing but tensors in plain containers. Tensors
are mapped from disk and read on access, so that choosing a part of a 13 GB file costs only that part.
"""

import fnmatch
import pickle
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from evalkit.errors import ModelError

_SHOWN_NAMES = 6
_PULL_HINT = "Delete the file and pull the model again: evalkit models pull NAME."
_REFUSED_HINT = "Use the official file, or a .safetensors copy of it; evalkit never runs code found in a checkpoint."


class _Source(Protocol):
    def keys(self) -> Iterable[str]: ...
    def shape(self, name: str) -> tuple[int, ...]: ...
    def tensor(self, name: str) -> Tensor: ...


class Checkpoint:
    """Named tensors of one file (or of a dictionary), read on access.

    Args:
        source: Where names, shapes and tensors come from.
        title: What error messages call it, usually the path.
    """

    def __init__(self, source: _Source, title: str) -> None:
        self._source = source
        self.title = title
        self.names: tuple[str, ...] = tuple(source.keys())

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], title: str = "state dict") -> "Checkpoint":
        """Treat tensors in memory (meta tensors too) as a checkpoint."""
        return cls(_MemorySource(tensors), title)

    def __contains__(self, name: object) -> bool:
        return name in set(self.names)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor, without reading its values."""
        return self._source.shape(name)

    def tensor(self, name: str, *, dtype: torch.dtype | None = None, device: str | torch.device = "cpu") -> Tensor:
        """Read one tensor.

        Args:
            name: Its key in the file.
            dtype: Converted to this; None keeps the stored one.
            device: Where to put it.

        Returns:
            The tensor; it may share memory with the mapped file, so it must not be written to.
        """
        return self._source.tensor(name).to(device=device, dtype=dtype)

    def check(self, expected: Mapping[str, Sequence[int]], *, ignored: Sequence[str] = ()) -> None:
        """Compare names and shapes with what a model needs.

        Args:
            expected: Shape of every tensor that must be there.
            ignored: Patterns (``fnmatch``) of names that may be there and are not used.

        Raises:
            ModelError: something is missing, extra or misshapen; the message lists each kind.
        """
        present = set(self.names)
        missing = [name for name in expected if name not in present]
        extra = [
            name
            for name in self.names
            if name not in expected and not any(fnmatch.fnmatchcase(name, pattern) for pattern in ignored)
        ]
        misshapen = [
            f"{name} is {list(self.shape(name))}, expected {list(shape)}"
            for name, shape in expected.items()
            if name in present and self.shape(name) != tuple(shape)
        ]
        problems = [
            f"{len(names)} {kind}: {_some(names)}"
            for kind, names in (("missing", missing), ("not known", extra), ("of the wrong shape", misshapen))
            if names
        ]
        if problems:
            raise ModelError(
                f"{self.title} does not fit the model; tensors {'; '.join(problems)}.",
                "Check that the file belongs to this variant and is complete: evalkit models verify NAME.",
            )


class _MemorySource:
    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._tensors = tensors

    def keys(self) -> Iterable[str]:
        return self._tensors.keys()

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._tensors[name].shape)

    def tensor(self, name: str) -> Tensor:
        return self._tensors[name]


class _SafetensorsSource:
    def __init__(self, path: Path) -> None:
        from safetensors import safe_open

        # The handle maps the file and lives as long as this object; the package has no annotations.
        self._file: Any = safe_open(str(path), framework="pt", device="cpu")

    def keys(self) -> Iterable[str]:
        return list(self._file.keys())

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._file.get_slice(name).get_shape())

    def tensor(self, name: str) -> Tensor:
        tensor: Tensor = self._file.get_tensor(name)
        return tensor


def open_checkpoint(path: Path, *, entry: str | None = None) -> Checkpoint:
    """Open a checkpoint file of either format; the content decides, not the suffix.

    Args:
        path: The file.
        entry: For PyTorch files that wrap their tensors: the key of the inner dictionary, e.g. ``"state_dict"``.

    Returns:
        Its tensors, mapped from disk.

    Raises:
        ModelError: the file is absent, empty, truncated, of another format, or holds anything but tensors.
    """
    if not path.is_file():
        raise ModelError(f"{path} does not exist.", "Pull the model first: evalkit models pull NAME.")
    size = path.stat().st_size
    if size == 0:
        raise ModelError(f"{path} is empty.", _PULL_HINT)
    with path.open("rb") as file:
        head = file.read(16)
    if head.startswith(b"PK"):
        return Checkpoint(_MemorySource(_load_archive(path, size, entry)), str(path))
    if len(head) > 8 and head[8:9] == b"{":
        return Checkpoint(_open_safetensors(path, size), str(path))
    if head[:1] == b"\x80":
        raise ModelError(f"{path} is a bare Python pickle, not a tensor archive; it was not opened.", _REFUSED_HINT)
    raise ModelError(f"{path} is neither safetensors nor a PyTorch archive.", _PULL_HINT)


def _open_safetensors(path: Path, size: int) -> _SafetensorsSource:
    from safetensors import SafetensorError

    try:
        return _SafetensorsSource(path)
    except SafetensorError as error:
        raise ModelError(
            f"{path} ({size:,} bytes) is truncated or damaged: its header and its length disagree ({error}).",
            _PULL_HINT,
        ) from None


def _load_archive(path: Path, size: int, entry: str | None) -> dict[str, Tensor]:
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        found = next((word for word in str(error).split() if "." in word and not word.endswith(".")), "an object")
        raise ModelError(
            f"{path} contains a pickled Python object ({found}), not only tensors; it was not loaded.", _REFUSED_HINT
        ) from None
    except (RuntimeError, EOFError, OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(f"{path} ({size:,} bytes) is truncated or damaged: {reason}.", _PULL_HINT) from None
    if entry is not None:
        if not isinstance(loaded, dict) or not isinstance(loaded.get(entry), dict):
            raise ModelError(f"{path} has no dictionary named {entry!r}.", _PULL_HINT)
        loaded = loaded[entry]
    if not isinstance(loaded, dict):
        raise ModelError(f"{path} holds a {type(loaded).__name__}, expected a dictionary of tensors.", _PULL_HINT)
    wrong = [str(name) for name, value in loaded.items() if not isinstance(value, Tensor)]
    if wrong:
        raise ModelError(f"{path} holds entries that are not tensors: {_some(wrong)}.", _PULL_HINT)
    return loaded


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN_NAMES])
    return f"{shown}, and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else shown
