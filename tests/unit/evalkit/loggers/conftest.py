"""A small finished run on disk: two systems, two languages, one metric with a missing value."""

from pathlib import Path

import pytest

from evalkit import runfolder
from evalkit.store import EvaluatorInfo, ModelInfo, RunData, RunInfo, SuiteInfo, SystemInfo
from evalkit.types import Metric, Prompt, Score, SetScore, Song

METRIC = Metric(name="wer", title="Word error rate", unit="", direction="lower", source="x", headline=True)


@pytest.fixture
def run(tmp_path: Path) -> RunData:
    prompts = tuple(Prompt(id=f"p{k}", language=("en", "pt-BR")[k % 2]) for k in range(8))
    info = RunInfo(
        run_id="it's a 'run'", created="2026-11-01T00:00:00Z", status="complete", command="", prompts=prompts, seed=7,
        suite=SuiteInfo(name="smoke", version="1", sha256="aa" * 32, licence="MIT", n_prompts=8),
        systems=(
            SystemInfo(name="singer", spec="singer", title="Singer", models=("voice",)),
            SystemInfo(name="tone", spec="tone", title="Tone", reference=True),
        ),
        models=(ModelInfo(name="voice", licence="MIT", source="x", sha256="bb" * 32),),
        evaluators=(EvaluatorInfo(name="lyrics", version="1", metrics=(METRIC,), signatures={"wer": "wer|v:1"}),),
        environment={"git_commit": "abc", "git_dirty": False},
    )  # fmt: skip
    folder = tmp_path / "run"
    with runfolder.RunWriter(folder, info) as writer:
        for system in ("singer", "tone"):
            for k, prompt in enumerate(prompts):
                song = Song(prompt_id=prompt.id, system=system, take=0, seed=0, status="ok")
                writer.add_song(song)
                missing = system == "singer" and k == 7
                writer.add_scores([
                    Score(song_id=song.id, evaluator="lyrics", metric="wer", value=None if missing else 0.1 * k,
                          status="failed" if missing else "ok", reason="no" if missing else "", signature="wer|v:1")
                ])  # fmt: skip
        writer.write_set_scores([
            SetScore(system="singer", group="all", evaluator="fad", metric="fad", value=2.5, n=8, status="ok",
                     signature="fad|v:1")
        ])  # fmt: skip
    (folder / "report.html").write_text("<p>report</p>")
    return runfolder.load(folder)
