"""What happens at night, really done to a run: nothing that was computed is lost, nothing counts twice.

The table in ``docs/reliability.md`` is this file in words. SIGKILL of the whole run and Ctrl-C once are in
``test_commands.py``; damaged cache records and two processes on one cache are in ``test_cache.py``.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

SUITE = "name: tiny\nversion: '1'\nlicence: MIT\nprompts:\n" + "".join(
    f'- {{id: p{number}, language: {language}, duration_s: 6, lyrics: "[verse]\\nla la"}}\n'
    for number, language in enumerate(["en", "de", "en", "fr"])
)
RUN = ("run", "--suite", "tiny.yaml", "--system", "tone", "--profile", "technical.yaml")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "tiny.yaml").write_text(SUITE)
    (tmp_path / "technical.yaml").write_text("name: technical only\nevaluators:\n  technical: {}\n")
    return tmp_path


def start(place: Path, *arguments: str, **options: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "evalkit", *arguments]
    return subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)  # type: ignore[call-overload]


def evalkit(place: Path, *arguments: str, **options: object) -> "subprocess.CompletedProcess[str]":
    process = start(place, *arguments, **options)
    out, err = process.communicate(timeout=600)
    assert "Traceback" not in err, err
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def scores_of(run: Path) -> dict[tuple[object, object], object]:
    return {(r["song_id"], r["metric"]): (r["value"], r["status"], r["signature"]) for r in rows(run / "scores.jsonl")}


def wait_for(condition: Callable[[], bool], limit_s: float = 60.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def has_lines(path: Path, number: int = 1) -> bool:
    return path.exists() and path.read_bytes().count(b"\n") >= number


def test_killed_workers_are_replaced(place: Path) -> None:
    assert evalkit(place, *RUN, "--takes", "6", "--out", "whole").returncode == 0
    process = start(place, *RUN, "--takes", "6", "--out", "run", "--workers", "2")
    killed = []
    for number in (2, 10):
        wait_for(lambda number=number: has_lines(place / "run" / "songs.jsonl", number))  # type: ignore[misc]
        worker = [child for child in children(process.pid) if b"spawn_main" in _command_line(child)][-1]
        os.kill(worker, signal.SIGKILL)
        killed.append(worker)
    _, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert len(killed) == 2
    assert scores_of(place / "run") == scores_of(place / "whole")
    assert len(rows(place / "run" / "songs.jsonl")) == 24, "no song twice"


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return b""


HANGING = """
import sys, time
import numpy, soundfile
lyrics, language, out = sys.argv[1:]
if language == "de":
    open(out + ".pid", "w").write(str(__import__("os").getpid()))
    open({mark!r}, "w").write(str(__import__("os").getpid()))
    time.sleep(600)
soundfile.write(out, 0.2 * numpy.sin(numpy.arange(6 * 44100) / 9), 44100)
"""


def test_a_model_that_hangs_costs_its_song_alone(place: Path) -> None:
    (place / "sing.py").write_text(HANGING.format(mark=str(place / "pid")))
    system = f"mine=cmd:{sys.executable} {place}/sing.py {{lyrics_file}} {{language}} {{out}}"
    began = time.monotonic()
    arguments = ("--suite", "tiny.yaml", "--system", system, "--profile", "technical.yaml", "--out", "run")
    done = evalkit(place, "run", *arguments, "--time-limit", "25")
    assert time.monotonic() - began < 150
    assert done.returncode == 1, done.stderr
    songs = {row["prompt_id"]: row for row in rows(place / "run" / "songs.jsonl")}
    assert [songs[f"p{n}"]["status"] for n in range(4)] == ["ok", "failed", "ok", "ok"]
    assert "It took longer than 25 s and was stopped." in str(songs["p1"]["reason"])
    assert not is_alive(int((place / "pid").read_text())), "the program it had started is gone too"


def test_ctrl_c_twice_ends_at_once(place: Path) -> None:
    process = start(place, *RUN, "--takes", "12", "--out", "run", start_new_session=True)
    wait_for(lambda: has_lines(place / "run" / "songs.jsonl"))
    workers = children(process.pid)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - began < 10
    assert process.returncode == 130
    assert "Continue with: evalkit run --resume run" in err
    assert "Traceback" not in err
    wait_for(lambda: not any(map(is_alive, workers)), 10)
    before = {str(row["prompt_id"]) + str(row["take"]) for row in rows(place / "run" / "songs.jsonl")}
    assert evalkit(place, "run", "--resume", "run").returncode == 0
    songs = [str(row["prompt_id"]) + str(row["take"]) for row in rows(place / "run" / "songs.jsonl")]
    assert len(songs) == len(set(songs)) == 48
    assert before


def test_a_song_too_large_for_the_memory_fails_alone_and_is_tried_again(place: Path) -> None:
    """Address space limited as by ``ulimit -v``; the long song needs more than there is."""
    folder = place / "songs"
    folder.mkdir()
    tone = 0.2 * np.sin(np.arange(6 * 44_100) / 9)
    for number in (0, 2, 3):
        soundfile.write(folder / f"p{number}.wav", tone, 44_100)
    with soundfile.SoundFile(folder / "p1.flac", "w", 44_100, 2, subtype="PCM_16") as file:
        for _ in range(10):
            file.write(np.tile(tone, 10)[:, None].repeat(2, axis=1))
    arguments = ("--suite", "tiny.yaml", "--system", f"mine={folder}", "--profile", "technical.yaml", "--out", "run")
    assert evalkit(place, "generate", *arguments[:4], "--out", "run").returncode == 0

    def limit() -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (650_000_000, 650_000_000))

    done = evalkit(place, "evaluate", "run", "--profile", "technical.yaml", "--workers", "1", preexec_fn=limit)
    found = {row["song_id"]: row for row in rows(place / "run" / "scores.jsonl") if row["metric"] == "lufs_i"}
    assert [found[f"mine/p{n}.take0"]["status"] for n in range(4)] == ["ok", "failed", "ok", "ok"], done.stderr
    reason = str(found["mine/p1.take0"]["reason"])
    assert "Memory ran out" in reason or "died twice" in reason
    assert evalkit(place, "evaluate", "run").returncode == 0, "with enough memory it is measured after all"
    again = [row for row in rows(place / "run" / "scores.jsonl") if row["metric"] == "lufs_i"]
    assert [row["song_id"] for row in again].count("mine/p0.take0") == 1
    assert again[-1]["status"] == "ok"


def test_a_file_that_vanished_is_said_and_measured_when_it_is_back(place: Path) -> None:
    assert evalkit(place, "generate", *RUN[1:5], "--out", "run").returncode == 0
    path = place / "run" / "audio" / "tone" / "p2.take0.flac"
    shutil.move(path, place / "kept.flac")
    done = evalkit(place, "evaluate", "run", "--profile", "technical.yaml")
    assert done.returncode == 0
    assert scores_of(place / "run")["tone/p2.take0", "lufs_i"][1] == "missing_audio"  # type: ignore[index]
    assert "is gone" in (place / "run" / "scores.jsonl").read_text()
    shutil.move(place / "kept.flac", path)
    assert evalkit(place, "evaluate", "run").returncode == 0
    assert {status for _, status, _ in scores_of(place / "run").values()} <= {"ok", "not_applicable"}  # type: ignore[misc]


def in_own_mounts(place: Path, script: str) -> str:
    """Run a shell script that may mount file systems, without being root outside."""
    inside = ["unshare", "--user", "--map-root-user", "--mount"]
    if not shutil.which("unshare") or subprocess.run([*inside, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let a user mount file systems of their own")
    program = f'set -e\nevalkit() {{ {sys.executable} -m evalkit "$@"; }}\n{script}'
    done = subprocess.run(
        [*inside, "sh", "-c", program], cwd=place, capture_output=True, text=True, check=False, timeout=800
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def test_a_full_disk_ends_the_run_which_goes_on_when_there_is_room(place: Path) -> None:
    assert evalkit(place, *RUN, "--takes", "3", "--out", "whole").returncode == 0
    said = in_own_mounts(
        place,
        f"""
        mkdir disk; mount -t tmpfs -o size=2m none disk
        code=0; evalkit {" ".join(RUN)} --takes 3 --out disk/run || code=$?
        echo "code $code"; wc -l < disk/run/songs.jsonl
        mount -o remount,size=300m disk
        evalkit run --resume disk/run
        ls -A disk/run/audio/tone | grep -c partial || true
        cp -r disk/run saved
        """,
    )
    assert "code 2" in said
    assert "No space left on device" in said
    assert "what was finished is kept" in said
    assert scores_of(place / "saved") == scores_of(place / "whole")
    ids = [(row["prompt_id"], row["take"]) for row in rows(place / "saved" / "songs.jsonl") if row["status"] == "ok"]
    assert len(ids) == len(set(ids)) == 12


def test_a_read_only_folder_is_a_sentence_and_stays_as_it_is(place: Path) -> None:
    said = in_own_mounts(
        place,
        f"""
        mkdir disk; mount -t tmpfs -o size=100m none disk
        evalkit generate --suite tiny.yaml --system tone --out disk/run
        mount -o remount,ro disk
        for command in "{" ".join(RUN)} --out disk/other" "run --resume disk/run" "evaluate disk/run" "report disk/run"
        do code=0; evalkit $command || code=$?; echo "code $code"; done
        """,
    )
    assert said.count("code 2") == 4
    assert said.count("cannot be written") + said.count("Read-only file system") >= 4
