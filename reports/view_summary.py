"""Headline cards, the table by language and the tables by metric."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from evalkit.types import Score, Summary
from reports import estimates, human, numbers
from reports.human import Human
from reports.index import Index
from reports.languages import title_of
from reports.report import (
    Card,
    Distribution,
    Estimate,
    LanguageRow,
    LanguageTable,
    Mark,
    Measure,
    MetricGroup,
    MetricRow,
    Missing,
)
from reports.titles import evaluator_title

Totals = Mapping[int, Sequence[Summary]]
"""Measure index to one summary for each system."""

MAX_DOTS = 60
N_BARS = 32

STATUS_LABELS = {
    "failed": "failed",
    "missing_audio": "audio missing",
    "missing_model": "model missing",
    "not_applicable": "not applicable",
    "not_evaluated": "not evaluated",
}


def make_totals(index: Index) -> Totals:
    """Every measure over all songs of every system."""
    wanted = [(system.name, m.index, None) for m in index.measures for system in index.systems]
    found = iter(index.summaries(wanted))
    return {m.index: [next(found) for _ in index.systems] for m in index.measures}


def make_cards(index: Index, totals: Totals, recordings: Human | None = None) -> tuple[Card, ...]:
    """One card for each headline measure; the first three declared if none is marked."""
    cards = []
    for measure in headline(index):
        row = totals[measure.index]
        sung = recordings.summary(measure) if recordings else None
        axis = _axis(index, measure, [*row, *([sung] if sung else [])])
        found = tuple(
            _estimate(index, measure, summary, system.name, None, axis)
            for summary, system in zip(row, index.contenders, strict=False)
        )
        marks = _marks(index, measure, row[len(found) :], axis)
        remark = ""
        if sung:
            marks += (human.mark(measure, sung, axis),)
            named = [(s.name, summary) for s, summary in zip(index.contenders, row, strict=False)]
            remark = human.remark(measure, index.metrics[measure.index], sung, named)
        scale = estimates.make_scale(measure, axis)
        cards.append(Card(measure=measure, estimates=found, scale=scale, marks=marks, human=remark))
    return tuple(cards)


def headline(index: Index) -> list[Measure]:
    """Measures marked as headline; if there is none, the first three.

    One that no song has a value of (its model is missing, or it applies to none) takes no place among the others;
    the tables by metric and the list of what is missing name it.
    """
    marked = [m for m in index.measures if m.headline] or list(index.measures[:3])
    return [m for m in marked if any(_has_values(index, m, system.name) for system in index.systems)] or marked


def _has_values(index: Index, measure: Measure, system: str) -> bool:
    return any(score.value is not None for score in index.pool(system, measure.index))


def make_languages(index: Index, recordings: Human | None = None) -> LanguageTable | None:
    """Headline measures by language and system; None with a single language or nothing measured."""
    columns = headline(index)
    languages = index.languages
    if len(languages) < 2 or not columns:
        return None
    prompts: dict[str, set[str]] = {code: set() for code in languages}
    for song in index.songs:
        prompts[index.language(song)].add(song.prompt_id)
    n_songs = {(code, s.name): len(index.groups.get((s.name, code), ())) for code in languages for s in index.systems}
    heads = [(code, place) for code in languages for place in range(len(index.systems))]
    heads = [head for head in heads if n_songs[head[0], index.systems[head[1]].name]]
    wanted = [(index.systems[place].name, m.index, prompts[code]) for code, place in heads for m in columns]
    found = index.summaries(wanted)
    sung = {(code, m.index): recordings.summary(m, code) for code in languages for m in columns} if recordings else {}
    beside = [[s for code in languages if (s := sung.get((code, m.index)))] for m in columns]
    axes = [_axis(index, m, [*found[k :: len(columns)], *beside[k]]) for k, m in enumerate(columns)]
    rows = []
    by_head = {head: found[k * len(columns) : (k + 1) * len(columns)] for k, head in enumerate(heads)}
    for code, place in heads:
        system = index.systems[place].name
        if index.systems[place].calibration:
            continue
        cells = by_head[code, place]
        shown = [
            _estimate(index, m, cell, system, code, axis) for m, cell, axis in zip(columns, cells, axes, strict=True)
        ]
        calibration = [by_head.get((code, other)) for other in range(len(index.contenders), len(index.systems))]
        marks = [
            _marks(index, m, [None if row is None else row[k] for row in calibration], axis)
            + ((human.mark(m, there, axis),) if (there := sung.get((code, m.index))) else ())
            for k, (m, axis) in enumerate(zip(columns, axes, strict=True))
        ]
        rows.append(
            LanguageRow(
                code=code,
                title=title_of(code),
                system=place,
                n_songs=n_songs[code, system],
                note=index.systems[place].notes.get(code, ""),
                estimates=tuple(shown),
                marks=tuple(marks),
            )
        )
    return LanguageTable(
        columns=tuple(columns),
        scales=tuple(estimates.make_scale(m, axis) for m, axis in zip(columns, axes, strict=True)),
        rows=tuple(rows),
        any_few=any(e.few for row in rows for e in row.estimates),
    )


def make_groups(index: Index, totals: Totals) -> tuple[MetricGroup, ...]:
    """All measures by evaluator."""
    groups = []
    versions = {evaluator.name: evaluator.version for evaluator in index.run.info.evaluators}
    for name in dict.fromkeys(m.evaluator for m in index.measures):
        rows = [_row(index, m, totals[m.index]) for m in index.measures if m.evaluator == name]
        mine = tuple(row for row in rows if not _applies_nowhere(row))
        groups.append(
            MetricGroup(
                evaluator=name,
                version=versions.get(name, ""),
                title=evaluator_title(name),
                rows=mine,
                summary=numbers.count(len(mine), "metric"),
                absent=tuple(row.measure.name for row in rows if _applies_nowhere(row)),
            )
        )
    return tuple(groups)


def _applies_nowhere(row: MetricRow) -> bool:
    """Whether no song has a value and each says that the metric does not apply."""
    missing = [missing for estimate in row.estimates for missing in estimate.missing]
    return not any(e.n for e in row.estimates) and bool(missing) and {m.status for m in missing} == {"not_applicable"}


def missing_of(index: Index, measure: Measure, system: str, language: str | None) -> tuple[Missing, ...]:
    """What has no value and why, most frequent first; songs without any line for this metric count as not evaluated."""
    counts: Counter[tuple[str, str]] = Counter()
    for song in index.groups.get((system, language), ()):
        score = index.scores.get(song.id, {}).get(measure.index)
        if score is None:
            other = any(
                index.metrics[k].name == measure.name for k in index.scores.get(song.id, {}) if k != measure.index
            )
            if not other:
                counts["not_evaluated", song.reason or "this song has no line for this metric"] += 1
        elif score.value is None:
            counts[score.status, score.reason] += 1
    return tuple(
        Missing(status=status, label=STATUS_LABELS[status], count=n, reason=reason)
        for (status, reason), n in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    )


def _row(index: Index, measure: Measure, summaries: Sequence[Summary]) -> MetricRow:
    pools = [_values(index, measure, index.pool(system.name, measure.index)) for system in index.systems]
    axis = _axis(index, measure, summaries, [value for pool in pools for value in pool])
    return MetricRow(
        measure=measure,
        estimates=tuple(
            _estimate(index, measure, summary, system.name, None, axis)
            for summary, system in zip(summaries, index.systems, strict=True)
        ),
        distributions=tuple(_distribution(pool, axis) for pool in pools),
        scale=estimates.make_scale(measure, axis),
    )


def _marks(
    index: Index, measure: Measure, row: Sequence[Summary | None], axis: tuple[float, float]
) -> tuple[Mark, ...]:
    """Where the calibration systems lie; those without a value are left out."""
    marks = []
    for summary, system in zip(row, index.systems[len(index.contenders) :], strict=True):
        if summary is not None and summary.estimate is not None:
            value = summary.estimate * measure.scale
            text = numbers.number(value, estimates.digits_of(measure, summary)) + measure.suffix
            at = estimates.place(value, axis)
            marks.append(Mark(at=at, name=system.name, text=text, role=system.calibration))
    return tuple(marks)


def _values(index: Index, measure: Measure, scores: Iterable[Score]) -> list[float]:
    return [index.shown(measure.index, score.value) for score in scores if score.value is not None]


def _axis(
    index: Index, measure: Measure, summaries: Sequence[Summary], values: Sequence[float] = ()
) -> tuple[float, float]:
    return estimates.make_axis(measure, index.metrics[measure.index].bounds, summaries, values)


def _estimate(
    index: Index, measure: Measure, summary: Summary, system: str, language: str | None, axis: tuple[float, float]
) -> Estimate:
    return estimates.make_estimate(measure, summary, missing_of(index, measure, system, language), axis)


def _distribution(values: Sequence[float], axis: tuple[float, float]) -> Distribution:
    if not values:
        return Distribution()
    ordered = sorted(estimates.place(value, axis) for value in values)
    half = len(ordered) // 2
    median = ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
    if len(ordered) <= MAX_DOTS:
        return Distribution(dots=tuple(ordered), median=round(median, 2))
    bins = Counter(min(N_BARS - 1, int(place * N_BARS / 100)) for place in ordered)
    top = max(bins.values())
    width = 100 / N_BARS
    bars = tuple((round(k * width, 3), round(width, 3), round(100 * n / top, 1)) for k, n in sorted(bins.items()))
    return Distribution(bars=bars, median=round(median, 2))
