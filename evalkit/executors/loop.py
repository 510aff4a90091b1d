"""Works through the tasks of pools with any executor.

Results come back in the order they are finished. A worker that dies takes only its own task with it: the task is tried
once more in a fresh worker and then reported as lost. At most as many workers compute at the same time as there are
cores, whatever they work on; results are used up before new ones are made.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from evalkit.errors import EvalkitError
from evalkit.executors.base import Executor, Outcome, Pool, Progress, Worker

ATTEMPTS = 2
"""Times a task is tried when its worker dies."""

MAX_AHEAD = 4
"""Unused songs a feeding pool may leave lying about, for each worker."""

_POLL_S = 0.5


def run(executor: Executor, pools: Sequence[Pool[Any]]) -> Iterator[Outcome[Any] | Progress[Any]]:
    """Work through all tasks; later pools go first, since they use what earlier ones made.

    Args:
        executor: Where.
        pools: Tasks may be added to them between two events.

    Yields:
        `Progress` while tasks run and exactly one `Outcome` for each task. Closing the iterator ends all workers.

    Raises:
        EvalkitError: the workers of a pool cannot load, so its tasks cannot be done.
    """
    crew = _Crew(executor, pools)
    try:
        while crew.has_work:
            crew.assign()
            executor.wait([seat.worker for seat in crew.seats], _POLL_S)
            yield from crew.collect()
        crew.stop()
    finally:
        crew.kill()


class _Seat:
    """A worker and what it is doing."""

    def __init__(self, worker: Worker, pool: Pool[Any]) -> None:
        self.worker, self.pool = worker, pool
        self.task: Any = None
        self.is_busy = False
        self.began = time.monotonic()

    @property
    def holds_cores(self) -> bool:
        return self.is_busy or not self.worker.is_ready


class _Crew:
    def __init__(self, executor: Executor, pools: Sequence[Pool[Any]]) -> None:
        self._executor = executor
        self.pools = pools
        for pool in pools:
            pool.need = executor.settle(pool.need)
        self.seats: list[_Seat] = []
        self._tries: Counter[int] = Counter()  # by identity: a waiting task is alive, so its id is its own
        self._lost_loading: Counter[str] = Counter()
        self._limit: dict[str, int] = {}

    @property
    def has_work(self) -> bool:
        return any(pool.tasks for pool in self.pools) or any(seat.is_busy for seat in self.seats)

    def assign(self) -> None:
        for pool in reversed(self.pools):
            if self._is_held(pool):
                continue
            for seat in self._of(pool):
                if pool.tasks and not seat.is_busy and seat.worker.is_ready and self._fits(pool):
                    seat.task, seat.is_busy, seat.began = pool.tasks.popleft(), True, time.monotonic()
                    seat.worker.begin(seat.task)
            while len(pool.tasks) > self._n_idle(pool) and self._fits(pool) and self._may_grow(pool):
                self.seats.append(_Seat(self._executor.start(pool), pool))
        for seat in list(self.seats):
            if not seat.is_busy and seat.worker.is_ready and self._is_over(seat.pool):
                self.seats.remove(seat)
                seat.worker.stop()

    def collect(self) -> Iterator[Outcome[Any] | Progress[Any]]:
        for seat in list(self.seats):
            for kind, body in seat.worker.receive():
                if kind == "progress" and seat.is_busy:
                    yield Progress(task=seat.task, pool=seat.pool.name, message=body)
                elif kind == "outcome" and seat.is_busy:
                    yield self._finish(seat, Outcome(task=seat.task, pool=seat.pool.name, **body))
            limit_s = seat.pool.limit_s(seat.task) if seat.is_busy else None
            if limit_s is not None and time.monotonic() - seat.began > limit_s:
                self._remove(seat)
                error = f"It took longer than {limit_s:g} s and was stopped."
                yield self._finish(seat, Outcome(task=seat.task, pool=seat.pool.name, error=error))
            elif not seat.worker.is_alive:
                yield from self._bury(seat)

    def stop(self) -> None:
        while self.seats:
            self.seats.pop().worker.stop()

    def kill(self) -> None:
        for seat in self.seats:
            seat.worker.kill()
        self.seats = []

    def _finish(self, seat: _Seat, outcome: Outcome[Any]) -> Outcome[Any]:
        self._tries.pop(id(seat.task), None)
        seat.is_busy, seat.task = False, None
        return outcome

    def _bury(self, seat: _Seat) -> Iterator[Outcome[Any]]:
        why, was_ready, pool = seat.worker.why_dead(), seat.worker.is_ready, seat.pool
        self._remove(seat)
        if seat.is_busy:
            self._tries[id(seat.task)] += 1
            if self._tries[id(seat.task)] < ATTEMPTS:
                pool.tasks.appendleft(seat.task)
            else:
                error = f"The worker process died twice ({why})."
                yield self._finish(seat, Outcome(task=seat.task, pool=pool.name, error=error))
        elif not was_ready:
            self._lost_loading[pool.name] += 1
            if self._of(pool):
                self._limit[pool.name] = len(self._of(pool))  # the others go on; more do not fit
            elif self._lost_loading[pool.name] >= ATTEMPTS:
                raise EvalkitError(f"A worker process ended while it was loading ({why}).", _MEMORY_HINT)

    def _remove(self, seat: _Seat) -> None:
        self.seats.remove(seat)
        seat.worker.kill()

    def _of(self, pool: Pool[Any]) -> list[_Seat]:
        return [seat for seat in self.seats if seat.pool is pool]

    def _n_idle(self, pool: Pool[Any]) -> int:
        return sum(not seat.is_busy for seat in self._of(pool))

    def _fits(self, pool: Pool[Any]) -> bool:
        used = sum(seat.pool.need.cpus for seat in self.seats if seat.holds_cores)
        # A cluster may have shrunk below what was asked for: what is alone always fits.
        return not used or used + pool.need.cpus <= self._executor.n_workers

    def _may_grow(self, pool: Pool[Any]) -> bool:
        if len(self._of(pool)) >= self._limit.get(pool.name, self._executor.n_workers):
            return False
        return self._executor.has_room(pool, [seat.worker for seat in self.seats])

    def _is_held(self, pool: Pool[Any]) -> bool:
        if pool.feeds is None:
            return False
        most = MAX_AHEAD * self._executor.n_workers
        # There may be many: no more of them are looked at than decide it.
        return sum(map(pool.feeds.songs_in, islice(pool.feeds.tasks, most))) >= most

    def _is_over(self, pool: Pool[Any]) -> bool:
        """Whether no more tasks can come."""
        feeders = [other for other in self.pools if other.feeds is pool]
        return not pool.tasks and all(
            not feeder.tasks and not any(seat.is_busy for seat in self._of(feeder)) for feeder in feeders
        )


_MEMORY_HINT = "Often memory ran out: try --workers 1."

__all__ = ["ATTEMPTS", "MAX_AHEAD", "run"]
