"""What ``evalkit validate`` is given: a suite, a run folder, a baseline file, a submission or a folder of songs."""

from pathlib import Path

import benchmarks.loader
from benchmarks.issues import Issue
from evalkit import submission
from evalkit.baseline import load_run_or_baseline
from evalkit.errors import EvalkitError, StoreError
from evalkit.types import Suite
from generation import handout

BASELINE_MAGIC = b"\x1f\x8b"


def check(path: str) -> tuple[str, list[Issue]]:
    """Recognise what a path is, and find its problems.

    Args:
        path: A folder, a file, or the name of a bundled suite.

    Returns:
        What it is, in words, and its problems.

    Raises:
        SuiteError: there is nothing of that name.
    """
    place = Path(path)
    if place.is_dir():
        return ("folder of songs", _handout(place)) if handout.is_handout(place) else _run(place, "run")
    if place.is_file() and _is_gzip(place):
        return _run(place, "baseline")
    if place.is_file() and place.suffix.lower() == ".json":
        return "submission", _submission(place)
    return "suite", benchmarks.loader.check(path)


def check_submission(path: Path) -> list[Issue]:
    """Warnings of a submission; nothing if the path is something else.

    Raises:
        StoreError: it is a submission with errors; the first is named and the others are counted.
    """
    if path.suffix.lower() != ".json" or not path.is_file():
        return []
    issues = _submission(path)
    errors = [issue for issue in issues if issue.severity == "error"]
    if errors:
        more = f" ({len(errors) - 1} more)" if len(errors) > 1 else ""
        hint = f"{errors[0].hint} See all: evalkit validate {path}".strip()
        raise StoreError(f"{errors[0].where}: {errors[0].message}{more}", hint)
    return issues


def _run(path: Path, kind: str) -> tuple[str, list[Issue]]:
    try:
        run = load_run_or_baseline(path)
    except EvalkitError as error:
        return kind, [Issue(file=str(path), line=0, field="", message=error.message, hint=error.hint)]
    issues = [
        Issue(file=str(path), line=0, field="", message=notice, hint=f"evalkit run --resume {path}", severity="warning")
        for notice in run.notices
    ]
    if run.info.status != "complete":
        message = f"The run is {run.info.status}: {len(run.songs)} songs are here."
        hint = f"Finish it: evalkit run --resume {path}"
        issues.append(Issue(file=str(path), line=0, field="status", message=message, hint=hint, severity="warning"))
    return kind, issues


def _handout(folder: Path) -> list[Issue]:
    troubles, usable = handout.check(folder)
    issues = [
        Issue(
            file=trouble.place,
            line=0,
            field="",
            message=trouble.message,
            hint=trouble.hint,
            severity="error" if trouble.fatal else "warning",
        )
        for trouble in troubles
    ]
    if any(trouble.fatal for trouble in troubles):
        message = f"{usable} songs can be used as they are."
        issues.append(Issue(file=str(folder), line=0, field="", message=message, severity="warning"))
    return issues


def _submission(path: Path) -> list[Issue]:
    try:
        raw = submission.read_json(path)
    except StoreError as error:
        return [Issue(file=str(path), line=0, field="", message=error.message, hint=error.hint)]
    if not submission.is_submission(raw):
        message = f"This JSON file has no field format with the value {submission.FORMAT!r}."
        return [Issue(file=str(path), line=0, field="format", message=message, hint="See docs/leaderboard.md.")]
    _, problems = submission.check(raw, _suite_of(raw))
    return [
        Issue(file=str(path), line=0, field=p.field, message=p.message, hint=p.hint, severity=p.severity)
        for p in problems
    ]


def _suite_of(raw: object) -> Suite | None:
    """The suite a submission names, if it is installed."""
    named = raw.get("suite") if isinstance(raw, dict) else None
    name = named.get("name") if isinstance(named, dict) else None
    return benchmarks.loader.load(name) if isinstance(name, str) and name in benchmarks.loader.names() else None


def _is_gzip(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(2) == BASELINE_MAGIC
    except OSError:
        return False
