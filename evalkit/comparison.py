"""Two systems on the same prompts: is one better, by how much, and could it be chance?

All comparisons are paired by prompt, because prompt difficulty cancels in pairs. Differences are candidate minus
baseline in the metric's unit; which sign is better is the metric's `direction`, not this module's business. Many
metrics are compared at once with the same draws (`compare_many`); each result is the one it would have alone.

Intervals are bootstrap ones (`evalkit.resampling`), p-values come from exchanging outcomes (`evalkit.exchange`), effect
sizes and tests of yes/no outcomes are in `evalkit.significance`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from evalkit.exchange import Pair, by_size, exchange_p, exchange_p_many
from evalkit.resampling import EXACT_UP_TO, LEVEL, RESAMPLES, Array, bca_interval, percentile_interval
from evalkit.significance import (
    cohen_dz,
    detectable_effect,
    detectable_rate,
    holm,
    mcnemar_p,
    minimum_detectable_effect,
    minimum_p,
    newcombe,
    rank_biserial,
    sample_size,
    win_rate,
)
from evalkit.stats import BCA_BELOW, PromptValues, bootstrap, divide

__all__ = [
    "EXACT_UP_TO",
    "MIN_PAIRS",
    "PairedComparison",
    "align",
    "as_yes_no",
    "cohen_dz",
    "compare_many",
    "compare_paired",
    "detectable_difference",
    "detectable_effect",
    "detectable_rate",
    "difference_intervals",
    "differences",
    "exchange_p",
    "exchange_p_many",
    "holm",
    "mcnemar_p",
    "minimum_detectable_effect",
    "minimum_p",
    "newcombe",
    "rank_biserial",
    "sample_size",
    "win_rate",
]

MIN_PAIRS = 6
"""With fewer pairs no difference can be significant at 5 %: the smallest two-sided p is 2 / 2^n."""

Answers = Mapping[tuple[str, int], float]
"""Yes (1) or no (0) by prompt and take."""

Interval = tuple[float | None, float | None, str]
"""Lower and upper end, and the method; None where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedComparison:
    """Candidate against baseline on the prompts both have.

    Attributes:
        n: Pairs.
        n_unpaired: Prompts that only one of the two has, or that neither has.
        candidate: Aggregate of the candidate on the pairs.
        baseline: Aggregate of the baseline on the pairs.
        difference: Candidate minus baseline; None without pairs.
        ci_low: Lower end of the 95 % interval of the difference; None below six pairs.
        ci_high: Upper end.
        p_value: Two-sided, by exchanging the two within prompts; None below six pairs.
        cohen_dz: Mean difference over its standard deviation; None if that is 0.
        win_rate: Share of prompts on which the candidate's value is larger, ties at half.
        rank_biserial: Matched rank-biserial correlation in [-1, 1].
        sd: Standard deviation of the per-prompt differences.
        se: Standard error of the difference; for ratios by their linear approximation, which weighs long prompts more.
        mde: Smallest difference that this many pairs show with 80 % power; None if all differences are equal, or if
            no rate of yes/no answers would be shown.
        method: How the interval and the p-value were found.
    """

    n: int
    n_unpaired: int
    candidate: float | None
    baseline: float | None
    difference: float | None
    ci_low: float | None
    ci_high: float | None
    p_value: float | None
    cohen_dz: float | None
    win_rate: float | None
    rank_biserial: float | None
    sd: float | None
    se: float | None
    mde: float | None
    method: str

    def settled_by(self, effect: float) -> int | None:
        """Pairs that would show a difference of ``effect`` with 80 % power; None if that cannot be told."""
        if self.se is None or self.se == 0.0 or effect == 0.0:
            return None
        return sample_size(self.se * math.sqrt(self.n), abs(effect))


def align(candidate: PromptValues, baseline: PromptValues) -> Pair:
    """Keep the prompts both have; ``n_missing`` then counts those that were lost.

    A prompt that was asked for and has no value on either side is lost once: both are taken to have been asked for the
    same prompts, unless more are known.
    """
    known = set(candidate.prompt_ids) | set(baseline.prompt_ids)
    shared = sorted(set(candidate.prompt_ids) & set(baseline.prompt_ids))
    asked = max(len(known), *(len(values.prompt_ids) + values.n_missing for values in (candidate, baseline)))
    lost = asked - len(shared)
    return candidate.take(shared, lost), baseline.take(shared, lost)


def compare_paired(
    candidate: PromptValues, baseline: PromptValues, *, seed: int = 0, resamples: int = RESAMPLES
) -> PairedComparison:
    """Everything about one metric of two systems.

    Args:
        candidate: From `evalkit.stats.prompt_values`.
        baseline: The same for the other system.
        seed: Of the resampling and of the permutations.
        resamples: Bootstrap resamples and permutations.
    """
    return compare_many([align(candidate, baseline)], seed=seed, resamples=resamples)[0]


def compare_many(pairs: Sequence[Pair], *, seed: int = 0, resamples: int = RESAMPLES) -> list[PairedComparison]:
    """`compare_paired` for many aligned pairs: the same numbers, but draws are made once for equally many prompts."""
    enough = [
        place for place, pair in enumerate(pairs) if _has_difference(pair) and len(pair[0].prompt_ids) >= MIN_PAIRS
    ]
    chosen = [pairs[place] for place in enough]
    intervals = dict(zip(enough, difference_intervals(chosen, seed=seed, resamples=resamples), strict=True))
    p_values = dict(zip(enough, exchange_p_many(chosen, seed=seed, permutations=resamples), strict=True))
    return [
        _comparison(pair, intervals.get(place, (None, None, "")), p_values.get(place), seed, resamples)
        for place, pair in enumerate(pairs)
    ]


def as_yes_no(
    found: PairedComparison, candidate: Answers, baseline: Answers, level: float = LEVEL, margin: float = 0.0
) -> PairedComparison:
    """Replace interval, p-value and detectable effect of a comparison of rates by those for yes/no outcomes.

    The p-value is McNemar's exact one over pairs of the same prompt and take. The interval is Newcombe's with the
    prompt as the unit: the takes of a prompt share its weight, since they are not independent songs.

    Args:
        found: The comparison of the rates over the same takes.
        candidate: Answers by prompt and take; only keys in both count.
        baseline: The same for the other system.
        level: Of the interval.
        margin: For the detectable effect: what a rise has to exceed.
    """
    if found.n < MIN_PAIRS:
        return found
    only_ours = only_theirs = 0
    takes: dict[str, list[tuple[float, float]]] = {}
    for key in sorted(candidate.keys() & baseline.keys()):
        ours, theirs = candidate[key], baseline[key]
        only_ours += ours > theirs
        only_theirs += theirs > ours
        takes.setdefault(key[0], []).append((ours, theirs))
    table = yes_no_table(takes)
    low, high = newcombe(*table, level)
    per_prompt = sum(map(len, takes.values())) / len(takes)
    # A rate that is nearly 1 can only fall, which is a rise of the other answer.
    agreed = min(table[0], table[3])
    mde = detectable_rate(agreed, table[1] + table[2], len(takes), per_prompt, margin=margin, alpha=1 - level)
    p_value = mcnemar_p(only_ours, only_theirs)
    split = f"({only_ours} against {only_theirs})"
    method = f"Newcombe {100 * level:.4g} % over prompts; exact McNemar p by prompt and take {split}"
    return replace(found, ci_low=low, ci_high=high, p_value=p_value, mde=mde, method=method)


def yes_no_table(takes: Mapping[str, Sequence[tuple[float, float]]]) -> tuple[float, float, float, float]:
    """Prompts on which both, only the candidate, only the baseline and neither said yes; takes share their prompt."""
    cells = [
        [math.fsum(pair == cell for pair in pairs) / len(pairs) for pairs in takes.values()]
        for cell in ((1.0, 1.0), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0))
    ]
    both, only_ours, only_theirs, neither = (math.fsum(cell) for cell in cells)
    return both, only_ours, only_theirs, neither


def differences(candidate: PromptValues, baseline: PromptValues) -> Array:
    """Candidate minus baseline for each shared prompt that has something to divide by in both [prompts]."""
    usable = (candidate.denominators > 0) & (baseline.denominators > 0)
    ours = candidate.numerators[usable] / candidate.denominators[usable]
    return np.asarray(ours - baseline.numerators[usable] / baseline.denominators[usable])


def difference_intervals(
    pairs: Sequence[Pair], *, level: float = LEVEL, seed: int = 0, resamples: int = RESAMPLES
) -> list[Interval]:
    """Bootstrap intervals of the differences of aligned pairs, each with at least one prompt and an estimate.

    Percentile; bias-corrected and accelerated below 30 prompts.
    """
    out: list[Interval] = [(None, None, "no")] * len(pairs)
    for n, places in by_size(pairs).items():
        drawn = bootstrap([side for place in places for side in pairs[place]], n, seed, resamples)
        for order, place in enumerate(places):
            out[place] = _interval(pairs[place], drawn[2 * order] - drawn[2 * order + 1], level)
    return out


def detectable_difference(pair: Pair, alpha: float, power: float = 0.8) -> float | None:
    """`PairedComparison.mde` of an aligned pair at another level, for example one that many checks share."""
    return detectable_effect(_shares(pair), alpha=alpha, power=power) if _has_difference(pair) else None


def _has_difference(pair: Pair) -> bool:
    return all(values.estimate is not None for values in pair)


def _interval(pair: Pair, replicates: Array, level: float) -> Interval:
    ours, theirs = pair
    usable = replicates[np.isfinite(replicates)]
    if len(usable) < len(replicates) / 2:
        return None, None, "no"
    if len(ours.prompt_ids) < BCA_BELOW:
        left_out = [divide(v.numerators.sum() - v.numerators, v.denominators.sum() - v.denominators) for v in pair]
        jackknife = left_out[0] - left_out[1]
        if np.all(np.isfinite(jackknife)):
            interval = bca_interval(usable, _estimate(ours) - _estimate(theirs), jackknife, level)
            if interval is not None:
                return *_clean(interval, pair), "BCa"
    return *_clean(percentile_interval(usable, level), pair), "percentile"


def _clean(interval: tuple[float, float], pair: Pair) -> tuple[float, float]:
    """An end that is 0 but for rounding is 0: songs of a pair are often equal, and the sign of an end is a verdict."""
    dust = 1e-12 * max(abs(_estimate(values)) for values in pair)
    low, high = (0.0 if abs(end) <= dust else end for end in interval)
    return low, high


def _comparison(pair: Pair, interval: Interval, p_value: float | None, seed: int, resamples: int) -> PairedComparison:
    ours, theirs = pair
    n = len(ours.prompt_ids)
    if not _has_difference(pair):
        return _nothing(n, ours.n_missing, ours.estimate, theirs.estimate)
    each = differences(ours, theirs)
    shares = _shares(pair)
    se = float(np.std(shares, ddof=1)) / math.sqrt(n) if n > 1 else None
    method = f"fewer than {MIN_PAIRS} pairs: no claim"
    if p_value is not None:
        exchange = "all exchanges" if n <= EXACT_UP_TO else f"{resamples} random exchanges"
        method = f"{interval[2]} bootstrap 95 % over pairs, {resamples} resamples; p by {exchange}; seed {seed}"
    return PairedComparison(
        n=n,
        n_unpaired=ours.n_missing,
        candidate=ours.estimate,
        baseline=theirs.estimate,
        difference=_estimate(ours) - _estimate(theirs),
        ci_low=interval[0],
        ci_high=interval[1],
        p_value=p_value,
        cohen_dz=cohen_dz(each),
        win_rate=win_rate(each) if len(each) else None,
        rank_biserial=rank_biserial(each),
        sd=float(np.std(each, ddof=1)) if len(each) > 1 else None,
        se=se,
        mde=detectable_effect(shares),
        method=method,
    )


def _shares(pair: Pair) -> Array:
    """What each prompt contributes to the difference; for means its own difference, but for a constant [prompts]."""
    ours, theirs = ((v.numerators - _estimate(v) * v.denominators) / v.denominators.mean() for v in pair)
    shares = ours - theirs
    size = max(float(np.max(np.abs(v.numerators))) / float(v.denominators.mean()) for v in pair)
    return np.where(np.abs(shares) <= 1e-13 * size, 0.0, shares)


def _estimate(values: PromptValues) -> float:
    estimate = values.estimate
    assert estimate is not None
    return estimate


def _nothing(n: int, n_unpaired: int, candidate: float | None, baseline: float | None) -> PairedComparison:
    return PairedComparison(
        n=n,
        n_unpaired=n_unpaired,
        candidate=candidate,
        baseline=baseline,
        difference=None,
        ci_low=None,
        ci_high=None,
        p_value=None,
        cohen_dz=None,
        win_rate=None,
        rank_biserial=None,
        sd=None,
        se=None,
        mde=None,
        method="no pairs" if n == 0 else "nothing to divide by",
    )
