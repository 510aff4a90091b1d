"""Readings that belong to a line as a whole."""

import itertools
from collections.abc import Sequence


def share_out(phones: Sequence[str], count: int) -> list[tuple[str, ...]]:
    """Phones of a line spread evenly over its characters, in order.

    >>> share_out(["k", "y", "o"], 2)
    [('k', 'y'), ('o',)]
    """
    bounds = [round(index * len(phones) / count) for index in range(count + 1)]
    return [tuple(phones[left:right]) for left, right in itertools.pairwise(bounds)]
