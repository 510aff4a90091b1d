"""Scores the songs of a run that are not scored yet.

Songs are measured in small groups (`evalkit.tasks`) by workers (`evalkit.scoring`). Each song is recorded once, as soon
as its scores are complete; a group whose worker dies or hangs is tried again song by song.
"""

import logging
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalkit.evaluators.base import EVALUATORS, is_batch_evaluator, is_set_evaluator
from evalkit.executors.base import Executor, Need, Outcome, Pool, Progress
from evalkit.executors.loop import run
from evalkit.files import check_space
from evalkit.profile import Profile
from evalkit.runfolder import RunWriter
from evalkit.scoring import lost, make_worker
from evalkit.store import EvaluatorInfo
from evalkit.tasks import LOST, MAX_TOGETHER, Group, Grouping, Result, Task, songs_together
from evalkit.types import Prompt, Score, Song

__all__ = [
    "LOST",
    "Evaluation",
    "EvaluationTotals",
    "Task",
    "Watcher",
    "describe",
    "evaluate",
    "pending",
    "songs_together",
]

log = logging.getLogger(__name__)


@dataclass(slots=True)
class EvaluationTotals:
    """What a call of `evaluate` did."""

    busy_s: float = 0.0
    audio_s: float = 0.0
    n_songs: int = 0
    peak_memory_mb: float = 0.0
    seconds_by_evaluator: dict[str, float] = field(default_factory=dict)
    audio_by_evaluator: dict[str, float] = field(default_factory=dict)


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
        most_together: Songs in a group at most, see `songs_together`.
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
        most_together: int = MAX_TOGETHER,
    ) -> None:
        self.totals = EvaluationTotals()
        self._writer = writer
        self._by_name = {info.name: info for info in infos if info.scope == "song"}
        self._tell = watch or (lambda song_id, share, scores: None)
        self._recorded: set[str] = set()
        batching = {name for name in self._by_name if is_batch_evaluator(EVALUATORS.get(name))}
        self._grouping = Grouping(batching, most_together)
        folder = writer.folder.resolve()
        arguments = {"folder": folder, "infos": list(infos), "batching": batching, "models": dict(models)}
        self.pool: Pool[Group] = Pool(
            name="evaluate",
            make=make_worker,
            arguments={**arguments, "cache": cache},
            tasks=deque(group for task in tasks for group in self._grouping.add(task)),
            need=need or Need(),
            time_limit_s=time_limit_s,
            songs_in=len,
            shared=(folder,),
        )
        self.flush()

    def add(self, song: Song, prompt: Prompt) -> None:
        """Have a new song scored by all evaluators of single songs, as soon as its group is complete; see `flush`."""
        if self._by_name:
            task = Task(song=song, prompt=prompt, evaluators=tuple(self._by_name))
            self.pool.tasks.extend(self._grouping.add(task))

    def flush(self) -> None:
        """No more songs will be added: measure those that still wait for others."""
        self.pool.tasks.extend(self._grouping.flush())

    def handle(self, event: Outcome[Any] | Progress[Any]) -> None:
        """Record what an event of the pool brought."""
        group: Group = event.task
        if isinstance(event, Progress):
            if isinstance(event.message, Result):
                self._record(next(task for task in group if task.song_id == event.message.song_id), event.message)
                return
            song_id, share = event.message
            if song_id not in self._recorded:
                self._tell(song_id, share, None)
            return
        self.totals.busy_s += event.cpu_s
        self.totals.peak_memory_mb = max(self.totals.peak_memory_mb, event.peak_memory_mb)
        left = [task for task in group if task.song_id not in self._recorded]
        if event.error:
            log.error("%s: %s\n%s", ", ".join(task.song_id for task in left or group), event.error, event.log)
        if len(group) > 1:
            # One of them may be to blame: each gets a worker to itself, and the others lose nothing.
            self.pool.tasks.extendleft((task,) for task in reversed(left))
            return
        for task in left:
            reason = event.error or "The worker ended without scoring this song."
            scores = (score for name in task.evaluators for score in lost(task, self._by_name[name], reason))
            self._record(task, Result(song_id=task.song_id, scores=tuple(scores), seconds={}))

    def _record(self, task: Task, result: Result) -> None:
        if task.song_id in self._recorded:
            return  # its worker died afterwards and did the whole group again
        self._recorded.add(task.song_id)
        if any(score.status == "failed" for score in result.scores):
            check_space(self._writer.folder)
        self._writer.add_scores(result.scores)
        totals, audio_s = self.totals, task.song.duration_s or 0.0
        for name, seconds in result.seconds.items():
            totals.seconds_by_evaluator[name] = totals.seconds_by_evaluator.get(name, 0.0) + seconds
            totals.audio_by_evaluator[name] = totals.audio_by_evaluator.get(name, 0.0) + audio_s
        totals.n_songs += 1
        totals.audio_s += audio_s
        self._tell(task.song_id, 1.0, result.scores)


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
    evaluation = Evaluation(
        tasks, writer, infos, models=models, cache=cache, watch=watch, time_limit_s=time_limit_s,
        most_together=songs_together(len(tasks), executor.n_workers),
    )  # fmt: skip
    for event in run(executor, [evaluation.pool]):
        evaluation.handle(event)
    return evaluation.totals
