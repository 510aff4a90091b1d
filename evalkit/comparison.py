"""Two systems on the same prompts: is one better, by how much, and could it be chance?

All comparisons are paired by prompt, because prompt difficulty cancels in pairs. Differences are candidate minus
baseline in the metric's unit; which sign is better is the metric's `direction`, not this module's business.

Source: Fisher's randomisation test as in Phipson and Smyth, 2010 (p = (b + 1) / (m + 1)); McNemar, 1947 (exact form);
Holm, 1979; Kerby, 2014 (matched rank-biserial correlation).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr, ndtri

from evalkit.stats import BCA_BELOW, RESAMPLES, Array, PromptValues, bca_interval, bootstrap, percentile_interval

MIN_PAIRS = 6
"""With fewer pairs no difference can be significant at 5 %: the smallest two-sided p is 2 / 2^n."""

EXACT_UP_TO = 13
PERMUTATIONS = 10_000
_CHUNK_CELLS = 1_000_000
_BLOCK = 32


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
        mde: Smallest difference that this many pairs show with 80 % power.
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
    mde: float | None
    method: str


def align(candidate: PromptValues, baseline: PromptValues) -> tuple[PromptValues, PromptValues]:
    """Keep the prompts both have; ``n_missing`` then counts those that were lost."""
    shared = sorted(set(candidate.prompt_ids) & set(baseline.prompt_ids))
    lost = len(set(candidate.prompt_ids) ^ set(baseline.prompt_ids)) + max(candidate.n_missing, baseline.n_missing)

    def keep(values: PromptValues) -> PromptValues:
        place = {prompt_id: index for index, prompt_id in enumerate(values.prompt_ids)}
        rows = np.array([place[prompt_id] for prompt_id in shared], dtype=np.intp)
        return PromptValues(
            prompt_ids=tuple(shared),
            numerators=values.numerators[rows],
            denominators=values.denominators[rows],
            n_missing=lost,
        )

    return keep(candidate), keep(baseline)


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
    ours, theirs = align(candidate, baseline)
    n = len(ours.prompt_ids)
    ours_estimate, theirs_estimate = ours.estimate, theirs.estimate
    if ours_estimate is None or theirs_estimate is None:
        return _nothing(n, ours.n_missing, ours_estimate, theirs_estimate)
    difference = ours_estimate - theirs_estimate
    each = differences(ours, theirs)
    sd = float(np.std(each, ddof=1)) if len(each) > 1 else None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    method = f"fewer than {MIN_PAIRS} pairs: no claim"
    if n >= MIN_PAIRS:
        low, high, interval = _interval(ours, theirs, difference, seed, resamples)
        p_value = exchange_p(ours, theirs, seed=seed, permutations=resamples)
        exchange = "all exchanges" if n <= EXACT_UP_TO else f"{resamples} random exchanges"
        method = f"{interval} bootstrap 95 % over pairs, {resamples} resamples; p by {exchange}; seed {seed}"
    return PairedComparison(
        n=n,
        n_unpaired=ours.n_missing,
        candidate=ours_estimate,
        baseline=theirs_estimate,
        difference=difference,
        ci_low=low,
        ci_high=high,
        p_value=p_value,
        cohen_dz=cohen_dz(each),
        win_rate=win_rate(each) if len(each) else None,
        rank_biserial=rank_biserial(each),
        sd=sd,
        mde=None if sd is None else minimum_detectable_effect(sd, len(each)),
        method=method,
    )


def differences(candidate: PromptValues, baseline: PromptValues) -> Array:
    """Candidate minus baseline for each shared prompt that has something to divide by in both [prompts]."""
    usable = (candidate.denominators > 0) & (baseline.denominators > 0)
    ours = candidate.numerators[usable] / candidate.denominators[usable]
    return np.asarray(ours - baseline.numerators[usable] / baseline.denominators[usable])


def exchange_p(
    candidate: PromptValues, baseline: PromptValues, *, seed: int = 0, permutations: int = PERMUTATIONS
) -> float:
    """Two-sided p-value of no difference: the two outcomes of a prompt are exchanged at random.

    For means this is the sign-flip test of the differences. Up to 13 pairs all exchanges are tried; beyond, p is
    (b + 1) / (m + 1), which is never 0.

    Args:
        candidate: Aligned with ``baseline`` (see `align`).
        baseline: The other system.
        seed: Of the exchanges.
        permutations: Random exchanges.
    """
    return exchange_p_many([(candidate, baseline)], seed=seed, permutations=permutations)[0]


def exchange_p_many(
    pairs: Sequence[tuple[PromptValues, PromptValues]], *, seed: int = 0, permutations: int = PERMUTATIONS
) -> list[float]:
    """`exchange_p` of many pairs of systems: the same values, but exchanges are drawn once for pairs of equal size.

    Args:
        pairs: Candidate and baseline, aligned with each other (see `align`).
        seed: Of the exchanges.
        permutations: Random exchanges.

    Raises:
        ValueError: two systems share no prompt.
    """
    by_size: dict[int, list[int]] = {}
    for index, (candidate, _) in enumerate(pairs):
        by_size.setdefault(len(candidate.prompt_ids), []).append(index)
    if 0 in by_size:
        raise ValueError("A p-value needs at least one pair.")
    found = [1.0] * len(pairs)
    for n, indices in by_size.items():
        blocks = [indices[start : start + _BLOCK] for start in range(0, len(indices), _BLOCK)]
        columns = [_Columns([pairs[index] for index in block]) for block in blocks]
        hits = [np.zeros(len(block), dtype=np.int64) for block in blocks]
        total = 0
        for flips in _flips(n, seed, permutations):
            total += len(flips)
            for block, hit in zip(columns, hits, strict=True):
                hit += np.count_nonzero(block.exchanged(flips) >= block.just_below, axis=0)
        # All exchanges hold the observed one; random ones are given it.
        given = 0 if n <= EXACT_UP_TO else 1
        for block_indices, hit in zip(blocks, hits, strict=True):
            for index, count in zip(block_indices, hit, strict=True):
                found[index] = (int(count) + given) / (total + given)
    return found


def minimum_p(n: int) -> float:
    """Smallest two-sided p-value that ``n`` pairs can reach.

    >>> [minimum_p(n) for n in (5, 6, 8)]
    [0.0625, 0.03125, 0.0078125]
    """
    return min(1.0, 2.0 / 2.0**n)


def mcnemar_p(only_candidate: int, only_baseline: int) -> float:
    """Exact two-sided p-value for paired yes/no outcomes.

    Args:
        only_candidate: Pairs in which only the candidate said yes.
        only_baseline: Pairs in which only the baseline did.

    >>> mcnemar_p(0, 6)
    0.03125
    """
    total = only_candidate + only_baseline
    if total == 0:
        return 1.0
    return min(1.0, 2.0 * float(bdtr(min(only_candidate, only_baseline), total, 0.5)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for their number, step-down; compare the results with the level itself.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted = [1.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def cohen_dz(each: Array) -> float | None:
    """Mean difference in units of the standard deviation of the differences; None if that is 0 or there is one pair."""
    if len(each) < 2:
        return None
    sd = float(np.std(each, ddof=1))
    return float(np.mean(each)) / sd if sd > 1e-12 * float(np.max(np.abs(each))) else None


def win_rate(each: Array) -> float:
    """Share of positive differences, ties at half; in [0, 1]."""
    return float(np.mean(each > 0) + np.mean(each == 0) / 2)


def rank_biserial(each: Array) -> float | None:
    """Rank sum of the positive differences less that of the negative ones, over both; None if all are 0."""
    from scipy.stats import rankdata  # slow to import, rarely needed

    moved = each[each != 0]
    if len(moved) == 0:
        return None
    ranks = rankdata(np.abs(moved))
    return float((ranks[moved > 0].sum() - ranks[moved < 0].sum()) / ranks.sum())


def minimum_detectable_effect(sd: float, n: int, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """Smallest true difference that ``n`` pairs show as significant with the given power (normal approximation).

    Args:
        sd: Standard deviation of per-prompt differences, in the metric's unit.
        n: Pairs.
        alpha: Two-sided level.
        power: Chance to see it.

    Returns:
        In the metric's unit.
    """
    return _z_sum(alpha, power) * sd / math.sqrt(n)


def sample_size(sd: float, effect: float, *, alpha: float = 0.05, power: float = 0.8) -> int:
    """Pairs needed to show a difference of ``effect``.

    >>> sample_size(6.0, 1.0)
    283
    """
    if effect <= 0:
        raise ValueError(f"An effect to be shown must be positive, got {effect}.")
    return math.ceil((_z_sum(alpha, power) * sd / effect) ** 2)


def _z_sum(alpha: float, power: float) -> float:
    return float(ndtri(1 - alpha / 2) + ndtri(power))


def _interval(
    ours: PromptValues, theirs: PromptValues, difference: float, seed: int, resamples: int
) -> tuple[float | None, float | None, str]:
    n = len(ours.prompt_ids)
    first, second = bootstrap([ours, theirs], n, seed, resamples)
    replicates = first - second
    replicates = replicates[np.isfinite(replicates)]
    if len(replicates) < resamples / 2:
        return None, None, "no"
    if n < BCA_BELOW:
        left_out = [values.denominators.sum() - values.denominators for values in (ours, theirs)]
        if all(np.all(below > 0) for below in left_out):
            jackknife = [
                (values.numerators.sum() - values.numerators) / below
                for values, below in zip((ours, theirs), left_out, strict=True)
            ]
            interval = bca_interval(replicates, difference, jackknife[0] - jackknife[1])
            if interval is not None:
                return *interval, "BCa"
    return *percentile_interval(replicates), "percentile"


def _flips(n: int, seed: int, permutations: int) -> Iterator[Array]:
    """Which of ``n`` prompts are exchanged, in chunks [exchanges, prompts]: all possibilities if they are few."""
    if n <= EXACT_UP_TO:
        yield (np.arange(2**n)[:, None] >> np.arange(n) & 1).astype(np.float64)
        return
    generator = np.random.default_rng([seed, n])
    step = max(1, _CHUNK_CELLS // n)
    for start in range(0, permutations, step):
        yield generator.integers(0, 2, size=(min(step, permutations - start), n)).astype(np.float64)


class _Columns:
    """Pairs of systems side by side, one a column [prompts, pairs].

    Attributes:
        just_below: Absolute observed difference of each pair, less what rounding can do [pairs].
    """

    def __init__(self, pairs: Sequence[tuple[PromptValues, PromptValues]]) -> None:
        self._sums, self._moves = [], []
        for name in ("numerators", "denominators"):
            ours, theirs = (np.stack([getattr(pair[side], name) for pair in pairs], axis=1) for side in (0, 1))
            self._sums.append((ours.sum(axis=0), theirs.sum(axis=0)))
            self._moves.append(theirs - ours)
        observed = self.exchanged(np.zeros((1, len(pairs[0][0].prompt_ids))))[0]
        # Equal differences must count as equal whatever the order of summation.
        rounding = np.where(np.isfinite(observed), 1e-9 * np.abs(observed) + 1e-12, 0.0)
        self.just_below = observed - rounding

    def exchanged(self, flips: Array) -> Array:
        """Absolute difference of the aggregates after exchanging where ``flips`` is 1 [exchanges, pairs]."""
        numerators, denominators = (
            self._total(flips, sums, moves) for sums, moves in zip(self._sums, self._moves, strict=True)
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            found = numerators[0] / denominators[0] - numerators[1] / denominators[1]
        # Nothing to divide by counts as extreme, which can only make the p-value larger.
        shape = (len(flips), len(self._moves[0][0]))
        return np.broadcast_to(np.where(np.isfinite(found), np.abs(found), np.inf), shape)

    @staticmethod
    def _total(flips: Array, sums: tuple[Array, Array], moves: Array) -> tuple[Array, Array]:
        if not moves.any():  # usual for denominators: both systems sang the same words
            return sums
        moved = flips @ moves
        return sums[0] + moved, sums[1] - moved


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
        mde=None,
        method="no pairs" if n == 0 else "nothing to divide by",
    )
