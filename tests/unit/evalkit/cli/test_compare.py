"""The command: table, JSON, files, refusals."""

import json

import pytest
from typer.testing import CliRunner

from evalkit import runfolder
from evalkit.cli.app import app
from evalkit.errors import ConfigError
from evalkit.store import EvaluatorInfo, RunInfo, SuiteInfo, SystemInfo
from evalkit.types import Metric, Prompt, Score, Song

METRIC = Metric(
    name="wer", title="Word error rate", unit="", direction="lower", source="x", as_percent=True, headline=True
)


@pytest.fixture
def make_folder(tmp_path):
    def make(name, level, *, signature="s1", sha256="aa", systems=("singer",)):
        prompts = tuple(Prompt(id=f"p{k:02d}", language="en") for k in range(30))
        info = RunInfo(
            run_id=name, created="2026-11-01T00:00:00Z", status="complete", command="",
            suite=SuiteInfo(name="s", version="1", sha256=sha256, licence="MIT", n_prompts=30),
            systems=tuple(SystemInfo(name=s, spec=s, title=s) for s in systems),
            evaluators=(EvaluatorInfo(name="lyrics", version="1", metrics=(METRIC,), signatures={"wer": signature}),),
            prompts=prompts,
        )  # fmt: skip
        with runfolder.RunWriter(tmp_path / name, info) as writer:
            for number, system in enumerate(systems):
                for k, prompt in enumerate(prompts):
                    song = Song(prompt_id=prompt.id, system=system, take=0, seed=0, status="ok")
                    writer.add_song(song)
                    value = level + 0.1 * number + 0.01 * (k % 5)
                    writer.add_scores(
                        [Score(song_id=song.id, evaluator="lyrics", metric="wer", value=value, status="ok",
                               signature=signature)]
                    )  # fmt: skip
        return tmp_path / name

    return make


def invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_table_files_and_link(make_folder):
    new, old = make_folder("new", 0.1), make_folder("old", 0.2)
    result = invoke("compare", new, old)
    assert result.exit_code == 0, result.output
    assert "Better" in result.output
    assert "−10.0\u00a0points" in result.output
    assert result.output.rstrip().endswith((new / "compare.html").resolve().as_uri())
    assert {path.name for path in new.iterdir()} >= {"compare.html", "compare.md", "compare.csv", "compare.json"}


def test_json_holds_every_row(make_folder, tmp_path):
    new, old = make_folder("new", 0.1, systems=("singer", "tone")), make_folder("old", 0.2)
    result = invoke("compare", new, old, "--system", "singer", "--reference", "tone", "--reference", "singer",
                    "--out", tmp_path / "out", "--json")  # fmt: skip
    answer = json.loads(result.stdout)
    assert [(one["run"], one["system"]) for one in answer["opponents"]] == [("new", "tone"), ("old", "singer")]
    assert [row["verdict"] for row in answer["rows"]] == ["better", "better"]
    assert answer["rows"][1]["difference"] == pytest.approx(-0.1)
    assert (tmp_path / "out" / "compare.html").is_file()


def test_unequal_signatures_are_marked_and_different_suites_refused(make_folder):
    new = make_folder("new", 0.1)
    result = invoke("compare", new, make_folder("other", 0.2, signature="s2"))
    assert "Not comparable" in result.output
    assert "Better" not in result.output
    found = invoke("compare", new, make_folder("suite", 0.2, sha256="bb"))
    assert isinstance(found.exception, ConfigError)
    assert "different suites" in str(found.exception)
    allowed = invoke("compare", new, make_folder("suite2", 0.2, sha256="bb"), "--allow-mismatch")
    assert allowed.exit_code == 0
    assert "Different suites" in allowed.output


def test_missing_runs_and_metrics_are_answered(make_folder, tmp_path):
    new, old = make_folder("new", 0.1), make_folder("old", 0.1)
    assert "no run folder or baseline file" in str(invoke("compare", new, tmp_path / "nowhere").exception)
    assert "a metric 'wre'" in str(invoke("compare", new, old, "--metric", "wre").exception)
    assert "holds nothing but 'singer'" in str(invoke("compare", new).exception)
