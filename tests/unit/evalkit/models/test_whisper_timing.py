"""Warping and smoothing: the cheapest monotonic path, and where it must lie."""

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from evalkit.models.whisper_timing import _median, monotonic_path, warp

torch = pytest.importorskip("torch")

Costs = npt.NDArray[np.float64]
COSTS = st.tuples(st.integers(1, 7), st.integers(1, 9)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.integers(-9, 9).map(float))
)


def cheapest(costs: Costs) -> float:
    """Cost of the best path, by the plain programme."""
    total = np.full((costs.shape[0] + 1, costs.shape[1] + 1), np.inf)
    total[0, 0] = 0.0
    for row in range(costs.shape[0]):
        for column in range(costs.shape[1]):
            before = min(total[row, column], total[row, column + 1], total[row + 1, column])
            total[row + 1, column + 1] = costs[row, column] + before
    return float(total[-1, -1])


@given(COSTS)
def test_no_monotonic_path_is_cheaper(costs: Costs) -> None:
    path = warp(costs)
    assert path[0] == (0, 0)
    assert path[-1] == (costs.shape[0] - 1, costs.shape[1] - 1)
    for (row, column), (next_row, next_column) in itertools.pairwise(path):
        assert (next_row - row, next_column - column) in {(0, 1), (1, 0), (1, 1)}
    assert sum(costs[cell] for cell in path) == pytest.approx(cheapest(costs))


def test_paths_are_those_of_openai() -> None:
    timing = pytest.importorskip("whisper.timing", reason="needs the extra openai-whisper")
    draws = np.random.default_rng(5)
    for shape in itertools.product((1, 2, 5, 9), (1, 3, 8, 20)):
        costs = draws.standard_normal(shape)  # without ties, where the original does not take the cheapest step
        rows, columns = timing.dtw_cpu.py_func(costs)
        assert warp(costs) == list(zip(rows.tolist(), columns.tolist(), strict=True))


def test_a_path_by_hand() -> None:
    costs = np.array([[0, 0, 9, 9], [9, 9, 0, 9], [9, 9, 9, 0]], dtype=np.float64)
    assert warp(costs) == [(0, 0), (0, 1), (1, 2), (2, 3)]


@pytest.mark.parametrize(
    ("costs", "expected"),
    [
        ([[5]], [(0, 0)]),
        ([[1, 1, 1]], [(0, 0), (0, 1), (0, 2)]),
        ([[1], [1]], [(0, 0), (1, 0)]),
        ([[0, 9], [0, 0]], [(0, 0), (1, 1)]),  # of equals, the step by both
        ([[0, 9, 9], [-1, 9, 9], [9, -1, 0]], [(0, 0), (1, 0), (2, 1), (2, 2)]),
    ],
)
def test_small_paths_by_hand(costs: list[list[float]], expected: list[tuple[int, int]]) -> None:
    assert warp(np.array(costs, dtype=np.float64)) == expected


@pytest.mark.parametrize("width", [1, 3, 7])
@pytest.mark.parametrize("length", [1, 2, 3, 4, 9, 50])
def test_the_median_is_that_of_scipy(length: int, width: int) -> None:
    from scipy.ndimage import median_filter

    values = np.random.default_rng(length).standard_normal((2, 3, length)).astype(np.float32)
    # A row too short to be mirrored is left alone, as by the original.
    expected = values if length <= width // 2 else median_filter(values, size=(1, 1, width), mode="mirror")
    np.testing.assert_array_equal(_median(torch.from_numpy(values), width).numpy(), expected)


def test_words_lie_where_attention_is() -> None:
    """Two heads, a token before the text, three words at frames 10 to 29, 30 to 49 and 50 to 69, and the end."""
    scores = np.zeros((2, 5, 200), np.float32)
    for word in range(4):
        scores[:, word + 1, 10 + 20 * word : 30 + 20 * word] = 8.0
    scores[:, 0, :10] = 8.0
    path = monotonic_path(torch.from_numpy(scores), 1, 90, 7)
    begins = [next(frame for word, frame in path if word == wanted) for wanted in range(3)]
    assert begins == pytest.approx([0, 30, 50], abs=1)
    assert path[-1] == (2, 89)


def test_frames_without_sound_do_not_count() -> None:
    scores = torch.randn(2, 5, 300, generator=torch.Generator().manual_seed(2))
    expected = monotonic_path(scores[:, :, :100], 1, 100, 7)
    scores[:, 2, 100:] = 50.0
    assert monotonic_path(scores, 1, 100, 7) == expected
    assert expected[-1] == (2, 99)


def test_a_head_that_looks_elsewhere_is_outvoted() -> None:
    scores = np.zeros((5, 4, 60), np.float32)
    for token in range(4):
        scores[:4, token, 15 * token : 15 * token + 15] = 8.0
        scores[4, token, 45 - 15 * token : 60 - 15 * token] = 8.0
    path = monotonic_path(torch.from_numpy(scores), 0, 60, 3)
    begins = [next(frame for word, frame in path if word == wanted) for wanted in range(3)]
    assert begins == pytest.approx([0, 15, 30], abs=1)
