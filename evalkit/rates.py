"""How fast this machine was before, so that a plan can say how long the next run will take.

One small file, ``<cache>/rates.json``, holds processor seconds per second of song for each system and evaluator, and
for each kind of processor. Nothing depends on it but the estimate.
"""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path

from evalkit.cache import cache_dir
from evalkit.environment import processor
from evalkit.errors import StoreError
from evalkit.files import write_atomically

_SHRINK = 0.8
"""A run can lower a rate to this share at most: one that found its results in the cache is no measure of the next."""


def load() -> dict[str, float]:
    """Processor seconds per second of song by name, for this machine's kind of processor."""
    found = _read().get(processor(), {})
    return {name: rate for name, rate in found.items() if isinstance(rate, int | float) and 0 <= rate < 1e6}


def record(measured: Mapping[str, float]) -> None:
    """Remember what a run took; a cache that cannot be written costs the memory only."""
    everything = _read()
    rates = everything.setdefault(processor(), {})
    for name, rate in measured.items():
        before = rates.get(name)
        rates[name] = round(max(rate, _SHRINK * before) if isinstance(before, int | float) else rate, 5)
    with contextlib.suppress(OSError, StoreError):
        _path().parent.mkdir(parents=True, exist_ok=True)
        write_atomically(_path(), json.dumps(everything, indent=1, sort_keys=True).encode() + b"\n")


def _path() -> Path:
    return cache_dir() / "rates.json"


def _read() -> dict[str, dict[str, float]]:
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(_path().read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return {name: rates for name, rates in found.items() if isinstance(rates, dict)}
    return {}
