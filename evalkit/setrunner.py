"""Scores whole sets of songs: one task for each system and set evaluator, in worker processes.

Runs after the songs have their own scores, because what those computed (embeddings) is reused. A set is scored again
only if its songs, their audio or the evaluator's signature changed.
"""

import hashlib
import logging
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from evalkit.cache import ResultCache
from evalkit.clips import unopened
from evalkit.errors import EvalkitError, ModelError
from evalkit.evaluators.base import EVALUATORS, SetEvaluator
from evalkit.executors.base import Executor, Pool, Progress, Report, WorkFunction
from evalkit.executors.loop import run
from evalkit.models.here import locator
from evalkit.store import EvaluatorInfo, RunData
from evalkit.types import Prompt, ScoreStatus, SetScore, Song

log = logging.getLogger(__name__)

ALL = "all"
INPUTS = "inputs"
"""Key in the details under which a score keeps the digest of the songs it was made from."""

Watcher = Callable[[str, float, bool], None]
"""Called with a task's name, its finished share and whether it is finished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTask:
    """All songs of one system for one set evaluator."""

    system: str
    evaluator: str
    songs: tuple[Song, ...]
    prompts: Mapping[str, Prompt]
    inputs: str

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.evaluator} of {self.system}"


def pending(run: RunData, infos: Sequence[EvaluatorInfo], waiting: Collection[str] = ()) -> list[SetTask]:
    """Sets that lack scores: none yet, other songs, another signature, or a model was missing then.

    Args:
        run: The run.
        infos: From `evalkit.runner.describe`.
        waiting: Evaluators whose model is known to be missing still: they are not tried again.
    """
    settled = {
        (score.system, score.metric, score.signature, score.details.get(INPUTS))
        for score in run.set_scores
        if (score.status != "missing_model" or score.evaluator in waiting) and score.group == ALL
    }
    order = {prompt_id: place for place, prompt_id in enumerate(run.prompts)}
    tasks = []
    for system in run.info.systems:
        songs = [song for song in run.songs if song.system == system.name and song.status == "ok"]
        songs.sort(key=lambda song: (order.get(song.prompt_id, len(order)), song.prompt_id, song.take))
        for info in infos:
            if info.scope != "set":
                continue
            inputs = _inputs(songs)
            wanted = {(system.name, metric.name, info.signatures[metric.name], inputs) for metric in info.metrics}
            if wanted - settled:
                prompts = {song.prompt_id: run.prompts[song.prompt_id] for song in songs}
                task = SetTask(
                    system=system.name, evaluator=info.name, songs=tuple(songs), prompts=prompts, inputs=inputs
                )
                tasks.append(task)
    return tasks


def merge(
    before: Sequence[SetScore], tasks: Sequence[SetTask], found: Sequence[SetScore], infos: Sequence[EvaluatorInfo]
) -> list[SetScore]:
    """Old scores of what was not scored again, and the new ones, in the order of systems and metrics."""
    again = {(task.system, task.evaluator) for task in tasks}
    known = {(info.name, info.signatures[metric.name]) for info in infos for metric in info.metrics}
    kept = [
        score
        for score in before
        if (score.system, score.evaluator) not in again and (score.evaluator, score.signature) in known
    ]
    rank = {(info.name, metric.name): (i, k) for i, info in enumerate(infos) for k, metric in enumerate(info.metrics)}
    return sorted(
        [*kept, *found],
        key=lambda score: (score.system, rank[score.evaluator, score.metric], score.group != ALL, score.group),
    )


def evaluate_sets(
    tasks: Sequence[SetTask],
    folder: Path,
    infos: Sequence[EvaluatorInfo],
    *,
    models: Mapping[str, Path],
    executor: Executor,
    cache: Path | None = None,
    watch: Watcher | None = None,
    time_limit_s: float | None = None,
) -> list[SetScore]:
    """Score sets in worker processes.

    Args:
        tasks: From `pending`.
        folder: The run folder.
        infos: From `evalkit.runner.describe`.
        models: Verified model folders by name.
        executor: Where.
        cache: Folder of the result cache, None for none.
        watch: Told about every step.
        time_limit_s: Longest time for one song of a set.

    Returns:
        Scores of all tasks; an evaluator that broke gives ``failed`` ones.
    """
    by_name = {info.name: info for info in infos}
    folder = folder.resolve()
    pool: Pool[SetTask] = Pool(
        name="sets",
        make=_make_worker,
        arguments={"folder": folder, "infos": list(infos), "models": dict(models), "cache": cache},
        tasks=deque(tasks),
        time_limit_s=time_limit_s,
        songs_in=lambda task: max(1, len(task.songs)),
        shared=(folder,),
    )
    scores: list[SetScore] = []
    for event in run(executor, [pool]):
        task = event.task
        if isinstance(event, Progress):
            if watch:
                watch(task.name, event.message, False)
            continue
        if event.error:
            log.error("%s: %s\n%s", task.name, event.error, event.log)
            scores += _all_without(task, by_name[task.evaluator], "failed", event.error)
        else:
            scores += event.result
        if watch:
            watch(task.name, 1.0, True)
    return scores


def _inputs(songs: Sequence[Song]) -> str:
    digest = hashlib.sha256()
    for song in songs:
        digest.update(f"{song.prompt_id}\n{song.take}\n{song.sha256}\n".encode())
    return digest.hexdigest()[:16]


def _make_worker(
    folder: Path, infos: Sequence[EvaluatorInfo], models: Mapping[str, Path], cache: Path | None
) -> WorkFunction:
    return partial(_score_set, folder=folder, infos={info.name: info for info in infos}, models=models, cache=cache)


def _score_set(
    task: SetTask,
    report: Report,
    *,
    folder: Path,
    infos: Mapping[str, EvaluatorInfo],
    models: Mapping[str, Path],
    cache: Path | None,
) -> list[SetScore]:
    info = infos[task.evaluator]

    store = ResultCache(cache) if cache else None
    songs = [unopened(folder, song, task.prompts[song.prompt_id], store) for song in task.songs]
    try:
        evaluator: SetEvaluator = EVALUATORS.get(task.evaluator)(info.options, locator(models))
        found = evaluator.score_set(songs)
    except ModelError as error:
        return _all_without(task, info, "missing_model", str(error))
    except EvalkitError as error:
        return _all_without(task, info, "failed", str(error))
    except Exception as error:
        # An evaluator's bug costs its own scores of this set, not the run.
        log.exception("%s failed", task.name)
        return _all_without(task, info, "failed", f"{task.evaluator} broke: {type(error).__name__}: {error}")
    there = {score.metric for score in found if score.group == ALL}
    absent = [metric.name for metric in info.metrics if metric.name not in there]
    found = [*found, *(_without(task, info, name, "failed", f"{info.name} returned no {name}.") for name in absent)]
    return [replace(score, system=task.system, details={**score.details, INPUTS: task.inputs}) for score in found]


def _all_without(task: SetTask, info: EvaluatorInfo, status: ScoreStatus, reason: str) -> list[SetScore]:
    return [_without(task, info, metric.name, status, reason) for metric in info.metrics]


def _without(task: SetTask, info: EvaluatorInfo, metric: str, status: ScoreStatus, reason: str) -> SetScore:
    return SetScore(
        system=task.system,
        group=ALL,
        evaluator=info.name,
        metric=metric,
        value=None,
        n=len({song.prompt_id for song in task.songs}),
        status=status,
        reason=reason,
        signature=info.signatures[metric],
        details={INPUTS: task.inputs},
    )
