"""The command: who is told, and what happens if a tracker refuses."""

import json

import pytest
from typer.testing import CliRunner

from evalkit import runfolder
from evalkit.cli import log
from evalkit.cli.app import app
from evalkit.cli.display import Display
from evalkit.errors import MissingDependencyError, StoreError
from evalkit.loggers import LOGGERS
from evalkit.store import RunInfo, SuiteInfo, SystemInfo
from evalkit.types import Prompt


class Fake:
    def __init__(self, error=None, absent=False):
        self.error, self.absent, self.told = error, absent, []

    def check(self):
        if self.absent:
            raise MissingDependencyError("It is not there.")

    def log(self, entries, project, where):
        if self.error:
            raise self.error
        self.told.append(([entry.system for entry in entries], project, where))
        return [f"at-{entry.system}" for entry in entries]


@pytest.fixture
def tracker(monkeypatch):
    def use(**options):
        fake = Fake(**options)
        monkeypatch.setattr(LOGGERS, "get", lambda name: fake)
        return fake

    return use


@pytest.fixture
def folder(tmp_path):
    info = RunInfo(
        run_id="r", created="2026-11-01T00:00:00Z", status="complete", command="",
        prompts=(Prompt(id="p", language="en"),),
        suite=SuiteInfo(name="smoke", version="1", sha256="aa", licence="MIT", n_prompts=1),
        systems=(SystemInfo(name="singer", spec="singer", title="Singer"),),
    )  # fmt: skip
    with runfolder.RunWriter(tmp_path / "run", info):
        return tmp_path / "run"


def test_a_run_is_told(tracker, folder):
    fake = tracker()
    result = CliRunner().invoke(app, ["log", str(folder), "--to", "mlflow", "--where", "sqlite:///x", "--json"])
    assert json.loads(result.stdout) == {"logger": "mlflow", "entries": {"singer": "at-singer"}}
    assert fake.told == [(["singer"], "evalkit-smoke", "sqlite:///x")]


def test_unknown_and_absent_trackers_stop_a_run_before_it_starts(tracker, tmp_path):
    result = CliRunner().invoke(app, ["run", "--suite", "smoke", "--log", "mlfow", "--out", str(tmp_path / "x")])
    assert "Did you mean 'mlflow'" in str(result.exception)
    tracker(absent=True)
    result = CliRunner().invoke(app, ["run", "--suite", "smoke", "--log", "mlflow", "--out", str(tmp_path / "x")])
    assert isinstance(result.exception, MissingDependencyError)
    assert not (tmp_path / "x").exists()


def test_a_tracker_that_refuses_takes_nothing_from_the_run(tracker, folder, capsys):
    tracker(error=StoreError("MLflow refused: no."))
    assert not log.tell(folder, ["mlflow"], Display())
    assert "evalkit log" in capsys.readouterr().err
    tracker()
    assert log.tell(folder, ["mlflow"], Display(quiet=True))
    assert log.tell(folder, [], Display(quiet=True))
