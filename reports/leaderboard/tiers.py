"""Tiers: groups of systems that cannot be told apart, instead of ranks.

All pairs of systems are tested, paired by prompt, and the p-values are adjusted by Holm for the number of pairs. Two
systems share a tier exactly if they are not separable, so a system may stand in several tiers.

Source: Holm, 1979; Hoeffding, 1963; Piepho, 2004 (letters for pairwise comparisons, insert and absorb).
"""

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from evalkit.comparison import align, exchange_p_many, holm
from evalkit.stats import PromptValues
from reports import numbers
from reports.estimates import FEW

LEVEL = 0.05
SEED = 0
PERMUTATIONS = 10_000
PER_PAIR = 40
"""Exchanges for each pair of the family: fewer, and no p-value could stay below the level after Holm."""

MAX_WORK = 50_000_000
"""Pairs times exchanges; beyond, p-values are bounded instead of drawn."""

MAX_EXACT = 40
"""With more systems than this, or very tangled results, tiers are runs of neighbours: fewer claims, never more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiers:
    """Tiers of one column.

    Attributes:
        of: For each system the numbers of its tiers, 1 is best; empty where nothing can be claimed.
        separable: Pairs of places that differ after Holm.
        n_pairs: Size of the family.
        method: How it was found, or why there are no tiers.
    """

    of: tuple[tuple[int, ...], ...]
    separable: frozenset[tuple[int, int]]
    n_pairs: int
    method: str


def make_tiers(systems: Sequence[PromptValues | None], direction: str) -> Tiers:
    """Group systems by one metric.

    Args:
        systems: Values by prompt; None where a system has none.
        direction: ``higher`` or ``lower``; other metrics have no tiers.
    """
    nothing = tuple(() for _ in systems)
    if direction not in ("higher", "lower"):
        return _no_tiers(nothing, "This metric only describes, or wants a range: no tiers.")
    estimates = [None if values is None else values.estimate for values in systems]
    able = [k for k, v in enumerate(systems) if v and estimates[k] is not None and len(v.prompt_ids) >= FEW]
    if len(able) < 2:
        return _no_tiers(nothing, f"Tiers need two systems with at least {FEW} prompts each.")
    sign = -1.0 if direction == "higher" else 1.0
    able.sort(key=lambda place: (sign * (estimates[place] or 0.0), place))
    pairs, tested = _pairs([systems[place] for place in able])
    permutations = max(PERMUTATIONS, PER_PAIR * len(tested))
    if permutations * len(tested) <= MAX_WORK:
        p_values = exchange_p_many(tested, seed=SEED, permutations=permutations)
        how = f"p by {permutations:,} random exchanges, seed {SEED}"
    else:
        p_values = [bound_p(*pair) for pair in tested]
        how = "p bounded by Hoeffding's inequality, since there are so many"
    adjusted = holm(p_values)
    separable = {pair for pair, p in zip(pairs, adjusted, strict=True) if p <= LEVEL}
    groups = groups_of(len(able), separable)
    of: list[tuple[int, ...]] = list(nothing)
    for rank, place in enumerate(able):
        of[place] = tuple(number for number, group in enumerate(groups, start=1) if rank in group)
    return Tiers(
        of=tuple(of),
        separable=frozenset((min(able[i], able[j]), max(able[i], able[j])) for i, j in separable),
        n_pairs=len(tested),
        method=f"All pairs of systems, {numbers.count(len(tested), 'pair')}, paired by prompt; {how}, "
        f"adjusted by Holm, level {LEVEL:g}.",
    )


def groups_of(n: int, separable: Collection[tuple[int, int]]) -> list[tuple[int, ...]]:
    """Groups of places, best first, such that two places share a group exactly if they are not separable.

    Args:
        n: Places 0 to n - 1, best first.
        separable: Pairs (i, j) with i < j.
    """
    found = _absorbed(n, sorted(separable)) if n <= MAX_EXACT else None
    return sorted(found) if found is not None else _neighbours(n, set(separable))


def text_of(tiers: Sequence[int]) -> str:
    """Tier numbers in words.

    >>> text_of((1,)), text_of((1, 2, 3)), text_of((1, 3)), text_of(())
    ('1', '1–3', '1, 3', '')
    """
    if len(tiers) > 1 and list(tiers) == list(range(tiers[0], tiers[-1] + 1)):
        return f"{tiers[0]}{numbers.EN_DASH}{tiers[-1]}"
    return ", ".join(str(tier) for tier in tiers)


def bound_p(ours: PromptValues, theirs: PromptValues) -> float:
    """Upper bound of the p-value of `evalkit.exchange.exchange_p`: never too small, and needs no draws.

    Exchanging the outcomes of a prompt turns the sign of its difference d, and sums of random signs times d exceed t
    with a chance of at most 2 exp(-t^2 / (2 sum d^2)). Ratios with unequal denominators are no such sums: 1.

    Source: Hoeffding, 1963.
    """
    if not np.array_equal(ours.denominators, theirs.denominators):
        return 1.0
    each = ours.numerators - theirs.numerators
    squares = math.fsum(each**2)
    return min(1.0, 2.0 * math.exp(-(math.fsum(each) ** 2) / (2.0 * squares))) if squares > 0 else 1.0


def _pairs(
    ranked: Sequence[PromptValues | None],
) -> tuple[list[tuple[int, int]], list[tuple[PromptValues, PromptValues]]]:
    pairs, tested = [], []
    for j, second in enumerate(ranked):
        for i, first in enumerate(ranked[:j]):
            assert first is not None
            assert second is not None
            aligned = (first, second) if first.prompt_ids == second.prompt_ids else align(first, second)
            if len(aligned[0].prompt_ids) >= FEW:
                pairs.append((i, j))
                tested.append(aligned)
    return pairs, tested


def _absorbed(n: int, separable: Iterable[tuple[int, int]]) -> list[tuple[int, ...]] | None:
    """Insert and absorb; None if there would be far more groups than systems."""
    groups = {frozenset(range(n))}
    for i, j in separable:
        both = {group for group in groups if i in group and j in group}
        rest = groups - both
        for new in sorted((group - {gone} for group in both for gone in (i, j)), key=len, reverse=True):
            if not any(new <= other for other in rest):
                rest.add(new)
        groups = rest
        if len(groups) > 4 * n:
            return None
    return [tuple(sorted(group)) for group in groups]


def _neighbours(n: int, separable: Collection[tuple[int, int]]) -> list[tuple[int, ...]]:
    """Runs of neighbours: if two places are not separable, none between them is claimed to be either."""
    groups: list[tuple[int, ...]] = []
    furthest = -1
    for i in range(n):
        reach = max(j for j in range(i, n) if i == j or (i, j) not in separable)
        if reach > furthest:
            furthest = reach
            groups.append(tuple(range(i, reach + 1)))
    return groups


def _no_tiers(nothing: tuple[tuple[int, ...], ...], method: str) -> Tiers:
    return Tiers(of=nothing, separable=frozenset(), n_pairs=0, method=method)
