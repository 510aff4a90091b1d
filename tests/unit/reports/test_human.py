"""Human recordings beside a run: shown where they were measured the same way, and nowhere else."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from evalkit import stats
from evalkit.store import RunData
from evalkit.types import Metric, Summary
from reports.html import render
from reports.human import NAME, open_human, remark
from reports.index import make_index
from reports.tables import to_markdown
from reports.view import make_report


@pytest.fixture
def pair(make_run: Callable[..., RunData]) -> tuple[RunData, RunData]:
    """A run of two systems in five languages, and recordings in two of them."""
    run = make_run("run", audio=False)
    recordings = make_run("human", audio=False, systems=("human",), languages=("en", "fr"))
    return run, recordings


def test_the_recordings_stand_on_every_card_with_the_numbers_of_the_statistics(pair: tuple[RunData, RunData]) -> None:
    run, recordings = pair
    report = make_report(make_index(run), recordings=open_human(recordings))
    plain = make_report(make_index(run))
    prompt_of = {song.id: song.prompt_id for song in recordings.songs}
    assert report.cards
    for card, before in zip(report.cards, plain.cards, strict=True):
        expected = stats.summarise(recordings.scores, recordings.metrics[card.measure.name], prompt_of)
        assert expected.estimate is not None
        assert card.marks[-1].name == NAME
        assert card.marks[-1].text.startswith(f"{expected.estimate * card.measure.scale:.1f}".replace("-", "−"))
        assert card.marks[-1].text in card.human
        assert f"{expected.n} songs" in card.human
        # What the run itself says does not change.
        assert [e.text for e in card.estimates] == [e.text for e in before.estimates]
        assert before.human == ""
    assert report.notices == plain.notices
    assert to_markdown(report).count("Human recordings, measured the same way") == len(report.cards)
    assert "Human recordings, measured the same way" in render(report)


def test_each_language_is_compared_with_its_own_recordings(pair: tuple[RunData, RunData]) -> None:
    run, recordings = pair
    languages = make_report(make_index(run), recordings=open_human(recordings)).languages
    assert languages is not None
    for row in languages.rows:
        for marks in row.marks:
            assert [mark.name for mark in marks].count(NAME) == (row.code in ("en", "fr"))


def test_numbers_measured_another_way_are_not_set_side_by_side(pair: tuple[RunData, RunData]) -> None:
    run, recordings = pair
    other = tuple(
        replace(info, signatures={name: text + "|x:1" for name, text in info.signatures.items()})
        for info in recordings.info.evaluators
    )
    changed = replace(
        recordings,
        info=replace(recordings.info, evaluators=other),
        scores=tuple(replace(score, signature=score.signature + "|x:1") for score in recordings.scores),
    )
    report = make_report(make_index(run), recordings=open_human(changed))
    assert all(card.human == "" and not card.marks for card in report.cards)
    assert any("measured another way" in notice for notice in report.notices)


def summary(estimate: float, low: float, high: float) -> Summary:
    return Summary(metric="per", n=30, n_missing=0, estimate=estimate, ci_low=low, ci_high=high, method="bootstrap")


@pytest.mark.parametrize(
    ("direction", "system", "told"),
    [
        ("lower", (0.30, 0.25, 0.35), True),
        ("lower", (0.20, 0.16, 0.24), False),
        ("lower", (0.05, 0.03, 0.07), False),  # better than people: of all results the one to distrust
        ("higher", (0.05, 0.03, 0.07), True),
        ("higher", (0.30, 0.25, 0.35), False),
    ],
)
def test_a_system_whose_interval_reaches_the_recordings_is_named(
    make_run: Callable[..., RunData], direction: str, system: tuple[float, float, float], told: bool
) -> None:
    measure = make_index(make_run(audio=False)).measures[0]
    metric = Metric(name="per", title="", unit="", direction=direction, source="")  # type: ignore[arg-type]
    text = remark(measure, metric, summary(0.14, 0.12, 0.17), [("ours", summary(*system))])
    assert ("The interval of ours reaches theirs" in text) is not told
