"""Small things every room does with files."""

import contextlib
import errno
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

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


def parse_json(text: str | bytes) -> Any:
    """JSON as the standard has it: NaN and infinity are no numbers, and nothing nests without end.

    Raises:
        ValueError: with a few words on what is wrong.
    """
    try:
        return json.loads(text, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON ({error})") from error
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number in JSON")


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
