"""The common time grid of the technical metrics: sums over cells of one millisecond.

All coarser frames (5, 100, 400 ms) are whole numbers of cells, so one pass over the samples serves every metric.
Cells begin at multiples of a millisecond rounded to a sample, whatever the sample rate.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evalkit.types import Audio

Array = npt.NDArray[np.float64]

CELLS_PER_S = 1000
CHUNK_S = 10


class NotMeasurable(Exception):  # noqa: N818  (an answer, not an error: it becomes the status "not_applicable")
    """A metric has no value for this clip; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CellSums:
    """Sums over the samples of each cell.

    Attributes:
        squares: Of squared samples [channels, cells].
        totals: Of samples [channels, cells].
        products: Of left times right [cells]; zeros unless there are two channels.
        lengths: Samples in each cell [cells]; the last one may be shorter.
    """

    squares: Array
    totals: Array
    products: Array
    lengths: Array

    @property
    def powers(self) -> Array:
        """Mean square over all channels [cells]."""
        return np.asarray(self.squares.mean(axis=0) / self.lengths)


def cell_edges(n_samples: int, sample_rate: int) -> npt.NDArray[np.int64]:
    """First sample of each cell, and ``n_samples`` at the end [cells + 1]."""
    n_cells = -(-n_samples * CELLS_PER_S // sample_rate)
    edges = (2 * np.arange(n_cells + 1, dtype=np.int64) * sample_rate + CELLS_PER_S) // (2 * CELLS_PER_S)
    edges[-1] = n_samples
    # Rounding can leave a last cell without samples.
    return np.append(edges[:-1][edges[:-1] < n_samples], n_samples)


def chunks(n_samples: int, sample_rate: int) -> Iterator[tuple[int, int, npt.NDArray[np.int64]]]:
    """Cut a clip into stretches of ten seconds, so that long files need little memory.

    Yields:
        First sample, end, and the starts of the cells inside, counted from the first sample.
    """
    edges = cell_edges(n_samples, sample_rate)
    step = CHUNK_S * CELLS_PER_S
    for cell in range(0, len(edges) - 1, step):
        part = edges[cell : cell + step + 1]
        yield int(part[0]), int(part[-1]), part[:-1] - part[0]


def cell_sums(audio: Audio) -> CellSums:
    """One pass over the samples."""
    squares, totals, products, lengths = [], [], [], []
    for start, end, cells in chunks(audio.samples.shape[1], audio.sample_rate):
        part = audio.samples[:, start:end].astype(np.float64)
        totals.append(np.add.reduceat(part, cells, axis=1))
        squares.append(np.add.reduceat(part * part, cells, axis=1))
        stereo = audio.channels == 2
        products.append(np.add.reduceat(part[0] * part[1], cells) if stereo else np.zeros(len(cells)))
        lengths.append(np.diff(cells, append=end - start).astype(np.float64))
    return CellSums(
        squares=np.concatenate(squares, axis=1),
        totals=np.concatenate(totals, axis=1),
        products=np.concatenate(products),
        lengths=np.concatenate(lengths),
    )


def group(cells: Array, size: int, *, whole: bool = False) -> Array:
    """Sum ``size`` neighbouring cells along the last axis.

    Args:
        cells: [..., cells].
        size: Cells in a frame.
        whole: Drop a last frame that is not full.
    """
    n = cells.shape[-1]
    if whole:
        cells = cells[..., : n - n % size]
    if cells.shape[-1] == 0:
        return cells
    return np.asarray(np.add.reduceat(cells, np.arange(0, cells.shape[-1], size), axis=-1))


def to_db(power: Array | float) -> Array:
    """Ten times the decimal logarithm; -200 dB and less is -200."""
    return np.asarray(10.0 * np.log10(np.maximum(power, 1e-20)))


def runs(mask: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Starts and ends (exclusive) of the stretches where ``mask`` is true."""
    step = np.diff(mask.astype(np.int8), prepend=0, append=0)
    return np.flatnonzero(step == 1), np.flatnonzero(step == -1)
