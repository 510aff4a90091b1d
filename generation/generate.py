"""Makes the songs of a run that are not there yet."""

import hashlib
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from evalkit.audio import load, save_flac
from evalkit.errors import GenerationError, ModelError
from evalkit.files import file_sha256
from evalkit.runfolder import RunWriter
from evalkit.types import Audio, Prompt, Song
from evalkit.workers import Outcome, Progress, Report, WorkFunction, run_tasks
from generation.base import System
from generation.spec import SystemSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One song to make."""

    spec: SystemSpec
    prompt: Prompt
    take: int
    seed: int

    @property
    def song_id(self) -> str:
        """As `Song.id` will be."""
        return f"{self.spec.name}/{self.prompt.id}.take{self.take}"


@dataclass(slots=True)
class GenerationTotals:
    """What a call of `generate` did: worker seconds, seconds of audio, songs, and the largest worker's memory."""

    busy_s: float = 0.0
    audio_s: float = 0.0
    n_songs: int = 0
    n_failed: int = 0
    peak_memory_mb: float = 0.0


Watcher = Callable[[str, float, Song | None], None]
"""Called with a song's id, its finished share, and the song once it is there."""


def song_seed(run_seed: int, prompt_id: str, take: int) -> int:
    """Seed of one song: the same for every system, so that systems are compared in pairs."""
    digest = hashlib.sha256(f"{run_seed}|{prompt_id}|{take}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def plan(specs: Sequence[SystemSpec], prompts: Iterable[Prompt], takes: int, seed: int) -> list[Job]:
    """All songs of a run, takes innermost."""
    return [
        Job(spec=spec, prompt=prompt, take=take, seed=song_seed(seed, prompt.id, take))
        for prompt in prompts
        for spec in specs
        for take in range(takes)
    ]


def generate(
    jobs: Sequence[Job],
    writer: RunWriter,
    *,
    models: Mapping[str, Path],
    n_workers: int,
    watch: Watcher | None = None,
    time_limit_s: float | None = None,
) -> GenerationTotals:
    """Make songs in worker processes and record each as soon as it is finished.

    Args:
        jobs: Songs that are not there yet.
        writer: Of the run folder; its folder receives the audio.
        models: Verified model folders by name; a missing one fails the songs that need it.
        n_workers: Processes.
        watch: Told about every step.
        time_limit_s: Longest time for one song.

    Returns:
        Totals for the run's timings.
    """
    totals = GenerationTotals()
    arguments = {"folder": writer.folder, "models": dict(models)}
    for event in run_tasks(_make_worker, arguments, list(jobs), n_workers=n_workers, time_limit_s=time_limit_s):
        if isinstance(event, Progress):
            if watch:
                watch(event.task.song_id, event.share, None)
            continue
        song = _record(event)
        writer.add_song(song)
        totals.busy_s += event.cpu_s
        totals.n_songs += 1
        totals.audio_s += song.duration_s or 0.0
        totals.n_failed += song.status == "failed"
        totals.peak_memory_mb = max(totals.peak_memory_mb, event.peak_memory_mb)
        if watch:
            watch(song.id, 1.0, song)
    return totals


def _record(outcome: Outcome[Job]) -> Song:
    if outcome.error:
        job = outcome.task
        return Song(
            prompt_id=job.prompt.id,
            system=job.spec.name,
            take=job.take,
            seed=job.seed,
            status="failed",
            reason=outcome.error,
            params={"log": outcome.log} if outcome.log else {},
            generation_s=round(outcome.seconds, 3),
        )
    song: Song = outcome.result
    return replace(song, generation_s=round(outcome.seconds, 3))


def _make_worker(folder: Path, models: Mapping[str, Path]) -> WorkFunction:
    """Load systems on first use, and keep them for the following songs of this process."""
    systems: dict[str, System] = {}
    return partial(_make_song, folder=folder, models=models, systems=systems)


def _make_song(
    job: Job, report: Report, *, folder: Path, models: Mapping[str, Path], systems: dict[str, System]
) -> Song:
    def locate(name: str) -> Path:
        if name not in models:
            raise ModelError(f"The model {name} is not there.", f"Run: evalkit models pull {name}")
        return models[name]

    if job.spec.name not in systems:
        systems[job.spec.name] = job.spec.load_class()(job.spec.variant, locate)
    system = systems[job.spec.name]
    made = system.generate(job.prompt, take=job.take, seed=job.seed, progress=report)
    base = f"audio/{job.spec.folder}/{job.prompt.id}.take{job.take}"
    path, mix = _put(made.mix, folder, base)
    stems = {name: _put(stem, folder, f"{base}.{name}")[0] for name, stem in sorted(made.stems.items())}
    return Song(
        prompt_id=job.prompt.id,
        system=job.spec.name,
        take=job.take,
        seed=job.seed,
        status="ok",
        path=path,
        stems=stems,
        sha256=file_sha256(folder / path),
        sample_rate=mix.sample_rate,
        channels=mix.channels,
        duration_s=round(mix.duration_s, 6),
        params=_plain(made.params),
    )


def _put(audio: Audio | Path, folder: Path, base: str) -> tuple[str, Audio]:
    """Write or copy one file into the run; returns its relative path and its decoded form."""
    if isinstance(audio, Path):
        decoded = load(audio)  # refuses what cannot be measured before it becomes part of the run
        path = base + audio.suffix.lower()
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        partial_path = target.with_name(target.name + ".partial")
        shutil.copyfile(audio, partial_path)
        partial_path.replace(target)
        return path, decoded
    path = base + ".flac"
    try:
        save_flac(audio, folder / path)
    except OSError as error:
        raise GenerationError(f"{path} cannot be written: {error}.", "Free some space and resume the run.") from error
    return path, audio


def _plain(params: Mapping[str, Any]) -> dict[str, Any]:
    return {str(key): value for key, value in params.items()}
