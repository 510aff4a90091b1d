"""The loop with an executor of threads-free fakes: who works when."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from evalkit.errors import EvalkitError
from evalkit.executors.base import Need, Outcome, Pool, Worker
from evalkit.executors.loop import MAX_AHEAD, run


class FakeWorker:
    """Ready at once; answers each task at the second look."""

    def __init__(self, pool: Pool[Any], executor: "FakeExecutor") -> None:
        self.pool, self._executor = pool, executor
        self.is_ready = False
        self.task: Any = None
        self.is_alive = True

    def begin(self, task: Any) -> None:
        assert self.task is None
        self.task = task
        self._executor.begun.append((self.pool.name, task))
        busy = sum(worker.task is not None for worker in self._executor.workers)
        self._executor.most_busy = max(self._executor.most_busy, busy)

    def receive(self) -> Iterator[tuple[str, Any]]:
        if not self.is_ready:
            if self.pool.name in self._executor.deadly:
                self.is_alive = False
            else:
                self.is_ready = True
        elif self.task is not None:
            task, self.task = self.task, None
            yield "outcome", {"result": task}

    def why_dead(self) -> str:
        return "it fell over"

    def stop(self) -> None:
        self._executor.workers.remove(self)
        self._executor.stopped.append(self.pool.name)

    def kill(self) -> None:
        self._executor.workers.remove(self)


class FakeExecutor:
    def __init__(self, n_workers: int, deadly: Sequence[str] = ()) -> None:
        self.n_workers, self.deadly = n_workers, deadly
        self.workers: list[FakeWorker] = []
        self.begun: list[tuple[str, Any]] = []
        self.stopped: list[str] = []
        self.most_busy = 0

    def settle(self, need: Need) -> Need:
        return replace(need, cpus=self.n_workers if need.whole_machine else need.cpus)

    def has_room(self, pool: Pool[Any], workers: Sequence[Worker]) -> bool:
        return True

    def start(self, pool: Pool[Any]) -> Worker:
        self.workers.append(FakeWorker(pool, self))
        return self.workers[-1]

    def wait(self, workers: Iterable[Worker], timeout_s: float) -> None:
        pass

    def close(self) -> None:
        pass


def make(**arguments: Any) -> Any:
    raise AssertionError("never called here")


def pools(n_songs: int, **need: Any) -> tuple[Pool[str], Pool[str]]:
    evaluate: Pool[str] = Pool(name="evaluate", make=make, arguments={})
    generate: Pool[str] = Pool(
        name="generate",
        make=make,
        arguments={},
        tasks=deque(f"song {n}" for n in range(n_songs)),
        feeds=evaluate,
        need=Need(**need),
    )
    return generate, evaluate


def work(executor: FakeExecutor, generate: Pool[str], evaluate: Pool[str], hold: int = 0) -> dict[str, list[str]]:
    done: dict[str, list[str]] = {"generate": [], "evaluate": []}
    waiting: list[int] = []
    for event in run(executor, [generate, evaluate]):
        assert isinstance(event, Outcome)
        done[event.pool].append(event.task)
        if event.pool == "generate":
            evaluate.tasks.append(event.result)
        waiting.append(len(evaluate.tasks))
    assert max(waiting) <= MAX_AHEAD * executor.n_workers + executor.n_workers
    assert executor.workers == [], "all workers were ended"
    return done


@pytest.mark.parametrize("n_workers", [1, 2, 64])
def test_songs_are_measured_while_others_are_made_on_no_more_cores_than_there_are(n_workers: int) -> None:
    executor = FakeExecutor(n_workers)
    done = work(executor, *pools(40))
    assert sorted(done["generate"]) == sorted(done["evaluate"]) == sorted(f"song {n}" for n in range(40))
    assert executor.most_busy <= n_workers
    if n_workers <= 2:
        names = [name for name, _ in executor.begun]
        assert names.index("evaluate") < names.index("generate", 5), "the first is measured before the last is made"


@pytest.mark.parametrize("size", [1, 3, 8])
def test_no_more_is_made_while_many_songs_wait_in_groups(size: int) -> None:
    executor = FakeExecutor(2)
    generate, evaluate = pools(40)
    evaluate.songs_in = len
    made: list[str] = []
    most = 0
    for event in run(executor, [generate, evaluate]):
        assert isinstance(event, Outcome)
        if event.pool == "generate":
            made.append(event.result)
            if len(made) % size == 0 or len(made) == 40:
                evaluate.tasks.append(tuple(made[-(len(made) % size or size) :]))  # type: ignore[arg-type]
        most = max(most, sum(map(len, evaluate.tasks)))
    assert most <= MAX_AHEAD * executor.n_workers + 2 * size
    measured = [song for name, group in executor.begun if name == "evaluate" for song in group]
    assert sorted(measured) == sorted(made)
    assert len(made) == 40


def test_a_system_that_needs_the_whole_machine_has_it_to_itself() -> None:
    executor = FakeExecutor(4)
    done = work(executor, *pools(6, whole_machine=True))
    assert len(done["evaluate"]) == 6
    order = executor.begun
    assert [task for name, task in order if name == "generate"] == [f"song {n}" for n in range(6)]


def test_work_goes_on_where_less_is_left_than_was_asked_for() -> None:
    executor = FakeExecutor(4)
    generate, evaluate = pools(6, whole_machine=True)
    events = run(executor, [generate, evaluate])
    next(events)
    executor.n_workers = 2  # half of the cluster is lost
    assert len(list(events)) == 5


def test_makers_end_as_soon_as_all_is_made() -> None:
    executor = FakeExecutor(1)
    work(executor, *pools(3))
    assert executor.stopped == ["generate", "evaluate"]


def test_what_dies_loading_twice_is_an_error() -> None:
    with pytest.raises(EvalkitError, match="it fell over"):
        work(FakeExecutor(1, deadly=("generate",)), *pools(3))


def test_closing_the_iterator_ends_all_workers() -> None:
    executor = FakeExecutor(2)
    events = run(executor, list(pools(9)))
    next(events)
    assert executor.workers
    events.close()  # type: ignore[attr-defined]
    assert not executor.workers
