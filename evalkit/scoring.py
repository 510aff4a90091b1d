"""What a measuring worker does with a group of songs.

Each file is decoded once and each evaluator is loaded once per worker process. What fails, fails for one song and one
evaluator, with its reason; the rest goes on. A song's scores are reported as soon as they are complete.
"""

import logging
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from evalkit import memory
from evalkit.cache import ResultCache
from evalkit.clips import open_clip
from evalkit.derived import Store
from evalkit.errors import AudioError, EvalkitError, ModelError
from evalkit.evaluators.base import EVALUATORS, without_value
from evalkit.executors.base import Report
from evalkit.models.here import locator
from evalkit.store import EvaluatorInfo
from evalkit.tasks import LOST, Group, Result, Task
from evalkit.types import Clip, Score, ScoreStatus

log = logging.getLogger(__name__)

_GPU_OUT_OF_MEMORY = "OutOfMemoryError"
"""PyTorch's error, by its name, so that PyTorch is not loaded for it."""


def make_worker(
    folder: Path,
    infos: Sequence[EvaluatorInfo],
    batching: Collection[str],
    models: Mapping[str, Path],
    cache: Path | None,
) -> "Scorer":
    """A `Scorer` with the result cache in a folder; see `evalkit.executors.base.Pool`."""
    return Scorer(folder, infos, batching=batching, models=models, store=ResultCache(cache) if cache else None)


class Scorer:
    """Scores groups of songs.

    Args:
        folder: The run folder.
        infos: From `evalkit.runner.describe`.
        batching: Those of them that are `evalkit.evaluators.base.BatchEvaluator`.
        models: Verified model folders by name.
        store: Where derived results are kept.
        loaded: Evaluators that are there already; others are made when the first song wants them.
    """

    def __init__(
        self,
        folder: Path,
        infos: Sequence[EvaluatorInfo],
        *,
        batching: Collection[str] = (),
        models: Mapping[str, Path],
        store: Store | None = None,
        loaded: Mapping[str, Any] | None = None,
    ) -> None:
        self._folder = folder
        self._infos = {info.name: info for info in infos}
        self._batching = frozenset(batching)
        self._models = models
        self._store = store
        self._loaded = dict(loaded or {})

    def __call__(self, tasks: Group, report: Report) -> None:
        """Report the finished share of songs, ``(song id, share)``, and one `Result` for each."""
        clips: dict[str, Clip] = {}
        for task in tasks:
            try:
                clips[task.song_id] = open_clip(self._folder, task.song, task.prompt, self._store)
            except AudioError as error:
                report(Result(song_id=task.song_id, scores=self._unopened(task, str(error)), seconds={}))
        opened = [task for task in tasks if task.song_id in clips]
        seconds = self._prepare(opened, clips, report)
        for task in opened:
            # The clip and all that was derived from it go with its scores.
            report(self._score(task, clips.pop(task.song_id), seconds, report))
        memory.give_back()

    def _prepare(
        self, tasks: Sequence[Task], clips: Mapping[str, Clip], report: Report
    ) -> dict[tuple[str, str], float]:
        """Have costly things computed for all songs at once; gives seconds by song and evaluator."""
        seconds: dict[tuple[str, str], float] = {}
        for name in dict.fromkeys(name for task in tasks for name in task.evaluators if name in self._batching):
            wanting = [task for task in tasks if name in task.evaluators]
            began = time.process_time()
            try:
                self._evaluator(name).prepare([clips[task.song_id] for task in wanting])
            except EvalkitError as error:
                # The songs are scored all the same, and the error meets the one it belongs to.
                log.info("%s could not prepare songs together: %s", name, error)
            except Exception:
                log.exception("%s could not prepare songs together", name)
            took_s = time.process_time() - began
            total_s = sum(clips[task.song_id].mix.duration_s for task in wanting)
            for task in wanting:
                share = clips[task.song_id].mix.duration_s / total_s if total_s else 1.0 / len(wanting)
                seconds[task.song_id, name] = took_s * share
                n_done = sum(song_id == task.song_id for song_id, _ in seconds)
                report((task.song_id, n_done / self._n_steps(task)))
        return seconds

    def _score(self, task: Task, clip: Clip, prepared: Mapping[tuple[str, str], float], report: Report) -> Result:
        scores: list[Score] = []
        seconds: dict[str, float] = {}
        n_left = len(task.evaluators)
        for name in task.evaluators:
            began = time.process_time()
            scores += self._score_with(self._infos[name], clip, task)
            seconds[name] = time.process_time() - began + prepared.get((task.song_id, name), 0.0)
            n_left -= 1
            report((task.song_id, 1.0 - n_left / self._n_steps(task)))
        return Result(song_id=task.song_id, scores=tuple(scores), seconds=seconds)

    def _score_with(self, info: EvaluatorInfo, clip: Clip, task: Task) -> list[Score]:
        try:
            found = {score.metric: score for score in self._evaluator(info.name).score(clip)}
        except ModelError as error:
            return all_without(task, info, "missing_model", str(error))
        except EvalkitError as error:
            return all_without(task, info, "failed", str(error))
        except MemoryError as error:
            return lost(task, info, f"Memory ran out in {info.name} ({error or 'MemoryError'}). Try --workers 1.")
        except Exception as error:
            if type(error).__name__ == _GPU_OUT_OF_MEMORY:
                return lost(task, info, f"The GPU's memory ran out in {info.name}. Give it more: worker: {{gpus: …}}.")
            # An evaluator's bug costs its own scores of this song, not the run.
            log.exception("%s failed on %s", info.name, task.song_id)
            return all_without(task, info, "failed", f"{info.name} broke: {type(error).__name__}: {error}")
        absent = [metric.name for metric in info.metrics if metric.name not in found]
        return [
            *found.values(),
            *(_one_without(task, info, name, "failed", f"{info.name} returned no {name}.") for name in absent),
        ]

    def _unopened(self, task: Task, reason: str) -> tuple[Score, ...]:
        there = task.song.path is not None and (self._folder / task.song.path).is_file()
        status: ScoreStatus = "failed" if there else "missing_audio"
        infos = [self._infos[name] for name in task.evaluators]
        return tuple(score for info in infos for score in all_without(task, info, status, reason))

    def _evaluator(self, name: str) -> Any:
        if name not in self._loaded:
            self._loaded[name] = EVALUATORS.get(name)(self._infos[name].options, locator(self._models))
        return self._loaded[name]

    def _n_steps(self, task: Task) -> int:
        return len(task.evaluators) + len(self._batching.intersection(task.evaluators))


def all_without(task: Task, info: EvaluatorInfo, status: ScoreStatus, reason: str) -> list[Score]:
    """A score without a value for every metric of an evaluator."""
    return [_one_without(task, info, metric.name, status, reason) for metric in info.metrics]


def lost(task: Task, info: EvaluatorInfo, reason: str) -> list[Score]:
    """Failed through no fault of the song's bytes, so tried again by the next ``evaluate``."""
    return [replace(score, details={LOST: True}) for score in all_without(task, info, "failed", reason)]


def _one_without(task: Task, info: EvaluatorInfo, metric: str, status: ScoreStatus, reason: str) -> Score:
    return without_value(task.song_id, info.name, metric, status, reason, info.signatures[metric])
