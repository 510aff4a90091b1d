"""The longest passage of like harmony."""

import numpy as np
import pytest

from evalkit.signal.alikeness import GAP_GOES_ON, GAP_OPENS, MIN_COSINE, STACK, longest_passage
from evalkit.signal.harmony import unit_rows


def harmony(seed: int, n: int) -> np.ndarray:
    rows = np.random.default_rng(seed).random((n, 12)) ** 3
    return unit_rows(rows - rows.mean(axis=1, keepdims=True))


def plain(one: np.ndarray, other: np.ndarray) -> float:
    """Qmax as it is written in the paper, one cell after the other."""
    view = [unit_rows(np.stack([x[i : i + STACK].ravel() for i in range(len(x) - STACK + 1)])) for x in (one, other)]
    alike = view[0] @ view[1].T >= MIN_COSINE
    n, m = alike.shape
    q = np.zeros((n, m))

    def at(i: int, j: int) -> float:
        return q[i, j] if i >= 0 and j >= 0 else 0.0

    def was(i: int, j: int) -> bool:
        return bool(alike[i, j]) if i >= 0 and j >= 0 else False

    for i in range(n):
        for j in range(m):
            before = [(i - 1, j - 1), (i - 2, j - 1), (i - 1, j - 2)]
            if alike[i, j]:
                q[i, j] = max(at(*cell) for cell in before) + 1
            else:
                losses = (at(*cell) - (GAP_OPENS if was(*cell) else GAP_GOES_ON) for cell in before)
                q[i, j] = max(0.0, *losses)
    return float(q.max()) + STACK - 1 if q.max() > 0 else 0.0


def test_a_recording_is_alike_to_itself_for_its_whole_length() -> None:
    one = harmony(1, 60)
    found = longest_passage(one, one)
    assert (found.length, found.end, found.other_end) == (60.0, 59, 59)


def test_other_music_shares_nothing() -> None:
    assert longest_passage(harmony(1, 120), harmony(2, 120)).length == 0.0
    assert longest_passage(harmony(1, STACK - 1), harmony(1, 60)).length == 0.0


def test_a_planted_passage_is_found_where_it_is() -> None:
    one, other = harmony(1, 100), harmony(2, 80)
    other[30:54] = one[10:34]
    found = longest_passage(one, other)
    # A stack at the edge is alike if most of it is, so that up to half of one is added at either end.
    assert 24.0 <= found.length <= 24.0 + STACK / 2
    assert found.end == pytest.approx(33, abs=STACK / 2)
    assert found.other_end - found.end == 20


def test_a_slower_copy_is_still_one_passage() -> None:
    one = harmony(1, 20).repeat(4, axis=0)  # two seconds a chord
    places = np.round(np.linspace(0, len(one) - 1, round(1.15 * len(one)))).astype(int)
    found = longest_passage(one, one[places])
    assert found.length > 0.6 * len(one)


@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_recursion_of_the_paper(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one = harmony(seed, 40)
    other = harmony(seed + 10, 35)
    other[5:25] = unit_rows(one[8:28] + 0.1 * rng.standard_normal((20, 12)))
    other[14] = harmony(99, 1)[0]
    assert longest_passage(one, other).length == pytest.approx(plain(one, other))
