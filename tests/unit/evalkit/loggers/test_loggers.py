"""What a tracker is told, and a real store that keeps it."""

import doctest
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from evalkit.errors import ConfigError, MissingDependencyError, StoreError
from evalkit.loggers import LOGGERS, base
from evalkit.loggers.base import default_project, make_entries


def test_examples_in_the_docstrings():
    assert doctest.testmod(base).failed == 0


def test_loggers_are_found_by_name():
    assert LOGGERS.names() == ["mlflow", "wandb"]
    with pytest.raises(ConfigError, match="Did you mean 'mlflow'"):
        LOGGERS.get("mlfow")


def test_an_entry_holds_aggregates_intervals_and_what_is_missing(run):
    singer, tone = make_entries(run)
    assert singer.metrics["wer"] == pytest.approx(0.3)
    assert singer.metrics["wer/ci_low"] < 0.3 < singer.metrics["wer/ci_high"]
    assert (singer.metrics["wer/prompts"], singer.metrics["wer/without_value"]) == (7, 1)
    assert singer.metrics["wer/en"] == pytest.approx(0.3)
    assert singer.metrics["wer/pt-BR"] == pytest.approx(0.3)
    assert singer.metrics["fad"] == 2.5
    assert singer.signatures == {"wer": "wer|v:1", "fad": "fad|v:1"}
    assert singer.params["model/voice"] == "bb" * 32
    assert singer.params["seed"] == "7"
    assert [path.name for path in singer.files] == ["report.html"]
    assert tone.reference
    assert tone.files == ()
    assert singer.key != tone.key
    assert make_entries(run) == [singer, tone]


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("evalkit.loggers.mlflow", "evalkit.loggers.wandb"):
        monkeypatch.setattr(sys.modules.get(module) or __import__(module, fromlist=["x"]), "find_spec", lambda _: None)


@pytest.mark.parametrize("name", ["mlflow", "wandb"])
def test_an_absent_package_is_named_with_its_extra(absent, name):
    with pytest.raises(MissingDependencyError, match=rf"pip install 'music-evalkit\[{name}\]'"):
        LOGGERS.get(name).check()


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_mlflow_keeps_it_in_a_real_local_store(run, tmp_path, monkeypatch):
    pytest.importorskip("mlflow", reason="MLflow is not installed: pip install 'music-evalkit[mlflow]'")
    pytest.importorskip("sqlalchemy", reason="MLflow's local store needs sqlalchemy")
    from mlflow.tracking import MlflowClient

    monkeypatch.chdir(tmp_path)  # a local store keeps its files beside it
    where = f"sqlite:///{tmp_path}/mlflow.db"
    entries = make_entries(run)
    ids = LOGGERS.get("mlflow").log(entries, default_project(run), where)
    client = MlflowClient(tracking_uri=where)
    experiment = client.get_experiment_by_name("evalkit-smoke")
    for entry, run_id in zip(entries, ids, strict=True):
        kept = client.get_run(run_id)
        assert kept.info.status == "FINISHED"
        assert kept.data.metrics == pytest.approx(entry.metrics)
        assert kept.data.params == {name: value for name, value in entry.params.items()}
        assert kept.data.tags["evalkit.signature.wer"] == "wer|v:1"
        assert kept.data.tags["evalkit.run_id"] == "it's a 'run'"
        assert [file.path for file in client.list_artifacts(run_id)] == [path.name for path in entry.files]
    again = LOGGERS.get("mlflow").log(entries, default_project(run), where)
    assert again == ids, "logging again updates"
    assert len(client.search_runs([experiment.experiment_id])) == 2


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_mlflow_that_cannot_be_reached_is_a_sentence(run, tmp_path):
    pytest.importorskip("mlflow", reason="MLflow is not installed: pip install 'music-evalkit[mlflow]'")
    with pytest.raises(StoreError, match="MLflow refused"):
        LOGGERS.get("mlflow").log(make_entries(run), "x", "nonsense://nowhere")


class FakeRun:
    def __init__(self, options: dict[str, Any]) -> None:
        self.options, self.summary, self.artifacts, self.finished = options, {}, [], False
        self.url, self.dir = None, "folder"

    def log_artifact(self, artifact: Any) -> None:
        self.artifacts.append(artifact)

    def finish(self) -> None:
        self.finished = True


class FakeArtifact:
    def __init__(self, name: str, type: str) -> None:
        self.name, self.type, self.files = name, type, []

    def add_file(self, path: str) -> None:
        self.files.append(Path(path).name)


def test_wandb_is_told_everything_once(run, monkeypatch):
    runs: list[FakeRun] = []
    fake: Any = types.ModuleType("wandb")
    fake.Error = RuntimeError
    fake.Settings = dict
    fake.Artifact = FakeArtifact
    fake.init = lambda **options: runs.append(FakeRun(options)) or runs[-1]
    monkeypatch.setitem(sys.modules, "wandb", fake)
    monkeypatch.setattr("evalkit.loggers.wandb.find_spec", lambda _: object())
    entries = make_entries(run)
    assert LOGGERS.get("wandb").log(entries, "p", "https://wandb.example") == ["folder", "folder"]
    for entry, made in zip(entries, runs, strict=True):
        assert made.finished
        assert made.summary == entry.metrics
        assert made.options["project"] == "p"
        assert made.options["resume"] == "allow"
        assert made.options["config"]["signatures"] == entry.signatures
        assert made.options["settings"]["base_url"] == "https://wandb.example"
    assert [made.options["job_type"] for made in runs] == ["candidate", "reference"]
    assert runs[0].artifacts[0].files == ["report.html"]
    assert runs[1].artifacts == []
    assert runs[0].options["id"] != runs[1].options["id"]


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_wandb_offline_writes_a_folder(run, tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="W&B is not installed: pip install 'music-evalkit[wandb]'")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "data"))
    places = LOGGERS.get("wandb").log(make_entries(run)[:1], "evalkit-smoke", None)
    folder = Path(places[0])
    assert folder.is_relative_to(tmp_path)
    written = next(folder.parent.glob("*.wandb")).read_bytes()
    assert b"wer/ci_low" in written
    assert b"suite_sha256" in written
