"""Codes of a song kept beside its audio, so that rendering can be repeated without the language model."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, int32, int64


def tokens_path(keep: Path) -> Path:
    """Where the codes of a song lie."""
    return keep.with_name(keep.name + ".tokens.safetensors")


def request_digest(facts: Mapping[str, Any]) -> str:
    """Digest of everything the codes depend on; JSON values only."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def write_tokens(path: Path, codes: Tensor, digest: str) -> None:
    """Keep codes int64 [3, frames] under a temporary name first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    save_file({"codes": codes.to(int32).contiguous().cpu()}, str(partial), metadata={"request": digest})
    partial.replace(path)


def read_tokens(path: Path, digest: str) -> Tensor | None:
    """Codes int64 [3, frames] of exactly this request; None if there are none, or of another request, or damaged."""
    if not path.is_file():
        return None
    try:
        with safe_open(str(path), framework="pt") as file:
            if (file.metadata() or {}).get("request") != digest:
                return None
            codes: Tensor = file.get_tensor("codes")
    except (SafetensorError, OSError):
        return None
    return codes.to(int64)
