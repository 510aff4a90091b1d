"""Scores the songs of a run that are not scored yet.

Each file is decoded once and each evaluator is loaded once per worker process. What fails, fails for one song and one
evaluator, with its reason; the rest goes on.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from evalkit.cache import ResultCache
from evalkit.clips import open_clip
from evalkit.derived import Store
from evalkit.errors import AudioError, EvalkitError, ModelError
from evalkit.evaluators.base import EVALUATORS, Evaluator, is_set_evaluator, without_value
from evalkit.executors.base import Executor, Need, Outcome, Pool, Progress, Report, WorkFunction
from evalkit.executors.loop import run
from evalkit.files import check_space
from evalkit.models.here import locator
from evalkit.profile import Profile
from evalkit.runfolder import RunWriter
from evalkit.store import EvaluatorInfo
from evalkit.types import Clip, Prompt, Score, ScoreStatus, Song

log = logging.getLogger(__name__)

LOST = "lost"
"""Key in the details of a score that failed because its worker died, hung or had no memory: it is tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One song and the evaluators that have not scored it yet."""

    song: Song
    prompt: Prompt
    evaluators: tuple[str, ...]

    @property
    def song_id(self) -> str:
        """The song's id."""
        return self.song.id


@dataclass(slots=True)
class EvaluationTotals:
    """What a call of `evaluate` did."""

    busy_s: float = 0.0
    audio_s: float = 0.0
    n_songs: int = 0
    peak_memory_mb: float = 0.0
    seconds_by_evaluator: dict[str, float] = field(default_factory=dict)
    audio_by_evaluator: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    scores: tuple[Score, ...]
    seconds: Mapping[str, float]


Watcher = Callable[[str, float, Sequence[Score] | None], None]
"""Called with a song's id, its finished share, and its scores once they are there."""


def describe(profile: Profile, locate: Callable[[str], Path]) -> list[EvaluatorInfo]:
    """The evaluators of a profile with metrics and signatures; loads no model.

    Raises:
        ConfigError: an unknown evaluator or option.
    """
    infos = []
    for name, options in profile.evaluators.items():
        cls = EVALUATORS.get(name)
        evaluator = cls(options, locate)
        infos.append(
            EvaluatorInfo(
                name=name,
                version=cls.version,
                options=dict(options),
                metrics=cls.metrics,
                signatures={metric.name: evaluator.signature(metric.name) for metric in cls.metrics},
                models=tuple(cls.required_models(options)),
                scope="set" if is_set_evaluator(cls) else "song",
            )
        )
    return infos


def pending(
    songs: Sequence[Song],
    prompts: Mapping[str, Prompt],
    scores: Sequence[Score],
    infos: Sequence[EvaluatorInfo],
    waiting: Collection[str] = (),
) -> list[Task]:
    """Songs that lack scores: none yet, another signature, or a model or the song itself was missing then.

    Args:
        songs: To look at.
        prompts: By id.
        scores: What there is.
        infos: From `describe`.
        waiting: Evaluators whose model is known to be missing still: they are not tried again.
    """
    # What was missing may be there by now: a model that was pulled, a song that was made after all, memory.
    made = {song.id for song in songs if song.status == "ok"}
    settled = {
        (score.song_id, score.metric, score.signature)
        for score in scores
        if (score.status != "missing_model" or score.evaluator in waiting)
        and not (score.status == "missing_audio" and score.song_id in made)
        and not score.details.get(LOST)
    }
    tasks = []
    for song in songs:
        missing = tuple(
            info.name
            for info in infos
            if info.scope == "song"
            and any((song.id, metric.name, info.signatures[metric.name]) not in settled for metric in info.metrics)
        )
        if missing:
            tasks.append(Task(song=song, prompt=prompts[song.prompt_id], evaluators=missing))
    return tasks


class Evaluation:
    """Scoring under way: a pool of work for an executor, and what becomes of its events.

    Args:
        tasks: From `pending`; more may be added with `add`.
        writer: Of the run folder.
        infos: From `describe`.
        models: Verified model folders by name; an evaluator whose model is absent gives ``missing_model``.
        cache: Folder of the result cache, None for none.
        watch: Told about every step.
        time_limit_s: Longest time for one song.
        need: Of each worker.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        writer: RunWriter,
        infos: Sequence[EvaluatorInfo],
        *,
        models: Mapping[str, Path],
        cache: Path | None = None,
        watch: Watcher | None = None,
        time_limit_s: float | None = None,
        need: Need | None = None,
    ) -> None:
        self.totals = EvaluationTotals()
        self._writer = writer
        self._by_name = {info.name: info for info in infos}
        self._watch = watch
        folder = writer.folder.resolve()
        self.pool: Pool[Task] = Pool(
            name="evaluate",
            make=_make_worker,
            arguments={"folder": folder, "infos": list(infos), "models": dict(models), "cache": cache},
            tasks=deque(tasks),
            need=need or Need(),
            time_limit_s=time_limit_s,
            shared=(folder,),
        )

    def add(self, song: Song, prompt: Prompt) -> None:
        """Have a new song scored by all evaluators of single songs."""
        names = tuple(info.name for info in self._by_name.values() if info.scope == "song")
        if names:
            self.pool.tasks.append(Task(song=song, prompt=prompt, evaluators=names))

    def handle(self, event: Outcome[Any] | Progress[Any]) -> None:
        """Record what an event of the pool brought."""
        task: Task = event.task
        if isinstance(event, Progress):
            if self._watch:
                self._watch(task.song_id, event.message, None)
            return
        totals = self.totals
        if event.error:
            log.error("%s: %s\n%s", task.song_id, event.error, event.log)
            scores: tuple[Score, ...] = tuple(
                score for name in task.evaluators for score in _lost(task, self._by_name[name], event.error)
            )
        else:
            result: _Result = event.result
            scores = result.scores
            for name, seconds in result.seconds.items():
                totals.seconds_by_evaluator[name] = totals.seconds_by_evaluator.get(name, 0.0) + seconds
                audio_s = task.song.duration_s or 0.0
                totals.audio_by_evaluator[name] = totals.audio_by_evaluator.get(name, 0.0) + audio_s
        if any(score.status == "failed" for score in scores):
            check_space(self._writer.folder)
        self._writer.add_scores(scores)
        totals.busy_s += event.cpu_s
        totals.n_songs += 1
        totals.audio_s += task.song.duration_s or 0.0
        totals.peak_memory_mb = max(totals.peak_memory_mb, event.peak_memory_mb)
        if self._watch:
            self._watch(task.song_id, 1.0, scores)


def evaluate(
    tasks: Sequence[Task],
    writer: RunWriter,
    infos: Sequence[EvaluatorInfo],
    *,
    models: Mapping[str, Path],
    executor: Executor,
    cache: Path | None = None,
    watch: Watcher | None = None,
    time_limit_s: float | None = None,
) -> EvaluationTotals:
    """Score songs and record each as soon as it is finished; arguments as of `Evaluation`, and where to work."""
    evaluation = Evaluation(tasks, writer, infos, models=models, cache=cache, watch=watch, time_limit_s=time_limit_s)
    for event in run(executor, [evaluation.pool]):
        evaluation.handle(event)
    return evaluation.totals


def _make_worker(
    folder: Path, infos: Sequence[EvaluatorInfo], models: Mapping[str, Path], cache: Path | None
) -> WorkFunction:
    store = ResultCache(cache) if cache else None
    by_name = {info.name: info for info in infos}
    return partial(_score_song, folder=folder, infos=by_name, models=models, store=store, loaded={})


def _score_song(
    task: Task,
    report: Report,
    *,
    folder: Path,
    infos: Mapping[str, EvaluatorInfo],
    models: Mapping[str, Path],
    store: Store | None,
    loaded: dict[str, Evaluator],
) -> _Result:
    wanted = [infos[name] for name in task.evaluators]
    try:
        clip = open_clip(folder, task.song, task.prompt, store)
    except AudioError as error:
        there = task.song.path is not None and (folder / task.song.path).is_file()
        status: ScoreStatus = "failed" if there else "missing_audio"
        lost = (score for info in wanted for score in _all_without(task, info, status, str(error)))
        return _Result(scores=tuple(lost), seconds={})
    scores: list[Score] = []
    seconds: dict[str, float] = {}
    for position, info in enumerate(wanted):
        began = time.process_time()
        scores += _score_with(info, clip, task, models, loaded)
        seconds[info.name] = time.process_time() - began
        report((position + 1) / len(wanted))
    return _Result(scores=tuple(scores), seconds=seconds)


def _score_with(
    info: EvaluatorInfo, clip: Clip, task: Task, models: Mapping[str, Path], loaded: dict[str, Evaluator]
) -> list[Score]:
    try:
        if info.name not in loaded:
            loaded[info.name] = EVALUATORS.get(info.name)(info.options, locator(models))
        found = {score.metric: score for score in loaded[info.name].score(clip)}
    except ModelError as error:
        return _all_without(task, info, "missing_model", str(error))
    except EvalkitError as error:
        return _all_without(task, info, "failed", str(error))
    except MemoryError as error:
        return _lost(task, info, f"Memory ran out in {info.name} ({error or 'MemoryError'}). Try --workers 1.")
    except Exception as error:
        # An evaluator's bug costs its own scores of this song, not the run.
        log.exception("%s failed on %s", info.name, task.song_id)
        return _all_without(task, info, "failed", f"{info.name} broke: {type(error).__name__}: {error}")
    absent = [metric.name for metric in info.metrics if metric.name not in found]
    return [
        *found.values(),
        *(_one_without(task, info, name, "failed", f"{info.name} returned no {name}.") for name in absent),
    ]


def _all_without(task: Task, info: EvaluatorInfo, status: ScoreStatus, reason: str) -> list[Score]:
    return [_one_without(task, info, metric.name, status, reason) for metric in info.metrics]


def _lost(task: Task, info: EvaluatorInfo, reason: str) -> list[Score]:
    """Failed through no fault of the song's bytes, so tried again by the next ``evaluate``."""
    return [replace(score, details={LOST: True}) for score in _all_without(task, info, "failed", reason)]


def _one_without(task: Task, info: EvaluatorInfo, metric: str, status: ScoreStatus, reason: str) -> Score:
    return without_value(task.song_id, info.name, metric, status, reason, info.signatures[metric])
