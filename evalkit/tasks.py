"""What measuring workers are given and give back, and which songs they measure together.

Some evaluators run their networks over several songs at once (`evalkit.evaluators.base.BatchEvaluator`), so a worker
gets a small group of songs. No value depends on the grouping.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from evalkit.types import Prompt, Score, Song

LOST = "lost"
"""Key in the details of a score that failed because its worker died, hung or had no memory: it is tried again."""

TOGETHER_S = 120.0
"""Seconds of song in a group, whose audio is in memory at the same time; a longer song is measured alone."""

MAX_TOGETHER = 8
"""Songs in a group."""


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


Group = tuple[Task, ...]
"""Songs that are measured together; all lack the scores of the same evaluators."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Scores of one song, and the processor seconds each evaluator took for it."""

    song_id: str
    scores: tuple[Score, ...]
    seconds: Mapping[str, float]


class Grouping:
    """Collects songs until there are enough for a group.

    Args:
        batching: Evaluators that gain from groups; a song that wants none of them is alone.
        most: Songs in a group at most, see `songs_together`.
    """

    def __init__(self, batching: Collection[str], most: int = MAX_TOGETHER) -> None:
        self._batching = frozenset(batching)
        self._most = most
        self._open: dict[tuple[str, ...], list[Task]] = {}

    def add(self, task: Task) -> list[Group]:
        """Take one more song; gives the groups that are complete now."""
        length_s = _length_s(task)
        if length_s > TOGETHER_S or self._batching.isdisjoint(task.evaluators):
            return [(task,)]
        complete: list[Group] = []
        group = self._open.setdefault(task.evaluators, [])
        if sum(map(_length_s, group)) + length_s > TOGETHER_S:
            complete.append(tuple(group))
            group.clear()
        group.append(task)
        if len(group) >= self._most:
            complete.append(tuple(self._open.pop(task.evaluators)))
        return complete

    def flush(self) -> list[Group]:
        """The groups that are not complete, when no more songs will come."""
        groups = [tuple(group) for group in self._open.values()]
        self._open = {}
        return groups


def songs_together(n_songs: int, n_workers: int) -> int:
    """Songs in a group at most, so that few songs are still shared by all workers."""
    return max(1, min(MAX_TOGETHER, math.ceil(n_songs / max(1, n_workers))))


def _length_s(task: Task) -> float:
    # A song of unknown length may be a long one.
    return math.inf if task.song.duration_s is None else task.song.duration_s
