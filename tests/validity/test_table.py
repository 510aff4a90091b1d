"""The table of reactions: what holds, and how it is written."""

from pathlib import Path

import pytest
from validity.table import Reaction, render, write_section


def reaction(values: dict[str, list[float]], expected: str, tolerance: float = 0.0) -> Reaction:
    return Reaction(
        change="c", doses=(0.0, 1.0, 2.0, 4.0), metric="m", values=values, expected=expected, tolerance=tolerance
    )


@pytest.mark.parametrize(
    ("values", "expected", "holds"),
    [
        ([0.0, 0.1, 0.2, 0.9], "rises", True),
        ([0.9, 0.5, 0.2, 0.1], "falls", True),
        ([0.9, 0.5, 0.2, 0.1], "rises", False),
        ([0.0, 0.2, 0.1, 0.9], "rises", False),  # Spearman .8
        ([0.5, 0.5, 0.5, 0.5], "rises", False),
        ([0.5, 0.5, 0.5, 0.5], "stays", True),
        ([0.5, 0.5, 0.6, 0.5], "stays", False),
    ],
)
def test_what_holds(values: list[float], expected: str, holds: bool) -> None:
    assert reaction({"a": values}, expected).holds is holds


def test_means_over_songs_and_tolerance_of_each_song() -> None:
    one = reaction({"a": [0.0, 0.1, 0.2, 0.3], "b": [0.3, 0.2, 0.1, 0.0]}, "stays", 0.3)
    assert one.means == pytest.approx([0.15] * 4)
    assert one.holds
    assert not reaction({"a": [0.0, 0.1, 0.2, 0.4]}, "stays", 0.3).holds
    assert "| c | 0 · 1 · 2 · 4 | `m` |" in render([one])


def test_a_section_of_the_page_is_replaced_and_others_are_kept(tmp_path: Path) -> None:
    page = tmp_path / "validity.md"
    write_section(page, "One", "a")
    write_section(page, "Two", "b")
    write_section(page, "One", "c")
    text = page.read_text()
    assert text.count("## One") == 1
    assert "c" in text.partition("## Two")[0]
    assert "b" in text.partition("## Two")[2]
