"""Kernel audio distance: an unbiased distance between two sets of songs that needs far fewer of them than FAD.

100 times the squared maximum mean discrepancy with a Gaussian kernel whose width is the median distance inside the
reference set. The estimate is unbiased: 0 on average for two sets of the same distribution, and so a little below 0 for
half of them. It is never clipped.

Windows of one song are alike, so pairs of windows of the same song are left out: only then is the estimate unbiased for
songs. With one window a song this is the published definition.

Source: Chung et al., "KAD: No More FAD!", arXiv 2502.15602; Gretton et al., "A kernel two-sample test", JMLR 2012.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evalkit.errors import ShapeError
from evalkit.types import FloatArray

Array = npt.NDArray[np.float64]

SCALE = 100.0
MAX_MEDIAN_VECTORS = 2000
_BLOCK = 1024


def median_distance(songs: Sequence[FloatArray]) -> float:
    """Median distance of pairs of windows of a set; of more than 2,000 windows evenly spaced ones are taken.

    Raises:
        ShapeError: fewer than two windows, or all are equal.
    """
    vectors = np.concatenate(songs).astype(np.float64)
    if len(vectors) > MAX_MEDIAN_VECTORS:
        vectors = vectors[np.linspace(0, len(vectors) - 1, MAX_MEDIAN_VECTORS).round().astype(np.int64)]
    squares = _squared_distances(vectors, vectors)[np.triu_indices(len(vectors), 1)]
    if len(squares) == 0 or not (median := float(np.sqrt(np.median(squares)))) > 0.0:
        raise ShapeError("The vectors of the reference set are all equal; there is no width for the kernel.")
    return median


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KernelSums:
    """The kernel summed over the windows of pairs of songs; from these every resampling is a product of matrices.

    Attributes:
        own: Of pairs of our songs [songs, songs].
        cross: Of our songs with the whole reference set [songs].
        theirs: Mean over pairs of windows of different reference songs.
        windows: Windows of each of our songs [songs].
        n_reference: Windows of the reference set.
    """

    own: Array
    cross: Array
    theirs: float
    windows: Array
    n_reference: int

    def distance(self, weights: Array | None = None) -> Array:
        """The distance, or one for each row of weights.

        Args:
            weights: How often each of our songs is taken [rows, songs]; once each if None. Copies of one song count
                as the same song.

        Returns:
            Dimensionless, unbounded; lower is nearer [rows].
        """
        times = np.ones((1, len(self.windows))) if weights is None else weights
        apart = self.own - np.diag(np.diag(self.own))
        counts = times * self.windows
        pairs = counts.sum(axis=1) ** 2 - (counts**2).sum(axis=1)
        own = np.einsum("rs,st,rt->r", times, apart, times, optimize=True) / pairs
        cross = times @ self.cross / (counts.sum(axis=1) * self.n_reference)
        return np.asarray(SCALE * (own + self.theirs - 2.0 * cross))


def kernel_sums(reference: Sequence[FloatArray], songs: Sequence[FloatArray]) -> KernelSums:
    """All sums that the distance of two sets needs, in float64.

    Args:
        reference: Windows of each song [windows, dim]; decides the width of the kernel.
        songs: As ``reference``.

    Raises:
        ShapeError: the dimensions differ, or a set has fewer than two songs.
    """
    if min(len(reference), len(songs)) < 2:
        raise ShapeError(f"Both sets need at least two songs, got {len(reference)} and {len(songs)}.")
    if reference[0].shape[1] != songs[0].shape[1]:
        raise ShapeError(f"Sets of {reference[0].shape[1]} and {songs[0].shape[1]} dimensions cannot be compared.")
    width = median_distance(reference)
    theirs, ours = _Windows(reference), _Windows(songs)
    inside = _song_sums(theirs, theirs, width)
    pairs = float(theirs.counts.sum() ** 2 - (theirs.counts**2).sum())
    return KernelSums(
        own=_song_sums(ours, ours, width),
        cross=_song_sums(ours, theirs, width).sum(axis=1),
        theirs=float((inside.sum() - np.trace(inside)) / pairs),
        windows=ours.counts,
        n_reference=int(theirs.counts.sum()),
    )


def bootstrap_interval(sums: KernelSums, seed: int, resamples: int = 1000) -> tuple[float, float]:
    """95 % interval over songs drawn with replacement; the reference set stays as it is."""
    n = len(sums.windows)
    generator = np.random.default_rng([seed, n])
    weights = generator.multinomial(n, np.full(n, 1.0 / n), size=resamples).astype(np.float64)
    weights = weights[np.count_nonzero(weights, axis=1) > 1]  # one song alone forms no pair
    low, high = np.quantile(sums.distance(weights), [0.025, 0.975])
    return float(low), float(high)


class _Windows:
    """Vectors of all songs under each other, and where each song begins."""

    def __init__(self, songs: Sequence[FloatArray]) -> None:
        self.vectors = np.concatenate(songs).astype(np.float64)
        self.counts = np.array([len(song) for song in songs], dtype=np.float64)
        self.starts = np.concatenate([[0], np.cumsum(self.counts)[:-1]]).astype(np.int64)


def _song_sums(first: _Windows, second: _Windows, width: float) -> Array:
    """The kernel summed over the windows of each pair of songs [songs, songs]; in blocks of rows."""
    gamma = 1.0 / (2.0 * width**2)
    rows = np.empty((len(first.vectors), len(second.counts)))
    for start in range(0, len(rows), _BLOCK):
        kernel = np.exp(-gamma * _squared_distances(first.vectors[start : start + _BLOCK], second.vectors))
        rows[start : start + _BLOCK] = np.add.reduceat(kernel, second.starts, axis=1)
    return np.asarray(np.add.reduceat(rows, first.starts, axis=0))


def _squared_distances(first: Array, second: Array) -> Array:
    squares = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1) - 2.0 * first @ second.T
    return np.asarray(np.maximum(squares, 0.0))
