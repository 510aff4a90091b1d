"""The gate on real songs: the singer against itself passes, the singer with slips of the tongue does not."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
import yaml

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.models, pytest.mark.timeout(3600)]

LANGUAGES = ("en", "es")
RULES = """
[[rule]]
metric = "per"
margin = 0.02

[[rule]]
metric = "no_vocals_rate"
max = 0.02
"""


def evalkit(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "EVALKIT_OFFLINE": "1", "GITHUB_ACTIONS": "false"}
    command = [sys.executable, "-m", "evalkit", *arguments]
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with seed 1, one with seed 2, and one with slips and seed 2, on eight songs."""
    keep = os.environ.get("EVALKIT_KEEP_RUNS")
    place = Path(keep) if keep else tmp_path_factory.mktemp("songs")
    suite = yaml.safe_load(files("benchmarks.suites").joinpath("multilingual.yaml").read_text("utf-8"))
    suite["prompts"] = [prompt for prompt in suite["prompts"] if prompt["language"] in LANGUAGES]
    (place / "eight.yaml").write_text(yaml.safe_dump(suite, allow_unicode=True), "utf-8")
    (place / "words.yaml").write_text("name: words\nevaluators:\n  lyrics: {}\n")
    (place / "gates.toml").write_text(RULES)
    for name, system, seed in (("old", "singer", "1"), ("new", "singer", "2"), ("worse", "singer/mispronounced", "2")):
        if (place / name).exists():
            continue
        done = evalkit(
            place, "run", "--suite", "eight.yaml", "--system", system, "--seed", seed, "--profile", "words.yaml",
            "--out", name,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    for name in ("old", "new"):
        assert evalkit(place, "baseline", "save", name, "--out", f"{name}.evalkit").returncode == 0
    return place


@pytest.fixture(autouse=True)
def _models(model_dir: Callable[[str], Path]) -> None:
    for name in ("whisper-base", "kokoro", "gm-soundfont"):
        model_dir(name)


def gate(place: Path, candidate: str, baseline: str) -> tuple[int, dict[str, dict[str, object]]]:
    done = evalkit(place, "gate", candidate, "--baseline", baseline, "--rules", "gates.toml", "--json")
    answer = json.loads(done.stdout)
    print(answer["conclusion"], *(check["reason"] for check in answer["checks"]), sep="\n")
    return done.returncode, {check["id"]: check for check in answer["checks"]}


def test_the_singer_with_another_seed_passes(runs: Path) -> None:
    code, checks = gate(runs, "new", "old.evalkit")
    assert checks["per"]["n"] == 8
    assert code == 0
    assert checks["per"]["verdict"] != "fail"


def test_the_singer_with_every_sixth_word_mispronounced_fails(runs: Path) -> None:
    """Against itself with the same seed: nothing but the slips differs."""
    code, checks = gate(runs, "worse", "new.evalkit")
    assert (code, checks["per"]["verdict"]) == (1, "fail")
