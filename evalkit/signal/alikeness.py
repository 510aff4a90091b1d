"""Whether two recordings share a passage of harmony, at the same key, in whatever arrangement and at a similar tempo.

Both are laid against each other moment by moment; the longest path of alike moments, which may run a little faster or
slower and skip a few, is the passage.

Source: Serrà, Serra and Andrzejak, "Cross recurrence quantification for cover song identification", New Journal of
Physics 2009 (Qmax). Differs in: likeness has a fixed limit instead of a rank, so that songs that share nothing give
nothing; keys are not matched.
"""

from dataclasses import dataclass

import numpy as np

from evalkit.signal.harmony import unit_rows
from evalkit.signal.spectra import Array

NAME = "qmax1"
"""Of the method with its numbers, for signatures."""

STACK = 8
"""Moments that are compared together: four seconds at two a second."""

MIN_COSINE = 0.8
GAP_OPENS = 0.5
GAP_GOES_ON = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """The longest alike passage, in moments.

    Attributes:
        length: Moments that are alike along the path, less its gaps, 0 or more.
        end: Last moment in the first recording.
        other_end: Last moment in the other.
    """

    length: float
    end: int
    other_end: int


def longest_passage(one: Array, other: Array) -> Passage:
    """Find the passage.

    Args:
        one: Harmony of one recording, rows without a common mean [frames, 12].
        other: Of the other.
    """
    nothing = Passage(length=0.0, end=0, other_end=0)
    if min(len(one), len(other)) < STACK:
        return nothing
    alike = _stacked(one) @ _stacked(other).T >= MIN_COSINE
    n, m = alike.shape
    # Two rows and columns of zeros before the first, so that paths may begin anywhere.
    scores = np.zeros((n + 2, m + 2))
    for i in range(n):
        # Ways to get here: straight on, or skipping one moment of either recording.
        straight, over_one, over_other = scores[i + 1, 1:-1], scores[i, 1:-1], scores[i + 1, :-2]
        going_on = np.maximum(np.maximum(straight, over_one), over_other) + 1.0
        were_alike = np.ones((3, m), dtype=bool)
        were_alike[0, 1:] = alike[i - 1, :-1] if i else False
        were_alike[1, 1:] = alike[i - 2, :-1] if i > 1 else False
        were_alike[2, 2:] = alike[i - 1, :-2] if i else False
        losses = np.where(were_alike, GAP_OPENS, GAP_GOES_ON)
        resting = np.maximum.reduce([straight - losses[0], over_one - losses[1], over_other - losses[2], np.zeros(m)])
        scores[i + 2, 2:] = np.where(alike[i], going_on, resting)
    row, column = divmod(int(np.argmax(scores)), scores.shape[1])
    if scores[row, column] <= 0.0:
        return nothing
    last = STACK - 1 - 2
    return Passage(length=float(scores[row, column]) + STACK - 1, end=row + last, other_end=column + last)


def _stacked(rows: Array) -> Array:
    """Each moment together with those after it, at length 1 [frames - STACK + 1, 12 STACK]."""
    view = np.lib.stride_tricks.sliding_window_view(rows, STACK, axis=0)
    return unit_rows(view.reshape(len(view), -1))
