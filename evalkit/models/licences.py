"""Licences that must be accepted before weights are fetched: shown once, remembered in the cache."""

import hashlib
import json
import re
from datetime import UTC, datetime
from pathlib import Path

from evalkit.files import write_atomically
from evalkit.models.registry import Licence


def is_accepted(licence: Licence, folder: Path) -> bool:
    """Whether exactly this text was accepted before."""
    try:
        record = json.loads(_path(licence, folder).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(record, dict) and record.get("sha256") == _digest(licence)


def accept(licence: Licence, folder: Path) -> Path:
    """Remember that the licence was accepted; one file for each text, with the date and the text's SHA-256.

    Raises:
        StoreError: the folder cannot be written.
    """
    path = _path(licence, folder)
    if is_accepted(licence, folder):
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {
        "title": licence.title,
        "url": licence.url,
        "text": licence.text,
        "sha256": _digest(licence),
        "accepted": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
    }
    write_atomically(path, (json.dumps(record, indent=2, ensure_ascii=False) + "\n").encode())
    return path


def _digest(licence: Licence) -> str:
    return hashlib.sha256(f"{licence.title}\n{licence.url}\n{licence.text}\n".encode()).hexdigest()


def _path(licence: Licence, folder: Path) -> Path:
    slug = re.sub(r"[^a-z0-9]+", "-", licence.title.lower()).strip("-")[:60]
    return folder / f"{slug}-{_digest(licence)[:12]}.json"
