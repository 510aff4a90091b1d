"""Small things every room does with files."""

import contextlib
import hashlib
import os
from pathlib import Path

from evalkit.errors import StoreError


def file_sha256(path: Path) -> str:
    """Digest of a file's bytes, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file under a temporary name and rename it.

    Raises:
        StoreError: the folder cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise cannot_write(path.parent, error) from error


def cannot_write(folder: Path, error: OSError) -> StoreError:
    """The one message for a full disk, a read-only folder and the like."""
    return StoreError(
        f"{folder} cannot be written: {error.strerror or error}.",
        "Free some space or choose another folder with --out; what was finished is kept.",
    )
