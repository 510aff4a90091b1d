"""Metrics of whole sets of songs: distances, diversities, matching rates."""

from collections.abc import Mapping

from evalkit.store import EvaluatorInfo
from evalkit.types import Metric, SetScore, Summary
from reports import estimates, numbers
from reports.index import Index, make_measure
from reports.languages import title_of
from reports.report import MetricGroup, MetricRow, Missing
from reports.titles import evaluator_title
from reports.view_summary import STATUS_LABELS

ALL = "all"

_Found = Mapping[tuple[str, str, str], SetScore]
"""(metric, group, system) to its score."""


def make_set_groups(index: Index) -> tuple[MetricGroup, ...]:
    """One group for each set evaluator; scores of another signature than the run declares are left out."""
    groups = []
    for evaluator in index.run.info.evaluators:
        if evaluator.scope != "set":
            continue
        mine = [score for score in index.run.set_scores if score.signature == evaluator.signatures.get(score.metric)]
        found = {(score.metric, score.group, score.system): score for score in mine}
        rows = [row for metric in evaluator.metrics for row in _rows(index, evaluator, metric, found)]
        group = MetricGroup(
            evaluator=evaluator.name,
            version=evaluator.version,
            title=evaluator_title(evaluator.name),
            rows=tuple(rows),
            summary=numbers.count(len(evaluator.metrics), "metric") + " of the set as a whole",
            of_sets=True,
        )
        groups.append(group)
    return tuple(groups)


def _rows(index: Index, evaluator: EvaluatorInfo, metric: Metric, found: _Found) -> list[MetricRow]:
    slices = [
        ALL,
        *(code for code in index.languages if any((metric.name, code, s.name) in found for s in index.systems)),
    ]
    values = [score.value for (name, _, _), score in found.items() if name == metric.name and score.value is not None]
    measure = make_measure(-1, metric, evaluator.signatures[metric.name], evaluator.name, values)
    table = {code: [found.get((metric.name, code, s.name)) for s in index.systems] for code in slices}
    summaries = {code: [set_summary(metric, score) for score in row] for code, row in table.items()}
    axis = estimates.make_axis(measure, metric.bounds, [summary for row in summaries.values() for summary in row])
    return [
        MetricRow(
            measure=measure,
            estimates=tuple(
                estimates.make_estimate(measure, summary, set_missing(score), axis)
                for summary, score in zip(summaries[code], table[code], strict=True)
            ),
            distributions=(),
            scale=estimates.make_scale(measure, axis),
            slice="" if code == ALL else title_of(code),
        )
        for code in slices
    ]


def set_summary(metric: Metric, score: SetScore | None) -> Summary:
    """The number of a set as a summary; None if the set has no line for the metric."""
    return Summary(
        metric=metric.name,
        n=score.n if score is not None and score.value is not None else 0,
        n_missing=0,
        estimate=score.value if score else None,
        ci_low=score.ci_low if score else None,
        ci_high=score.ci_high if score else None,
        method=str(score.details.get("method", "of the whole set")) if score else "not evaluated",
    )


def set_missing(score: SetScore | None) -> tuple[Missing, ...]:
    """Why a set has no number; empty if it has one."""
    if score is None:
        status, reason = "not_evaluated", "this set has no line for this metric"
    elif score.value is None:
        status, reason = score.status, score.reason
    else:
        return ()
    return (Missing(status=status, label=STATUS_LABELS[status], count=1, reason=reason),)
