"""Whether a model's files are the right bytes.

Files below `TRUSTED_FROM_BYTES` are hashed each time they are handed out. Hashing 13 GB takes a minute, so a larger
file whose SHA-256 was found right is written down in ``.verified`` beside it, with size and modification time; as long
as both stay the same it is trusted. `evalkit models verify` always hashes. In a folder that cannot be written nothing
is noted, and large files are hashed each time.
"""

import contextlib
import json
from pathlib import Path

from evalkit.errors import StoreError
from evalkit.files import file_sha256, write_atomically
from evalkit.models.registry import ModelSpec

TRUSTED_FROM_BYTES = 1_000_000_000

RECORD = ".verified"


def problems(spec: ModelSpec, folder: Path, *, full: bool = False) -> list[str]:
    """Sentences on what is wrong with the files of ``spec`` in ``folder``; none if all are there and unaltered.

    Args:
        spec: What is expected.
        folder: Where it should lie.
        full: Hash large files too, whatever ``.verified`` says.
    """
    return [found for name in spec.files if (found := problem(spec, folder, name, full=full))]


def problem(spec: ModelSpec, folder: Path, name: str, *, full: bool = False) -> str | None:
    """What is wrong with one file, or None."""
    path, expected = folder / name, spec.files[name]
    if not path.is_file():
        return f"The model {spec.name} is missing its file {name} in {folder}."
    size = path.stat().st_size
    if size != expected.bytes:
        kind = "truncated" if size < expected.bytes else "too long"
        return f"The file {path} of model {spec.name} is {kind}: {size:,} bytes instead of {expected.bytes:,}."
    is_large = size >= TRUSTED_FROM_BYTES
    record = _read(folder) if is_large else {}
    # Taken before hashing: what changes meanwhile must not be trusted later.
    stamp = [size, path.stat().st_mtime_ns, expected.sha256]
    if is_large and not full and record.get(name) == stamp:
        return None
    if not file_sha256(path).startswith(expected.sha256):
        return f"The file {path} of model {spec.name} was altered: its SHA-256 is not {expected.sha256[:12]}…."
    if is_large and record.get(name) != stamp:
        with contextlib.suppress(StoreError):
            write_atomically(folder / RECORD, (json.dumps({**record, name: stamp}, indent=1) + "\n").encode())
    return None


def _read(folder: Path) -> dict[str, object]:
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
