"""The command: every format, to a file and to standard output."""

import io

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from evalkit import runfolder
from evalkit.cli.app import app
from evalkit.store import EvaluatorInfo, RunInfo, SuiteInfo, SystemInfo
from evalkit.types import Metric, Prompt, Score, Song


@pytest.fixture
def folder(tmp_path):
    metric = Metric(name="wer", title="Word error rate", unit="", direction="lower", source="x", headline=True)
    prompts = tuple(Prompt(id=f"p{k}", language="en") for k in range(3))
    info = RunInfo(
        run_id="r", created="2026-11-01T00:00:00Z", status="complete", command="", prompts=prompts,
        suite=SuiteInfo(name="s", version="1", sha256="aa", licence="MIT", n_prompts=3),
        systems=(SystemInfo(name="singer", spec="singer", title="Singer"),),
        evaluators=(EvaluatorInfo(name="lyrics", version="1", metrics=(metric,), signatures={"wer": "wer|v:1"}),),
    )  # fmt: skip
    with runfolder.RunWriter(tmp_path / "run", info) as writer:
        for k, prompt in enumerate(prompts):
            song = Song(prompt_id=prompt.id, system="singer", take=0, seed=0, status="ok")
            writer.add_song(song)
            writer.add_scores([Score(song_id=song.id, evaluator="lyrics", metric="wer", value=0.25 * k, status="ok",
                                     signature="wer|v:1")])  # fmt: skip
    return tmp_path / "run"


def invoke(*arguments):
    return CliRunner().invoke(app, ["export", *map(str, arguments)])


def test_every_format(folder, tmp_path):
    assert list(pd.read_csv(io.StringIO(invoke(folder, "--format", "csv").stdout)).value) == [0.0, 0.25, 0.5]
    assert "| Word error rate ↓ |" in invoke(folder, "--format", "markdown").stdout
    assert r"Word error rate $\downarrow$ & 0.25" in invoke(folder, "--format", "latex").stdout
    card = yaml.safe_load(invoke(folder, "--format", "model-index").stdout)
    assert card["model-index"][0]["results"][0]["metrics"][0]["value"] == 0.25
    result = invoke(folder, "--format", "parquet", "--out", tmp_path / "s.parquet")
    assert result.exit_code == 0
    assert list(pd.read_parquet(tmp_path / "s.parquet").value) == [0.0, 0.25, 0.5]


def test_parquet_needs_a_file(folder):
    assert "Parquet is no text" in str(invoke(folder, "--format", "parquet").exception)
    assert invoke(folder, "--format", "excel").exit_code == 2
