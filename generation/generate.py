"""Makes the songs of a run that are not there yet."""

import hashlib
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from evalkit.audio import load, save_flac
from evalkit.errors import EvalkitError, GenerationError
from evalkit.executors.base import Executor, Need, Outcome, Pool, Progress, Report, WorkFunction
from evalkit.executors.loop import run
from evalkit.files import check_space, file_sha256
from evalkit.models.here import locator
from evalkit.runfolder import RunWriter
from evalkit.types import Audio, Prompt, Song
from generation.base import BatchSystem, Calibration, Generated, Request, System
from generation.spec import SystemSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One song to make: ``asked`` is what the system is given, ``prompt`` what its song is for."""

    spec: SystemSpec
    prompt: Prompt
    asked: Prompt
    take: int
    seed: int

    @property
    def song_id(self) -> str:
        """As `Song.id` will be."""
        return f"{self.spec.name}/{self.prompt.id}.take{self.take}"


@dataclass(slots=True)
class GenerationTotals:
    """What was done: processor seconds, seconds of audio, songs, and the largest worker's memory.

    ``seconds_by_system`` and ``audio_by_system`` are the first two by name of the system.
    """

    busy_s: float = 0.0
    seconds_by_system: dict[str, float] = field(default_factory=dict)
    audio_by_system: dict[str, float] = field(default_factory=dict)
    audio_s: float = 0.0
    n_songs: int = 0
    n_failed: int = 0
    peak_memory_mb: float = 0.0


Watcher = Callable[[str, float, str, Song | None], None]
"""Called with a song's id, its finished share, what is being done, and the song once it is there."""


def song_seed(run_seed: int, prompt_id: str, take: int) -> int:
    """Seed of one song: the same for every system, so that systems are compared in pairs."""
    digest = hashlib.sha256(f"{run_seed}|{prompt_id}|{take}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def plan(specs: Sequence[SystemSpec], prompts: Iterable[Prompt], takes: int, seed: int) -> list[Job]:
    """All songs of a run, takes innermost; ``prompts`` are all prompts of the run."""
    every = tuple(prompts)
    other = other_prompts(every)
    confused = {spec.name for spec in specs if _takes_another_prompt(spec)}
    return [
        Job(
            spec=spec,
            prompt=prompt,
            asked=other[prompt.id] if spec.name in confused else prompt,
            take=take,
            seed=song_seed(seed, prompt.id, take),
        )
        for prompt in every
        for spec in specs
        for take in range(takes)
    ]


def other_prompts(prompts: Sequence[Prompt]) -> dict[str, Prompt]:
    """For each prompt id another prompt with other lyrics: the next in its language, else the next in any.

    Prompts that share their lyrics with all others are given themselves.
    """
    found = {}
    for place, prompt in enumerate(prompts):
        following = (*prompts[place + 1 :], *prompts[:place])
        others = [other for other in following if other.lyrics != prompt.lyrics]
        others.sort(key=lambda other: other.language != prompt.language)  # stable: the order within is kept
        found[prompt.id] = others[0] if others else prompt
    return found


def _takes_another_prompt(spec: SystemSpec) -> bool:
    cls = spec.load_class()
    return issubclass(cls, Calibration) and cls.takes_another_prompt


class Generation:
    """Songs under way: pools of work for an executor, and what becomes of its events.

    Args:
        jobs: Songs that are not there yet.
        writer: Of the run folder; its folder receives the audio.
        models: Verified model folders by name; a missing one fails the songs that need it.
        watch: Told about every step.
        time_limit_s: Longest time for one song.
        feeds: Pool that gets the songs.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        writer: RunWriter,
        *,
        models: Mapping[str, Path],
        watch: Watcher | None = None,
        time_limit_s: float | None = None,
        feeds: Pool[Any] | None = None,
    ) -> None:
        self.totals = GenerationTotals()
        self._writer = writer
        self._tell = watch or (lambda song_id, share, text, song: None)
        self._recorded: set[str] = set()
        self._n_jobs = len(jobs)
        common: dict[str, Any] = {
            "make": _make_worker,
            "arguments": {"folder": writer.folder.resolve(), "models": dict(models)},
            "time_limit_s": time_limit_s,
            "songs_in": len,
            "feeds": feeds,
            "shared": (writer.folder.resolve(),),
        }
        alone, together = _split(jobs)
        self.pools: tuple[Pool[tuple[Job, ...]], ...] = (
            Pool(name="generate together", tasks=deque(together), need=Need(whole_machine=True), **common),
            Pool(name="generate", tasks=deque(alone), **common),
        )

    @property
    def is_over(self) -> bool:
        """Whether every job has become a song, made or failed."""
        return len(self._recorded) == self._n_jobs

    def handle(self, event: Outcome[Any] | Progress[Any]) -> list[Song]:
        """Record what an event of one of the pools brought; returns the songs that are new."""
        if isinstance(event, Progress):
            if isinstance(event.message, Song):
                return self._record([event.message])
            song_id, share, text = event.message
            self._tell(song_id, share, text, None)
            return []
        self.totals.busy_s += event.cpu_s
        by_system, name = self.totals.seconds_by_system, event.task[0].spec.name
        by_system[name] = by_system.get(name, 0.0) + event.cpu_s
        self.totals.peak_memory_mb = max(self.totals.peak_memory_mb, event.peak_memory_mb)
        return self._record([_failed(job, event) for job in event.task])

    def _record(self, songs: Sequence[Song]) -> list[Song]:
        # A song may come twice: its worker died afterwards and did the rest of the batch again.
        new = [song for song in songs if song.id not in self._recorded]
        for song in new:
            self._recorded.add(song.id)
            if song.status == "failed":
                check_space(self._writer.folder)
            self._writer.add_song(song)
            self.totals.n_songs += 1
            self.totals.audio_s += song.duration_s or 0.0
            by_system = self.totals.audio_by_system
            by_system[song.system] = by_system.get(song.system, 0.0) + (song.duration_s or 0.0)
            self.totals.n_failed += song.status == "failed"
            self._tell(song.id, 1.0, "", song)
        return new


def generate(
    jobs: Sequence[Job],
    writer: RunWriter,
    *,
    models: Mapping[str, Path],
    executor: Executor,
    watch: Watcher | None = None,
    time_limit_s: float | None = None,
) -> GenerationTotals:
    """Make songs and record each as soon as it is finished; arguments as of `Generation`, and where to work."""
    generation = Generation(jobs, writer, models=models, watch=watch, time_limit_s=time_limit_s)
    for event in run(executor, generation.pools):
        generation.handle(event)
    return generation.totals


def _split(jobs: Sequence[Job]) -> tuple[list[tuple[Job, ...]], list[tuple[Job, ...]]]:
    """Jobs one by one for systems that share the machine, and in batches for those that have it to themselves."""
    alone: list[tuple[Job, ...]] = []
    batches: dict[str, list[Job]] = {}
    together: list[tuple[Job, ...]] = []
    for job in jobs:
        cls = job.spec.load_class()
        if not issubclass(cls, BatchSystem):
            alone.append((job,))
            continue
        batch = batches.setdefault(job.spec.name, [])
        batch.append(job)
        if len(batch) == cls.batch_size:
            together.append(tuple(batches.pop(job.spec.name)))
    together += [tuple(batch) for batch in batches.values()]
    return alone, together


def _failed(job: Job, outcome: Outcome[tuple[Job, ...]]) -> Song:
    return Song(
        prompt_id=job.prompt.id,
        system=job.spec.name,
        take=job.take,
        seed=job.seed,
        status="failed",
        reason=outcome.error or "The system ended without making this song.",
        params={"log": outcome.log} if outcome.log else {},
        generation_s=round(outcome.seconds, 3),
    )


def _make_worker(folder: Path, models: Mapping[str, Path]) -> WorkFunction:
    """Load systems on first use, and keep them for the following songs of this process."""
    systems: dict[str, System] = {}
    return partial(_make_songs, folder=folder, models=models, systems=systems)


def _make_songs(
    jobs: tuple[Job, ...], report: Report, *, folder: Path, models: Mapping[str, Path], systems: dict[str, System]
) -> None:
    spec = jobs[0].spec
    if spec.name not in systems:
        systems[spec.name] = spec.load_class()(spec.variant, locator(models))
    system = systems[spec.name]
    began = time.monotonic()
    if isinstance(system, BatchSystem):
        requests = [Request(prompt=job.asked, take=job.take, seed=job.seed, keep=folder / _base(job)) for job in jobs]
        steps = system.generate_batch(requests, lambda i, share, text: report((jobs[i].song_id, share, text)))
        for index, made in steps:
            report(_store(jobs[index], made, folder, time.monotonic() - began))
        return
    (job,) = jobs
    made_alone = system.generate(
        job.asked, take=job.take, seed=job.seed, progress=lambda share: report((job.song_id, share, ""))
    )
    report(_store(job, made_alone, folder, time.monotonic() - began))


def _base(job: Job) -> str:
    return f"audio/{job.spec.folder}/{job.prompt.id}.take{job.take}"


def _store(job: Job, made: Generated | EvalkitError, folder: Path, seconds: float) -> Song:
    """Put a song's files into the run; the record says what became of it."""
    common: dict[str, Any] = {
        "prompt_id": job.prompt.id,
        "system": job.spec.name,
        "take": job.take,
        "seed": job.seed,
        "generation_s": round(seconds, 3),
    }
    if isinstance(made, EvalkitError):
        return Song(**common, status="failed", reason=str(made))
    path, mix = _put(made.mix, folder, _base(job))
    stems = {name: _put(stem, folder, f"{_base(job)}.{name}")[0] for name, stem in sorted(made.stems.items())}
    return Song(
        **common,
        status="ok",
        path=path,
        stems=stems,
        sha256=file_sha256(folder / path),
        sample_rate=mix.sample_rate,
        channels=mix.channels,
        duration_s=round(mix.duration_s, 6),
        params={str(key): value for key, value in made.params.items()} | _confusion(job),
    )


def _confusion(job: Job) -> dict[str, str]:
    return {} if job.asked is job.prompt or job.asked.id == job.prompt.id else {"lyrics_of": job.asked.id}


def _put(audio: Audio | Path, folder: Path, base: str) -> tuple[str, Audio]:
    """Write or copy one file into the run; returns its relative path and its decoded form."""
    if isinstance(audio, Path):
        decoded = load(audio)  # refuses what cannot be measured before it becomes part of the run
        path = base + audio.suffix.lower()
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        partial_path = target.with_name(target.name + ".partial")
        try:
            shutil.copyfile(audio, partial_path)
            partial_path.replace(target)
        except OSError as error:
            partial_path.unlink(missing_ok=True)
            reason = error.strerror or str(error)
            raise GenerationError(f"{path} cannot be written ({reason}).", "Free some space and resume.") from error
        return path, decoded
    path = base + ".flac"
    save_flac(audio, folder / path)
    return path, audio
