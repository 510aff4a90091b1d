"""Reads SoundFont 2 files: the RIFF structure and its nine tables, bounds-checked, nothing resolved yet.

Every length and index in the file is checked against what is really there, so a truncated or hostile file gives a
sentence and never a traceback or an allocation larger than the file.

Source: E-mu Systems, "SoundFont Technical Specification", version 2.01/2.04: section 4 (RIFF), 5 (sfbk form),
7 (the hydra of tables).
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evalkit.errors import ModelError

MAX_FILE_BYTES = 1 << 30
"""Largest file that is read; the General MIDI set used by default has 6 MB."""

MIN_SAMPLE_RATE = 400
MAX_SAMPLE_RATE = 192_000

PRESET = np.dtype(
    [("name", "S20"), ("program", "<u2"), ("bank", "<u2"), ("bag", "<u2"), ("reserved", "V12")]
)  # 38 bytes, section 7.2
BAG = np.dtype([("generator", "<u2"), ("modulator", "<u2")])  # 4 bytes, sections 7.3 and 7.7
GENERATOR = np.dtype([("operator", "<u2"), ("amount", "<i2")])  # 4 bytes, sections 7.5 and 7.9
INSTRUMENT = np.dtype([("name", "S20"), ("bag", "<u2")])  # 22 bytes, section 7.6
SAMPLE = np.dtype(
    [
        ("name", "S20"),
        ("start", "<u4"),
        ("end", "<u4"),
        ("loop_start", "<u4"),
        ("loop_end", "<u4"),
        ("rate", "<u4"),
        ("root_key", "u1"),
        ("correction", "i1"),
        ("link", "<u2"),
        ("type", "<u2"),
    ]
)  # 46 bytes, section 7.10

ROM_SAMPLE = 0x8000

Table = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SoundFont:
    """The tables of one file, each without its terminal record; ``bag`` columns include the closing index.

    Attributes:
        name: File name, for messages.
        waves: All sample data, int16 [samples].
        presets: Name, program and bank of each preset.
        preset_bags: First zone of each preset, and one past the last, [presets + 1].
        preset_zones: First generator of each preset zone, and one past the last, [zones + 1].
        preset_generators: Operators and amounts of all preset zones.
        instrument_bags: As ``preset_bags``, for instruments.
        instrument_zones: As ``preset_zones``, for instruments.
        instrument_generators: Operators and amounts of all instrument zones.
        samples: Sample headers, indices into ``waves``.
    """

    name: str
    waves: npt.NDArray[np.int16]
    presets: Table
    preset_bags: npt.NDArray[np.int64]
    preset_zones: npt.NDArray[np.int64]
    preset_generators: Table
    instrument_bags: npt.NDArray[np.int64]
    instrument_zones: npt.NDArray[np.int64]
    instrument_generators: Table
    samples: Table

    def find(self, bank: int, program: int) -> int | None:
        """Row of a preset, or None if the file has none with this bank and program."""
        rows = np.flatnonzero((self.presets["bank"] == bank) & (self.presets["program"] == program))
        return int(rows[0]) if rows.size else None


def load(path: Path) -> SoundFont:
    """Read a file, once per process as long as it does not change.

    Raises:
        ModelError: missing, too large, truncated, or not a SoundFont 2 file.
    """
    try:
        stat = path.stat()
    except OSError as error:
        raise ModelError(f"There is no soundfont {path}.", "Fetch it with: evalkit models pull embedded") from error
    if not path.is_file():
        raise ModelError(f"The soundfont {path} is not a file.")
    if stat.st_size > MAX_FILE_BYTES:
        raise ModelError(f"The soundfont {path.name} has {stat.st_size:,} bytes; at most {MAX_FILE_BYTES:,} are read.")
    return _load(path.resolve(), stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=2)
def _load(path: Path, size: int, mtime_ns: int) -> SoundFont:  # size and time only make the key honest
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"The soundfont {path} cannot be read ({error.strerror}).") from error
    return parse(data, path.name)


def parse(data: bytes, name: str) -> SoundFont:
    """Read a SoundFont 2 file from memory.

    Args:
        data: The whole file.
        name: Used in messages.

    Returns:
        Its tables, with all indices between them checked.

    Raises:
        ModelError: the data is truncated, inconsistent, or not a SoundFont 2 file.
    """
    if len(data) < 12 or data[:4] != b"RIFF" or data[8:12] != b"sfbk":
        raise ModelError(f"{name} is not a SoundFont 2 file (no RIFF sfbk header).")
    chunks: dict[bytes, memoryview] = {}
    for tag, body in _chunks(memoryview(data)[: _length(data, 0, name) + 8], 12, name):
        if tag != b"LIST":
            continue
        chunks.update(_chunks(body, 4, name))
    _check_version(chunks, name)
    smpl = chunks.get(b"smpl", memoryview(b""))
    waves = np.frombuffer(smpl[: len(smpl) // 2 * 2], dtype="<i2").astype(np.int16, copy=False)
    preset_table, instrument_table = (_table(chunks, b"phdr", PRESET, name), _table(chunks, b"inst", INSTRUMENT, name))
    preset_bag_table, instrument_bag_table = (_table(chunks, b"pbag", BAG, name), _table(chunks, b"ibag", BAG, name))
    preset_generators = _table(chunks, b"pgen", GENERATOR, name)
    instrument_generators = _table(chunks, b"igen", GENERATOR, name)
    return SoundFont(
        name=name,
        waves=waves,
        presets=preset_table[:-1],
        preset_bags=_indices(preset_table["bag"], len(preset_bag_table), "phdr", name),
        preset_zones=_indices(preset_bag_table["generator"], len(preset_generators), "pbag", name),
        preset_generators=preset_generators,
        instrument_bags=_indices(instrument_table["bag"], len(instrument_bag_table), "inst", name),
        instrument_zones=_indices(instrument_bag_table["generator"], len(instrument_generators), "ibag", name),
        instrument_generators=instrument_generators,
        samples=_samples(_table(chunks, b"shdr", SAMPLE, name)[:-1], len(waves), name),
    )


def _length(data: bytes | memoryview, at: int, name: str) -> int:
    length = int.from_bytes(data[at + 4 : at + 8], "little")
    if at + 8 + length > len(data):
        tag = bytes(data[at : at + 4]).decode("ascii", "replace")
        raise ModelError(
            f"{name} breaks off: chunk {tag!r} announces {length:,} bytes, {len(data) - at - 8:,} are there.",
            "Fetch the file again.",
        )
    return length


def _chunks(data: memoryview, at: int, name: str) -> list[tuple[bytes, memoryview]]:
    found = []
    while at + 8 <= len(data):
        length = _length(data, at, name)
        found.append((bytes(data[at : at + 4]), data[at + 8 : at + 8 + length]))
        at += 8 + length + length % 2  # chunks are padded to even length
    return found


def _check_version(chunks: dict[bytes, memoryview], name: str) -> None:
    version = chunks.get(b"ifil")
    if version is None or len(version) < 4:
        raise ModelError(f"{name} does not say its SoundFont version (no ifil chunk).")
    major = int.from_bytes(version[:2], "little")
    if major != 2:
        raise ModelError(f"{name} is a SoundFont of version {major}; version 2 is read.")


def _table(chunks: dict[bytes, memoryview], tag: bytes, dtype: np.dtype[Any], name: str) -> Table:
    body = chunks.get(tag)
    if body is None or len(body) == 0 or len(body) % dtype.itemsize:
        found = "missing" if body is None else f"{len(body)} bytes long, not a multiple of {dtype.itemsize}"
        raise ModelError(f"{name} is damaged: its table {tag.decode()} is {found}.", "Fetch the file again.")
    return np.frombuffer(body, dtype=dtype)


def _indices(column: Table, limit: int, table: str, name: str) -> npt.NDArray[np.int64]:
    indices = column.astype(np.int64)
    if np.any(np.diff(indices) < 0) or indices[-1] > limit:
        raise ModelError(f"{name} is damaged: the indices of its table {table} are not in order or leave the next one.")
    return indices


def _samples(samples: Table, n_waves: int, name: str) -> Table:
    used = samples[(samples["type"] & ROM_SAMPLE) == 0]
    if np.any(used["end"] > n_waves) or np.any(used["start"] > used["end"]):
        raise ModelError(f"{name} is damaged: a sample lies outside the {n_waves:,} that are there.")
    if np.any((used["rate"] < MIN_SAMPLE_RATE) | (used["rate"] > MAX_SAMPLE_RATE)):
        raise ModelError(f"{name} is damaged: a sample has a rate outside {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz.")
    return samples
