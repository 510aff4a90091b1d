"""One system of one run, reduced to what a leaderboard needs: one number a prompt and metric.

A run is read, reduced and forgotten, so that hundreds of them fit into memory.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evalkit import stats
from evalkit.stats import PromptValues
from evalkit.store import RunData, SuiteInfo, SystemInfo
from evalkit.types import Metric, Summary
from reports.index import Index, make_index, make_measure
from reports.report import Measure, Missing
from reports.view_sets import set_missing, set_summary
from reports.view_summary import missing_of

ALL = "all"
"""The group of all languages."""

UNSTATED = "not stated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A run and where it came from.

    Attributes:
        path: As the user gave it.
        self_reported: The numbers were sent in, not measured by a run that lies here.
        version: Of a submission's system; empty for runs, which are told apart by their date.
        made: How a submission was made.
        report: The run's page, if there is one.
    """

    run: RunData
    path: Path
    self_reported: bool = False
    version: str = ""
    made: str = ""
    report: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One metric of one entry.

    Attributes:
        values: One number a prompt; None for a metric of whole sets of songs.
        missing: Language, or `ALL`, to what has no value.
        sets: Language, or `ALL`, to the number of a whole set; empty for metrics of single songs.
    """

    metric: Metric
    measure: Measure
    values: PromptValues | None
    missing: Mapping[str, tuple[Missing, ...]]
    sets: Mapping[str, Summary] = field(default_factory=dict)

    @property
    def meaning(self) -> tuple[str, str, str]:
        """What must be equal for two numbers to share a column."""
        return self.measure.signature, self.metric.aggregate, self.metric.unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One system of one run; ``languages`` maps the prompts that were asked for to their language."""

    system: str
    title: str
    reference: bool
    self_reported: bool
    version: str
    made: str
    notes: Mapping[str, str]
    run_id: str
    created: str
    status: str
    profile: str
    seed: int
    takes: int
    suite: SuiteInfo
    languages: Mapping[str, str]
    n_songs: int
    n_failed: int
    licences: tuple[str, ...]
    metrics: Mapping[str, Measured]
    report: Path | None
    digest: str

    @property
    def key(self) -> tuple[str, bool]:
        """Entries with the same key form one line over time; what was sent in never mixes with what was measured."""
        return self.system, self.self_reported

    @property
    def order(self) -> tuple[str, str, str, str]:
        """Increasing in time, and the same however the entries came in."""
        return self.created, self.run_id, self.system, self.digest


def make_entries(source: Source) -> list[Entry]:
    """All systems of a run but its calibration systems."""
    index = make_index(source.run)
    return [_entry(source, index, system) for system in index.contenders]


def restrict(values: PromptValues, prompts: Collection[str]) -> PromptValues:
    """The part of the values that belongs to ``prompts``; the others of ``prompts`` count as missing."""
    kept = [name for name in values.prompt_ids if name in prompts]
    return values.take(kept, len(prompts) - len(kept))


def _entry(source: Source, index: Index, system: SystemInfo) -> Entry:
    info = source.run.info
    songs = index.groups.get((system.name, None), ())
    languages = {prompt.id: prompt.language for prompt in source.run.prompts.values()}
    languages |= {song.prompt_id: index.language(song) for song in songs if song.prompt_id not in languages}
    metrics = _metrics(index, system.name, languages)
    return Entry(
        system=system.name,
        title=system.title,
        reference=system.reference,
        self_reported=source.self_reported,
        version=source.version,
        made=source.made,
        notes=system.notes,
        run_id=info.run_id,
        created=info.created,
        status=info.status,
        profile=info.profile,
        seed=info.seed,
        takes=info.takes,
        suite=info.suite,
        languages=languages,
        n_songs=len(songs),
        n_failed=sum(song.status == "failed" for song in songs),
        licences=_licences(source.run, system),
        metrics=metrics,
        report=source.report,
        digest=_digest(metrics),
    )


def _metrics(index: Index, system: str, languages: Mapping[str, str]) -> dict[str, Measured]:
    found: dict[str, Measured] = {}
    sets = _set_metrics(index, system)
    groups = [None, *dict.fromkeys(languages.values())]
    for measure in index.measures:
        metric = index.metrics[measure.index]
        if not measure.signature or metric.name in sets:
            continue
        values = stats.prompt_values(index.pool(system, measure.index), metric, index.prompt_of, languages)
        if metric.name in found:
            # A run that was measured in two ways keeps the declared way; what is left counts as missing there.
            found[metric.name] = _note_others(found[metric.name], len(values.prompt_ids))
            continue
        missing = {group or ALL: missing_of(index, measure, system, group) for group in groups}
        found[metric.name] = Measured(metric=metric, measure=measure, values=values, missing=missing)
    return {**found, **sets}


def _note_others(measured: Measured, n_prompts: int) -> Measured:
    if not n_prompts:
        return measured
    reason = "measured with another signature, which is not comparable"
    other = Missing(status="failed", label="measured otherwise", count=n_prompts, reason=reason)
    missing = {**measured.missing, ALL: (*measured.missing[ALL], other)}
    return Measured(metric=measured.metric, measure=measured.measure, values=measured.values, missing=missing)


def _set_metrics(index: Index, system: str) -> dict[str, Measured]:
    """Metrics of whole sets of songs; scores of another signature than the run declares are left out."""
    found = {}
    for evaluator in index.run.info.evaluators:
        for metric in evaluator.metrics:
            signature = evaluator.signatures.get(metric.name, "")
            alike = [score for score in index.run.set_scores if score.metric == metric.name]
            alike = [score for score in alike if score.signature == signature and signature]
            mine = {score.group: score for score in alike if score.system == system}
            if not mine:
                continue
            values = [score.value for score in alike if score.value is not None]
            found[metric.name] = Measured(
                metric=metric,
                measure=make_measure(len(index.measures), metric, signature, evaluator.name, values),
                values=None,
                missing={group: set_missing(score) for group, score in mine.items()},
                sets={group: set_summary(metric, score) for group, score in mine.items()},
            )
    return found


def _licences(run: RunData, system: SystemInfo) -> tuple[str, ...]:
    of = {model.name: model.licence for model in run.info.models}
    found = sorted({of.get(name) or UNSTATED for name in system.models})
    return tuple(found) or (UNSTATED,)


def _digest(metrics: Mapping[str, Measured]) -> str:
    """Of all numbers: two entries with the same are the same."""
    found = hashlib.sha256()
    for name in sorted(metrics):
        measured = metrics[name]
        found.update(repr((name, measured.meaning, sorted(measured.sets.items()))).encode())
        if measured.values is not None:
            found.update(repr(measured.values.prompt_ids).encode())
            found.update(measured.values.numerators.tobytes() + measured.values.denominators.tobytes())
    return found.hexdigest()


def distinct(entries: Sequence[Entry]) -> list[Entry]:
    """In order of time, without entries that came in twice."""
    found: dict[tuple[object, ...], Entry] = {}
    for entry in sorted(entries, key=lambda entry: (entry.order, entry.report is None, str(entry.report))):
        found.setdefault((entry.order, entry.self_reported, entry.version), entry)
    return list(found.values())
