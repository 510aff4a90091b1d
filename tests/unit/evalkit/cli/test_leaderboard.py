"""The command: runs, baselines and submissions become one site; what is wrong is said before anything is written."""

import json

import pytest
from typer.testing import CliRunner

from evalkit import runfolder
from evalkit.baseline import save_baseline
from evalkit.cli.app import app
from evalkit.store import EvaluatorInfo, RunInfo, SuiteInfo, SystemInfo
from evalkit.types import Metric, Prompt, Score, Song

SIGNATURE = "wer|v:1"


@pytest.fixture
def make_folder(tmp_path):
    def make(name, level):
        metric = Metric(name="wer", title="Word error rate", unit="", direction="lower", source="x", headline=True)
        prompts = tuple(Prompt(id=f"p{k:02d}", language="en") for k in range(24))
        info = RunInfo(
            run_id=f"run-{name}", created="2026-11-01T00:00:00Z", status="complete", command="", prompts=prompts,
            suite=SuiteInfo(name="s", version="1", sha256="ab" * 32, licence="MIT", n_prompts=24),
            systems=(SystemInfo(name=name, spec=name, title=name),),
            evaluators=(EvaluatorInfo(name="l", version="1", metrics=(metric,), signatures={"wer": SIGNATURE}),),
        )  # fmt: skip
        with runfolder.RunWriter(tmp_path / name, info) as writer:
            for k, prompt in enumerate(prompts):
                song = Song(prompt_id=prompt.id, system=name, take=0, seed=0, status="ok")
                writer.add_song(song)
                writer.add_scores([Score(song_id=song.id, evaluator="l", metric="wer", value=level + 0.01 * (k % 4),
                                         status="ok", signature=SIGNATURE)])  # fmt: skip
        (tmp_path / name / "report.html").write_text("<p>report</p>")
        return tmp_path / name

    return make


@pytest.fixture
def sent(tmp_path):
    values = [{"prompt": f"p{k:02d}", "language": "en", "value": 0.3} for k in range(24)]
    raw = {
        "format": "evalkit-submission", "schema_version": 1, "created": "2026-11-02T00:00:00Z", "takes": 1,
        "system": {"name": "theirs", "version": "2", "licence": "proprietary"},
        "suite": {"name": "s", "version": "1", "sha256": "ab" * 32}, "made": "Measured at home.",
        "metrics": [{"name": "wer", "signature": SIGNATURE, "direction": "lower", "headline": True,
                     "title": "Word error rate", "values": values}],
    }  # fmt: skip
    path = tmp_path / "theirs.json"
    path.write_text(json.dumps(raw))
    return path


def invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_runs_baselines_and_submissions_share_a_board(make_folder, sent, tmp_path):
    old = make_folder("old", 0.5)
    save_baseline(runfolder.load(old), tmp_path / "old.evalkit")
    result = invoke(
        "leaderboard", make_folder("new", 0.1), tmp_path / "old.evalkit", sent, "--out", tmp_path / "site", "--json"
    )
    answer = json.loads(result.stdout)
    assert (answer["boards"], answer["systems"], answer["entries"]) == (1, 3, 3)
    content = json.loads((tmp_path / "site" / "leaderboard.json").read_text())
    order = [(row["system"], row["tiers"]) for row in content["boards"][0]["metrics"][0]["systems"]]
    assert order == [("new", "1"), ("theirs", "2"), ("old", "3")]
    index = (tmp_path / "site" / "index.html").read_text()
    assert "self-reported" in index
    assert "../new/report.html" in index, "cells lead to the run's report"
    assert "Published elsewhere, other protocol" in index
    before = {p: p.read_bytes() for p in (tmp_path / "site").rglob("*") if p.is_file()}
    invoke("leaderboard", sent, tmp_path / "old.evalkit", tmp_path / "new", "--out", tmp_path / "site")
    assert before == {p: p.read_bytes() for p in (tmp_path / "site").rglob("*") if p.is_file()}


def test_a_submission_is_validated_on_its_own_and_before_a_site_is_written(sent, tmp_path):
    assert invoke("validate", sent).exit_code == 0
    raw = json.loads(sent.read_text())
    raw["metrics"][0]["values"][0]["value"] = None
    sent.write_text(json.dumps(raw))
    result = invoke("validate", sent)
    assert result.exit_code == 2
    assert "metrics[0].values[0].status" in result.output
    refused = invoke("leaderboard", sent, "--out", tmp_path / "site")
    assert "metrics[0].values[0].status" in str(refused.exception)
    assert not (tmp_path / "site").exists()


def test_a_missing_run_is_said_before_anything_is_read(tmp_path):
    assert "no run or file" in str(invoke("leaderboard", tmp_path / "x", "--out", tmp_path / "site").exception)
