"""Metrics of whole sets of songs side by side: a distance of a set has no pairs, so nothing is claimed of two.

Only equal signatures share an axis; others are marked.
"""

from evalkit.store import RunData
from evalkit.types import Metric, SetScore
from reports import estimates
from reports.compare.contenders import Contender
from reports.compare.page import SetRow
from reports.index import make_measure
from reports.languages import title_of
from reports.view_sets import ALL, set_missing, set_summary

UNEQUAL = "not comparable: the signatures differ"


def make_sets(candidate: Contender, opponent: Contender) -> tuple[SetRow, ...]:
    """A row for each metric of sets and each group of songs that either side has."""
    sides = (candidate, opponent)
    metrics = {**opponent.run.set_metrics, **candidate.run.set_metrics}
    return tuple(row for metric in metrics.values() for row in _rows(sides, metric))


def _rows(sides: tuple[Contender, Contender], metric: Metric) -> list[SetRow]:
    found = [_scores(side, metric.name) for side in sides]
    groups = list(dict.fromkeys(group for scores in found for group in scores))
    evaluator = next((score.evaluator for scores in found for score in scores.values()), "")
    rows = []
    for group in groups:
        pair = [scores.get(group) for scores in found]
        signatures = {score.signature for score in pair if score is not None and score.value is not None}
        values = [score.value for score in pair if score is not None and score.value is not None]
        measure = make_measure(-1, metric, min(signatures, default=""), evaluator, values)
        summaries = [set_summary(metric, score) for score in pair]
        axis = estimates.make_axis(measure, metric.bounds, summaries)
        shown = [
            estimates.make_estimate(measure, summary, set_missing(score), axis)
            for summary, score in zip(summaries, pair, strict=True)
        ]
        rows.append(
            SetRow(
                measure=measure,
                group="All songs" if group == ALL else title_of(group),
                candidate=shown[0],
                opponent=shown[1],
                scale=estimates.make_scale(measure, axis),
                apart=UNEQUAL if len(signatures) > 1 else "",
            )
        )
    return rows


def _scores(side: Contender, metric: str) -> dict[str, SetScore]:
    run: RunData = side.run
    return {score.group: score for score in run.set_scores if score.system == side.system and score.metric == metric}
