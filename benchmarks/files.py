"""The bytes of a suite file, and the text in them."""

import os
import re
from pathlib import Path

from benchmarks.issues import Issue

MAX_BYTES = 20 * 1024 * 1024

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")


def read_bytes(path: Path, file: str) -> bytes | Issue:
    """Read a suite file, or say why it cannot be read.

    Args:
        path: The file.
        file: Its name for messages.
    """
    try:
        if path.is_dir():
            return Issue(file=file, line=0, field="", message="this is a folder; a suite is a .yaml or .jsonl file.")
        # A device or a pipe might never end.
        if not path.is_file():
            return Issue(file=file, line=0, field="", message="there is no such file.")
        size = os.path.getsize(path)
        if size > MAX_BYTES:
            message = f"the file has {size / 2**20:.1f} MiB; at most {MAX_BYTES // 2**20} MiB are read."
            return Issue(file=file, line=0, field="", message=message, hint="Split the suite.")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        return Issue(file=file, line=0, field="", message=f"the file cannot be read ({error}).")


def decode(data: bytes, file: str) -> str | Issue:
    """Decode a suite file as UTF-8, with or without byte order mark."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        message = "the file is UTF-16; UTF-8 is expected."
        return Issue(file=file, line=1, field="", message=message, hint="Save it as UTF-8.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"byte 0x{data[error.start]:02X} is not UTF-8."
        return Issue(file=file, line=line, field="", message=message, hint="Save the file as UTF-8.")
    if not text.strip():
        return Issue(file=file, line=0, field="", message="the file is empty.", hint="See docs/suites.md.")
    match = _CONTROL.search(text)
    if match:
        line = text.count("\n", 0, match.start()) + 1
        message = f"control character U+{ord(match.group()):04X}."
        return Issue(file=file, line=line, field="", message=message, hint="Remove it.")
    return text
