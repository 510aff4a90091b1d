"""Aggregates with their uncertainty.

The prompt is the statistical unit: takes of one prompt are averaged first, then prompts are resampled. A metric with
``aggregate="ratio"`` is a ratio of sums (for example errors by words) and is recomputed inside each resample.
Everything is seeded; the result does not depend on the order of the scores.

Source: Wilson, 1927 (binary rates); intervals of means and ratios are in `evalkit.resampling`.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy.special import ndtri

from evalkit.errors import StoreError
from evalkit.resampling import LEVEL, RESAMPLES, Array, bca_interval, percentile_interval, resampled_sums
from evalkit.types import BINARY_UNIT, Metric, Score, Summary

_T = TypeVar("_T")

BCA_BELOW = 30
"""With fewer prompts than this the interval is bias-corrected and accelerated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptValues:
    """One number a prompt, takes averaged: the value is ``numerators / denominators`` (denominators 1 for means).

    Attributes:
        prompt_ids: Sorted; one for each row.
        numerators: [prompts].
        denominators: [prompts].
        n_missing: Prompts that were asked for and have no value.
    """

    prompt_ids: tuple[str, ...]
    numerators: Array
    denominators: Array
    n_missing: int

    @property
    def estimate(self) -> float | None:
        """Mean of the prompts, or ratio of the sums; None if there is nothing to divide by."""
        total = math.fsum(self.denominators)
        return math.fsum(self.numerators) / total if total > 0 else None

    @property
    def is_mean(self) -> bool:
        """Whether every denominator is 1."""
        return bool(np.all(self.denominators == 1.0))

    def take(self, prompt_ids: Sequence[str], n_missing: int) -> "PromptValues":
        """The values of some prompts, all of which must be there, in the order given."""
        place = {prompt_id: index for index, prompt_id in enumerate(self.prompt_ids)}
        rows = np.array([place[prompt_id] for prompt_id in prompt_ids], dtype=np.intp)
        return PromptValues(
            prompt_ids=tuple(prompt_ids),
            numerators=self.numerators[rows],
            denominators=self.denominators[rows],
            n_missing=n_missing,
        )


def prompt_values(
    scores: Iterable[Score], metric: Metric, prompt_of: Mapping[str, str], prompts: Collection[str] | None = None
) -> PromptValues:
    """Average the takes of each prompt.

    Args:
        scores: Scores of one system; those of other metrics are ignored.
        metric: What to aggregate, and how.
        prompt_of: Song id to prompt id.
        prompts: Prompts that ought to have a value; by default those that have a score of this metric, of any status.

    Returns:
        The values in the order of the sorted prompt ids.

    Raises:
        StoreError: a score belongs to no known song, or a ratio has no counts in its details.
    """
    takes: dict[str, list[tuple[float, float]]] = {}
    asked: set[str] = set() if prompts is None else set(prompts)
    for score in scores:
        if score.metric != metric.name:
            continue
        if score.song_id not in prompt_of:
            raise StoreError(f"The score {metric.name} belongs to {score.song_id!r}, which is not a song of this run.")
        prompt_id = prompt_of[score.song_id]
        if prompts is None:
            asked.add(prompt_id)
        elif prompt_id not in asked:
            continue
        if score.value is not None:
            takes.setdefault(prompt_id, []).append(
                _counts(score) if metric.aggregate == "ratio" else (score.value, 1.0)
            )
    return average_takes(takes, len(asked))


def average_takes(takes: Mapping[str, Sequence[tuple[float, float]]], n_asked: int) -> PromptValues:
    """One number a prompt.

    Args:
        takes: Prompt id to numerator and denominator of each take that has a value.
        n_asked: Prompts that ought to have one.
    """
    found = sorted(takes)
    # fsum is exact, so the order of the takes cannot change the last bit.
    pairs = [_mean(takes[name]) for name in found]
    table = np.array(pairs, dtype=np.float64).reshape(len(found), 2)
    return PromptValues(
        prompt_ids=tuple(found),
        numerators=np.ascontiguousarray(table[:, 0]),
        denominators=np.ascontiguousarray(table[:, 1]),
        n_missing=n_asked - len(found),
    )


def _mean(takes: Sequence[tuple[float, float]]) -> tuple[float, ...]:
    if len(takes) == 1:
        return takes[0]
    return tuple(math.fsum(column) / len(takes) for column in zip(*takes, strict=True))


def summarise(
    scores: Iterable[Score],
    metric: Metric,
    prompt_of: Mapping[str, str],
    *,
    prompts: Collection[str] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Summary:
    """Aggregate one metric of one system with a 95 % interval over prompts.

    Percentile bootstrap; BCa below 30 prompts; Wilson if the metric's unit is ``"0/1"``. Without any value the
    estimate and the interval are None; with one prompt the interval is None and ``method`` says why.

    Args:
        scores: Scores of one system; those of other metrics are ignored.
        metric: What to aggregate, and how.
        prompt_of: Song id to prompt id.
        prompts: See `prompt_values`.
        seed: Of the resampling.
        resamples: Number of resamples.

    Returns:
        The summary in the metric's unit.
    """
    return summarise_values([(metric, prompt_values(scores, metric, prompt_of, prompts))], seed, resamples)[0]


def summarise_many(
    scores: Iterable[Score],
    metrics: Sequence[Metric],
    prompt_of: Mapping[str, str],
    *,
    prompts: Collection[str] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[str, Summary]:
    """`summarise` for several metrics at once: the same numbers, but resamples are drawn once.

    Returns:
        Metric name to summary, in the order of ``metrics``.
    """
    by_metric: dict[str, list[Score]] = {metric.name: [] for metric in metrics}
    for score in scores:
        if score.metric in by_metric:
            by_metric[score.metric].append(score)
    items = [(metric, prompt_values(by_metric[metric.name], metric, prompt_of, prompts)) for metric in metrics]
    return {summary.metric: summary for summary in summarise_values(items, seed, resamples)}


def summarise_values(items: Sequence[tuple[Metric, PromptValues]], seed: int, resamples: int) -> list[Summary]:
    """The arithmetic of `summarise_many`, one summary for each item."""
    wanted: dict[int, list[int]] = {}
    for index, (metric, values) in enumerate(items):
        if len(values.prompt_ids) > 1 and values.estimate is not None and metric.unit != BINARY_UNIT:
            wanted.setdefault(len(values.prompt_ids), []).append(index)
    replicates: dict[int, Array] = {}
    for n, indices in wanted.items():
        drawn = bootstrap([items[index][1] for index in indices], n, seed, resamples)
        replicates.update(zip(indices, drawn, strict=True))
    return [_summary(*item, replicates.get(index), seed) for index, item in enumerate(items)]


def bootstrap(items: Sequence[PromptValues], n: int, seed: int, resamples: int) -> list[Array]:
    """Resample the same ``n`` prompts for all items.

    Returns:
        For each item the replicates of its estimate [resamples]; NaN where a resample had nothing to divide by.
    """
    # Deviations from the estimate are resampled, so that equal values give exactly the estimate again.
    estimates = [_known(item.estimate) for item in items]
    columns = [item.numerators - known * item.denominators for item, known in zip(items, estimates, strict=True)]
    # Most metrics divide by 1 everywhere, and n times 1 is no news.
    divided = [item for item in items if not item.is_mean]
    sums = resampled_sums(np.stack([*columns, *(item.denominators for item in divided)], axis=1), seed, resamples)
    below = {id(item): sums[:, len(items) + place] for place, item in enumerate(divided)}
    return [
        known + divide(sums[:, place], below[id(item)] if id(item) in below else np.full(resamples, float(n)))
        for place, (item, known) in enumerate(zip(items, estimates, strict=True))
    ]


def divide(numerators: Array, denominators: Array) -> Array:
    """Elementwise quotient; NaN where there is nothing to divide by."""
    out = np.full(np.shape(numerators), np.nan)
    return np.asarray(np.divide(numerators, denominators, out=out, where=denominators > 0))


def wilson(k: float, n: float, level: float = LEVEL) -> tuple[float, float]:
    """Interval of a binary rate by Wilson's score.

    Args:
        k: Successes; may be fractional where takes were averaged.
        n: Trials.
        level: Coverage, between 0 and 1.

    Returns:
        Lower and upper limit in [0, 1].

    Raises:
        ValueError: there are no trials, or more successes than trials.

    >>> [round(limit, 4) for limit in wilson(8, 10)]
    [0.4902, 0.9433]
    """
    if n < 1 or not 0 <= k <= n:
        raise ValueError(f"A rate needs at least one trial and 0 to n successes, got {k} of {n}.")
    z = float(ndtri((1 + level) / 2))
    rate = k / n
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    # The limits touch 0 and 1 exactly there; rounding must not leave the range or the estimate outside.
    return (0.0 if k == 0 else max(0.0, centre - half)), (1.0 if k == n else min(1.0, centre + half))


def _summary(metric: Metric, values: PromptValues, replicates: Array | None, seed: int) -> Summary:
    n = len(values.prompt_ids)
    estimate = values.estimate
    low: float | None = None
    high: float | None = None
    if estimate is None:
        method = "no values" if n == 0 else "nothing to divide by"
    elif n == 1:
        method = "one prompt: no interval"
    elif metric.unit == BINARY_UNIT:
        low, high = wilson(min(max(math.fsum(values.numerators), 0.0), float(n)), n)
        method = "Wilson 95 % over prompts"
    else:
        low, high, method = _interval(values, estimate, _known(replicates), seed)
    return Summary(
        metric=metric.name,
        n=n,
        n_missing=values.n_missing,
        estimate=estimate,
        ci_low=low,
        ci_high=high,
        method=method,
    )


def _interval(
    values: PromptValues, estimate: float, replicates: Array, seed: int
) -> tuple[float | None, float | None, str]:
    usable = replicates[np.isfinite(replicates)]
    if len(usable) < len(replicates) / 2:
        return None, None, "too few prompts have anything to divide by: no interval"
    details = f"95 % over prompts, {len(replicates)} resamples, seed {seed}"
    if len(values.prompt_ids) < BCA_BELOW:
        below = values.denominators.sum() - values.denominators
        if np.all(below > 0):
            jackknife = (values.numerators.sum() - values.numerators) / below
            interval = bca_interval(usable, estimate, jackknife)
            if interval is not None:
                return *interval, f"BCa bootstrap {details}"
    return *percentile_interval(usable), f"percentile bootstrap {details}"


def _counts(score: Score) -> tuple[float, float]:
    try:
        return float(score.details["numerator"]), float(score.details["denominator"])
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(
            f"The score {score.metric} of {score.song_id} is part of a ratio but has no numerator and denominator."
        ) from error


def _known(value: _T | None) -> _T:
    assert value is not None
    return value
