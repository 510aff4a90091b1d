"""Reads TensorFlow checkpoints (tensor bundles) as plain data: no TensorFlow, no pickle, nothing in them is run.

A bundle is an index, a sorted table from names to entries in protocol-buffer form, and data files that hold the raw
numbers one after the other. Only what published weights need is read: one data file, uncompressed blocks, float32.

Source: the formats of ``tensorflow/core/lib/io/table`` and ``tensorflow/core/protobuf/tensor_bundle.proto``.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evalkit.errors import ModelError
from evalkit.types import FloatArray

_MAGIC = 0xDB4775248B80FB57
_FOOTER_BYTES = 48
_TRAILER_BYTES = 5  # one for the compression, four for a checksum
_FLOAT32 = 1
_WIRE_BYTES = {1: 8, 5: 4}  # of protocol-buffer fields with a fixed size


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Where one tensor lies in the data file."""

    dtype: int
    shape: tuple[int, ...]
    offset: int
    size: int


class _BrokenError(Exception):
    """The bytes are no bundle."""


def load(index: Path, data: Path) -> Mapping[str, FloatArray]:
    """All float32 tensors of a bundle, by name.

    Args:
        index: The ``.index`` file.
        data: The only ``.data-00000-of-00001`` file.

    Returns:
        Views of one read-only buffer, each in its own shape.

    Raises:
        ModelError: a file is absent, truncated, or holds something else.
    """
    try:
        table, numbers = index.read_bytes(), data.read_bytes()
    except OSError as error:
        raise ModelError(f"The checkpoint {index} cannot be read: {error}.") from error
    try:
        entries = read_index(table)
    except (_BrokenError, IndexError, struct.error, UnicodeDecodeError) as error:
        raise ModelError(f"{index} is no index of a TensorFlow checkpoint ({error}).") from None
    tensors = {}
    for name, entry in entries.items():
        if entry.dtype != _FLOAT32:
            continue
        count = int(np.prod(entry.shape, dtype=np.int64))
        if entry.size != 4 * count or entry.offset + entry.size > len(numbers):
            raise ModelError(f"{data} is truncated or belongs to another checkpoint: {name} does not fit.")
        tensors[name] = np.frombuffer(numbers, "<f4", count, entry.offset).reshape(entry.shape)
    return tensors


def read_index(table: bytes) -> dict[str, Entry]:
    """Entries of an index file by name; the header entry with the empty name is left out."""
    if len(table) < _FOOTER_BYTES or struct.unpack("<Q", table[-8:])[0] != _MAGIC:
        raise _BrokenError("its magic number is missing")
    footer = table[-_FOOTER_BYTES:]
    _, place = _handle(footer, 0)  # of the block of filters
    (start, size), _ = _handle(footer, place)
    entries = {}
    for _, value in _block(table, start, size):
        (start, size), _ = _handle(value, 0)
        entries.update({name.decode(): _entry(body) for name, body in _block(table, start, size) if name})
    return entries


def _block(table: bytes, start: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of one block; a key gives only what differs from the one before."""
    if start + size + _TRAILER_BYTES > len(table):
        raise _BrokenError("it is truncated")
    if table[start + size] != 0:
        raise _BrokenError("it is compressed")
    block = table[start : start + size]
    n_restarts = struct.unpack("<I", block[-4:])[0]
    place, end, key = 0, size - 4 - 4 * n_restarts, b""
    while place < end:
        shared, place = _varint(block, place)
        fresh, place = _varint(block, place)
        length, place = _varint(block, place)
        key = key[:shared] + block[place : place + fresh]
        place += fresh
        yield key, block[place : place + length]
        place += length


def _entry(body: bytes) -> Entry:
    fields = dict(_fields(body))
    shape = fields.get(2, b"")
    if not isinstance(shape, bytes) or 3 in fields or 7 in fields:
        raise _BrokenError("its tensors are cut into pieces")
    dims = [dict(_fields(dim)).get(1, 0) for number, dim in _fields(shape) if number == 2 and isinstance(dim, bytes)]
    numbers = [fields.get(number, 0) for number in (1, 4, 5)]
    if not all(isinstance(number, int) for number in (*dims, *numbers)):
        raise _BrokenError("an entry is malformed")
    dtype, offset, size = (int(number) for number in numbers)
    return Entry(dtype=dtype, shape=tuple(int(dim) for dim in dims), offset=offset, size=size)


def _fields(body: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers and values of a protocol buffer."""
    place = 0
    while place < len(body):
        tag, place = _varint(body, place)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, place = _varint(body, place)
            yield number, value
            continue
        if wire == 2:
            length, place = _varint(body, place)
        elif wire in _WIRE_BYTES:
            length = _WIRE_BYTES[wire]
        else:
            raise _BrokenError("an entry is malformed")
        yield number, body[place : place + length]
        place += length


def _handle(data: bytes, place: int) -> tuple[tuple[int, int], int]:
    start, place = _varint(data, place)
    size, place = _varint(data, place)
    return (start, size), place


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place
