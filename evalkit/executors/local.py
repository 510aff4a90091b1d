"""Workers as processes of this machine. They end by themselves when their parent is gone."""

import contextlib
import multiprocessing
import os
import resource
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from evalkit.errors import EvalkitError
from evalkit.executors import gpu_share
from evalkit.executors.base import Need, Pool, Report, Worker, WorkFunction

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def default_workers() -> int:
    """Processes this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class LocalExecutor:
    """Processes of this machine, each with as many computing threads as it needs cores.

    Args:
        n_workers: Cores to use.
        gpus: Identifiers for ``CUDA_VISIBLE_DEVICES``; None finds them.
    """

    def __init__(self, n_workers: int, gpus: Sequence[str] | None = None) -> None:
        self.n_workers = n_workers
        self._gpus = tuple(find_gpus() if gpus is None else gpus)
        self._started: list[_Process] = []

    def settle(self, need: Need) -> Need:
        """A whole machine is its GPU, or all its cores."""
        if need.whole_machine:
            return replace(need, cpus=1 if self._gpus else self.n_workers, gpus=1.0 if self._gpus else 0.0)
        return replace(need, cpus=min(need.cpus, self.n_workers), gpus=min(need.gpus, float(len(self._gpus))))

    def has_room(self, pool: Pool[Any], workers: Sequence[Worker]) -> bool:
        """Whether a GPU is free, and for a second worker of the pool enough memory."""
        if pool.need.gpus and self._free_gpu(pool) is None:
            return False
        return not any(worker.pool is pool for worker in workers) or free_memory_mb() >= pool.need.memory_mb

    def start(self, pool: Pool[Any]) -> Worker:
        """Start a process."""
        worker = _Process(pool, self._free_gpu(pool) if pool.need.gpus else None)
        self._started = [*(other for other in self._started if other.is_alive), worker]
        return worker

    def wait(self, workers: Iterable[Worker], timeout_s: float) -> None:
        """Wait for their pipes."""
        wait([worker.connection for worker in workers if isinstance(worker, _Process)], timeout=timeout_s)

    def close(self) -> None:
        """Nothing to leave."""

    def _free_gpu(self, pool: Pool[Any]) -> str | None:
        """The GPU with most room for one more such worker."""
        used = dict.fromkeys(self._gpus, 0.0)
        for worker in self._started:
            if worker.gpu is not None and worker.is_alive:
                used[worker.gpu] += worker.pool.need.gpus
        fitting = [gpu for gpu in used if used[gpu] + pool.need.gpus <= 1.0 + 1e-9]
        return min(fitting, key=used.__getitem__, default=None)


def find_gpus() -> list[str]:
    """NVIDIA GPUs this process may use, without importing torch."""
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is not None:
        return [part.strip() for part in allowed.split(",") if part.strip() not in ("", "-1")]
    with contextlib.suppress(OSError):
        return [str(number) for number, _ in enumerate(Path("/proc/driver/nvidia/gpus").iterdir())]
    return []


def free_memory_mb() -> float:
    """Main memory that new processes can have, a container's limit included; infinite where nobody says."""
    free = [float("inf")]
    with contextlib.suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free.append(float(next(line for line in lines if line.startswith("MemAvailable")).split()[1]) / 1024)
    with contextlib.suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup")
        limit = int((group / "memory.max").read_text(encoding="ascii"))
        free.append((limit - int((group / "memory.current").read_text(encoding="ascii"))) / 2**20)
    return min(free)


class _Process:
    """The parent's side of one process."""

    def __init__(self, pool: Pool[Any], gpu: str | None) -> None:
        self.pool, self.gpu = pool, gpu
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        arguments = (theirs, os.getpid(), pool.make, dict(pool.arguments))
        self._process = context.Process(target=_serve, args=arguments, daemon=True)
        with _environment(pool.need, gpu), _interruption_later():
            self._process.start()
        theirs.close()
        self.is_ready = False
        self._broken = False

    @property
    def is_alive(self) -> bool:
        return not self._broken and self._process.is_alive()

    def why_dead(self) -> str:
        self._process.join(1.0)
        code = self._process.exitcode
        return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"

    def begin(self, task: Any) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # noticed as a dead worker
            self.connection.send(task)

    def receive(self) -> Iterator[tuple[str, Any]]:
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
            self.connection.send(_END)
        self._process.join(5.0)
        self.kill()

    def kill(self) -> None:
        # What the worker has started (an outside program) goes with it.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self._process.pid is not None:
                os.killpg(self._process.pid, signal.SIGKILL)
        if self._process.is_alive():
            self._process.kill()
        self._process.join()
        self.connection.close()


_END = "evalkit: no more tasks"


@contextlib.contextmanager
def _interruption_later() -> Iterator[None]:
    """Ctrl-C waits until a process is started: half a start leaves a child that prints tracebacks.

    The child inherits that SIGINT is blocked, and so is not interrupted before it has a group of its own.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    resource_tracker.ensure_running()  # would unblock the signal in the middle
    before = signal.signal(signal.SIGINT, lambda number, frame: held.append(number))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, before)
    for number in held:
        signal.raise_signal(number)


def _serve(connection: Connection, parent: int, make: Callable[..., WorkFunction], arguments: dict[str, Any]) -> None:
    """Body of a worker process."""
    # A group of its own: Ctrl-C in a terminal reaches the parent alone, which ends its workers in order.
    os.setpgid(0, 0)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # forgets one that came meanwhile
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.signal(signal.SIGINT, before)
    threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt, EOFError, BrokenPipeError, ConnectionResetError):
        try:
            gpu_share.keep_to_share()
            work = make(**arguments)
        except EvalkitError as error:
            connection.send(("broken", error))
            return
        connection.send(("ready", None))
        while (task := connection.recv()) != _END:
            answer = do(work, task, lambda message: connection.send(("progress", message)))
            connection.send(("outcome", answer))


def do(work: WorkFunction, task: Any, report: Report) -> Mapping[str, Any]:
    """Do one task; whatever it raises becomes its outcome."""
    began, cpu_began = time.monotonic(), time.process_time()
    answer: dict[str, Any] = {}
    try:
        answer["result"] = work(task, report)
    except EvalkitError as error:
        answer["error"] = str(error)
    except (BrokenPipeError, ConnectionResetError):
        raise
    except MemoryError as error:
        answer["error"] = f"Memory ran out ({error or 'MemoryError'}). Try --workers 1."
        answer["log"] = traceback.format_exc()
    except Exception as error:
        # The one place where any error of one item becomes that item's outcome.
        answer["error"] = f"{type(error).__name__}: {error}"
        answer["log"] = traceback.format_exc()
    answer["seconds"] = time.monotonic() - began
    answer["cpu_s"] = time.process_time() - cpu_began
    answer["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return answer


def _end_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os.killpg(0, signal.SIGKILL)


def worker_environment(need: Need) -> dict[str, str]:
    """Variables that hold a process to its computing threads, to one heap for all of them, and to its part of a GPU."""
    threads = dict.fromkeys(THREAD_VARIABLES, str(need.cpus))
    return threads | {"MALLOC_ARENA_MAX": "1"} | gpu_share.environment(need.gpus)


@contextlib.contextmanager
def _environment(need: Need, gpu: str | None) -> Iterator[None]:
    """Of processes started inside: processes times threads should be the cores there are, and each has its own GPU."""
    wanted = worker_environment(need) | ({"CUDA_VISIBLE_DEVICES": gpu} if gpu is not None else {})
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
