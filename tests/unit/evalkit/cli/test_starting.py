"""``evalkit init``, ``doctor`` and completion."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import benchmarks.loader
from evalkit import profile
from evalkit.cli import doctor
from evalkit.cli.starting import FILES, init
from evalkit.errors import ConfigError
from evalkit.evaluators.base import EVALUATORS
from evalkit.gate import rules


def test_what_init_writes_is_valid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    init(tmp_path / "new")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(FILES)
    assert benchmarks.loader.check(str(tmp_path / "new" / "suite.yaml")) == []
    assert len(benchmarks.loader.load(str(tmp_path / "new" / "suite.yaml")).prompts) == 2
    chosen = profile.load(str(tmp_path / "new" / "profile.yaml"))
    for name, options in chosen.evaluators.items():
        EVALUATORS.get(name)(options, lambda model: tmp_path)  # unknown options are refused
    asked = rules.load(tmp_path / "new" / "gates.toml")
    known = {metric.name for name in chosen.evaluators for metric in EVALUATORS.get(name).metrics}
    assert {rule.metric for rule in asked.rules} <= known
    assert "evalkit run --suite" in capsys.readouterr().out


def test_init_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "gates.toml").write_text("mine")
    with pytest.raises(ConfigError, match=r"already holds gates\.toml"):
        init(tmp_path)
    assert (tmp_path / "gates.toml").read_text() == "mine"
    assert not (tmp_path / "suite.yaml").exists()


def test_doctor_has_a_line_for_everything(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path / "empty"))
    monkeypatch.setenv("EVALKIT_MODELS", "")
    rows = {row["item"]: row for row in doctor.examine()}
    assert rows["packages"]["state"] == "ready"
    for name in profile.names():
        assert rows[f"profile {name}"]["state"] == "missing"
    remedy = rows["profile embedded"]["remedy"]
    assert remedy.startswith("evalkit models pull whisper-base")
    assert "MB)" in remedy
    assert rows["system tone"]["state"] == "ready"
    assert rows["system singer"]["state"] == "missing"
    assert all(row["remedy"] for row in rows.values() if row["state"] != "ready")


def test_doctor_names_a_missing_package_and_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: None if name in ("jiwer", "demucs") else real(name))
    rows = {row["item"]: row for row in doctor.examine()}
    assert rows["package jiwer"]["state"] == "broken"
    assert "packages" not in rows
    assert rows["extra prompt-audio"]["remedy"] == "pip install 'music-evalkit[prompt-audio]'"


def test_the_shell_completes_commands_and_names() -> None:
    def offered(words: str) -> list[str]:
        environment = {
            **os.environ,
            "_EVALKIT_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split(" ")) - 1),
        }
        command = [sys.executable, "-m", "evalkit"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout.split()

    assert "doctor" in offered("evalkit do")
    assert offered("evalkit run --suite mul") == ["multilingual"]
    assert offered("evalkit run --system to") == ["tone"]
