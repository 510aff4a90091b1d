"""Fréchet audio distance between two sets of songs, and what it would be with infinitely many.

The distance of two finite samples of the same distribution is far from 0 and shrinks with 1/n, so a value without its
number of songs says nothing: two sets of 600 vectors in 128 dimensions stand 14 apart though nothing differs. The
intercept of the distances of smaller subsets over 1/n removes most of that. Windows of one song are alike, so songs are
drawn, never windows.

Source: Kilgour et al., "Fréchet Audio Distance", Interspeech 2019; Chong and Forsyth, "Effectively unbiased FID",
CVPR 2020 (the extrapolation); Gui et al., "Adapting Frechet Audio Distance", ICASSP 2024 (FAD-inf).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evalkit.errors import ShapeError
from evalkit.types import FloatArray

Array = npt.NDArray[np.float64]

N_SIZES = 15
SMALLEST_SHARE = 0.5
"""The smallest subsets: half of the songs. Below, the distance no longer falls as 1/n."""
N_ORDERS = 4
N_GROUPS = 20
_T_975 = 2.093
"""97.5th percentile of Student's t with `N_GROUPS` - 1 degrees of freedom."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Moments:
    """Mean [dim], covariance [dim, dim] and the number of vectors."""

    mean: Array
    covariance: Array
    n: int

    @property
    def rank_deficit(self) -> int:
        """How many directions the vectors leave empty; 0 if the covariance has full rank."""
        return int(len(self.mean) - np.linalg.matrix_rank(self.covariance, hermitian=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Extrapolation:
    """A straight line through distances of subsets over one over the number of songs.

    Attributes:
        value: Distance at 1/n = 0; may be a little below 0.
        r2: Share of the distances' variance that the line explains.
        sizes: Songs in the subsets of each set.
        distances: Mean distance at each size.
    """

    value: float
    r2: float
    sizes: tuple[int, ...]
    distances: tuple[float, ...]


def moments(songs: Sequence[FloatArray]) -> Moments:
    """Moments of all windows of the songs together, in float64.

    Args:
        songs: Windows of each song [windows, dim].

    Raises:
        ShapeError: fewer than two windows.
    """
    vectors = np.concatenate(songs).astype(np.float64)
    if len(vectors) < 2:
        raise ShapeError(f"A covariance needs at least two vectors, got {len(vectors)}.")
    mean = vectors.mean(axis=0)
    centred = vectors - mean
    return Moments(mean=mean, covariance=centred.T @ centred / (len(vectors) - 1), n=len(vectors))


def frechet_distance(first: Moments, second: Moments) -> float:
    """Squared Fréchet distance of two Gaussians, |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)).

    The trace of the root is the sum of the roots of the eigenvalues of the product S1 S2; these are found as
    eigenvalues of the symmetric S1^(1/2) S2 S1^(1/2), and what rounding leaves below 0 is 0. Nothing complex occurs.

    Returns:
        0 or more, in squared units of the embedding; lower is nearer; 0 only for equal moments.

    Raises:
        ShapeError: the dimensions differ.
    """
    if first.mean.shape != second.mean.shape:
        raise ShapeError(f"Sets of {len(first.mean)} and {len(second.mean)} dimensions cannot be compared.")
    values, vectors = np.linalg.eigh(first.covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ second.covariance @ root), 0.0)).sum()
    difference = first.mean - second.mean
    distance = difference @ difference + np.trace(first.covariance) + np.trace(second.covariance) - 2.0 * shared
    return max(0.0, float(distance))


def subset_sizes(n_songs: int) -> tuple[int, ...]:
    """Songs in the subsets: `N_SIZES` of them, from half of the songs to all, evenly spaced in 1/n."""
    inverse = np.linspace(1.0 / n_songs, 1.0 / (SMALLEST_SHARE * n_songs), N_SIZES)
    return tuple(sorted({int(size) for size in np.rint(1.0 / inverse)}))


def extrapolate(
    reference: Sequence[FloatArray], songs: Sequence[FloatArray], orders: Sequence[tuple[Sequence[int], Sequence[int]]]
) -> Extrapolation:
    """What the distance would be with infinitely many songs on both sides.

    Both sets are cut to the same numbers of songs, drawn without replacement: the beginnings of seeded random orders.

    Args:
        reference: Windows of each song [windows, dim].
        songs: As ``reference``.
        orders: Pairs of orders of the two sets, from `random_orders`.
    """
    sizes = subset_sizes(min(*(len(order) for pair in orders for order in pair)))
    distances = []
    for size in sizes:
        found = [
            frechet_distance(
                moments([reference[index] for index in theirs[:size]]), moments([songs[index] for index in ours[:size]])
            )
            for theirs, ours in orders
        ]
        distances.append(math.fsum(found) / len(found))
    slope, value = np.polyfit(1.0 / np.array(sizes), np.array(distances), 1)
    left = np.array(distances) - (value + slope / np.array(sizes))
    spread = float(np.sum((np.array(distances) - np.mean(distances)) ** 2))
    r2 = 1.0 - float(left @ left) / spread if spread > 0.0 else 1.0
    return Extrapolation(value=float(value), r2=r2, sizes=sizes, distances=tuple(distances))


def random_orders(n_reference: int, n_songs: int, seed: int) -> list[tuple[list[int], list[int]]]:
    """`N_ORDERS` pairs of random orders of the two sets."""
    generator = np.random.default_rng([seed, n_reference, n_songs])
    return [
        (generator.permutation(n_reference).tolist(), generator.permutation(n_songs).tolist()) for _ in range(N_ORDERS)
    ]


def jackknife_groups(units: Sequence[str], seed: int) -> list[frozenset[str]]:
    """The prompts, dealt at random into at most `N_GROUPS` groups; one is left out at a time."""
    names = sorted(set(units))
    order = np.random.default_rng([seed, len(names)]).permutation(len(names))
    return [frozenset(names[index] for index in part) for part in np.array_split(order, min(N_GROUPS, len(names)))]


def jackknife_interval(value: float, replicates: Sequence[float]) -> tuple[float, float]:
    """95 % interval from the values without each group of prompts.

    A bootstrap draws songs twice, which lowers the rank and adds a bias of its own to this distance; leaving out
    groups does not.

    Args:
        value: With all songs.
        replicates: Without each group [groups].
    """
    found = np.array(replicates)
    spread = math.sqrt((len(found) - 1) / len(found) * float(np.sum((found - found.mean()) ** 2)))
    return value - _T_975 * spread, value + _T_975 * spread
