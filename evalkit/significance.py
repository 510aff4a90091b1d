"""Tests and effect sizes for paired outcomes; pure arithmetic.

Source: McNemar, 1947 (exact form); Newcombe, "Improved confidence intervals for the difference between binomial
proportions based on paired data", 1998; Holm, 1979; Kerby, 2014 (matched rank-biserial correlation).
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import bdtr, bdtrc, ndtri, stdtrit

from evalkit.resampling import LEVEL, Array
from evalkit.stats import wilson


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
    moved = each[each != 0]
    if len(moved) == 0:
        return None
    _, place, counts = np.unique(np.abs(moved), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]  # ties share their mean rank
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


def detectable_effect(each: Array, *, alpha: float = 0.05, power: float = 0.8) -> float | None:
    """Smallest true loss that as many differences as these would show, told from these very differences.

    As `minimum_detectable_effect`, with two corrections that keep the promise for small and heavy-tailed samples: the
    test has to beat Student's t instead of the normal limit, and the standard deviation is itself an estimate, the
    rougher the heavier the tails (its relative variance is (kurtosis - 1) / 4n). Both vanish as n grows.

    Args:
        each: Differences, or their linear approximation for ratios [pairs].
        alpha: Two-sided level.
        power: Chance to see it, above 0.5.

    Returns:
        In the metric's unit; None with fewer than two pairs, or if all are equal, which tells nothing about chance.
    """
    n = len(each)
    spread = each - each.mean() if n else each
    square = float(np.mean(spread**2)) if n else 0.0
    if n < 2 or square <= (1e-12 * float(np.max(np.abs(each)))) ** 2:
        return None
    kurtosis = float(np.mean(spread**4)) / square**2
    limit, chance = float(stdtrit(n - 1, 1 - alpha / 2)), float(stdtrit(n - 1, power))
    normal = float(ndtri(1 - alpha / 2))
    # f = limit + chance * sqrt(1 + (normal^2 + f^2) * roughness), solved for f; roughness is at most 1/4.
    roughness = (kurtosis - 1) / (4 * n)
    a = 1 - chance**2 * roughness
    c = limit**2 - chance**2 * (1 + normal**2 * roughness)
    factor = (limit + math.sqrt(limit**2 - a * c)) / a
    return factor * float(np.std(each, ddof=1)) / math.sqrt(n)


def sample_size(sd: float, effect: float, *, alpha: float = 0.05, power: float = 0.8) -> int:
    """Pairs needed to show a difference of ``effect``.

    >>> sample_size(6.0, 1.0)
    283
    """
    if effect <= 0:
        raise ValueError(f"An effect to be shown must be positive, got {effect}.")
    return math.ceil((_z_sum(alpha, power) * sd / effect) ** 2)


def newcombe(
    both: float, only_candidate: float, only_baseline: float, neither: float, level: float = LEVEL
) -> tuple[float, float]:
    """Interval for the difference of two rates of paired yes/no outcomes (Newcombe's method 10).

    Unlike resampling it does not shrink to nothing where yes is rare: no failure in twenty songs is no proof.

    Args:
        both: Pairs in which both said yes; may be fractional where takes were averaged.
        only_candidate: Pairs in which only the candidate did.
        only_baseline: Pairs in which only the baseline did.
        neither: Pairs in which none did.
        level: Coverage, between 0 and 1.

    Returns:
        Lower and upper limit of candidate minus baseline, in [-1, 1].

    >>> [round(limit, 4) for limit in newcombe(1, 1, 7, 12)]
    [-0.5069, -0.0256]
    """
    n = both + only_candidate + only_baseline + neither
    ours, theirs = both + only_candidate, both + only_baseline
    low_ours, high_ours = wilson(ours, n, level)
    low_theirs, high_theirs = wilson(theirs, n, level)
    ours, theirs = ours / n, theirs / n
    scale = math.sqrt(ours * (1 - ours) * theirs * (1 - theirs)) * n * n
    cross = both * neither - only_candidate * only_baseline
    if cross > 0:  # continuity correction, which keeps a chance likeness of the two from narrowing the interval
        cross = max(0.0, cross - n / 2)
    phi = cross / scale if scale > 0 else 0.0

    def half(first: float, second: float) -> float:
        return math.sqrt(max(0.0, first * first - 2 * phi * first * second + second * second))

    difference = ours - theirs
    return (
        max(-1.0, difference - half(ours - low_ours, high_theirs - theirs)),
        min(1.0, difference + half(high_ours - ours, theirs - low_theirs)),
    )


def detectable_rate(
    both: float,
    discordant: float,
    n: int,
    takes: float = 1.0,
    *,
    margin: float = 0.0,
    alpha: float = 0.05,
    power: float = 0.8,
) -> float | None:
    """Smallest true rise of a rate that would be shown to exceed a margin, told from the answers of two systems.

    Shown means here that Newcombe's interval lies above the margin and, where that is 0, that McNemar's exact p-value
    is small enough too. Counts are whole and rare, so this asks the test itself instead of a normal approximation,
    which promises two to four times too much where yes is rare. Pairs that differ are taken to have gone either way
    by chance, one more than there were, since none among few proves little.

    Args:
        both: Prompts on which both said yes; fractional where takes were averaged.
        discordant: Prompts on which one of the two did.
        n: Prompts.
        takes: Pairs of answers for each prompt.
        margin: What the rise has to exceed.
        alpha: Two-sided level.
        power: Chance to see it.

    Returns:
        A rate; None if even a rise to 1 would not be shown.
    """
    pairs = round(n * takes)
    chance = min(0.5, (discordant * takes + 1) / (2 * pairs))

    def is_shown(only_ours: int, only_theirs: int) -> bool:
        ours, theirs = only_ours / takes, only_theirs / takes
        agreed = max(0.0, n - ours - theirs)
        low, _ = newcombe(min(both, agreed), ours, theirs, max(0.0, agreed - both), 1 - alpha)
        return low > margin and (margin > 0 or mcnemar_p(only_ours, only_theirs) <= alpha)

    # The fewest new yeses that are shown, for typical numbers of those that went the other way.
    quantiles = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    others = np.searchsorted(bdtr(np.arange(pairs), pairs, chance), quantiles)
    needed = {only_theirs: pairs + 1 for only_theirs in set(others.tolist())}
    for only_theirs in needed:
        low, high = only_theirs, pairs - only_theirs + 1
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if is_shown(middle, only_theirs) else (middle + 1, high)
        needed[only_theirs] = low
    limits = np.array([needed[only_theirs] for only_theirs in others.tolist()])

    def chance_to_show(rise: float) -> float:
        return float(np.mean(np.where(limits > pairs, 0.0, bdtrc(limits - 1, pairs, min(1.0, chance + rise)))))

    low_rise, high_rise = 0.0, 1.0 - chance
    if chance_to_show(high_rise) < power:
        return None
    for _ in range(40):
        middle_rise = (low_rise + high_rise) / 2
        enough = chance_to_show(middle_rise) >= power
        low_rise, high_rise = (low_rise, middle_rise) if enough else (middle_rise, high_rise)
    return high_rise


_QUANTILES = 25


def _z_sum(alpha: float, power: float) -> float:
    return float(ndtri(1 - alpha / 2) + ndtri(power))
