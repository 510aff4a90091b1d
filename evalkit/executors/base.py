"""What an executor is: something that starts workers, each of which loads something expensive once.

Work comes in pools. All tasks of a pool are done by the same kind of worker; one pool may feed another (songs are made,
then measured). Which worker does what, and when, is decided in `evalkit.executors.loop` alone, for all executors alike.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")

Report = Callable[[Any], None]
"""Called by a worker's function with anything its parent should know before the task is finished; must pickle."""

WorkFunction = Callable[[Any, Report], Any]
"""What a worker does with one task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome(Generic[T]):
    """What became of one task.

    Attributes:
        task: As it was given.
        pool: Name of its pool.
        result: What the work function returned, None if it failed.
        error: A sentence if it failed, else empty.
        log: The traceback of an error nobody expected, else empty.
        seconds: Wall-clock time in the worker.
        cpu_s: Processor time in the worker.
        peak_memory_mb: Highest memory of the worker so far.
    """

    task: T
    pool: str = ""
    result: Any = None
    error: str = ""
    log: str = ""
    seconds: float = 0.0
    cpu_s: float = 0.0
    peak_memory_mb: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress(Generic[T]):
    """Something a task reported while it was under way."""

    task: T
    pool: str = ""
    message: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What one worker needs.

    Attributes:
        cpus: Cores it computes on, each by one thread.
        gpus: GPUs, or a fraction of one that it shares.
        memory_mb: Main memory it grows to; no second worker of a pool is started where less is free, and an actor of a
            Ray cluster reserves it.
        whole_machine: A whole GPU where there is one, else all cores of a machine.
    """

    cpus: int = 1
    gpus: float = 0.0
    memory_mb: float = 1500.0
    whole_machine: bool = False


def _one(task: Any) -> int:
    return 1


@dataclass(slots=True, kw_only=True, eq=False)
class Pool(Generic[T]):
    """Tasks for one kind of worker.

    Attributes:
        name: Unique among the pools that run together.
        make: Importable function that loads what is needed and returns the work function; called once in each worker.
        arguments: Keyword arguments of ``make``; must pickle.
        tasks: Waiting tasks; must pickle. More may be added as long as the pool, or one that feeds it, is at work.
        need: Of each worker.
        time_limit_s: Longest a task may take for each of its songs; its worker is then killed and the task reported as
            failed.
        songs_in: Number of songs in a task.
        feeds: The pool that gets this one's results; this one waits when too many of them lie there unused.
        shared: Folders every worker must see at the same path.
    """

    name: str
    make: Callable[..., WorkFunction]
    arguments: Mapping[str, Any]
    tasks: deque[T] = field(default_factory=deque)
    need: Need = field(default_factory=Need)
    time_limit_s: float | None = None
    songs_in: Callable[[T], int] = field(default=_one)
    feeds: "Pool[Any] | None" = None
    shared: tuple[Path, ...] = ()

    def limit_s(self, task: T) -> float | None:
        """Longest a task may take, None for ever."""
        return self.time_limit_s and self.time_limit_s * self.songs_in(task)


class Worker(Protocol):
    """The near side of one worker."""

    pool: Pool[Any]

    @property
    def is_ready(self) -> bool:
        """Whether it has loaded; known after `receive`."""
        ...

    @property
    def is_alive(self) -> bool:
        """Whether it can still answer."""
        ...

    def begin(self, task: Any) -> None:
        """Hand over a task; the worker is ready and idle."""
        ...

    def receive(self) -> Iterator[tuple[str, Any]]:
        """What came since: ``("progress", message)`` or ``("outcome", fields of Outcome)``; never waits.

        Raises:
            EvalkitError: it could not load.
        """
        ...

    def why_dead(self) -> str:
        """How it ended, in a few words."""
        ...

    def stop(self) -> None:
        """Let an idle worker end."""
        ...

    def kill(self) -> None:
        """End it now."""
        ...


class Executor(Protocol):
    """Starts workers.

    Attributes:
        n_workers: Cores that may compute at the same time.
    """

    n_workers: int

    def settle(self, need: Need) -> Need:
        """The need in numbers of this executor's machines, never more than there is."""
        ...

    def has_room(self, pool: Pool[Any], workers: Sequence[Worker]) -> bool:
        """Whether one more worker of a pool fits beside those there are."""
        ...

    def start(self, pool: Pool[Any]) -> Worker:
        """Start a worker; it loads by itself."""
        ...

    def wait(self, workers: Iterable[Worker], timeout_s: float) -> None:
        """Return as soon as one of them may have something to say."""
        ...

    def close(self) -> None:
        """Leave the machines; all workers have been ended."""
        ...
