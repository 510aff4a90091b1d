"""Windows of a song: known answers, and what must hold for any length."""

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.errors import AudioError
from evalkit.signal import windows
from evalkit.signal.windows import WindowPlan

PLAN = WindowPlan()
RATE = 48_000


def test_examples_in_the_docstrings() -> None:
    assert doctest.testmod(windows).failed == 0


@pytest.mark.parametrize("sample_rate", [48_000, 24_000, 16_000])
@pytest.mark.parametrize(
    ("duration_s", "n_windows"),
    [(0.01, 1), (3.0, 1), (9.9, 1), (10.0, 1), (10.1, 1), (12.9, 1), (13.0, 2), (13.1, 2), (20.0, 2), (215.0, 22)],
)
def test_number_of_windows(duration_s: float, n_windows: int, sample_rate: int) -> None:
    assert len(PLAN.starts(round(duration_s * sample_rate), sample_rate)) == n_windows


def test_no_audio_is_refused() -> None:
    with pytest.raises(AudioError, match="0 samples"):
        PLAN.starts(0, RATE)


def test_a_short_song_is_repeated_whole_and_the_rest_is_zeros() -> None:
    samples = np.arange(1, 5, dtype=np.float32)
    found = WindowPlan(length_s=10.0).cut(samples, 1)
    assert found.tolist() == [[1, 2, 3, 4, 1, 2, 3, 4, 0, 0]]


def test_a_long_tail_is_repeated_too() -> None:
    samples = np.arange(1, 14, dtype=np.float32)
    found = WindowPlan(length_s=10.0).cut(samples, 1)
    assert found.tolist() == [list(range(1, 11)), [11, 12, 13] * 3 + [0]]


@given(n_samples=st.integers(1, 5000), length=st.integers(2, 400), tail=st.floats(0.05, 1.0))
def test_every_plan_covers_the_song_in_order(n_samples: int, length: int, tail: float) -> None:
    plan = WindowPlan(length_s=float(length), min_tail_s=tail * length)
    samples = np.arange(1, n_samples + 1, dtype=np.float32)
    starts = plan.starts(n_samples, 1)
    assert starts == [index * length for index in range(len(starts))]
    left_out = n_samples - (starts[-1] + length)
    assert left_out < max(round(plan.min_tail_s), 1), "only a short tail may be dropped"
    assert starts[-1] < n_samples, "no window begins after the end"
    cut = plan.cut(samples, 1)
    assert cut.shape == (len(starts), length)
    whole = cut[: n_samples // length].ravel()
    assert np.array_equal(whole, samples[: len(whole)])


@given(n_samples=st.integers(1, 2_000))
def test_more_audio_never_means_fewer_windows_and_never_changes_whole_ones(n_samples: int) -> None:
    plan = WindowPlan(length_s=100.0, min_tail_s=30.0)
    samples = np.random.default_rng(n_samples).standard_normal(n_samples + 50).astype(np.float32)
    shorter, longer = plan.cut(samples[:n_samples], 1), plan.cut(samples, 1)
    assert len(longer) >= len(shorter)
    n_whole = n_samples // 100
    assert np.array_equal(longer[:n_whole], shorter[:n_whole])
