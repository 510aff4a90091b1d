"""Set evaluators: scored again exactly when something changed, and their failures are their own."""

from dataclasses import replace
from pathlib import Path

import pytest

from evalkit import setrunner
from evalkit.audio import save_flac
from evalkit.cache import ResultCache
from evalkit.clips import open_clip, unopened
from evalkit.errors import AudioError, ModelError
from evalkit.evaluators import base
from evalkit.files import file_sha256
from evalkit.store import EvaluatorInfo, RunData, RunInfo, SuiteInfo, SystemInfo
from evalkit.types import Metric, Prompt, SetScore, Song

METRICS = tuple(Metric(name=name, title=name, unit="", direction="lower", source="test") for name in ("far", "wide"))
INFO = EvaluatorInfo(
    name="fake", version="1", metrics=METRICS, signatures={"far": "far|v:1", "wide": "wide|v:1"}, scope="set"
)


def song(prompt_id: str, system: str = "a", take: int = 0, **changes) -> Song:
    path = f"audio/{system}/{prompt_id}.take{take}.flac"
    made = Song(prompt_id=prompt_id, system=system, take=take, seed=0, status="ok", path=path, sha256=prompt_id * 3)
    return replace(made, **changes)


def run_of(tmp_path: Path, songs, set_scores=(), systems=("a",)) -> RunData:
    prompts = {name: Prompt(id=name, language="en") for name in ("p", "q", "r")}
    info = RunInfo(
        run_id="r",
        created="2026-01-01T00:00:00Z",
        status="running",
        command="",
        suite=SuiteInfo(name="s", version="1", sha256="0", licence="MIT", n_prompts=3),
        systems=tuple(SystemInfo(name=name, spec=name, title=name) for name in systems),
        evaluators=(INFO,),
    )
    return RunData(
        folder=tmp_path, info=info, prompts=prompts, songs=tuple(songs), scores=(), set_scores=tuple(set_scores)
    )


def fake(behaviour, monkeypatch):
    class Fake:
        name, version, metrics = "fake", "1", METRICS

        def __init__(self, options, locate):
            pass

        def score_set(self, songs):
            return behaviour(songs)

    monkeypatch.setattr(base.EVALUATORS, "get", lambda name: Fake)


def score(metric: str, value: float | None = 1.0, **changes) -> SetScore:
    fields = {"system": "", "group": "all", "evaluator": "fake", "metric": metric, "value": value, "n": 2}
    return SetScore(**{**fields, "status": "ok", "signature": f"{metric}|v:1", **changes})


def scored(task, tmp_path):
    return setrunner._score_set(task, lambda share: None, folder=tmp_path, infos={"fake": INFO}, models={}, cache=None)


def test_a_set_is_scored_once_and_again_when_a_song_changes(tmp_path, monkeypatch):
    fake(lambda songs: [score("far", len(songs)), score("wide")], monkeypatch)
    songs = [song("q"), song("p"), song("p", take=1), song("r", status="failed", reason="no", path=None)]
    run = run_of(tmp_path, songs)
    (task,) = setrunner.pending(run, [INFO])
    assert [one.id for one in task.songs] == ["a/p.take0", "a/p.take1", "a/q.take0"], "in suite order, made songs only"
    found = scored(task, tmp_path)
    assert [(one.system, one.value) for one in found] == [("a", 3.0), ("a", 1.0)]
    again = run_of(tmp_path, songs, found)
    assert setrunner.pending(again, [INFO]) == []
    changed = run_of(tmp_path, [song("q", sha256="other"), *songs[1:]], found)
    assert len(setrunner.pending(changed, [INFO])) == 1
    other_version = replace(INFO, signatures={"far": "far|v:2", "wide": "wide|v:1"})
    assert len(setrunner.pending(again, [other_version])) == 1


def test_old_scores_are_replaced_and_those_of_others_kept(tmp_path, monkeypatch):
    run = run_of(tmp_path, [song("p"), song("p", system="b")], systems=("a", "b"))
    tasks = setrunner.pending(run, [INFO])
    assert [task.system for task in tasks] == ["a", "b"]
    before = [score("far", 9.0, system="a"), score("far", 8.0, system="b"), score("far", 7.0, system="b", group="en")]
    merged = setrunner.merge(before, tasks[:1], [score("far", 1.0, system="a")], [INFO])
    assert [(one.system, one.group, one.value) for one in merged] == [
        ("a", "all", 1.0),
        ("b", "all", 8.0),
        ("b", "en", 7.0),
    ]


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (ModelError("The model x is not there."), "missing_model", "not there"),
        (AudioError("The file is gone."), "failed", "gone"),
        (ZeroDivisionError("oh"), "failed", "fake broke: ZeroDivisionError: oh"),
    ],
)
def test_what_goes_wrong_is_a_score_with_a_reason(tmp_path, monkeypatch, error, status, reason):
    def behave(songs):
        raise error

    fake(behave, monkeypatch)
    (task,) = setrunner.pending(run_of(tmp_path, [song("p")]), [INFO])
    found = scored(task, tmp_path)
    assert [(one.metric, one.value, one.status) for one in found] == [("far", None, status), ("wide", None, status)]
    assert all(reason in one.reason for one in found)
    # A missing model is tried again next time, a broken evaluator is not.
    again = setrunner.pending(run_of(tmp_path, [song("p")], found), [INFO])
    assert bool(again) == (status == "missing_model")
    assert setrunner.pending(run_of(tmp_path, [song("p")], found), [INFO], {INFO.name}) == [], (
        "known to be missing still"
    )


def test_a_forgotten_metric_is_noticed(tmp_path, monkeypatch):
    fake(lambda songs: [score("far")], monkeypatch)
    (task,) = setrunner.pending(run_of(tmp_path, [song("p")]), [INFO])
    assert [(one.metric, one.status) for one in scored(task, tmp_path)] == [("far", "ok"), ("wide", "failed")]


def test_a_stored_result_spares_decoding(tmp_path, make_sine):
    path = "audio/a/p.take0.flac"
    save_flac(make_sine(duration_s=6), tmp_path / path)
    made = song("p", sha256=file_sha256(tmp_path / path))
    store = ResultCache(tmp_path / "cache")
    clip = open_clip(tmp_path, made, Prompt(id="p", language="en"), store)
    clip.derived.stored("mix", "embedding|v:1", lambda: {"mean": 0.25})
    (tmp_path / path).unlink()
    later = unopened(tmp_path, made, Prompt(id="p", language="en"), store)
    assert later.derived.stored("mix", "embedding|v:1", lambda: pytest.fail("was computed again"))["mean"] == 0.25
    with pytest.raises(AudioError, match="gone"):
        later.open()
