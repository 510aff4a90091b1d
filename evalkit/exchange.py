"""Could it be chance? Exchanges the two outcomes of a prompt at random and looks how often as much comes of it.

Source: Fisher's randomisation test as in Phipson and Smyth, "Permutation p-values should never be zero", 2010.
"""

from collections.abc import Sequence

import numpy as np

from evalkit.resampling import EXACT_UP_TO, RESAMPLES, Array, exchanges, on_grid
from evalkit.stats import PromptValues, divide

Pair = tuple[PromptValues, PromptValues]
"""Candidate and baseline; aligned pairs have the same prompts in the same order."""

_BLOCK = 32


def exchange_p(
    candidate: PromptValues, baseline: PromptValues, *, seed: int = 0, permutations: int = RESAMPLES
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


def exchange_p_many(pairs: Sequence[Pair], *, seed: int = 0, permutations: int = RESAMPLES) -> list[float]:
    """`exchange_p` for many aligned pairs: the same numbers, but exchanges are drawn once for equally many prompts.

    Raises:
        ValueError: a pair has no prompts.
    """
    out = [1.0] * len(pairs)
    for n, places in by_size(pairs).items():
        if n == 0:
            raise ValueError("A p-value needs at least one pair.")
        blocks = [_Exchanger([pairs[p] for p in places[i : i + _BLOCK]]) for i in range(0, len(places), _BLOCK)]
        total = 0
        for flips in exchanges(n, seed, permutations):
            total += len(flips)
            for block in blocks:
                block.count(flips)
        given = 0 if n <= EXACT_UP_TO else 1  # all exchanges hold the observed one; random ones are given it
        hits = np.concatenate([block.hits for block in blocks])
        for place, hit in zip(places, hits, strict=True):
            out[place] = (int(hit) + given) / (total + given)
    return out


class _Exchanger:
    """Aligned pairs over equally many prompts; counts exchanges that give differences as large as the observed ones."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self.hits = np.zeros(len(pairs), dtype=np.int64)
        sides = [
            [getattr(pair[side], name) for pair in pairs] for name in ("numerators", "denominators") for side in (0, 1)
        ]
        above, above_theirs, below, below_theirs = (np.stack(columns, axis=1) for columns in sides)
        self._sums = (above.sum(axis=0), above_theirs.sum(axis=0), below.sum(axis=0), below_theirs.sum(axis=0))
        self._moves = on_grid(above_theirs - above)
        # Most pairs have the same denominators on both sides, which an exchange leaves alone.
        self._uneven = np.flatnonzero(np.any(below_theirs != below, axis=0))
        self._moves_below = on_grid((below_theirs - below)[:, self._uneven])
        observed = self._differences(np.zeros((1, len(above))))[0]
        # Equal differences must count as equal whatever the order of summation.
        self._least = np.where(np.isfinite(observed), observed - 1e-9 * np.abs(observed) - 1e-12, np.inf)

    def count(self, flips: Array) -> None:
        self.hits += np.count_nonzero(self._differences(flips) >= self._least, axis=0)

    def _differences(self, flips: Array) -> Array:
        """Absolute difference of the aggregates after exchanging where ``flips`` is 1 [exchanges, pairs]."""
        above, above_theirs, below, below_theirs = self._sums
        moved = flips @ self._moves
        moved_below = np.zeros_like(moved)
        moved_below[:, self._uneven] = flips @ self._moves_below
        difference = divide(above + moved, below + moved_below) - divide(
            above_theirs - moved, below_theirs - moved_below
        )
        # Nothing to divide by counts as extreme, which can only make the p-value larger.
        return np.nan_to_num(np.abs(difference), nan=np.inf)


def by_size(pairs: Sequence[Pair]) -> dict[int, list[int]]:
    """Number of prompts to the places of the pairs that have so many."""
    groups: dict[int, list[int]] = {}
    for place, (ours, _) in enumerate(pairs):
        groups.setdefault(len(ours.prompt_ids), []).append(place)
    return groups
