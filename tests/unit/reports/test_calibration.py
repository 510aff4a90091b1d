"""Calibration systems are drawn as marks; they are no rivals."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from evalkit import stats
from evalkit.gate.judge import judge
from evalkit.store import RunData
from reports import html, tables
from reports.index import make_index
from reports.report import Report
from reports.view import make_report

ROLES = {"silence": "floor", "singer": "", "spoken": "ceiling"}


@pytest.fixture
def run(make_run: Callable[..., RunData]) -> RunData:
    """The candidate is declared between two calibration systems."""
    made = make_run(audio=False, systems=tuple(ROLES), languages=("en", "fr"))
    systems = tuple(replace(system, calibration=ROLES[system.name]) for system in made.info.systems)
    return replace(made, info=replace(made.info, systems=systems))


@pytest.fixture
def report(run: RunData) -> Report:
    return make_report(make_index(run))


def test_cards_have_one_estimate_for_the_candidate_and_marks_for_the_others(run: RunData, report: Report) -> None:
    assert [system.name for system in report.systems] == ["singer", "silence", "spoken"]
    assert [system.name for system in report.contenders] == ["singer"]
    card = report.cards[0]
    assert len(card.estimates) == 1
    assert [(mark.name, mark.role) for mark in card.marks] == [("silence", "floor"), ("spoken", "ceiling")]
    prompt_of = {song.id: song.prompt_id for song in run.songs}
    for mark in card.marks:
        mine = [score for score in run.scores if score.song_id.startswith(mark.name + "/")]
        expected = stats.summarise(mine, run.metrics[card.measure.name], prompt_of)
        assert expected.estimate is not None
        assert mark.text == f"{100 * expected.estimate:.1f}\u00a0%"
        assert 0 <= mark.at <= 100
    candidate = card.estimates[0]
    assert candidate.whisker is not None
    assert candidate.value is not None
    # All stand on one axis, so their order is the order of the numbers.
    found = sorted([(candidate.whisker.at, candidate.value), *((m.at, float(m.text[:-2])) for m in card.marks)])
    assert [value for _, value in found] == sorted(value for _, value in found)


def test_languages_have_rows_of_the_candidate_alone_with_marks(report: Report) -> None:
    assert report.languages is not None
    assert [(row.code, row.system) for row in report.languages.rows] == [("en", 0), ("fr", 0)]
    for row in report.languages.rows:
        assert len(row.marks) == len(report.languages.columns)
        assert [mark.name for mark in row.marks[0]] == ["silence", "spoken"]


def test_songs_of_the_candidate_come_first(report: Report) -> None:
    systems = [song.system for song in report.songs]
    assert set(systems[: systems.count(0)]) == {0}, "worst first is for those who compete"


def test_the_page_and_the_summary_name_them(report: Report) -> None:
    page = html.render(report)
    assert page.count("calibration: ceiling") == page.count("calibration: floor") == 1
    assert page.count('class="mark ceiling"') == page.count('class="mark floor"') > 0
    markdown = tables.to_markdown(report)
    assert markdown.splitlines()[0].endswith(": singer")
    assert "| Metric | silence | spoken |" in markdown


def test_without_calibration_nothing_is_said_of_it(make_run: Callable[..., RunData]) -> None:
    report = make_report(make_index(make_run(audio=False)))
    assert not any(card.marks for card in report.cards)
    assert (
        "calibration"
        not in html.render(report).replace("not calibrated", "").partition("<main>")[2].partition("<footer")[0]
    )
    assert "How far" not in tables.to_markdown(report)


def test_the_gate_takes_the_only_system_that_competes(run: RunData) -> None:
    assert judge(run, run, resamples=100).candidate_system == "singer"
