"""Songs measured together: no value, no failure and no second of one song depends on the others."""

import gc
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evalkit.audio import save_flac
from evalkit.cache import ResultCache
from evalkit.derived import Derived
from evalkit.errors import ModelError
from evalkit.evaluators.base import ok
from evalkit.files import file_sha256
from evalkit.scoring import Scorer
from evalkit.store import EvaluatorInfo
from evalkit.tasks import LOST, Result, Task
from evalkit.types import Audio, Clip, Metric, Prompt, Score, Song

METRIC = Metric(name="level", title="level", unit="", direction="lower", source="test")
LENGTHS_S = (6.0, 12.0, 6.0, 24.0)


class Apart:
    """Measures the level of a song."""

    def __init__(self, name: str = "apart") -> None:
        self.name = name
        self.computed: list[str] = []

    def level(self, clip: Clip) -> dict[str, Any]:
        self.computed.append(clip.song.id)
        return {"level": float(np.sqrt(np.mean(clip.mix.samples**2, dtype=np.float64)))}

    def score(self, clip: Clip) -> list[Score]:
        value = clip.derived.stored("mix", "level", lambda: self.level(clip))["level"]
        return [ok(clip, self.name, "level", value, f"level|{self.name}")]


class Together(Apart):
    """Does so for several songs at once, or stumbles over one of them."""

    def __init__(self, name: str = "together", error: Exception | None = None) -> None:
        super().__init__(name)
        self.error = error
        self.groups: list[list[str]] = []

    def prepare(self, clips: Sequence[Clip]) -> None:
        self.groups.append([clip.song.id for clip in clips])
        for clip in clips:
            if self.error and clip.song.take == 2:
                raise self.error
            clip.derived.stored("mix", "level", lambda clip=clip: self.level(clip))  # type: ignore[misc]


@pytest.fixture
def tasks(tmp_path: Path, make_sine: Callable[..., Audio]) -> list[Task]:
    found = []
    for take, duration_s in enumerate(LENGTHS_S):
        path = f"audio/s/p.take{take}.flac"
        save_flac(make_sine(duration_s=duration_s, amplitude=0.1 + 0.1 * take), tmp_path / path)
        song = Song(
            prompt_id="p", system="s", take=take, seed=1, status="ok",
            path=path, sha256=file_sha256(tmp_path / path), duration_s=duration_s,
        )  # fmt: skip
        found.append(Task(song=song, prompt=Prompt(id="p", language="en"), evaluators=("together", "apart")))
    return found


def info(name: str) -> EvaluatorInfo:
    return EvaluatorInfo(name=name, version="1", metrics=(METRIC,), signatures={"level": f"level|{name}"})


INFOS = [info("together"), info("apart")]


class Desk:
    """A scorer with fakes, and what it reported."""

    def __init__(self, folder: Path, together: Together | None = None, cache: Path | None = None) -> None:
        self.together, self.apart = together or Together(), Apart()
        self.reports: list[Any] = []
        self._score = Scorer(
            folder, INFOS, batching={"together"}, models={}, store=ResultCache(cache) if cache else None,
            loaded={"together": self.together, "apart": self.apart},
        )  # fmt: skip

    def __call__(self, *groups: Sequence[Task]) -> dict[str, Result]:
        for group in groups:
            self._score(tuple(group), self.reports.append)
        results = [report for report in self.reports if isinstance(report, Result)]
        assert len({result.song_id for result in results}) == len(results), "each song once"
        return {result.song_id: result for result in results}


def scores(results: dict[str, Result]) -> dict[str, tuple[Score, ...]]:
    return {song_id: result.scores for song_id, result in results.items()}


def test_groups_and_order_change_no_score(tmp_path: Path, tasks: list[Task]) -> None:
    one_by_one = scores(Desk(tmp_path)(*[[task] for task in tasks]))
    assert len(one_by_one) == len(tasks)
    for groups in ([tasks], [tasks[::-1]], [tasks[1:3], tasks[:1], tasks[3:]]):
        desk = Desk(tmp_path)
        assert scores(desk(*groups)) == one_by_one
        assert desk.together.groups == [[task.song_id for task in group] for group in groups]
        assert sorted(desk.together.computed) == sorted(task.song_id for task in tasks), "each song once"
        assert desk.apart.computed == [], "it finds what was computed together"


def test_what_was_computed_together_is_on_disk(tmp_path: Path, tasks: list[Task]) -> None:
    first = scores(Desk(tmp_path, cache=tmp_path / "cache")(tasks))
    again = Desk(tmp_path, Together(error=ModelError("It is gone.")), tmp_path / "cache")
    assert scores(again(tasks)) == first
    assert again.together.computed == []


@pytest.mark.parametrize("error", [ZeroDivisionError("oops"), ModelError("No weights."), MemoryError()])
def test_preparing_in_vain_costs_nothing(tmp_path: Path, tasks: list[Task], error: Exception) -> None:
    desk = Desk(tmp_path, Together(error=error))
    assert scores(desk(tasks)) == scores(Desk(tmp_path)(tasks))
    assert sorted(desk.together.computed) == sorted(task.song_id for task in tasks)


def test_a_broken_song_disturbs_no_other(tmp_path: Path, tasks: list[Task]) -> None:
    whole = scores(Desk(tmp_path)(tasks))
    (tmp_path / str(tasks[1].song.path)).write_bytes(b"no music")
    (tmp_path / str(tasks[2].song.path)).unlink()
    desk = Desk(tmp_path)
    found = scores(desk(tasks))
    assert {song_id: {score.status for score in each} for song_id, each in found.items()} == {
        "s/p.take0": {"ok"}, "s/p.take1": {"failed"}, "s/p.take2": {"missing_audio"}, "s/p.take3": {"ok"}
    }  # fmt: skip
    assert found["s/p.take0"] == whole["s/p.take0"]
    assert desk.together.groups == [["s/p.take0", "s/p.take3"]]
    (tmp_path / str(tasks[0].song.path)).unlink()
    (tmp_path / str(tasks[3].song.path)).unlink()
    none = Desk(tmp_path)
    assert len(none(tasks)) == 4
    assert none.together.groups == []


def test_the_time_of_all_is_shared_by_length(
    tmp_path: Path, tasks: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock:
        now = 0.0

        def process_time(self) -> float:
            return self.now

    clock = Clock()
    monkeypatch.setattr("evalkit.scoring.time", clock)
    desk = Desk(tmp_path)

    def prepare(clips: Sequence[Clip]) -> None:
        clock.now += 48.0

    def score(clip: Clip, whole: Callable[[Clip], list[Score]] = desk.together.score) -> list[Score]:
        clock.now += 1.0
        return whole(clip)

    monkeypatch.setattr(desk.together, "prepare", prepare)
    monkeypatch.setattr(desk.together, "score", score)
    found = desk(tasks)
    assert [result.seconds["together"] for result in found.values()] == [
        pytest.approx(1.0 + length_s) for length_s in LENGTHS_S
    ]
    assert {result.seconds["apart"] for result in found.values()} == {0.0}


def test_each_song_is_reported_when_it_is_finished_and_then_let_go(tmp_path: Path, tasks: list[Task]) -> None:
    desk = Desk(tmp_path)
    clips: dict[str, weakref.ref[Derived]] = {}
    alive: list[int] = []

    def score(clip: Clip) -> list[Score]:
        gc.collect()
        clips[clip.song.id] = weakref.ref(clip.derived)
        alive.append(sum(known() is not None for known in clips.values()))
        return Apart.score(desk.together, clip)

    desk.together.score = score  # type: ignore[method-assign]
    desk(tasks)
    assert alive == [1] * len(tasks)
    shares: dict[str, list[float]] = {task.song_id: [] for task in tasks}
    finished = []
    for report in desk.reports:
        if isinstance(report, Result):
            finished.append(report.song_id)
            continue
        song_id, share = report
        assert song_id not in finished
        assert set(finished) == {task.song_id for task in tasks[: len(finished)]}
        shares[song_id].append(share)
    assert [*shares.values()] == [pytest.approx([1 / 3, 2 / 3, 1.0])] * len(tasks)


class OutOfMemoryError(RuntimeError):
    """Named as PyTorch's, which a GPU worker raises."""


class Greedy(Apart):
    """Takes more memory for one song than there is."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def level(self, clip: Clip) -> dict[str, Any]:
        if clip.song.take == 2:
            raise self.error
        return super().level(clip)


@pytest.mark.parametrize("error", [MemoryError(), OutOfMemoryError("CUDA out of memory.")], ids=["main", "gpu"])
def test_a_song_for_which_memory_ran_out_is_tried_again(tmp_path: Path, tasks: list[Task], error: Exception) -> None:
    reported: list[Any] = []
    worker = Scorer(tmp_path, [info("apart")], models={}, loaded={"apart": Greedy(error)})
    worker([replace(task, evaluators=("apart",)) for task in tasks], reported.append)
    found = {result.song_id: result.scores[0] for result in reported if isinstance(result, Result)}
    assert [score.status for score in found.values()] == ["ok", "ok", "failed", "ok"]
    assert "emory ran out in apart" in found["s/p.take2"].reason
    assert found["s/p.take2"].details == {LOST: True}
