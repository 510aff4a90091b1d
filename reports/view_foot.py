"""The foot of the page: signatures, evaluators, models, software, timings, licences, meanings."""

from collections.abc import Mapping
from typing import Any

from evalkit.store import RunInfo
from reports import numbers
from reports.index import Index
from reports.report import Fact, Table

STATUSES = (
    Fact(label="ok", value="The value is there."),
    Fact(
        label="not applicable", value="The measure has no meaning for this song, e.g. a word error rate without words."
    ),
    Fact(label="model missing", value="A model file is not there; nothing was measured in its place."),
    Fact(label="audio missing", value="The song, or the stem the measure needs, is not there."),
    Fact(label="failed", value="Generating or measuring stopped with the reason given."),
    Fact(label="not evaluated", value="The run holds no line for this song and metric, e.g. because it was stopped."),
)

STAGES = {"generate": "Generation", "evaluate": "Evaluation", "report": "Report"}


def make_tables(index: Index) -> tuple[Table, ...]:
    """All tables of the foot; empty ones are left out."""
    info = index.run.info
    tables = (
        _timings(info),
        _metrics(index),
        _signatures(index),
        _evaluators(info),
        _models(info),
        _licences(index),
        _environment(info),
        _packages(info.environment.get("packages")),
    )
    return tuple(table for table in tables if table.rows)


def _metrics(index: Index) -> Table:
    rows = tuple(
        (m.name, m.title, m.suffix.strip() or numbers.MISSING, m.better, m.source, m.licence) for m in index.measures
    )
    columns = ("Metric", "Title", "Unit", "Better", "Source", "Licence")
    return Table(title="Metrics", columns=columns, rows=rows, code=(0,))


def _signatures(index: Index) -> Table:
    return Table(
        title="Signatures",
        columns=("Metric", "Signature"),
        rows=tuple((m.name, m.signature or numbers.MISSING) for m in index.measures),
        code=(0, 1),
        note="How each number came about. Numbers may be compared only if their signatures are equal.",
    )


def _evaluators(info: RunInfo) -> Table:
    rows = tuple(
        (e.name, e.version, ", ".join(e.models) or numbers.MISSING, _options(e.options)) for e in info.evaluators
    )
    return Table(title="Evaluators", columns=("Evaluator", "Version", "Models", "Options"), rows=rows, code=(3,))


def _models(info: RunInfo) -> Table:
    rows = tuple((m.name, m.licence, m.source, m.sha256) for m in info.models)
    return Table(title="Models", columns=("Model", "Licence", "Source", "SHA-256"), rows=rows, code=(2, 3))


def _timings(info: RunInfo) -> Table:
    rows = []
    for name, t in info.timings.items():
        factor = f"{t.wall_s / t.audio_s:.2f}" if t.audio_s > 0 else numbers.MISSING
        memory = f"{t.peak_memory_mb:,.0f}{numbers.NBSP}MB" if t.peak_memory_mb is not None else numbers.MISSING
        rows.append(
            (
                _stage(name),
                f"{t.n_songs:,}",
                numbers.duration(t.audio_s),
                numbers.wall_time(t.wall_s),
                numbers.wall_time(t.busy_s),
                factor,
                memory,
            )
        )
    columns = ("Stage", "Songs", "Audio", "Wall time", "Work", "Real-time factor", "Peak memory")
    note = "Real-time factor: wall time divided by the length of the audio; below 1 is faster than listening."
    return Table(title="Timings", columns=columns, rows=tuple(rows), note=note)


def _stage(name: str) -> str:
    stage, _, part = name.partition("/")
    return STAGES.get(stage, stage.replace("_", " ").capitalize()) + (f": {part}" if part else "")


def _licences(index: Index) -> Table:
    by_licence: dict[str, list[str]] = {}
    for measure in index.measures:
        by_licence.setdefault(measure.licence, []).append(measure.name)
    rows = [(licence, "metrics: " + ", ".join(dict.fromkeys(names))) for licence, names in by_licence.items()]
    suite = index.run.info.suite
    rows.append((suite.licence, f"suite {suite.name}: prompts and lyrics"))
    rows += [(model.licence, f"model {model.name}") for model in index.run.info.models]
    return Table(title="Licences", columns=("Licence", "Covers"), rows=tuple(rows))


def _environment(info: RunInfo) -> Table:
    env = info.environment
    commit = str(env.get("git_commit") or "")
    rows = [
        ("Run", info.run_id),
        ("Command", info.command),
        ("Started", info.created),
        ("Finished", info.finished or "not finished"),
        ("Suite file SHA-256", info.suite.sha256),
        ("Seed", str(info.seed)),
        ("Schema version", str(info.schema_version)),
    ]
    if commit:
        rows.append(("Git commit", commit + (" with local changes" if env.get("git_dirty") else "")))
    names = {"n_cpus": "CPU cores", "cpu": "CPU"}
    skipped = {"packages", "git_commit", "git_dirty"}
    rows += [
        (
            names.get(key, key.replace("_", " ").capitalize()),
            _options(value) if isinstance(value, Mapping) else str(value),
        )
        for key, value in env.items()
        if key not in skipped and value is not None
    ]
    return Table(title="Run and environment", columns=("What", "Value"), rows=tuple(rows), code=(1,))


def _packages(packages: Any) -> Table:
    found = packages if isinstance(packages, Mapping) else {}
    rows = tuple((str(name), str(version)) for name, version in sorted(found.items()))
    return Table(title="Packages", columns=("Package", "Version"), rows=rows)


def _options(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in options.items()) or numbers.MISSING
