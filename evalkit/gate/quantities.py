"""Numbers that only the gate needs, made from the scores of each song.

A singer that now and then sings no words at all has two faults with different causes: how often it collapses, and how
well it sings otherwise. One mean over both needs about five times as many songs to show a change in either, so they are
offered apart.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from evalkit.store import EvaluatorInfo, RunData
from evalkit.types import BINARY_UNIT, Metric, Score

COLLAPSED_ABOVE = 0.40
"""A song with a phone error rate above this has collapsed."""

NAME = "gate"
VERSION = "1"
SOURCE_METRIC = "per"
SILENT_FLAGS = frozenset({"no_vocals", "asr_empty"})
"""Flags of a song in which no word was heard."""

COLLAPSE_RATE = Metric(
    name="collapse_rate",
    title="Collapsed songs",
    unit=BINARY_UNIT,
    direction="lower",
    source="evalkit definition",
    bounds=(0.0, 1.0),
    as_percent=True,
    description="Share of songs with a phone error rate above 40 %.",
)
PER_NONCOLLAPSED = Metric(
    name="per_noncollapsed",
    title="Phone error rate of songs that did not collapse",
    unit="",
    direction="lower",
    source="evalkit definition",
    bounds=(0.0, COLLAPSED_ABOVE),
    aggregate="ratio",
    as_percent=True,
    description="As the phone error rate, without songs whose own is above 40 %.",
)
NO_VOCALS_RATE = Metric(
    name="no_vocals_rate",
    title="Songs without words",
    unit=BINARY_UNIT,
    direction="lower",
    source="evalkit definition",
    bounds=(0.0, 1.0),
    as_percent=True,
    description="Share of songs with lyrics in which no word was heard.",
)

CONDITIONAL = frozenset({PER_NONCOLLAPSED.name})
"""Defined on some songs only: a prompt without such a song on either side is left out, not missing."""


def with_quantities(run: RunData) -> RunData:
    """The run with these metrics added, wherever it has phone error rates and does not have them already."""
    makers: tuple[tuple[Metric, Callable[[Score], Score]], ...] = (
        (COLLAPSE_RATE, _collapsed),
        (PER_NONCOLLAPSED, _noncollapsed),
        (NO_VOCALS_RATE, _silent),
    )
    found = [score for score in run.scores if score.metric == SOURCE_METRIC]
    wanted = [(metric, make) for metric, make in makers if metric.name not in run.metrics]
    if not found or not wanted:
        return run
    added = [make(_renamed(score, metric)) for metric, make in wanted for score in found]
    evaluator = EvaluatorInfo(
        name=NAME,
        version=VERSION,
        metrics=tuple(metric for metric, _ in wanted),
        signatures={metric.name: _signature(metric, _declared(run, found)) for metric, _ in wanted},
    )
    return replace(
        run,
        info=replace(run.info, evaluators=(*run.info.evaluators, evaluator)),
        scores=(*run.scores, *added),
    )


def _renamed(score: Score, metric: Metric) -> Score:
    return replace(score, metric=metric.name, evaluator=NAME, signature=_signature(metric, score.signature))


def _signature(metric: Metric, source: str) -> str:
    limit = "" if metric is NO_VOCALS_RATE else f"|collapsed:{COLLAPSED_ABOVE:g}"
    return f"{metric.name}|of:{source}{limit}|gate:{VERSION}"


def _declared(run: RunData, found: Sequence[Score]) -> str:
    signatures = (made.signatures.get(SOURCE_METRIC) for made in run.info.evaluators)
    return next((signature for signature in signatures if signature), found[0].signature)


def _collapsed(score: Score) -> Score:
    if score.value is None:
        return score
    return replace(score, value=float(score.value > COLLAPSED_ABOVE), details={})


def _noncollapsed(score: Score) -> Score:
    if score.value is None or score.value <= COLLAPSED_ABOVE:
        return score
    reason = f"Collapsed: phone error rate {score.value:.2f}, above {COLLAPSED_ABOVE:g}."
    return replace(score, value=None, status="not_applicable", reason=reason, details={})


def _silent(score: Score) -> Score:
    if score.value is None:
        return score
    return replace(score, value=float(not SILENT_FLAGS.isdisjoint(score.details.get("flags") or ())), details={})
