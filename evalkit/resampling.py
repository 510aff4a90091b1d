"""Random draws over prompts, made once and applied to many metrics by matrix products.

A draw depends on the seed and the number of prompts and on nothing else, so metrics over equally many prompts share
theirs. Sums over a draw are exact: columns are rounded to a grid (about 12 digits below their largest entry) on which
no sum of so many terms can overflow the 53 bits of a float. So a result is the same bit for bit, however many columns
are multiplied at once, in whatever order, on however many threads.

Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993 (resampling, percentile and BCa intervals).
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

Array = npt.NDArray[np.float64]

RESAMPLES = 10_000
LEVEL = 0.95

EXACT_UP_TO = 13
"""Up to so many pairs all 2^n exchanges are tried."""

_CHUNK_CELLS = 1_000_000


def resampled_sums(columns: Array, seed: int, resamples: int = RESAMPLES) -> Array:
    """Sums over prompts drawn with replacement.

    Args:
        columns: One column a quantity [prompts, columns].
        seed: Of the draws.
        resamples: How many draws.

    Returns:
        [resamples, columns].
    """
    n = len(columns)
    exact = on_grid(columns)
    out = np.empty((resamples, columns.shape[1]))
    generator = np.random.default_rng([seed, n])
    for start, rows in _chunks(resamples, n):
        drawn = generator.integers(0, n, size=(rows, n))
        drawn += np.arange(rows)[:, None] * n
        weights = np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)
        out[start : start + rows] = weights @ exact
    return out


def exchanges(n: int, seed: int, permutations: int = RESAMPLES) -> Iterator[Array]:
    """Which of ``n`` prompts have their two outcomes exchanged, in chunks [choices, prompts] of 0 and 1.

    All 2^n choices up to 13 prompts, else random ones. Multiply with columns that went through `on_grid`.

    Args:
        n: Prompts.
        seed: Of the random choices.
        permutations: How many, if not all are tried.
    """
    if n <= EXACT_UP_TO:
        yield (np.arange(2**n)[:, None] >> np.arange(n) & 1).astype(np.float64)
        return
    generator = np.random.default_rng([seed, n])
    for _, rows in _chunks(permutations, n):
        yield generator.integers(0, 2, size=(rows, n), dtype=np.uint8).astype(np.float64)


def percentile_interval(replicates: Array, level: float = LEVEL) -> tuple[float, float]:
    """Central interval of the replicates."""
    low, high = np.quantile(replicates, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def bca_interval(
    replicates: Array, estimate: float, jackknife: Array, level: float = LEVEL
) -> tuple[float, float] | None:
    """Bias-corrected and accelerated interval; None if it is undefined (all replicates on one side).

    Args:
        replicates: Bootstrap replicates [resamples].
        estimate: The statistic on all prompts.
        jackknife: The statistic with each prompt left out [prompts].
        level: Coverage, between 0 and 1.
    """
    # Few or coarse values make replicates equal to the estimate but for rounding; those count half.
    rounding = 1e-9 * float(np.ptp(replicates))
    share = float(np.mean(replicates < estimate - rounding) + np.mean(replicates <= estimate + rounding)) / 2
    spread = jackknife.mean() - jackknife
    scale = float(np.sum(spread**2)) ** 1.5
    if not 0 < share < 1 or scale == 0:
        return None
    bias = ndtri(share)
    acceleration = float(np.sum(spread**3)) / (6 * scale)
    z = bias + ndtri(np.array([(1 - level) / 2, (1 + level) / 2]))
    low, high = np.quantile(replicates, ndtr(bias + z / (1 - acceleration * z)))
    return float(low), float(high)


def on_grid(columns: Array) -> Array:
    """Round each column so coarsely that sums of ``n`` of its entries need no more than 53 bits."""
    n = len(columns)
    exponent = np.frexp(np.max(np.abs(columns), axis=0, initial=0.0))[1] + np.frexp(float(n))[1]
    grid = np.ldexp(1.0, np.maximum(exponent - 51, -1000))
    return np.asarray(np.rint(columns / grid) * grid)


def _chunks(total: int, n: int) -> Iterator[tuple[int, int]]:
    """First row and number of rows of blocks that fit into the cache."""
    step = max(1, _CHUNK_CELLS // max(1, n))
    for start in range(0, total, step):
        yield start, min(step, total - start)
