"""Golden tensors: the compact set kept beside the tests, or the full one in EVALKIT_PARITY_DIR."""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

COMPACT = Path(__file__).parents[4] / "data" / "parity" / "codec"


class Golden(Mapping[str, Tensor]):
    """Tensors of one record; one that is only in the full set skips the test."""

    def __init__(self, path: Path) -> None:
        self._tensors = load_file(str(path))
        self._path = path

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._tensors:
            if self._path.parent == COMPACT:
                pytest.skip(f"{name} is in the full parity set only (EVALKIT_PARITY_DIR)")
            raise KeyError(name)
        return self._tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def state(self, prefix: str, ignored: tuple[str, ...] = ()) -> dict[str, Tensor]:
        """Weights whose names start with `prefix`, without it, except those that contain an ignored part."""
        return {
            name[len(prefix) :]: tensor
            for name, tensor in self._tensors.items()
            if name.startswith(prefix) and not any(part in name for part in ignored)
        }


@pytest.fixture(autouse=True)
def _inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


@pytest.fixture
def golden() -> Callable[[str], Golden]:
    folder = Path(os.environ["EVALKIT_PARITY_DIR"]) if os.environ.get("EVALKIT_PARITY_DIR") else COMPACT

    def load(name: str) -> Golden:
        return Golden(folder / f"{name}.safetensors")

    return load


@pytest.fixture
def close() -> Callable[[Tensor, Tensor], None]:
    """Equal within 1e-4 of the largest expected magnitude (at least of 1e-3)."""

    def check(found: Tensor, expected: Tensor) -> None:
        assert found.shape == expected.shape
        scale = max(float(expected.abs().max()), 1e-3)
        assert float((found - expected).abs().max()) <= 1e-4 * scale

    return check
