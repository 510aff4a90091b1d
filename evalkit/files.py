"""Small things every room does with files."""

import contextlib
import errno
import hashlib
import os
import shutil
from pathlib import Path

from evalkit.errors import StoreError

MIN_FREE_BYTES = 32 * 2**20
"""About one song; below this, a failure is taken for the disk's."""


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


def check_space(folder: Path) -> None:
    """Refuse to go on where a disk is full: what fails on it fails for the disk's sake and is to be done again.

    Raises:
        StoreError: less than `MIN_FREE_BYTES` are free.
    """
    if shutil.disk_usage(folder).free < MIN_FREE_BYTES:
        raise cannot_write(folder, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))


def cannot_write(folder: Path, error: OSError) -> StoreError:
    """The one message for a full disk, a read-only folder and the like."""
    return StoreError(
        f"{folder} cannot be written: {error.strerror or error}.",
        "Free some space or choose another folder with --out; what was finished is kept.",
    )
