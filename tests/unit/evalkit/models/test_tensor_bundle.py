"""The reader of TensorFlow checkpoints, on bundles written here byte by byte."""

import struct
from pathlib import Path

import numpy as np
import pytest

from evalkit.errors import ModelError
from evalkit.models import tensor_bundle


def varint(value: int) -> bytes:
    out = b""
    while value >= 0x80:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def entry(shape: tuple[int, ...], offset: int, size: int, dtype: int = 1) -> bytes:
    dims = b"".join(field(2, field(1, dim)) for dim in shape)
    checksum = varint(6 << 3 | 5) + b"\x12\x34\x56\x78"
    return field(1, dtype) + field(2, dims) + field(4, offset) + field(5, size) + checksum


def block(rows: list[tuple[bytes, bytes]], share: bool = True) -> bytes:
    out, before = b"", b""
    for key, value in rows:
        shared = 0
        while share and shared < min(len(key), len(before)) and key[shared] == before[shared]:
            shared += 1
        out += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    return out + struct.pack("<II", 0, 1)


def write(
    folder: Path, tensors: dict[str, np.ndarray], compression: int = 0, dtypes: dict[str, int] | None = None
) -> tuple[Path, Path]:
    data, rows = b"", [(b"", field(1, 1))]
    for name in sorted(tensors):
        raw = np.ascontiguousarray(tensors[name]).tobytes()
        dtype = (dtypes or {}).get(name, 1)
        rows.append((name.encode(), entry(tensors[name].shape, len(data), len(raw), dtype)))
        data += raw
    table, handles = b"", []
    for body in (block(rows), block([])):
        handles.append(varint(len(table)) + varint(len(body)))
        table += body + bytes([compression]) + b"\0\0\0\0"
    root = block([(rows[-1][0], handles[0])])
    handle = varint(len(table)) + varint(len(root))
    table += root + b"\0" * 5
    table += (handles[1] + handle).ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)
    index, numbers = folder / "x.index", folder / "x.data"
    index.write_bytes(table)
    numbers.write_bytes(data)
    return index, numbers


def tensors(rng: np.random.Generator) -> dict[str, np.ndarray]:
    shapes = {"conv2d/bias": (5,), "conv2d/kernel": (3, 2, 1, 5), "conv2d_1/bias": (200,), "power": ()}
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def test_what_was_written_is_read(tmp_path: Path, rng: np.random.Generator) -> None:
    wanted = tensors(rng)
    found = tensor_bundle.load(*write(tmp_path, wanted))
    assert found.keys() == wanted.keys()
    for name in wanted:
        assert found[name].shape == wanted[name].shape
        np.testing.assert_array_equal(found[name], wanted[name])


def test_other_types_are_left_out(tmp_path: Path, rng: np.random.Generator) -> None:
    wanted = {**tensors(rng), "step": np.array([3, 4], np.int64)}
    found = tensor_bundle.load(*write(tmp_path, wanted, dtypes={"step": 9}))
    assert "step" not in found
    assert len(found) == 4


@pytest.mark.parametrize("cut", [0, 10, 60, 120])
def test_a_truncated_index_is_refused(tmp_path: Path, rng: np.random.Generator, cut: int) -> None:
    index, data = write(tmp_path, tensors(rng))
    whole = index.read_bytes()
    # The footer stays, so that the damage is inside.
    index.write_bytes(whole[:cut] + (whole[-48:] if cut > 50 else b""))
    with pytest.raises(ModelError, match="no index of a TensorFlow checkpoint"):
        tensor_bundle.load(index, data)


def test_data_of_another_length_are_refused(tmp_path: Path, rng: np.random.Generator) -> None:
    index, data = write(tmp_path, tensors(rng))
    data.write_bytes(data.read_bytes()[:-4])
    with pytest.raises(ModelError, match="truncated or belongs to another checkpoint: power"):
        tensor_bundle.load(index, data)


def test_compressed_tables_are_refused(tmp_path: Path, rng: np.random.Generator) -> None:
    with pytest.raises(ModelError, match="compressed"):
        tensor_bundle.load(*write(tmp_path, tensors(rng), compression=1))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"x\.index cannot be read"):
        tensor_bundle.load(tmp_path / "x.index", tmp_path / "x.data")
