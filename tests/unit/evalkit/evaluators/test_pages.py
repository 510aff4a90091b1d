"""Every evaluator has a page, and what is declared in code stands there as it is."""

from pathlib import Path

import pytest

from evalkit.evaluators import _page
from evalkit.evaluators.base import EVALUATORS
from evalkit.types import BINARY_UNIT

DOCS = Path(__file__).parents[4] / "docs" / "evaluators"


@pytest.mark.parametrize("name", EVALUATORS.names())
def test_the_page_is_up_to_date(name):
    path = DOCS / f"{name}.md"
    assert path.is_file(), "run: python -m evalkit.evaluators._page"
    text = path.read_text("utf-8")
    assert _page.page(name, text) == text, "run: python -m evalkit.evaluators._page"


@pytest.mark.parametrize("name", EVALUATORS.names())
def test_every_metric_explains_itself(name):
    for metric in EVALUATORS.get(name).metrics:
        assert metric.description, f"{metric.name} has no description"
        assert metric.source, f"{metric.name} names no source"
        assert metric.licence, f"{metric.name} names no licence"


def test_text_around_the_table_is_kept():
    first = _page.page("technical", "# Title\n\nBefore.\n")
    edited = first.replace("Before.", "Changed.") + "\n## Limits\n\nNone.\n"
    again = _page.page("technical", edited)
    assert "Changed." in again
    assert again.endswith("## Limits\n\nNone.\n")
    assert again == edited
    stale = edited.replace("| `lufs_i` |", "| `old` |")
    assert _page.page("technical", stale) == edited


def test_pages_are_written_once(tmp_path):
    assert {path.stem for path in _page.write_pages(tmp_path)} == set(EVALUATORS.names())
    assert _page.write_pages(tmp_path) == []


def test_rates_of_right_and_wrong_songs_are_declared_as_such():
    """So that they get Wilson's interval and an exact test: a bootstrap of ten right songs says 100 to 100 %."""
    metrics = [metric for name in EVALUATORS.names() for metric in EVALUATORS.get(name).metrics]
    yes_or_no = {metric.name for metric in metrics if metric.unit == BINARY_UNIT}
    expected = {m.name for m in metrics if m.name.endswith(("_acc", "_acc1", "_acc2", "_top3", "_r1", "_decided"))}
    assert expected
    assert yes_or_no - {"collapse_rate", "ending_cut"} == expected
