"""The work of a run: songs are made, and measured while others are still being made."""

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evalkit import profile, rates, runner, setrunner
from evalkit.cache import ResultCache
from evalkit.cli.display import Display, Stage, seconds
from evalkit.cli.pipeline import fetch_models, system_models
from evalkit.cli.planning import START_RATE_NAME, Plan, evaluation_rate_name, generation_rate_name, make_plan
from evalkit.executors import Executor, make_executor
from evalkit.executors.loop import run as work_through
from evalkit.models.files import ModelFiles
from evalkit.needs import measuring_need
from evalkit.profile import WorkerNeeds
from evalkit.runfolder import RunWriter, load
from evalkit.runner import Evaluation
from evalkit.store import EvaluatorInfo, ModelInfo, RunInfo, StageTiming
from evalkit.types import Score, Song
from generation import spec as specs
from generation.generate import Generation, Job, plan

DEFAULT_TIME_LIMIT_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines:
    """Where to work.

    Attributes:
        executor: ``local`` or ``ray``.
        address: Of a Ray cluster.
        workers: Cores that compute at the same time; None for all there are.
        time_limit_s: Longest time for one song in one stage; None or 0 for ever.
    """

    executor: str = "local"
    address: str | None = None
    workers: int | None = None
    time_limit_s: float | None = DEFAULT_TIME_LIMIT_S

    @contextlib.contextmanager
    def open(self) -> Iterator[Executor]:
        """The executor, closed at the end."""
        executor = make_executor(self.executor, self.workers, self.address)
        try:
            yield executor
        finally:
            executor.close()


def work(
    writer: RunWriter,
    display: Display,
    machines: Machines,
    *,
    sing: bool = True,
    measure: bool = True,
    profile_name: str | None = None,
) -> None:
    """Make the songs that are not there yet (``sing``) and score what is not scored yet (``measure``)."""
    todo = _find(writer, display, sing, measure, profile_name)
    if todo.jobs or todo.tasks:
        models = fetch_models(todo.system_models, display) + fetch_models(
            todo.evaluator_models, display, required=False
        )
        writer.update(status="running", models=_merge_models(writer.info, models))
        with machines.open() as executor:
            display.say(todo.plan(executor.n_workers).text())
            _work_through(todo, writer, executor, machines.time_limit_s or None, _folders(models), display)
    elif sing and not measure:
        display.detail("All songs are there already.")
    if measure:
        _measure_sets(writer, todo.infos, display, machines, quiet=bool(todo.jobs or todo.tasks))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Todo:
    info: RunInfo
    jobs: Sequence[Job]
    tasks: Sequence[runner.Task]
    infos: Sequence[EvaluatorInfo]
    measures: bool
    worker: WorkerNeeds

    @property
    def system_models(self) -> list[str]:
        return list(dict.fromkeys(name for job in self.jobs for name in system_models(job.spec)))

    @property
    def evaluator_models(self) -> list[str]:
        wanted = {name for task in self.tasks for name in task.evaluators}
        if self.jobs and self.measures:
            wanted |= {info.name for info in self.infos if info.scope == "song"}
        return sorted({model for info in self.infos if info.name in wanted for model in info.models})

    def plan(self, n_workers: int) -> Plan:
        infos = self.infos if self.measures else ()
        return make_plan(self.jobs, self.tasks, infos, (*self.system_models, *self.evaluator_models), n_workers)


def _find(writer: RunWriter, display: Display, sing: bool, measure: bool, profile_name: str | None) -> _Todo:
    run = load(writer.folder)
    info = writer.info
    jobs: list[Job] = []
    if sing:
        parsed = [specs.parse(system.spec, reference=system.reference) for system in info.systems]
        there = {song.id for song in run.songs if song.status == "ok"}
        jobs = [job for job in plan(parsed, info.prompts, info.takes, info.seed) if job.song_id not in there]
        if there:
            display.detail(f"{len(there)} songs are there already.")
    infos: list[EvaluatorInfo] = []
    tasks: list[runner.Task] = []
    worker = WorkerNeeds()
    if measure:
        wanted = profile.load(profile_name or info.profile)
        worker = wanted.worker
        infos = runner.describe(wanted, ModelFiles().locate)
        writer.update(evaluators=tuple(infos), profile=profile_name or info.profile)
        made_now = {job.song_id for job in jobs}
        songs = [song for song in run.songs if song.id not in made_now]
        tasks = runner.pending(songs, run.prompts, run.scores, infos, _waiting(infos))
    return _Todo(info=info, jobs=jobs, tasks=tasks, infos=infos, measures=measure, worker=worker)


def _waiting(infos: Sequence[EvaluatorInfo]) -> set[str]:
    """Evaluators whose models a run does not fetch by itself and that are not there: nothing to try again."""
    files = ModelFiles()
    return {info.name for info in infos if files.waits_for(info.models)}


def _work_through(
    todo: _Todo,
    writer: RunWriter,
    executor: Executor,
    time_limit_s: float | None,
    models: Mapping[str, Path],
    display: Display,
) -> None:
    began = time.monotonic()
    cache = ResultCache()
    prompts = {prompt.id: prompt for prompt in todo.info.prompts}
    n_songs = len(todo.jobs) + len(todo.tasks)
    verb = "Singing and measuring" if todo.jobs and todo.measures else "Singing" if todo.jobs else "Measuring"
    with display.stage(verb, n_songs) as stage:
        watch = _Watch(stage, todo.plan(executor.n_workers), measures=todo.measures)
        evaluation = Evaluation(
            todo.tasks, writer, todo.infos, models=models, cache=cache.folder, watch=watch.scores,
            time_limit_s=time_limit_s, need=measuring_need(todo.infos, _sizes(models), todo.worker),
            most_together=runner.songs_together(n_songs, executor.n_workers),
        )  # fmt: skip
        generation = Generation(
            todo.jobs, writer, models=models, watch=watch.song, time_limit_s=time_limit_s,
            feeds=evaluation.pool if todo.measures else None,
        )  # fmt: skip
        for event in work_through(executor, [*generation.pools, evaluation.pool]):
            if event.pool == evaluation.pool.name:
                evaluation.handle(event)
                continue
            for song in generation.handle(event):
                if todo.measures:
                    evaluation.add(song, prompts[song.prompt_id])
            if generation.is_over:
                evaluation.flush()  # before the loop looks whether there is work left
    cache.trim()
    _conclude(writer, display, generation, evaluation, todo.infos, time.monotonic() - began, executor.n_workers)


def _conclude(
    writer: RunWriter,
    display: Display,
    generation: Generation,
    evaluation: Evaluation,
    infos: Sequence[EvaluatorInfo],
    wall_s: float,
    n_workers: int,
) -> None:
    """Timings into the run, rates for later plans, and a line for each stage."""
    made, scored = generation.totals, evaluation.totals
    busy_s = made.busy_s + scored.busy_s
    timings = dict(writer.info.timings)
    if made.n_songs:
        # Stages that ran together share their wall time by the processor time they took.
        timings["generate"] = StageTiming(
            wall_s=round(wall_s * made.busy_s / busy_s if busy_s else wall_s, 2),
            busy_s=round(made.busy_s, 2),
            audio_s=round(made.audio_s, 2),
            n_songs=made.n_songs,
            peak_memory_mb=round(made.peak_memory_mb),
        )
        display.say(_stage_line("Sang", timings["generate"], made.n_failed))
    if scored.n_songs:
        timings["evaluate"] = StageTiming(
            wall_s=round(wall_s * scored.busy_s / busy_s if busy_s else wall_s, 2),
            busy_s=round(scored.busy_s, 2),
            audio_s=round(scored.audio_s, 2),
            n_songs=scored.n_songs,
            peak_memory_mb=round(scored.peak_memory_mb),
        )
        display.say(_stage_line("Measured", timings["evaluate"], 0))
    for name, evaluator_s in scored.seconds_by_evaluator.items():
        timings[f"evaluate/{name}"] = StageTiming(
            wall_s=round(evaluator_s / n_workers, 2),
            busy_s=round(evaluator_s, 2),
            audio_s=round(scored.audio_by_evaluator[name], 2),
            n_songs=scored.n_songs,
        )
        factor = evaluator_s / scored.audio_by_evaluator[name] if scored.audio_by_evaluator[name] else 0.0
        display.detail(f"  {name}: {factor:.3f} core-seconds per second of song")
    writer.update(timings=timings)
    measured = {
        generation_rate_name(system): busy / made.audio_by_system[system]
        for system, busy in made.seconds_by_system.items()
        if made.audio_by_system.get(system)
    }
    measured |= {
        evaluation_rate_name(info): scored.seconds_by_evaluator[info.name] / scored.audio_by_evaluator[info.name]
        for info in infos
        if scored.audio_by_evaluator.get(info.name)
    }
    measured[START_RATE_NAME] = max(0.0, wall_s - busy_s / n_workers)
    rates.record(measured)


def _measure_sets(
    writer: RunWriter, infos: Sequence[EvaluatorInfo], display: Display, machines: Machines, quiet: bool
) -> None:
    if all(info.scope == "song" for info in infos):
        tasks = []
    else:
        run = load(writer.folder)
        tasks = setrunner.pending(run, infos, _waiting(infos))
    if not tasks:
        if not quiet:
            display.detail("All songs are scored already.")
        return
    wanted = {task.evaluator for task in tasks}
    needed = sorted({model for info in infos if info.name in wanted for model in info.models})
    models = fetch_models(needed, display, required=False)
    writer.update(status="running", models=_merge_models(writer.info, models))
    cache = ResultCache()
    with machines.open() as executor, display.stage("Measuring sets", len(tasks)) as stage:
        found = setrunner.evaluate_sets(
            tasks,
            writer.folder,
            infos,
            models=_folders(models),
            executor=executor,
            cache=cache.folder,
            watch=_Watch(stage, None, measures=True).sets,
            time_limit_s=machines.time_limit_s or None,
        )
    writer.write_set_scores(setrunner.merge(run.set_scores, tasks, found, infos))
    cache.trim()


def _sizes(models: Iterable[str]) -> dict[str, int]:
    registry = ModelFiles().registry
    return {name: registry.get(name).size_bytes for name in models}


def _folders(models: Sequence[ModelInfo]) -> dict[str, Path]:
    files = ModelFiles()
    return {model.name: files.folder(files.registry.get(model.name)) for model in models}


def _merge_models(info: RunInfo, models: Sequence[ModelInfo]) -> tuple[ModelInfo, ...]:
    merged = {model.name: model for model in (*info.models, *models)}
    return tuple(merged[name] for name in sorted(merged))


def _stage_line(verb: str, timing: StageTiming, n_failed: int) -> str:
    factor = timing.wall_s / timing.audio_s if timing.audio_s else 0.0
    failed = f", {n_failed} failed" if n_failed else ""
    return (
        f"{verb} {timing.n_songs} songs ({seconds(timing.audio_s)} of audio) in {seconds(timing.wall_s)}: "
        f"real-time factor {factor:.2f} ({timing.busy_s / timing.audio_s if timing.audio_s else 0.0:.2f} core-seconds "
        f"per second of song), {timing.peak_memory_mb:.0f} MB per process at most{failed}"
    )


class _Watch:
    """Turns events of single songs into one number for the display: songs, each as far as it is sung and measured."""

    def __init__(self, stage: Stage, plan: Plan | None, *, measures: bool) -> None:
        self._stage = stage
        self._sung_share = (plan.sung_share if plan else 0.0) if measures else 1.0
        self._shares: dict[str, float] = {}
        self._sung: set[str] = set()
        self._n_sung = 0
        self._done = 0.0

    def song(self, song_id: str, share: float, text: str, song: Song | None) -> None:
        """A song is being made, or was made."""
        if song is not None:
            self._n_sung += 1
            if song.status == "failed":
                self._stage.note(f"{song_id} failed: {song.reason}")
            if self._sung_share < 1.0:
                self._sung.add(song_id)
        self._step(song_id, share * self._sung_share, song is not None and self._sung_share == 1.0, text)

    def scores(self, song_id: str, share: float, scores: Sequence[Score] | None) -> None:
        """A song is being measured, or was measured."""
        for score in scores or ():
            if score.status == "failed":
                self._stage.note(f"{song_id}: {score.metric} failed: {score.reason}")
                break
        before = self._sung_share if song_id in self._sung else 0.0
        if scores is not None:
            self._sung.discard(song_id)
        self._step(song_id, before + share * (1.0 - before), scores is not None)

    def sets(self, name: str, share: float, finished: bool) -> None:
        """A set is being measured, or was measured."""
        self._step(name, share, finished)

    def _step(self, song_id: str, share: float, finished: bool, text: str = "") -> None:
        if finished:
            self._shares.pop(song_id, None)
            self._done += 1
        else:
            self._shares[song_id] = min(share, 1.0)
        self._stage.update(self._done + sum(self._shares.values()), f"{song_id} {text}".rstrip())
