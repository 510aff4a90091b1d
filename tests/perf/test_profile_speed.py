"""Real-time factor of each evaluator of the embedded profile, and of the profile against the plain way, in one run.

The plain way is one process in which every evaluator opens, resamples and hears every file by itself, one file after
the other; its models are loaded once, which is more than most scripts do. Ours is ``evalkit evaluate`` with two workers
and an empty cache, start of the processes included. Processor seconds are what to read on a busy machine; wall times
count on an idle one. Run with:

    pytest -m perf -s tests/perf/test_profile_speed.py
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile
import yaml
from validity.songs import PROMPTS, sing

from evalkit import profile, runfolder
from evalkit.cache import cache_dir
from evalkit.clips import open_clip, unopened
from evalkit.errors import ModelError
from evalkit.evaluators.base import EVALUATORS, is_set_evaluator
from evalkit.models.files import ModelFiles

pytestmark = [pytest.mark.perf, pytest.mark.timeout(3600)]

NAMES = tuple(os.environ.get("EVALKIT_PERF_SONGS", "three-en,chorus-en").split(","))
WORKERS = 2


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of songs with vocal stems, not evaluated."""
    folder = tmp_path_factory.mktemp("speed")
    prompts = []
    for name in NAMES:
        song = sing(name, whole=True)
        stems = {"vocals": song.vocals.samples, "accompaniment": song.accompaniment.samples}
        for suffix, samples in {"": sum(stems.values()), **{f".{stem}": part for stem, part in stems.items()}}.items():
            path = folder / "songs" / f"{name}{suffix}.flac"
            path.parent.mkdir(exist_ok=True)
            soundfile.write(path, samples.T, song.rate, subtype="PCM_24")
        prompt = PROMPTS[name]
        prompts.append({"id": name, "language": prompt.language, "lyrics": by_lines(prompt)})
    suite = {"name": "speed", "version": "1", "licence": "MIT", "description": "Speed.", "prompts": prompts}
    (folder / "suite.yaml").write_text(yaml.safe_dump(suite))
    arguments = ["--suite", "suite.yaml", "--system", f"singer={folder / 'songs'}", "--out", "run"]
    evalkit(folder, "generate", *arguments)
    return folder / "run"


def by_lines(prompt) -> str:
    return "\n\n".join("\n".join([f"[{section.label}]", *section.lines]) for section in prompt.sections)


def evalkit(place: Path, *arguments: str, cache: Path | None = None) -> float:
    """Wall seconds of a command."""
    environment = {**os.environ, "EVALKIT_OFFLINE": "1", **({"EVALKIT_CACHE": str(cache)} if cache else {})}
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "evalkit", *arguments], cwd=place, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return time.monotonic() - began


def plainly(folder: Path) -> dict[str, float]:
    """Processor seconds of each evaluator by itself."""
    run = runfolder.load(folder)
    seconds = {}
    for name, options in profile.load("embedded").evaluators.items():
        began = time.process_time()
        evaluator = EVALUATORS.get(name)(options, ModelFiles().locate)
        # Evaluators whose weights come from the hub are in the profile and answer missing_model.
        with contextlib.suppress(ModelError):
            if is_set_evaluator(type(evaluator)):
                evaluator.score_set([unopened(folder, song, run.prompts[song.prompt_id]) for song in run.songs])
            else:
                for song in run.songs:
                    evaluator.score(open_clip(folder, song, run.prompts[song.prompt_id]))
        seconds[name] = time.process_time() - began
    return seconds


def test_embedded_profile(run: Path, tmp_path: Path, model_dir: Callable[[str], Path]) -> None:
    for model in ("whisper-base", "musicnn"):
        model_dir(model)
    audio_s = sum(song.duration_s or 0.0 for song in runfolder.load(run).songs)
    began = time.monotonic()
    plain = plainly(run)
    plain_wall_s = time.monotonic() - began
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "models").symlink_to(cache_dir() / "models")
    before = os.times()
    wall_s = evalkit(run.parent, "evaluate", str(run), "--workers", str(WORKERS), cache=tmp_path / "cache")
    after = os.times()
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    timings = json.loads((run / "run.json").read_text())["timings"]
    print(f"\n{len(NAMES)} songs, {audio_s:.0f} s of audio, {WORKERS} workers")
    print("evaluator     alone: core-s/min   inside the profile: core-s/min")
    for name, seconds in plain.items():
        inside = timings.get(f"evaluate/{name}", {}).get("busy_s")
        told = f"{60 * inside / audio_s:10.2f}" if inside is not None else "  of the whole set"
        print(f"{name:12s} {60 * seconds / audio_s:12.2f}        {told}")
    total = sum(plain.values())
    print(f"all, plain   {60 * total / audio_s:12.2f}         wall {plain_wall_s:.1f} s")
    print(f"all, evalkit {60 * cpu_s / audio_s:12.2f}         wall {wall_s:.1f} s  (with the start of the processes)")
    print(f"ratio: {total / cpu_s:.2f} in processor seconds, {plain_wall_s / wall_s:.2f} in wall time")
    again_s = evalkit(run.parent, "evaluate", str(run), "--workers", str(WORKERS), cache=tmp_path / "cache")
    print(f"a second evaluate, nothing to do: {again_s:.1f} s")
    assert set(plain) == set(profile.load("embedded").evaluators)
