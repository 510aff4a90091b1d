from collections.abc import Callable
from dataclasses import replace

import pytest

from evalkit import stats
from evalkit.store import RunData
from evalkit.types import Metric
from reports.index import make_index
from reports.report import Report
from reports.view import make_report
from reports.view_songs import worst_first


def report_of(run: RunData) -> Report:
    return make_report(make_index(run))


def test_headline_numbers_are_those_of_the_statistics(make_run: Callable[..., RunData]) -> None:
    run = make_run(audio=False)
    card = report_of(run).cards[0]
    prompt_of = {song.id: song.prompt_id for song in run.songs}
    for system, estimate in zip(run.info.systems, card.estimates, strict=True):
        mine = [score for score in run.scores if score.song_id.startswith(system.name + "/")]
        expected = stats.summarise(mine, run.metrics["wer_vocals"], prompt_of)
        assert expected.estimate is not None
        assert expected.ci_low is not None
        assert expected.ci_high is not None
        assert estimate.text == f"{100 * expected.estimate:.1f}\u00a0%"
        assert estimate.interval == f"{100 * expected.ci_low:.1f}–{100 * expected.ci_high:.1f}"
        assert estimate.n == expected.n
        assert estimate.method == expected.method


def test_what_is_missing_is_counted_with_its_reason(make_run: Callable[..., RunData]) -> None:
    run = make_run(audio=False)
    report = report_of(run)
    (clap,) = (row for group in report.groups for row in group.rows if row.measure.name == "clap_ta")
    for estimate in clap.estimates:
        assert estimate.text == "—"
        assert estimate.missing_text == "14 model missing, 1 audio missing"
        assert estimate.missing[0].reason.endswith("evalkit models pull clap-music")
    failed, *rest = report.problems
    assert (failed.label, failed.count, failed.reason) == ("song failed", 1, "the program ended with exit code 3")
    assert {problem.status for problem in rest} == {"failed", "missing_audio", "missing_model"}
    assert sum(problem.count for problem in report.problems if problem.what == "song") == 2


def test_a_song_without_any_line_counts_as_not_evaluated(make_run: Callable[..., RunData]) -> None:
    run = make_run(audio=False, systems=("singer",))
    first = run.songs[0].id
    report = report_of(replace(run, scores=tuple(score for score in run.scores if score.song_id != first)))
    assert "1 not evaluated" in report.cards[0].estimates[0].missing_text


def test_directions_come_from_the_metric(make_run: Callable[..., RunData]) -> None:
    by_name = {m.name: m for m in report_of(make_run(audio=False)).measures}
    assert (by_name["wer"].arrow, by_name["wer"].better) == ("↓", "lower is better")
    assert (by_name["bandwidth_hz"].arrow, by_name["bandwidth_hz"].better) == ("↑", "higher is better")
    assert by_name["lufs_i"].better == "−16 to −12\u00a0LUFS wanted"
    assert by_name["true_peak_dbtp"].better == "at most −1\u00a0dBTP wanted"
    assert by_name["dc_offset"].better == "describes only"


@pytest.mark.parametrize(
    ("direction", "good", "worst"),
    [
        ("lower", None, max),
        ("higher", None, min),
        ("target", (-15.0, -14.5), lambda v: max(v, key=lambda x: abs(x + 14.75))),
    ],
)
def test_the_worst_song_follows_the_direction(
    make_run: Callable[..., RunData], direction: str, good: object, worst: Callable[[list[float]], float]
) -> None:
    index = make_index(make_run(audio=False))
    measure = replace(next(m for m in index.measures if m.name == "lufs_i"), direction=direction, good=good)  # type: ignore[arg-type]
    values = {
        song: score.value for song, row in index.scores.items() if (score := row[measure.index]).value is not None
    }
    ordered = worst_first(index, measure)
    assert values[ordered[0].id] == worst(list(values.values()))  # type: ignore[arg-type]
    assert all(song.status == "failed" for song in ordered[len(values) :])


def test_signatures_are_never_mixed(make_run: Callable[..., RunData]) -> None:
    run = make_run(audio=False)
    other = "wer|asr:whisper-large|beam:5|v:1"
    scores = tuple(
        replace(s, signature=other)
        if s.metric == "wer" and s.song_id.startswith("other/") and s.value is not None
        else s
        for s in run.scores
    )
    report = report_of(replace(run, scores=scores))
    first, second = (card for card in report.cards if card.measure.name == "wer")
    assert (first.measure.title, second.measure.title) == (
        "Word error rate, mix (signature 1 of 2)",
        "Word error rate, mix (signature 2 of 2)",
    )
    assert second.measure.signature == other
    assert [estimate.n for estimate in first.estimates] == [14, 0]
    assert [estimate.n for estimate in second.estimates] == [0, 14]


def test_languages_stand_in_suite_order_with_hollow_dots(make_run: Callable[..., RunData]) -> None:
    table = report_of(make_run(audio=False)).languages
    assert table is not None
    assert [(row.code, row.system) for row in table.rows][:4] == [("en", 0), ("en", 1), ("fr", 0), ("fr", 1)]
    assert table.any_few
    assert [row.note for row in table.rows if row.note] == [
        "The recogniser, not the singer, is the limit here; left out of claims."
    ]
    assert report_of(make_run("mono", audio=False, languages=("en",))).languages is None


def test_takes_are_averaged_inside_a_prompt(make_run: Callable[..., RunData]) -> None:
    report = report_of(make_run(audio=False, takes=3, systems=("singer",)))
    assert report.cards[0].estimates[0].n == 14
    assert len(report.songs) == 45


def test_a_run_without_scores(make_run: Callable[..., RunData]) -> None:
    run = make_run(audio=False)
    report = report_of(replace(run, scores=()))
    assert report.cards[0].estimates[0].text == "—"
    assert len(report.songs) == 30
    nothing = report_of(replace(run, songs=(), scores=(), info=replace(run.info, evaluators=(), status="incomplete")))
    assert nothing.cards == ()
    assert nothing.status_note == "This run is not complete: 0 of 30\u00a0songs are here."


def test_an_undeclared_metric_is_shown_without_a_direction(make_run: Callable[..., RunData]) -> None:
    run = make_run(audio=False)
    scores = (*run.scores, replace(run.scores[0], metric="new_one", signature="new_one|v:1"))
    measure = next(m for m in report_of(replace(run, scores=scores)).measures if m.name == "new_one")
    assert (measure.title, measure.direction) == ("new_one", "none")


def test_huge_runs_keep_the_worst_songs_whole(
    make_run: Callable[..., RunData], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reports.view_songs.MAX_DETAILED", 10)
    report = report_of(make_run(audio=False))
    assert [song.detail is not None for song in report.songs] == [True] * 10 + [False] * 20
    assert "10 worst of 30 songs" in report.songs_note


def test_missing_files_have_no_link(make_run: Callable[..., RunData]) -> None:
    assert {link for song in report_of(make_run(audio=False)).songs for _, link in song.audio} == {None}
    links = {link for song in report_of(make_run("with", audio=True)).songs for _, link in song.audio}
    assert "audio/singer/en-01.take0.vocals.wav" in links


def test_only_a_ratio_metric_needs_counts(make_run: Callable[..., RunData]) -> None:
    run = make_run(audio=False)
    assert {m.name for m in run.metrics.values() if m.aggregate == "ratio"} == {"wer", "wer_vocals"}
    assert isinstance(run.metrics["wer"], Metric)


def test_a_licence_that_is_not_ours_stands_beside_the_number(make_run: Callable[..., RunData]) -> None:
    report = report_of(make_run(audio=False))
    assert {m.name: m.remark for m in report.measures if m.remark} == {"clap_ta": "Apache-2.0"}


def test_the_foot_says_how_it_was_measured(make_run: Callable[..., RunData]) -> None:
    run = make_run(audio=False)
    tables = {table.title: table for table in report_of(run).tables}
    assert ("wer", "wer|asr:whisper-base|beam:5|v:1") in tables["Signatures"].rows
    assert tables["Models"].rows[0] == ("whisper-base", "MIT", "pypi:example==1.0", "ef" * 32)
    assert tables["Timings"].rows[0][:4] == ("Generation", "30", "15:00", "1\u00a0min 21\u00a0s")
    assert tables["Timings"].rows[0][5] == "0.09"
    assert ("Git commit", "d743dc7 with local changes") in tables["Run and environment"].rows
    assert ("numpy", "2.4.0") in tables["Packages"].rows
    assert ("CC0-1.0", "suite multilingual: prompts and lyrics") in tables["Licences"].rows


def test_notes_of_languages_that_were_not_sung_stay_out(make_run: Callable[..., RunData]) -> None:
    report = report_of(make_run(audio=False, languages=("en", "fr")))
    assert [note.label for note in report.systems[0].notes] == ["All languages"]


def test_a_metric_that_applies_to_no_song_is_named_and_takes_no_row(make_run: Callable[..., RunData]) -> None:
    run = make_run(audio=False)
    scores = tuple(
        replace(
            score, value=None, status="not_applicable", reason="The profile names no second recogniser.", details={}
        )
        if score.metric == "dc_offset" or (score.metric == "clipped" and score.song_id == run.songs[0].id)
        else score
        for score in run.scores
    )
    report = report_of(replace(run, scores=scores))
    group = next(group for group in report.groups if "dc_offset" in group.absent)
    names = [row.measure.name for row in group.rows]
    assert group.absent == ("dc_offset",)
    assert "dc_offset" not in names
    assert "clipped" in names  # some songs have it
    assert group.summary == f"{len(names)}\u00a0metrics"
    assert any(problem.reason.startswith("The profile names no second") for problem in report.problems)
