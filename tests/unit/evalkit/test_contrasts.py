"""Two systems metric by metric: known answers, directions, and what must not be compared."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evalkit.contrasts import contrast, losses, wins
from evalkit.errors import ConfigError
from evalkit.store import EvaluatorInfo, RunData, RunInfo, SuiteInfo, SystemInfo
from evalkit.types import Metric, Prompt, Score, Song

METRICS = {
    "rate": Metric(name="rate", title="Rate", unit="", direction="lower", source="x", aggregate="ratio"),
    "match": Metric(name="match", title="Match", unit="", direction="higher", source="x"),
    "level": Metric(name="level", title="Level", unit="dB", direction="target", source="x", good=(-2.0, 2.0)),
    "length": Metric(name="length", title="Length", unit="s", direction="none", source="x"),
    "clipped": Metric(name="clipped", title="Clipped", unit="0/1", direction="lower", source="x"),
}


def make_run(
    values: dict[str, dict[str, list[float | None]]],
    *,
    languages: tuple[str, ...] = ("en",),
    signature: str = "s1",
    sha256: str = "aa",
    lyrics: str = "la",
    run_id: str = "run",
) -> RunData:
    """Values by system and metric, one a prompt; None is missing."""
    n = max(len(column) for metrics in values.values() for column in metrics.values())
    prompts = {
        f"p{k:03d}": Prompt(id=f"p{k:03d}", language=languages[k % len(languages)], lyrics=lyrics) for k in range(n)
    }
    songs, scores = [], []
    for system, metrics in values.items():
        for place, prompt_id in enumerate(prompts):
            song = Song(prompt_id=prompt_id, system=system, take=0, seed=0, status="ok")
            songs.append(song)
            for name, column in metrics.items():
                value = column[place]
                head: dict[str, Any] = {"song_id": song.id, "evaluator": "e", "metric": name, "signature": signature}
                if value is None:
                    scores.append(Score(**head, value=None, status="failed", reason="no"))
                else:
                    details = {"numerator": 10 * value, "denominator": 10} if name == "rate" else {}
                    scores.append(Score(**head, value=value, status="ok", details=details))
    declared = tuple(METRICS[name] for name in next(iter(values.values())))
    info = RunInfo(
        run_id=run_id, created="2026-11-01T00:00:00Z", status="complete", command="",
        suite=SuiteInfo(name="s", version="1", sha256=sha256, licence="MIT", n_prompts=n),
        systems=tuple(SystemInfo(name=name, spec=name, title=name) for name in values),
        evaluators=(EvaluatorInfo(name="e", version="1", metrics=declared,
                                  signatures={metric.name: signature for metric in declared}),),
        prompts=tuple(prompts.values()),
    )  # fmt: skip
    return RunData(folder=Path("nowhere"), info=info, prompts=prompts, songs=tuple(songs), scores=tuple(scores))


def spread(n: int, level: float, seed: int = 0) -> list[float | None]:
    return [float(value) for value in level + 0.1 * np.random.default_rng(seed).normal(size=n)]


@pytest.mark.parametrize(("metric", "verdict"), [("rate", "worse"), ("match", "better"), ("length", "different")])
def test_direction_decides_what_a_larger_value_means(metric, verdict):
    run = make_run({"new": {metric: spread(30, 1.5)}, "old": {metric: spread(30, 1.0, seed=1)}})
    row = contrast(run, "new", run, "old").row(metric)
    assert row.verdict == verdict
    assert row.paired is not None
    assert row.paired.difference == pytest.approx(0.5, abs=0.1)
    if verdict == "different":
        assert row.worse is None
    else:
        assert row.worse == pytest.approx(row.paired.difference * (1 if verdict == "worse" else -1))


def test_moving_within_the_wanted_range_is_no_news_but_leaving_it_is():
    inside = make_run({"new": {"level": spread(30, 1.5)}, "old": {"level": spread(30, -1.5, 1)}})
    row = contrast(inside, "new", inside, "old").row("level")
    assert row.verdict == "no difference shown"
    assert (row.compared, row.candidate_values.estimate) == ("distance", 0.0)
    assert row.candidate == pytest.approx(1.5, abs=0.1), "the values themselves are still told"
    outside = make_run({"new": {"level": spread(30, 5.0)}, "old": {"level": spread(30, 0.0, 1)}})
    assert contrast(outside, "new", outside, "old").row("level").verdict == "worse"
    assert contrast(outside, "old", outside, "new").row("level").verdict == "better"


def test_too_few_songs_make_no_claim():
    run = make_run({"new": {"match": spread(5, 9.0)}, "old": {"match": spread(5, 1.0, 1)}})
    row = contrast(run, "new", run, "old").row("match")
    assert row.verdict == "too few songs"
    assert row.p_adjusted is None
    many = make_run({"new": {"match": spread(38, 9.0)}, "old": {"match": spread(38, 1.0, 1)}}, languages=("en", "fr"))
    found = contrast(many, "new", many, "old")
    assert found.row("match").verdict == "better"
    assert found.row("match", "fr").verdict == "too few songs", "19 prompts are less than the 20 a language needs"


def test_holm_counts_the_rows_on_which_a_claim_could_be_made():
    run = make_run({"new": {"match": spread(40, 1.2), "length": spread(40, 1.0, 3)},
                    "old": {"match": spread(40, 1.0, 1), "length": spread(40, 1.0, 4)}})  # fmt: skip
    found = contrast(run, "new", run, "old")
    row = found.row("match")
    assert row.paired is not None
    assert row.paired.p_value is not None
    assert row.p_adjusted == pytest.approx(2 * row.paired.p_value)


def test_unequal_signatures_are_refused_and_shown_only_on_request():
    ours = make_run({"new": {"match": spread(30, 9.0)}}, signature="s1")
    theirs = make_run({"old": {"match": spread(30, 1.0)}}, signature="s2")
    row = contrast(ours, "new", theirs, "old").row("match")
    assert row.verdict == "not comparable: the signatures differ"
    assert row.paired is None
    shown = contrast(ours, "new", theirs, "old", allow_mismatch=True).row("match")
    assert shown.verdict == row.verdict, "showing numbers is no claim"
    assert shown.paired is not None
    assert shown.p_adjusted is None


def test_different_suites_need_leave_and_equal_texts():
    ours = make_run({"new": {"match": spread(30, 2.0)}}, sha256="aa")
    theirs = make_run({"old": {"match": spread(30, 1.0)}}, sha256="bb")
    with pytest.raises(ConfigError, match=r"different suites.*\n?.*--allow-mismatch compares the 30 prompts"):
        contrast(ours, "new", theirs, "old")
    assert contrast(ours, "new", theirs, "old", allow_mismatch=True).row("match").verdict == "better"
    other = make_run({"old": {"match": spread(30, 1.0)}}, sha256="bb", lyrics="lo")
    with pytest.raises(ConfigError, match="no prompt in common"):
        contrast(ours, "new", other, "old", allow_mismatch=True)


def test_unknown_names_are_answered():
    run = make_run({"new": {"match": spread(8, 1.0)}})
    with pytest.raises(ConfigError, match="no system 'nwe'"):
        contrast(run, "nwe", run, "new")
    with pytest.raises(ConfigError, match="Neither run has a metric 'mtch'"):
        contrast(run, "new", run, "new", metrics=["mtch"])


def test_missing_values_are_counted():
    values = spread(30, 2.0)
    run = make_run({"new": {"match": [None, *values[1:]]}, "old": {"match": [*spread(29, 1.0, 1), None]}})
    row = contrast(run, "new", run, "old").row("match")
    assert (row.n, row.n_missing) == (28, 2)


def test_wins_and_losses_are_sorted_by_size_and_turned_by_direction():
    new: list[float | None] = [1.0, 3.0, 0.0, 2.0, 2.0, 2.0]
    old: list[float | None] = [2.0, 1.0, 3.0, 2.0, 2.0, 2.0]
    run = make_run({"new": {"match": new, "rate": new}, "old": {"match": old, "rate": old}})
    found = contrast(run, "new", run, "old")
    assert [pair.prompt_id for pair in losses(found.row("match"))] == ["p002", "p000"]
    assert [pair.prompt_id for pair in wins(found.row("match"))] == ["p001"]
    assert [pair.prompt_id for pair in losses(found.row("rate"))] == ["p001"]
    assert losses(found.row("match"))[0].difference == -3.0


def test_yes_no_metrics_use_mcnemar():
    ours: list[float | None] = [0.0] * 40
    theirs: list[float | None] = [1.0] * 8 + [0.0] * 32
    run = make_run({"new": {"clipped": ours}, "old": {"clipped": theirs}})
    row = contrast(run, "new", run, "old").row("clipped")
    assert row.paired is not None
    assert row.paired.p_value == pytest.approx(2 / 2**8)
    assert row.verdict == "better"
    assert "McNemar" in row.paired.method


def test_a_run_against_itself_differs_nowhere():
    run = make_run({"new": {"match": spread(30, 2.0), "rate": spread(30, 1.0)}}, languages=("en", "fr"))
    found = contrast(run, "new", run, "new")
    assert {row.verdict for row in found.rows} == {"no difference shown", "too few songs"}
    assert all(row.paired is not None and row.paired.difference == 0.0 for row in found.rows)


def test_order_of_scores_and_other_metrics_change_nothing():
    run = make_run({"new": {"match": spread(30, 1.1), "rate": spread(30, 1.0)},
                    "old": {"match": spread(30, 1.0, 1), "rate": spread(30, 1.0, 2)}})  # fmt: skip
    turned = replace(run, songs=run.songs[::-1], scores=run.scores[::-1])
    assert (
        contrast(run, "new", run, "old").row("match").paired
        == contrast(turned, "new", turned, "old").row("match").paired
    )
    alone = contrast(run, "new", run, "old", metrics=["match"]).row("match").paired
    assert alone == contrast(run, "new", run, "old").row("match").paired


def test_headline_metrics_are_a_family_of_their_own(monkeypatch):
    """Ten songs that are all far better show it, however many other metrics a profile has."""
    others = {f"other{k}": replace(METRICS["match"], name=f"other{k}") for k in range(60)}
    monkeypatch.setitem(METRICS, "rate", replace(METRICS["rate"], headline=True))
    for name, metric in others.items():
        monkeypatch.setitem(METRICS, name, metric)

    def columns(level: float, seed: int) -> dict[str, list[float | None]]:
        return {"rate": spread(10, level, seed)} | {name: spread(10, 1.0, seed + k) for k, name in enumerate(others)}

    run = make_run({"new": columns(1.0, 1), "old": columns(2.0, 2)})
    found = contrast(run, "new", run, "old")
    assert found.row("rate").verdict == "better"
    assert all(found.row(name).verdict == "no difference shown" for name in others)
    # Asked for by name, another metric is in the first family too; not asked for, it shares its p with all the others.
    alone = contrast(run, "new", run, "old", metrics=["other0"]).row("other0")
    assert alone.p_adjusted is not None
    assert found.row("other0").p_adjusted is not None
    assert alone.p_adjusted <= found.row("other0").p_adjusted
