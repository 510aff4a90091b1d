"""``evalkit doctor``: what is installed, what runs here, what each profile and system would need."""

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path

from evalkit import profile
from evalkit.cache import ResultCache, cache_dir
from evalkit.errors import EvalkitError
from evalkit.evaluators.base import EVALUATORS
from evalkit.executors.local import default_workers, find_gpus, free_memory_mb
from evalkit.models.files import ModelFiles

Row = dict[str, str]

DISTRIBUTION = "music-evalkit"
_MEMORY_PER_WORKER_GB = 1.5


def examine() -> list[Row]:
    """One row for each thing: item, state (ready, partly, missing, damaged or broken) and remedy or detail.

    Broken is what no run can do without; a profile is partly there if some of its evaluators lack their models.
    """
    return [
        *_core(),
        *_machine(),
        *_places(),
        *_guarded("profile", profile.names(), _profile),
        *_guarded("system", _system_names(), _system),
        *_models(),
        *_extras(),
    ]


def _row(item: str, state: str, remedy: str) -> Row:
    return {"item": item, "state": state, "remedy": remedy}


def _core() -> list[Row]:
    """Python and the packages evalkit cannot do without; one line if all is well."""
    found = ".".join(map(str, sys.version_info[:3]))
    rows = [_row("python", "ready" if sys.version_info >= (3, 11) else "broken", f"{found}; 3.11 or newer is needed")]
    names = _requirements(None)
    absent = [name for name in names if _version(name) is None]
    rows += [_row(f"package {name}", "broken", f"pip install --upgrade {DISTRIBUTION}") for name in absent]
    if names and not absent:
        told = ", ".join(f"{name} {_version(name)}" for name in ("torch", "faster-whisper", "onnxruntime", "numpy"))
        rows.append(_row("packages", "ready", f"all {len(names)} are installed: {told} …"))
    return rows


def _machine() -> list[Row]:
    cores, memory_gb = default_workers(), free_memory_mb() / 1024
    fitting = max(1, int(memory_gb / _MEMORY_PER_WORKER_GB)) if memory_gb != float("inf") else cores
    enough = fitting >= cores
    remedy = f"{cores} cores, {memory_gb:.0f} GB free"
    rows = [_row("machine", "ready", remedy if enough else f"{remedy}: as it is, {fitting} workers fit; --workers N")]
    gpus = find_gpus()
    told = f"{len(gpus)} found" if gpus else "none: everything runs on the CPU; songgeneration2 is slow there"
    return [*rows, _row("gpu", "ready", told)]


def _places() -> list[Row]:
    folder = cache_dir()
    writable = _is_writable(folder)
    free_gb = shutil.disk_usage(_existing(folder)).free / 1e9
    rows = [
        _row(f"cache {folder}", "ready" if free_gb > 1 else "broken", f"{free_gb:.0f} GB free")
        if writable
        else _row(f"cache {folder}", "broken", "cannot be written: set EVALKIT_CACHE to a folder that can")
    ]
    info = ResultCache().info()
    told = f"{info.n_records:,} results, {info.size_bytes / 1e6:,.0f} MB of at most {info.limit_bytes / 1e9:g} GB"
    rows.append(_row("cached results", "ready", f"{told}; evalkit cache clear"))
    here = Path.cwd()
    if _is_writable(here):
        rows.append(_row("runs", "ready", f"go into {here / 'runs'}"))
    else:
        rows.append(_row("runs", "missing", f"{here} cannot be written: work elsewhere, or give --out"))
    return rows


def _profile(name: str) -> Row:
    evaluators = profile.load(name).evaluators
    needs = {e: EVALUATORS.get(e).required_models(options) for e, options in evaluators.items()}
    waiting = [e for e, models in needs.items() if _state(models, "")[0] != "ready"]
    about = f"{len(evaluators)} evaluators: {', '.join(evaluators)}"
    state, remedy = _state([model for models in needs.values() for model in models], about)
    # Most evaluators need no model, so those that hear the words decide whether a profile is of use at all.
    if waiting and "lyrics" not in waiting:
        state, remedy = "partly", f"all but {', '.join(waiting)}; for those: {remedy}"
    return _row(f"profile {name}", state, remedy)


def _system_names() -> list[str]:
    from generation.base import SYSTEMS

    return [name for name in SYSTEMS.names() if name not in ("folder", "command")]


def _system(name: str) -> Row:
    from generation.base import SYSTEMS

    cls = SYSTEMS.get(name)
    return _row(f"system {name}", *_state(cls.required_models(""), cls.title))


def _guarded(kind: str, names: Iterable[str], examine_one: Callable[[str], Row]) -> list[Row]:
    rows = []
    for name in names:
        try:
            rows.append(examine_one(name))
        except (EvalkitError, ImportError) as error:
            rows.append(_row(f"{kind} {name}", "missing", str(error)))
    return rows


def _state(models: Sequence[str], about: str) -> tuple[str, str]:
    """State and remedy of something that needs models."""
    files = ModelFiles()
    names = list(dict.fromkeys(models))
    absent = [name for name in names if name not in files.registry.models or files.state(name) != "ready"]
    if not absent:
        return "ready", about
    size_mb = sum(files.registry.models[name].size_bytes for name in absent if name in files.registry.models) / 1e6
    return "missing", f"evalkit models pull {' '.join(absent)} ({size_mb:,.0f} MB)"


def _models() -> list[Row]:
    files = ModelFiles()
    rows = []
    for name in files.registry.groups["embedded"]:
        state = files.state(name)
        rows.append(_row(f"model {name}", state, "" if state == "ready" else f"evalkit models pull {name}"))
    return rows


def _extras() -> list[Row]:
    try:
        names = metadata(DISTRIBUTION).get_all("Provides-Extra") or []
    except PackageNotFoundError:
        return []
    rows = []
    for extra in names:
        absent = [name for name in _requirements(extra) if _version(name) is None]
        state = "missing" if absent else "ready"
        rows.append(_row(f"extra {extra}", state, f"pip install '{DISTRIBUTION}[{extra}]'" if absent else ""))
    return rows


def _requirements(extra: str | None) -> list[str]:
    """Distributions of the core (None) or of an extra that are meant for this machine."""
    try:
        lines = requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        return []
    found = []
    for line in lines:
        name, _, marker = line.partition(";")
        of_extra = re.search(r"""extra\s*==\s*['"]([^'"]+)['"]""", marker)
        if (of_extra.group(1) if of_extra else None) == extra and (of_extra or not marker):
            found.append(re.split(r"[\s\[<>=!~(]", name.strip(), maxsplit=1)[0])
    return found


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _existing(folder: Path) -> Path:
    return next((parent for parent in (folder, *folder.parents) if parent.exists()), folder)


def _is_writable(folder: Path) -> bool:
    return os.access(_existing(folder), os.W_OK | os.X_OK)
