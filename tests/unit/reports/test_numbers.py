import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports import index, languages, numbers, tables


@pytest.mark.parametrize("module", [numbers, languages, tables, index])
def test_examples_in_docstrings_hold(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "percent", "digits"),
    [
        ([12.4, 15.1], True, 1),
        ([15123.4, 16000.2], False, 0),
        ([-14.53, -12.1], False, 1),
        ([0.123, 0.2], False, 3),
        ([0.00012, 0.0002], False, 6),
        ([0.0, 1.0, 1.0], False, 0),
        ([3.0, 4.0], False, 0),
        ([1.5, 2.25], False, 2),
        ([], False, 2),
        ([0.0], False, 0),
    ],
)
def test_digits_show_about_three_significant_ones(values: list[float], percent: bool, digits: int) -> None:
    assert numbers.digits_for(values, percent=percent) == digits


def test_intervals_with_negative_ends_are_spelt_out() -> None:
    assert numbers.interval(-15.2, -13.6, 1) == "−15.2 to −13.6"
    assert numbers.interval(9.8, 15.1, 1) == "9.8–15.1"
    assert numbers.interval(None, 15.1, 1) == "—"


def test_units() -> None:
    assert numbers.suffix_of("LUFS", False) == "\u00a0LUFS"
    assert numbers.suffix_of("", True) == "\u00a0%"
    assert numbers.suffix_of("0/1", False) == ""


@pytest.mark.parametrize(
    ("values", "bounds", "axis"),
    [
        ([4.2, 17.7], (0.0, None), (0.0, 20.0)),
        ([93.0, 97.0], (0.0, 100.0), (93.0, 97.0)),
        ([-15.2, -13.6], (None, None), (-15.5, -13.5)),
        ([], (None, None), (0.0, 1.0)),
    ],
)
def test_axes_have_round_ends(values: list[float], bounds: tuple[float | None, float | None], axis: object) -> None:
    assert numbers.nice_range(values, bounds) == pytest.approx(axis)


@given(st.lists(st.floats(-1e6, 1e6, allow_nan=False), max_size=20))
def test_an_axis_holds_all_its_values(values: list[float]) -> None:
    low, high = numbers.nice_range(values, (None, None))
    assert low < high
    assert all(low - 1e-6 * (high - low) <= value <= high + 1e-6 * (high - low) for value in values)


@given(st.floats(-1e9, 1e9, allow_nan=False), st.integers(0, 6))
def test_a_written_number_reads_back(value: float, digits: int) -> None:
    text = numbers.number(value, digits)
    assert float(text.replace("−", "-").replace(",", "")) == pytest.approx(round(value, digits), abs=1e-9)


@pytest.mark.parametrize("bounds", [(None, None), (0, None), (3.5, 8.5), (10.0, None), (-5.0, 0.0)])
def test_an_axis_without_values_lies_within_the_bounds(bounds: tuple[float | None, float | None]) -> None:
    low, high = numbers.nice_range([], bounds)
    assert low < high
    assert bounds[0] is None or low >= bounds[0]
