"""Suites by name or path: read one, check one, list them.

A suite is bundled (`benchmarks/suites/<name>.yaml`), brought by another distribution through the entry-point group
``evalkit.suites`` (a path, or a callable that gives one), or a file of the user's: YAML or SongGeneration's JSONL.
"""

import hashlib
import os
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files
from pathlib import Path

from benchmarks import jsonl_suite, yaml_suite
from benchmarks.files import decode, read_bytes
from benchmarks.issues import Issue, raise_first
from evalkit.errors import SuiteError
from evalkit.registry import suggestion
from evalkit.types import Suite

ENTRY_POINT_GROUP = "evalkit.suites"
YAML_SUFFIXES = (".yaml", ".yml")
JSONL_SUFFIXES = (".jsonl",)

__all__ = ["Issue", "SuiteInfo", "check", "describe", "load", "names"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteInfo:
    """A line of ``evalkit list suites``."""

    name: str
    version: str
    n_prompts: int
    languages: tuple[str, ...]
    description: str


def names() -> list[str]:
    """All suites that can be asked for by name, sorted; no suite is read."""
    return sorted({*_bundled(), *_foreign()})


def load(name_or_path: str) -> Suite:
    """Read a suite.

    Args:
        name_or_path: A name out of `names`, or a path to a ``.yaml`` or ``.jsonl`` file. A name wins over a file.

    Returns:
        The suite, complete and valid.

    Raises:
        SuiteError: it is unknown or breaks the format; file, line and field of the first problem are named.
    """
    suite, issues = _read(name_or_path)
    raise_first(issues)
    if suite is None:  # unreachable: a reader that gives no suite gives an error
        raise SuiteError(f"The suite {name_or_path!r} could not be read.")
    return suite


def check(name_or_path: str) -> list[Issue]:
    """Find every problem of a suite, errors and warnings, in order of their line.

    Args:
        name_or_path: As for `load`.

    Raises:
        SuiteError: there is neither a suite nor a file of that name.
    """
    return _read(name_or_path)[1]


def describe(name_or_path: str) -> SuiteInfo:
    """Summarise a suite.

    Raises:
        SuiteError: as for `load`.
    """
    suite = load(name_or_path)
    languages = tuple(dict.fromkeys(prompt.language for prompt in suite.prompts))
    return SuiteInfo(
        name=suite.name,
        version=suite.version,
        n_prompts=len(suite.prompts),
        languages=languages,
        description=suite.description,
    )


def _read(name_or_path: str) -> tuple[Suite | None, list[Issue]]:
    path = _locate(name_or_path)
    data = read_bytes(path, name_or_path)
    if isinstance(data, Issue):
        return None, [data]
    text = decode(data, name_or_path)
    if isinstance(text, Issue):
        return None, [text]
    sha256 = hashlib.sha256(data).hexdigest()
    if path.suffix.lower() in JSONL_SUFFIXES:
        return jsonl_suite.read(text, name_or_path, path, sha256)
    if path.suffix.lower() in YAML_SUFFIXES:
        return yaml_suite.read(text, name_or_path, path.parent, sha256)
    message = f"found the ending {path.suffix!r}, expected .yaml (a suite) or .jsonl (SongGeneration requests)."
    return None, [Issue(file=name_or_path, line=0, field="", message=message, hint="Rename the file.")]


def _locate(name_or_path: str) -> Path:
    # What is plainly a path needs no look at the installed distributions, which is slow.
    is_path = os.path.basename(name_or_path) != name_or_path or _is_suite_file(name_or_path)
    if not is_path:
        bundled, foreign = _bundled(), _foreign()
        if name_or_path in bundled and name_or_path in foreign:
            raise SuiteError(
                f"The suite {name_or_path!r} is bundled and also brought by the entry point "
                f"{foreign[name_or_path].value!r}.",
                "Rename the entry point.",
            )
        if name_or_path in bundled:
            return bundled[name_or_path]
        if name_or_path in foreign:
            return _foreign_path(foreign[name_or_path])
    if os.path.exists(name_or_path):  # False, not an error, for what can be no path
        return Path(name_or_path)
    shown = name_or_path if len(name_or_path) <= 200 else f"{name_or_path[:200]}..."
    if is_path:
        raise SuiteError(f"There is no suite file {shown!r}.", suggestion(Path(name_or_path).stem, names()))
    raise SuiteError(f"Unknown suite {shown!r}.", suggestion(name_or_path, names()))


def _is_suite_file(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in (*YAML_SUFFIXES, *JSONL_SUFFIXES)


def _bundled() -> dict[str, Path]:
    folder = files("benchmarks") / "suites"
    # The package is installed unpacked (it is no zip-safe data format), so its files are real paths.
    return {
        item.name.removesuffix(".yaml"): Path(str(item)) for item in folder.iterdir() if item.name.endswith(".yaml")
    }


def _foreign() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}


def _foreign_path(point: EntryPoint) -> Path:
    # Somebody else's code may fail in any way; the user should learn whose it was.
    try:
        value = point.load()
        return Path(value() if callable(value) else value)
    except Exception as error:
        raise SuiteError(
            f"The suite {point.name!r} of the entry point {point.value!r} cannot be located: {error}",
            "It must give a path, or a callable that gives one.",
        ) from error
