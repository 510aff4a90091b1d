"""The installed command line, from a suite to a report, with the system that needs no model."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

SUITE = """
name: tiny
version: "1"
licence: MIT
prompts:
""" + "".join(
    f"""
  - id: p{number}
    language: {language}
    duration_s: 6
    tags: {{gender: female, genre: pop}}
    lyrics: |
      [verse]
      Nothing is sung here
"""
    for number, language in enumerate(["en", "de", "en", "fr"])
)
PROFILE = "name: technical only\nevaluators:\n  technical: {}\n"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "tiny.yaml").write_text(SUITE)
    (tmp_path / "technical.yaml").write_text(PROFILE)
    return tmp_path


def evalkit(place: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "evalkit", *arguments],
        cwd=place,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


RUN = ("run", "--suite", "tiny.yaml", "--system", "tone", "--profile", "technical.yaml")


def scores_of(run: Path) -> dict[tuple[str, str], object]:
    rows = [json.loads(line) for line in (run / "scores.jsonl").read_text().splitlines()]
    return {
        (row["song_id"], row["metric"]): (row["value"], row["status"], row["signature"], row["details"]) for row in rows
    }


def test_run_ends_with_a_report_and_tells_the_truth(place: Path) -> None:
    done = evalkit(place, *RUN, "--out", "run", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["status"], answer["songs"], answer["failed_songs"]) == ("complete", 4, 0)
    run = place / "run"
    assert answer["url"] == (run / "report.html").resolve().as_uri()
    assert {path.name for path in run.iterdir()} >= {
        "run.json", "songs.jsonl", "scores.jsonl", "report.html", "report.md", "scores.csv", "scores.parquet", "audio",
    }  # fmt: skip
    info = json.loads((run / "run.json").read_text())
    assert info["status"] == "complete"
    assert info["timings"]["generate"]["audio_s"] == pytest.approx(24)
    assert info["environment"]["packages"]["numpy"] == np.__version__
    with (run / "scores.csv").open(newline="") as file:
        assert len({(row["song_id"], row["metric"]) for row in csv.DictReader(file)}) == len(scores_of(run))


def test_stages_alone_equal_run_and_a_second_evaluate_does_nothing(place: Path) -> None:
    assert evalkit(place, *RUN, "--out", "whole").returncode == 0
    made = evalkit(place, "generate", "--suite", "tiny.yaml", "--system", "tone", "--out", "stages")
    assert made.returncode == 0, made.stderr
    assert "evalkit evaluate stages" in made.stdout
    assert not (place / "stages" / "report.html").exists()
    assert evalkit(place, "evaluate", "stages", "--profile", "technical.yaml").returncode == 0
    assert evalkit(place, "report", "stages").stdout.strip().endswith("stages/report.html")
    assert scores_of(place / "stages") == scores_of(place / "whole")
    before = (place / "stages" / "scores.jsonl").read_bytes()
    again = evalkit(place, "evaluate", "stages")
    assert again.returncode == 0
    assert "scored already" in again.stderr
    assert (place / "stages" / "scores.jsonl").read_bytes() == before


def test_ten_kills_at_random_moments_change_nothing(place: Path) -> None:
    """SIGKILL of the whole run, wherever it may be; each time it is resumed."""
    began = time.monotonic()
    assert evalkit(place, *RUN, "--takes", "3", "--out", "whole").returncode == 0
    whole_s = time.monotonic() - began
    rng = np.random.default_rng(20261122)
    command = [sys.executable, "-m", "evalkit", *RUN, "--takes", "3", "--out", "killed", "--workers", "2"]
    moments = rng.uniform(0.1, 0.7, size=10) * whole_s
    kills = 0
    for moment in moments:
        process = subprocess.Popen(command, cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(timeout=moment)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
        if (place / "killed" / "run.json").exists():
            command = [sys.executable, "-m", "evalkit", "run", "--resume", "killed", "--workers", "2"]
    assert kills >= 3
    time.sleep(1.0)  # orphaned workers notice and end
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert scores_of(place / "killed") == scores_of(place / "whole")
    songs = [json.loads(line)["prompt_id"] for line in (place / "killed" / "songs.jsonl").read_text().splitlines()]
    assert len(songs) == 12, "no song is made twice"
    assert not list((place / "killed").rglob("*.partial"))


def test_ctrl_c_prints_the_line_that_resumes(place: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "evalkit", *RUN, "--takes", "40", "--out", "run"],
        cwd=place,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    songs = place / "run" / "songs.jsonl"
    while time.monotonic() < deadline and not (songs.exists() and songs.stat().st_size):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Continue with: evalkit run --resume run" in stderr
    assert "Traceback" not in stderr
    assert evalkit(place, "validate", "tiny.yaml").returncode == 0


def test_a_bad_file_among_good_ones(place: Path, tmp_path: Path) -> None:
    folder = tmp_path / "songs"
    folder.mkdir()
    time_s = np.arange(6 * 44_100) / 44_100
    soundfile.write(folder / "p0.wav", 0.3 * np.sin(440 * 2 * np.pi * time_s), 44_100)
    soundfile.write(folder / "p1.wav", np.zeros(6 * 44_100), 44_100)
    (folder / "p2.wav").write_bytes(b"this is no audio")
    done = evalkit(place, *RUN[:3], "--system", f"outside={folder}", *RUN[5:], "--out", "run")
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "outside/p2.take0 failed: p2.wav is not an audio file" in done.stderr
    assert "outside/p3.take0 failed: No song for prompt p3" in done.stderr
    status = {(key[0], value[1]) for key, value in scores_of(place / "run").items() if key[1] == "lufs_i"}
    assert status == {
        ("outside/p0.take0", "ok"),
        ("outside/p1.take0", "not_applicable"),
        ("outside/p2.take0", "missing_audio"),
        ("outside/p3.take0", "missing_audio"),
    }


def test_a_song_that_is_made_after_all_is_scored_on_resume(place: Path, tmp_path: Path) -> None:
    folder = tmp_path / "songs"
    folder.mkdir()
    tone = 0.3 * np.sin(440 * 2 * np.pi * np.arange(6 * 44_100) / 44_100)
    for number in range(3):
        soundfile.write(folder / f"p{number}.wav", tone, 44_100)
    assert evalkit(place, *RUN[:3], "--system", f"outside={folder}", *RUN[5:], "--out", "run").returncode == 1
    assert scores_of(place / "run")["outside/p3.take0", "lufs_i"][1] == "missing_audio"  # type: ignore[index]
    soundfile.write(folder / "p3.wav", tone, 44_100)
    done = evalkit(place, "run", "--resume", "run", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "complete"
    assert scores_of(place / "run")["outside/p3.take0", "lufs_i"][1] == "ok"  # type: ignore[index]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("run",), "--suite is missing"),
        (("run", "--suite", "nowhere"), "Available: "),
        (("run", "--suite", "tiny.yaml", "--system", "tonne"), "Did you mean 'tone'"),
        (("run", "--suite", "tiny.yaml", "--system", "tone", "--profile", "none"), "Unknown profile"),
        (("run", "--suite", "tiny.yaml", "--system", "tone", "--takes", "0"), "--takes is 0"),
        (("run", "--resume", "nowhere"), "is not a run folder"),
        (("evaluate", "."), "is not a run folder"),
        (("report", "nowhere"), "is not a run folder"),
        (("list", "songs"), "There is no list of 'songs'"),
        (("models", "pull", "whisper-bass"), "Did you mean 'whisper-base'"),
        (("run", "--suite"), "requires an argument"),
        (("fly",), "No such command"),
    ],
)
def test_usage_errors_are_sentences_with_exit_code_2(place: Path, arguments: tuple[str, ...], sentence: str) -> None:
    done = evalkit(place, *arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not (place / "runs").exists()


def test_a_missing_model_is_said_and_the_run_goes_on(place: Path) -> None:
    (place / "lyrics.yaml").write_text("name: l\nevaluators:\n  lyrics: {}\n  technical: {}\n")
    offline = {"EVALKIT_CACHE": str(place / "empty"), "EVALKIT_OFFLINE": "1", "EVALKIT_MODELS": ""}
    done = evalkit(
        place, "run", "--suite", "tiny.yaml", "--system", "tone", "--profile", "lyrics.yaml", "--out", "run", **offline
    )
    assert done.returncode == 0, done.stderr
    rows = scores_of(place / "run")
    assert rows["tone/p0.take0", "wer"][1] == "missing_model"  # type: ignore[index]
    assert rows["tone/p0.take0", "lufs_i"][1] == "ok"  # type: ignore[index]
    assert "evalkit models pull whisper-base" in (place / "run" / "scores.jsonl").read_text()
    sung = evalkit(place, "run", "--suite", "tiny.yaml", "--out", "sung", **offline)
    assert sung.returncode == 2
    assert "evalkit models pull" in sung.stderr


def test_lists_and_doctor(place: Path) -> None:
    for what in ("suites", "systems", "evaluators", "models", "profiles"):
        rows = json.loads(evalkit(place, "list", what, "--json").stdout)
        assert rows
        assert all(row["name"] for row in rows)
    assert "multilingual" in evalkit(place, "list", "suites").stdout
    rows = json.loads(evalkit(place, "doctor", "--json").stdout)
    assert {row["state"] for row in rows} <= {"ready", "partly", "missing", "damaged", "broken"}


def test_help_and_version_import_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['evalkit', '--help']\n"
        "from evalkit.cli import main; main()\n"
        "heavy = {'torch', 'pandas', 'scipy', 'faster_whisper', 'transformers', 'onnxruntime'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    version = subprocess.run([sys.executable, "-m", "evalkit", "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.startswith("evalkit ")


def test_a_stranger_called_generation_is_noticed(place: Path) -> None:
    (place / "generation").mkdir()
    (place / "generation" / "__init__.py").write_text("")
    done = evalkit(place, "list", "suites")
    assert done.returncode == 2
    assert "The package 'generation' is loaded from" in done.stderr


def test_human_recordings_are_a_run_of_a_folder_and_stay_beside_the_report(place: Path) -> None:
    assert evalkit(place, *RUN, "--out", "run").returncode == 0
    folder = ("run", "--suite", "tiny.yaml", "--system", "human=run/audio/tone", "--profile", "technical.yaml")
    assert evalkit(place, *folder, "--out", "human").returncode == 0
    done = evalkit(place, "report", "run", "--human", "human")
    assert done.returncode == 0, done.stderr
    page = (place / "run" / "report.html").read_text()
    assert "Human recordings, measured the same way" in page
    # It is the run's from now on: the recordings' own folder is not needed again.
    (place / "human").rename(place / "elsewhere")
    assert evalkit(place, "report", "run").returncode == 0
    assert (place / "run" / "report.html").read_text() == page
    wrong = evalkit(place, "report", "run", "--human", "nowhere")
    assert wrong.returncode == 2
    assert "There is no run folder or baseline file nowhere." in wrong.stderr
