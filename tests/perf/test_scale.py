"""Large runs: memory over many songs, folders of 40,000 songs, workers and executors against each other.

``pytest -m perf -s tests/perf/test_scale.py``; EVALKIT_PERF_SONGS sets the number of songs of the first test.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from evalkit import profile, runner
from evalkit.cache import cache_dir
from evalkit.executors import Executor, make_executor
from evalkit.executors.base import Outcome
from evalkit.executors.loop import run
from evalkit.models.files import ModelFiles
from evalkit.runfolder import RunWriter
from evalkit.store import RunInfo, SuiteInfo, SystemInfo
from evalkit.types import Prompt
from generation.generate import Generation, plan
from generation.spec import parse

pytestmark = [pytest.mark.perf, pytest.mark.timeout(3600)]

CLIP_S = 5.0


def begin(folder: Path, n_songs: int) -> RunWriter:
    suite = SuiteInfo(name="s", version="1", sha256="0" * 64, licence="MIT", n_prompts=n_songs)
    prompts = tuple(Prompt(id=f"p{number}", language="en", duration_s=CLIP_S) for number in range(n_songs))
    infos = runner.describe(profile.load(str(folder.parent / "technical.yaml")), ModelFiles().locate)
    info = RunInfo(
        run_id="r",
        created="2026-01-01T00:00:00Z",
        status="running",
        command="",
        suite=suite,
        systems=(SystemInfo(name="tone", spec="tone", title="t"),),
        prompts=prompts,
        evaluators=tuple(infos),
    )
    return RunWriter(folder, info)


Watch = Callable[[Outcome[object]], None]


def sing_and_measure(folder: Path, n_songs: int, executor: Executor, watch: Watch) -> float:
    """Seconds of a whole run with real songs and the real technical evaluator."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    (folder.parent / "technical.yaml").write_text("name: t\nevaluators:\n  technical: {}\n")
    began = time.monotonic()
    with begin(folder, n_songs) as writer:
        evaluation = runner.Evaluation((), writer, writer.info.evaluators, models={})
        jobs = plan([parse("tone")], writer.info.prompts, 1, 0)
        generation = Generation(jobs, writer, models={}, feeds=evaluation.pool)
        prompts = {prompt.id: prompt for prompt in writer.info.prompts}
        for event in run(executor, [*generation.pools, evaluation.pool]):
            if event.pool == "evaluate":
                evaluation.handle(event)
                if isinstance(event, Outcome):
                    watch(event)
                continue
            for song in generation.handle(event):
                evaluation.add(song, prompts[song.prompt_id])
            if generation.is_over:
                evaluation.flush()
    return time.monotonic() - began


def own_memory_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def test_memory_stays_flat(tmp_path: Path) -> None:
    n_songs = int(os.environ.get("EVALKIT_PERF_SONGS", "2000"))
    points: list[tuple[float, float]] = []
    executor = make_executor("local")
    wall_s = sing_and_measure(
        tmp_path / "place" / "run",
        n_songs,
        executor,
        lambda event: points.append((own_memory_mb(), event.peak_memory_mb)),
    )
    early, late = points[n_songs // 5], points[-1]
    worker_early, worker_late = max(p[1] for p in points[: n_songs // 5 + 1]), max(p[1] for p in points)
    print(f"\n{n_songs} songs in {wall_s:.0f} s. Parent: {early[0]:.0f} MB after a fifth, {late[0]:.0f} MB at the end.")
    print(f"Largest worker: {worker_early:.0f} MB, {worker_late:.0f} MB.")
    assert late[0] < early[0] + 60, "the parent keeps nothing of a song but its id"
    assert worker_late < worker_early + 60


def test_workers_and_executors(tmp_path: Path) -> None:
    n_songs = 100
    seconds = {}
    for name, workers in (("local", 1), ("local", 2), ("ray", 2)):
        if name == "ray":
            pytest.importorskip("ray")
        began = time.monotonic()
        executor = make_executor(name, workers)
        first: list[float] = []
        sing_and_measure(
            tmp_path / f"{name}{workers}" / "run", n_songs, executor, lambda _, f=first: f.append(time.monotonic())
        )
        # From the first finished song to the last: what starting and ending cost is said apart.
        seconds[name, workers] = first[-1] - first[0]
        executor.close()
        around_s = time.monotonic() - began - seconds[name, workers]
        print(f"\n{name}, {workers} workers: {seconds[name, workers]:.1f} s, and {around_s:.1f} s to start and end")
    one, two, ray = seconds["local", 1], seconds["local", 2], seconds["ray", 2]
    print(f"Two workers are {one / two:.2f} times as fast as one; Ray takes {ray / two:.2f} times as long as local.")


def test_workers_and_executors_on_real_songs(tmp_path: Path, model_dir: Callable[[str], Path]) -> None:
    """``evalkit run`` as its user types it, with one song in each language and nothing in the cache of results."""
    for model in ("kokoro", "gm-soundfont", "whisper-base", "musicnn"):
        model_dir(model)
    here = cache_dir()
    seconds = {}
    for name, workers in (("local", 1), ("local", 2), ("ray", 2)):
        if name == "ray":
            pytest.importorskip("ray")
        cache = tmp_path / f"cache-{name}{workers}"
        cache.mkdir()
        (cache / "models").symlink_to(here / "models")
        out = tmp_path / f"{name}{workers}"
        command = [sys.executable, "-m", "evalkit", "run", "--suite", "multilingual", "--limit", "10"]
        command += ["--executor", name, "--workers", str(workers), "--out", str(out)]
        began = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "EVALKIT_CACHE": str(cache)})
        seconds[name, workers] = time.monotonic() - began
        assert done.returncode == 0, done.stderr
        info = json.loads((out / "run.json").read_text())
        busy = {stage: info["timings"][stage] for stage in ("generate", "evaluate")}
        audio_s = busy["generate"]["audio_s"]
        print(
            f"\n{name}, {workers} workers: {seconds[name, workers]:.1f} s for {audio_s:.0f} s of song; core-seconds: ",
            end="",
        )
        print(", ".join(f"{stage} {timing['busy_s']:.0f}" for stage, timing in busy.items()))
    one, two, ray = seconds["local", 1], seconds["local", 2], seconds["ray", 2]
    print(f"Two workers are {one / two:.2f} times as fast as one; Ray takes {ray / two:.2f} times as long as local.")


SAY = """
import resource, sys, time
def say(what, began):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{what}: {time.process_time() - began:.1f} s of processor time, {peak:.0f} MB at most", flush=True)
    return peak
"""

LARGE = """
from pathlib import Path
from evalkit import runner
from evalkit.runfolder import load
began = time.process_time()
run = load(Path(sys.argv[1]))
tasks = runner.pending(run.songs, run.prompts, run.scores, run.info.evaluators)
say(f"resume knows what is left of {len(run.songs):,} songs and {len(run.scores):,} scores ({len(tasks)})", began)
import reports
began = time.process_time()
reports.write(run)
peak = say("report", began)
sys.exit(peak > 2048)
"""

COMPARE = """
from evalkit.cli import main
began = time.process_time()
code = main()
sys.exit(code or say("comparison of one of ten systems with itself in another such run", began) > 2048)
"""


def test_a_folder_of_40000_songs(tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    sing_and_measure(tmp_path / "small" / "run", 1, make_executor("local", 1), lambda event: None)
    multiply(tmp_path / "small" / "run", tmp_path / "large", n_systems=10, n_prompts=1000, takes=4)
    multiply(tmp_path / "small" / "run", tmp_path / "other", n_systems=10, n_prompts=1000, takes=4)
    two_runs = ["compare", "large", "other", "--system", "s0", "--out", "comparison"]
    for code, arguments in ((LARGE, ["large"]), (COMPARE, two_runs)):
        command = [sys.executable, "-c", SAY + code, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        print("\n" + "\n".join(line for line in done.stdout.splitlines() if "processor time" in line))
        assert done.returncode == 0, done.stderr


def multiply(small: Path, large: Path, *, n_systems: int, n_prompts: int, takes: int) -> None:
    """Write a run of many songs whose records are those of one real song, with other ids and values."""
    large.mkdir()
    info = json.loads((small / "run.json").read_text())
    song = json.loads((small / "songs.jsonl").read_text().splitlines()[0])
    scores = [json.loads(line) for line in (small / "scores.jsonl").read_text().splitlines()]
    info["prompts"] = [{**info["prompts"][0], "id": f"p{number}"} for number in range(n_prompts)]
    info["systems"] = [{**info["systems"][0], "name": f"s{number}"} for number in range(n_systems)]
    info["takes"], info["suite"]["n_prompts"] = takes, n_prompts
    (large / "run.json").write_text(json.dumps(info))
    with (large / "songs.jsonl").open("w") as songs, (large / "scores.jsonl").open("w") as lines:
        for number in range(n_systems * n_prompts * takes):
            system, rest = divmod(number, n_prompts * takes)
            prompt, take = divmod(rest, takes)
            name = f"s{system}/p{prompt}.take{take}"
            row = {
                **song,
                "system": f"s{system}",
                "prompt_id": f"p{prompt}",
                "take": take,
                "path": f"audio/{name}.flac",
            }
            songs.write(json.dumps(row) + "\n")
            for score in scores:
                value = None if score["value"] is None else score["value"] + number % 13 / 1000
                lines.write(json.dumps({**score, "song_id": name, "value": value}) + "\n")
