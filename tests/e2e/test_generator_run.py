"""The bundled generator with random weights, from the command line: killed, resumed, rendered from kept codes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

REQUESTS = [
    {
        "idx": f"song-{number}",
        "gt_lyric": "[intro-short] ; [verse] Hello there.It is me.",
        "descriptions": "female, pop",
    }
    for number in range(10)
]
SYSTEM = "songgeneration2/tiny-random,max_s=2,mode=mixed"


def evalkit(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "EVALKIT_OFFLINE": "1", "EVALKIT_CACHE": str(place / "no-models")}
    command = [sys.executable, "-m", "evalkit", *arguments]
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)


def digests(run: Path) -> dict[str, str]:
    return {row["prompt_id"]: row["sha256"] for row in map(json.loads, (run / "songs.jsonl").open())}


def test_official_requests_killed_resumed_and_rendered_again(tmp_path: Path) -> None:
    (tmp_path / "official.jsonl").write_text("".join(json.dumps(row) + "\n" for row in REQUESTS))
    options = ("--suite", "official.jsonl", "--system", SYSTEM)
    done = evalkit(tmp_path, "generate", *options, "--out", "whole")
    assert done.returncode == 0, done.stderr
    whole = digests(tmp_path / "whole")
    assert len(set(whole.values())) == 10

    process = subprocess.Popen(
        [sys.executable, "-m", "evalkit", "generate", *options, "--out", "killed"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    audio = tmp_path / "killed" / "audio"
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and len(list(audio.rglob("*.flac"))) < 2:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(1.5)
    before = len((tmp_path / "killed" / "songs.jsonl").read_text().splitlines())
    assert before < 10
    codes = {path: path.stat().st_mtime_ns for path in audio.rglob("*.tokens.safetensors")}
    assert codes
    done = evalkit(tmp_path, "generate", "--resume", "killed")
    assert done.returncode == 0, done.stderr
    assert digests(tmp_path / "killed") == whole
    assert {path: path.stat().st_mtime_ns for path in codes} == codes, "kept codes were used, not made again"


def test_missing_weights_end_before_any_work_with_the_command(tmp_path: Path) -> None:
    (tmp_path / "official.jsonl").write_text(json.dumps(REQUESTS[0]) + "\n")
    for variant, sentence in (("v2-large", "evalkit models pull"), ("v2-fast", "--weights DIR")):
        done = evalkit(tmp_path, "generate", "--suite", "official.jsonl", "--system", f"songgeneration2/{variant}")
        assert done.returncode == 2, done.stderr
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr
        assert not (tmp_path / "runs").exists()
