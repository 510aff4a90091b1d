"""What differs between two runs: model, suite, signatures, code, packages, machine, sampling parameters.

A difference in a number is news about the model only if nothing else changed, so everything else that did stands
beside it.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from evalkit.pairing import Side
from evalkit.store import ModelInfo, RunInfo
from reports import numbers
from reports.compare.contenders import Contender
from reports.languages import title_of
from reports.report import Table

COLUMNS = ("What", "Candidate", "Opponent")
MAX_VALUES = 3
"""A parameter that takes more values than this is told by their number."""

MAX_TEXT = 160

Line = tuple[str, str, str]


def make_changes(candidate: Contender, opponent: Contender) -> tuple[tuple[Table, ...], str]:
    """Tables of what differs, and one sentence on what does not."""
    ours, theirs = candidate.run.info, opponent.run.info
    sections = {
        "System": _system(candidate, opponent),
        "Suite and request": _request(ours, theirs),
        "Sampling parameters": _parameters(candidate, opponent),
        "Models behind the system": _models(candidate, opponent),
        "Models behind the metrics": _metric_models(ours, theirs),
        "Signatures": _signatures(candidate, opponent),
        "Code and machine": _environment(ours, theirs),
        "Packages": _packages(ours, theirs),
    }
    tables = []
    same = []
    for title, lines in sections.items():
        changed = tuple(line for line in lines if line[1] != line[2])
        if changed:
            code = (0, 1, 2) if title in ("Signatures", "Packages") else (1, 2)
            tables.append(Table(title=title, columns=COLUMNS, rows=changed, code=code))
        elif lines:
            same.append(title.lower())
    return tuple(tables), f"The same in both: {', '.join(same)}." if same else ""


def _system(candidate: Contender, opponent: Contender) -> list[Line]:
    ours, theirs = candidate.info, opponent.info
    return [("Name", ours.name, theirs.name), ("Specification", ours.spec, theirs.spec)]


def _request(ours: RunInfo, theirs: RunInfo) -> list[Line]:
    def lines(info: RunInfo) -> dict[str, str]:
        return {
            "Suite": f"{info.suite.name} {info.suite.version}",
            "Suite SHA-256": info.suite.sha256[:16],
            "Prompts": f"{len(info.prompts) or info.suite.n_prompts:,}",
            "Takes": str(info.takes),
            "Seed": str(info.seed),
            "Profile": info.profile,
        }

    return _both(lines(ours), lines(theirs))


def _parameters(candidate: Contender, opponent: Contender) -> list[Line]:
    return _both(_recorded(candidate), _recorded(opponent))


def _recorded(contender: Contender) -> dict[str, str]:
    """What a system recorded with its songs: the value, or how many there were."""
    found: dict[str, Counter[str]] = {}
    for song in contender.run.songs:
        if song.system == contender.system:
            for key, value in song.params.items():
                found.setdefault(str(key), Counter())[_text(value)] += 1
            if song.sample_rate:
                shown = f"{song.sample_rate:,}{numbers.NBSP}Hz, {numbers.count(song.channels or 0, 'channel')}"
                found.setdefault("audio format", Counter())[shown] += 1
    return {
        key: ", ".join(sorted(values)) if len(values) <= MAX_VALUES else f"{len(values):,} values"
        for key, values in sorted(found.items())
    }


def _models(candidate: Contender, opponent: Contender) -> list[Line]:
    sides = []
    for contender in (candidate, opponent):
        known = {model.name: model for model in contender.run.info.models}
        sides.append({name: _model(known.get(name)) for name in contender.info.models})
    return _both(*sides)


def _metric_models(ours: RunInfo, theirs: RunInfo) -> list[Line]:
    sides = []
    for info in (ours, theirs):
        used = {name for evaluator in info.evaluators for name in evaluator.models}
        sides.append({model.name: _model(model) for model in info.models if model.name in used})
    return _both(*sides)


def _model(model: ModelInfo | None) -> str:
    return "not recorded" if model is None else f"{model.source} {model.sha256[:12]}"


def _signatures(candidate: Contender, opponent: Contender) -> list[Line]:
    sides = []
    for contender in (candidate, opponent):
        side = Side(contender.run, contender.system)
        sides.append({name: " + ".join(side.signatures(name)) for name in contender.run.metrics})
    return [(name, *_parts(ours, theirs)) for name, ours, theirs in _both(*sides)]


def _parts(ours: str, theirs: str) -> tuple[str, str]:
    """Of two signatures the parts in which they differ."""
    first, second = ours.split("|"), theirs.split("|")
    if ours == theirs or numbers.MISSING in (ours, theirs):
        return ours, theirs
    own = [part for part in first if part not in second]
    other = [part for part in second if part not in first]
    return "|".join(own) or numbers.MISSING, "|".join(other) or numbers.MISSING


def _environment(ours: RunInfo, theirs: RunInfo) -> list[Line]:
    def lines(info: RunInfo) -> dict[str, str]:
        found = {
            str(key): _text(value)
            for key, value in info.environment.items()
            if key not in ("packages", "git_commit", "git_dirty")
        }
        if commit := info.environment.get("git_commit"):
            found["commit"] = str(commit)[:12] + (" with changes" if info.environment.get("git_dirty") else "")
        return found

    return _both(lines(ours), lines(theirs))


def _packages(ours: RunInfo, theirs: RunInfo) -> list[Line]:
    sides = []
    for info in (ours, theirs):
        packages = info.environment.get("packages")
        sides.append({str(k): str(v) for k, v in packages.items()} if isinstance(packages, Mapping) else {})
    return _both(*sides)


def _both(ours: Mapping[str, str], theirs: Mapping[str, str]) -> list[Line]:
    names: Sequence[str] = list(dict.fromkeys([*ours, *theirs]))
    return [(name, ours.get(name) or numbers.MISSING, theirs.get(name) or numbers.MISSING) for name in names]


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def notes_of(contender: Contender) -> tuple[str, ...]:
    """Remarks that belong to the system in every report."""
    return tuple(
        note if code == "*" else f"{title_of(code)}: {note}" for code, note in sorted(contender.info.notes.items())
    )
