"""Numbers of a set with their interval over prompts: means, rates, and means over pairs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from evalkit.resampling import percentile_interval, resampled_sums
from evalkit.stats import wilson

RESAMPLES = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """One number of a set.

    Attributes:
        value: The estimate.
        interval: 95 % over prompts; None with one prompt.
        n: Prompts.
        details: For the score.
    """

    value: float
    interval: tuple[float, float] | None
    n: int
    details: Mapping[str, Any] = field(default_factory=dict)


def of_prompts(values: Mapping[str, float], seed: int, **details: Any) -> Spread:
    """Mean of one value a prompt, with a percentile bootstrap over prompts."""
    column = np.array([values[name] for name in sorted(values)])
    mean = float(column.mean())
    interval = None
    if len(column) > 1:
        interval = percentile_interval(
            mean + resampled_sums((column - mean)[:, None], seed, RESAMPLES)[:, 0] / len(column)
        )
    return Spread(value=mean, interval=interval, n=len(column), details=details)


def of_rate(flags: Mapping[str, Sequence[bool]], **details: Any) -> Spread:
    """Share of flagged songs, takes averaged first, with Wilson's interval over prompts."""
    shares = [float(np.mean(takes)) for takes in flags.values()]
    interval = wilson(sum(shares), len(shares)) if len(shares) > 1 else None
    return Spread(value=float(np.mean(shares)), interval=interval, n=len(shares), details=details)


def pairwise(distances: npt.NDArray[np.float64], seed: int, **details: Any) -> Spread:
    """Mean over pairs of different prompts, with a percentile bootstrap over prompts.

    A prompt that is drawn twice is not compared with itself.

    Args:
        distances: Symmetric [prompts, prompts]; the diagonal is not looked at.
        seed: Of the draws.
        **details: Kept with the number.
    """
    n = len(distances)
    off = distances.copy()
    np.fill_diagonal(off, 0.0)
    value = float(off.sum()) / (n * (n - 1))
    if n < 3:
        return Spread(value=value, interval=None, n=n, details=details)
    drawn = np.random.default_rng([seed, n]).multinomial(n, np.full(n, 1.0 / n), size=RESAMPLES).astype(np.float64)
    pairs = n * n - np.sum(drawn**2, axis=1)
    replicates = np.einsum("ri,ij,rj->r", drawn, off, drawn, optimize=True)
    found = replicates[pairs > 0] / pairs[pairs > 0]
    return Spread(value=value, interval=percentile_interval(found), n=n, details=details)
