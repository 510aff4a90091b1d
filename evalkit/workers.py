"""Processes that each load something expensive once and then work through tasks.

Results come back in the order they are finished. A worker that dies takes only its own task with it: the task is tried
once more in a fresh process and then reported as lost. Workers end by themselves when their parent is gone.
"""

import contextlib
import multiprocessing
import os
import resource
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from evalkit.errors import EvalkitError

T = TypeVar("T")

Report = Callable[[Any], None]
"""Called by a worker's function with anything its parent should know before the task is finished; must pickle."""

WorkFunction = Callable[[Any, Report], Any]
"""What a worker does with one task."""

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome(Generic[T]):
    """What became of one task.

    Attributes:
        task: As it was given.
        result: What the work function returned, None if it failed.
        error: A sentence if it failed, else empty.
        log: The traceback of an error nobody expected, else empty.
        seconds: Wall-clock time in the worker.
        cpu_s: Processor time in the worker.
        peak_memory_mb: Highest memory of the worker so far.
    """

    task: T
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
    message: Any


def default_workers() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_tasks(
    make: Callable[..., WorkFunction],
    arguments: Mapping[str, Any],
    tasks: Sequence[T],
    *,
    n_workers: int,
    n_threads: int = 1,
    time_limit_s: float | None = None,
) -> Iterator[Outcome[T] | Progress[T]]:
    """Work through ``tasks`` in ``n_workers`` fresh processes of ``n_threads`` computing threads each.

    Args:
        make: Importable function that loads what is needed and returns the work function; called once in each worker.
        arguments: Keyword arguments of ``make``; must pickle.
        tasks: Must pickle.
        n_workers: Upper bound of processes; never more than tasks.
        n_threads: Computing threads in each.
        time_limit_s: Longest a task may take; its worker is then killed and the task reported as failed.

    Yields:
        `Progress` while tasks run and exactly one `Outcome` for each task.

    Raises:
        EvalkitError: ``make`` failed, so no task can be done.
    """
    queue = deque(enumerate(tasks))
    attempts = [0] * len(tasks)
    workers: list[_Worker] = []
    try:
        while queue or workers:
            while queue and len(workers) < min(n_workers, len(tasks)):
                workers.append(_Worker(make, arguments, n_threads))
            for worker in workers:
                if worker.task is None and queue and worker.is_ready:
                    worker.begin(*queue.popleft())
            for worker in [worker for worker in workers if worker.task is None and worker.is_ready and not queue]:
                worker.stop()
                workers.remove(worker)
            if not workers:
                continue
            wait([worker.connection for worker in workers], timeout=0.5)
            for worker in list(workers):
                index = worker.task
                for message in worker.receive():
                    if index is None:
                        continue
                    kind, body = message
                    if kind == "progress":
                        yield Progress(task=tasks[index], message=body)
                    else:
                        worker.task = index = None
                        yield Outcome(task=tasks[body.pop("index")], **body)
                if worker.task is not None and time_limit_s is not None and worker.busy_s > time_limit_s:
                    index = worker.task
                    worker.kill()
                    workers.remove(worker)
                    yield Outcome(task=tasks[index], error=f"It took longer than {time_limit_s:g} s and was stopped.")
                elif not worker.is_alive:
                    index, code = worker.task, worker.exit_code
                    worker.kill()
                    workers.remove(worker)
                    if index is None:
                        raise EvalkitError(
                            f"A worker process ended while it was loading ({_exit(code)}).", _MEMORY_HINT
                        )
                    attempts[index] += 1
                    if attempts[index] < 2:
                        queue.appendleft((index, tasks[index]))
                    else:
                        yield Outcome(task=tasks[index], error=f"The worker process died twice ({_exit(code)}).")
    finally:
        for worker in workers:
            worker.kill()


_MEMORY_HINT = "Often memory ran out: try --workers 1."


class _Worker:
    """The parent's side of one process."""

    def __init__(self, make: Callable[..., WorkFunction], arguments: Mapping[str, Any], n_threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, os.getpid(), make, dict(arguments)), daemon=True)
        with _threads(n_threads):
            self._process.start()
        theirs.close()
        self.task: int | None = None
        self.is_ready = False
        self._began = 0.0
        self._broken = False

    @property
    def is_alive(self) -> bool:
        return not self._broken and self._process.is_alive()

    @property
    def exit_code(self) -> int | None:
        self._process.join(1.0)
        return self._process.exitcode

    @property
    def busy_s(self) -> float:
        return time.monotonic() - self._began

    def begin(self, index: int, task: Any) -> None:
        self.task = index
        self._began = time.monotonic()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # noticed as a dead worker
            self.connection.send((index, task))

    def receive(self) -> Iterator[Any]:
        try:
            while self.connection.poll():
                kind, body = self.connection.recv()
                if kind == "ready":
                    self.is_ready = True
                elif kind == "broken":
                    raise body
                else:
                    yield kind, body
        except (EOFError, ConnectionResetError):
            self._broken = True

    def stop(self) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send(None)
        self._process.join(5.0)
        self.kill()

    def kill(self) -> None:
        if self._process.is_alive():
            self._process.kill()
        self._process.join()
        self.connection.close()


def _serve(connection: Connection, parent: int, make: Callable[..., WorkFunction], arguments: dict[str, Any]) -> None:
    """Body of a worker process."""
    threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt, EOFError, BrokenPipeError, ConnectionResetError):
        try:
            work = make(**arguments)
        except EvalkitError as error:
            connection.send(("broken", error))
            return
        connection.send(("ready", None))
        while (message := connection.recv()) is not None:
            index, task = message
            began, cpu_began = time.monotonic(), time.process_time()
            answer: dict[str, Any] = {"index": index}
            try:
                answer["result"] = work(task, lambda message: connection.send(("progress", message)))
            except EvalkitError as error:
                answer["error"] = str(error)
            except (BrokenPipeError, ConnectionResetError):
                raise
            except Exception as error:
                # The one place where any error of one item becomes that item's outcome.
                answer["error"] = f"{type(error).__name__}: {error}"
                answer["log"] = traceback.format_exc()
            answer["seconds"] = time.monotonic() - began
            answer["cpu_s"] = time.process_time() - cpu_began
            answer["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            connection.send(("outcome", answer))


def _end_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    """Computing threads of processes started inside; processes times threads should be the cores there are."""
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, str(count)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _exit(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
