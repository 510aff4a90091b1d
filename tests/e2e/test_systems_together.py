"""Several systems in one run: references of every kind, and calibration systems beside them."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from evalkit.audio import save_flac
from evalkit.types import Audio

SUITE = """
name: tiny
version: "1"
licence: MIT
prompts:
""" + "".join(
    f"""
  - id: {language}-{number}
    language: {language}
    duration_s: 6
    tags: {{gender: female, genre: pop}}
    lyrics: |
      [verse]
      {line}
"""
    for language, number, line in (
        ("en", 1, "Silver rain along the harbour wall"),
        ("en", 2, "Paper boats are sailing down the street"),
        ("es", 1, "La noche cae sobre la ciudad"),
    )
)
PROGRAM = """
import sys, numpy as np, soundfile
out, seed = sys.argv[1], int(sys.argv[2])
noise = np.random.default_rng(seed).standard_normal((6 * 16000, 1)) * 0.1
soundfile.write(out, noise, 16000)
"""


def evalkit(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "evalkit", *arguments],
        cwd=place,
        env={**os.environ, "EVALKIT_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=1000,
    )


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "tiny.yaml").write_text(SUITE)
    (tmp_path / "technical.yaml").write_text("name: technical only\nevaluators:\n  technical: {}\n")
    (tmp_path / "noise.py").write_text(PROGRAM)
    return tmp_path


RUN = ("run", "--suite", "tiny.yaml", "--profile", "technical.yaml", "--out", "run")


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_references_of_every_kind_sing_the_same_takes_with_the_same_seeds(
    place: Path, make_sine: Callable[..., Audio]
) -> None:
    assert (
        evalkit(
            place, "template", "--suite", "tiny.yaml", "--out", "elsewhere", "--takes", "2", "--limit", "1"
        ).returncode
        == 0
    )
    with (place / "elsewhere" / "manifest.csv").open(encoding="utf-8-sig", newline="") as file:
        for place_in_list, row in enumerate(csv.DictReader(file)):
            save_flac(make_sine(110.0 * (place_in_list + 1), 6.0), place / "elsewhere" / f"{row['prompt_id']}.flac")
            audio = place / "elsewhere" / f"{row['prompt_id']}.flac"
            audio.rename(place / "elsewhere" / row["file"])  # what is in a .wav is looked at, not its name
    assert evalkit(place, "validate", "elsewhere").returncode == 0
    done = evalkit(
        place, *RUN, "--takes", "2", "--limit", "1", "--seed", "7", "--system", "tone",
        "--reference", "bought=elsewhere",
        "--reference", f"program=cmd:{sys.executable} noise.py {{out}} {{seed}}",
        "--reference", "songgeneration2/tiny-random",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    info = json.loads((place / "run" / "run.json").read_text())
    assert {system["name"]: system["reference"] for system in info["systems"]} == {
        "tone": False, "bought": True, "program": True, "songgeneration2/tiny-random": True,
    }  # fmt: skip
    songs = lines(place / "run" / "songs.jsonl")
    assert len(songs) == 4 * 2
    seeds: dict[tuple[object, object], set[object]] = {}
    for song in songs:
        assert song["status"] == "ok", song["reason"]
        seeds.setdefault((song["prompt_id"], song["take"]), set()).add(song["seed"])
    assert all(len(found) == 1 for found in seeds.values()), "the same seed for every system"
    assert len(set.union(*seeds.values())) == 2, "another for every song"
    gate = evalkit(place, "gate", "run", "--baseline", "run", "--baseline-system", "program", "--json")
    assert json.loads(gate.stdout)["candidate_system"] == "tone", "references are not the candidate"


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_calibration_systems_stand_beside_and_are_neither_judged_nor_ranked(
    place: Path, model_dir: Callable[[str], Path]
) -> None:
    model_dir("kokoro")
    done = evalkit(place, *RUN, "--system", "tone", "--calibrate")
    assert done.returncode == 0, done.stderr
    info = json.loads((place / "run" / "run.json").read_text())
    assert {system["name"]: system["calibration"] for system in info["systems"]} == {
        "tone": "", "spoken": "ceiling", "another-lyric": "floor", "silence": "floor", "noise": "floor",
    }  # fmt: skip
    songs = lines(place / "run" / "songs.jsonl")
    assert len(songs) == 15
    swapped = {song["prompt_id"]: song["params"]["lyrics_of"] for song in songs if song["system"] == "another-lyric"}  # type: ignore[index]
    assert swapped == {"en-1": "en-2", "en-2": "en-1", "es-1": "en-1"}
    gate = json.loads(evalkit(place, "gate", "run", "--baseline", "run", "--json").stdout)
    assert gate["candidate_system"] == gate["baseline_system"] == "tone"
    refused = evalkit(place, "gate", "run", "--baseline", "run", "--system", "silence")
    assert refused.returncode == 2
    assert "has no system 'silence'" in refused.stderr
    assert evalkit(place, "leaderboard", "run", "--out", "site").returncode == 0
    board = json.loads((place / "site" / "leaderboard.json").read_text())
    systems = {row["system"] for found in board["boards"] for metric in found["metrics"] for row in metric["systems"]}
    assert systems == {"tone"}
    summary = (place / "run" / "report.md").read_text()
    assert "tiny 1: tone" in summary.splitlines()[0]
    assert "| Metric | spoken | another-lyric | silence | noise |" in summary
    resumed = evalkit(place, "run", "--resume", "run")
    assert resumed.returncode == 0
    assert len(lines(place / "run" / "songs.jsonl")) == 15
