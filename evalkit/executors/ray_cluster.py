"""Workers as actors of a Ray cluster: a laptop, Slurm or Kubernetes (``docs/scale.md``).

An actor holds what it loaded for as long as there is work. It streams back what its task reports and returns; only the
process that started the run writes the run's records. An actor that is lost with its machine is replaced elsewhere.
"""

import contextlib
import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from evalkit import __version__
from evalkit.errors import ConfigError, EvalkitError, MissingDependencyError
from evalkit.executors import gpu_share
from evalkit.executors.base import Need, Pool, Worker, WorkFunction
from evalkit.executors.local import do, worker_environment

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

try:
    import ray
    from ray.exceptions import RayActorError, RayError, RayTaskError
except ImportError as error:
    raise MissingDependencyError(
        "The executor ray needs Ray, which is not installed.", "Try: pip install 'music-evalkit[ray]'"
    ) from error

ACTOR_SHARE = 0.5
"""Part of its cores an actor reserves: makers and evaluators sit in pairs, and only one of two computes at a time."""

_LOOK_EVERY_S = 2.0
"""How often the size of the cluster is asked for."""

START_LIMIT_S = 600.0
"""Longest an actor may wait for its place in the cluster and load."""


class RayExecutor:
    """Actors of a Ray cluster.

    Args:
        n_workers: Cores that may compute at the same time; None for all of the cluster.
        address: Of a running cluster (``auto`` or ``ray://…``); None starts Ray on this machine.

    Raises:
        EvalkitError: the cluster does not answer.
    """

    def __init__(self, n_workers: int | None = None, address: str | None = None) -> None:
        self._is_ours = not ray.is_initialized()
        if self._is_ours:
            quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
            local = {} if address else {"include_dashboard": False, "num_cpus": n_workers}
            try:
                ray.init(address=address or "local", namespace="evalkit", **quiet, **local)
            except (RayError, ConnectionError, ValueError, RuntimeError) as error:
                raise ConfigError(
                    f"No Ray cluster answers at {address or 'this machine'}: {' '.join(str(error).split())[:300]}",
                    "Start one: ray start --head; then --address auto. See docs/scale.md.",
                ) from error
        self._n_workers = n_workers
        self._n_there, self._looked = 1, -_LOOK_EVERY_S

    @property
    def n_workers(self) -> int:
        """Cores of the living machines, or fewer if so asked; a cluster may grow and shrink."""
        if time.monotonic() - self._looked > _LOOK_EVERY_S:
            self._n_there, self._looked = max(1, int(ray.cluster_resources().get("CPU", 1))), time.monotonic()
        return min(self._n_workers, self._n_there) if self._n_workers else self._n_there

    @n_workers.setter
    def n_workers(self, value: int) -> None:
        self._n_workers = value

    def settle(self, need: Need) -> Need:
        """A whole machine is one GPU, or the cores of the largest machine."""
        gpus = ray.cluster_resources().get("GPU", 0.0)
        memory_mb = max(
            (_memory_mb(node["Resources"]) for node in ray.nodes() if node["Alive"]), default=need.memory_mb
        )
        need = replace(need, memory_mb=min(need.memory_mb, memory_mb))
        if need.whole_machine:
            cores = max((int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]), default=1)
            return replace(need, cpus=1 if gpus else max(1, min(cores, self.n_workers)), gpus=1.0 if gpus else 0.0)
        return replace(need, cpus=min(need.cpus, self.n_workers), gpus=min(need.gpus, gpus))

    def has_room(self, pool: Pool[Any], workers: Sequence[Worker]) -> bool:
        """Whether no actor waits for a place already: Ray knows where there is room, and an autoscaler makes some.

        A second actor of a pool also needs memory that no other one reserves.
        """
        reserved_mb = sum(worker.pool.need.memory_mb for worker in workers)
        is_first = all(worker.pool is not pool for worker in workers)
        if not is_first and reserved_mb + pool.need.memory_mb > _memory_mb(ray.cluster_resources()):
            return False
        return all(worker.is_ready for worker in workers if worker.pool is pool) or len(workers) < self.n_workers

    def start(self, pool: Pool[Any]) -> Worker:
        """Start an actor."""
        return _Actor(pool)

    def wait(self, workers: Iterable[Worker], timeout_s: float) -> None:
        """Wait for their streams."""
        streams = [worker.waiting_for for worker in workers if isinstance(worker, _Actor) and worker.waiting_for]
        if not streams:
            time.sleep(min(timeout_s, 0.05))
            return
        with contextlib.suppress(RayError):
            ray.wait(streams, num_returns=1, timeout=timeout_s, fetch_local=False)

    def close(self) -> None:
        """Disconnect, and end Ray if it was started here."""
        if self._is_ours:
            ray.shutdown()


class _Actor:
    """The near side of one actor."""

    def __init__(self, pool: Pool[Any]) -> None:
        self.pool = pool
        need = pool.need
        options: dict[str, Any] = {
            "num_cpus": need.cpus if need.gpus >= 1 else need.cpus * ACTOR_SHARE,
            "num_gpus": need.gpus,
            "memory": int(need.memory_mb * 2**20),
            "max_restarts": 0,
            "max_task_retries": 0,
            "runtime_env": {"env_vars": worker_environment(need)},
        }
        self._actor = _remote_class().options(**options).remote(__version__, tuple(map(str, pool.shared)))
        self._loading: Any = self._actor.load.remote(pool.make, dict(pool.arguments))
        self._stream: Any = None
        self.is_ready = False
        self._why_dead = ""
        self._began = time.monotonic()

    @property
    def is_alive(self) -> bool:
        return not self._why_dead

    @property
    def waiting_for(self) -> Any:
        return self._stream if self._stream is not None else self._loading

    def why_dead(self) -> str:
        return self._why_dead

    def begin(self, task: Any) -> None:
        self._stream = self._actor.work.remote(task)

    def receive(self) -> Iterator[tuple[str, Any]]:
        try:
            if self._loading is not None:
                self._receive_loading()
            while self._stream is not None and (event := self._next()) is not None:
                if event[0] == "outcome":
                    self._stream = None
                yield event
        except RayActorError as error:
            self._why_dead = _cause(error)
        except RayTaskError as error:
            self._why_dead = f"{type(error.cause).__name__}: {error.cause}"
        except RayError as error:
            self._why_dead = _cause(error)

    def _receive_loading(self) -> None:
        done, _ = ray.wait([self._loading], timeout=0)
        if done:
            broken = ray.get(done[0])
            self._loading = None
            if broken is not None:
                raise broken
            self.is_ready = True
        elif time.monotonic() - self._began > START_LIMIT_S:
            need = self.pool.need
            wanted = f"{need.cpus} cores, {need.gpus:g} GPUs and {need.memory_mb / 1024:.1f} GB"
            self._why_dead = (
                f"an actor with {wanted} found no place in the Ray cluster within {START_LIMIT_S:g} s; see: ray status"
            )

    def _next(self) -> tuple[str, Any] | None:
        done, _ = ray.wait([self._stream], timeout=0, fetch_local=False)
        if not done:
            return None
        try:
            event: tuple[str, Any] = ray.get(next(self._stream))
        except StopIteration:
            self._why_dead = "its stream of results ended early"
            return None
        return event

    def stop(self) -> None:
        self.kill()

    def kill(self) -> None:
        with contextlib.suppress(RayError, ValueError):
            ray.kill(self._actor, no_restart=True)
        self._why_dead = self._why_dead or "it was stopped"


class _FarSide:
    """What runs in the cluster."""

    def __init__(self, version: str, shared: Sequence[str]) -> None:
        self._version, self._shared = version, shared
        self._work: WorkFunction | None = None

    def load(self, make: Callable[..., WorkFunction], arguments: Mapping[str, Any]) -> EvalkitError | None:
        """Load; a refusal is an answer."""
        node = ray.util.get_node_ip_address()
        if self._version != __version__:
            return ConfigError(
                f"The Ray machine {node} has evalkit {__version__}, the run was started with {self._version}.",
                "Install the same version everywhere.",
            )
        for folder in self._shared:
            if not Path(folder).is_dir():
                return ConfigError(
                    f"The Ray machine {node} does not see the folder {folder}.",
                    "Put the run where all machines see it at the same path: --out /shared/…; see docs/scale.md.",
                )
        try:
            gpu_share.keep_to_share()
            self._work = make(**arguments)
        except EvalkitError as error:
            return error
        return None

    def work(self, task: Any) -> Iterator[tuple[str, Any]]:
        """Do a task; a stream of its reports, and its outcome last."""
        assert self._work is not None
        work, events = self._work, queue.SimpleQueue[tuple[str, Any]]()
        body = threading.Thread(
            target=lambda: events.put(("outcome", do(work, task, lambda message: events.put(("progress", message))))),
            daemon=True,
        )
        body.start()
        while True:
            event = events.get()
            yield event
            if event[0] == "outcome":
                return


def _memory_mb(resources: Mapping[str, float]) -> float:
    """Memory of a machine or a cluster that actors may reserve; without end where it is not counted."""
    return resources["memory"] / 2**20 if "memory" in resources else float("inf")


def _remote_class() -> Any:
    return ray.remote(_FarSide)


def _cause(error: Exception) -> str:
    text = " ".join(str(error).split())
    for sign, cause in (
        ("node", "its machine was lost"),
        ("OOM", "memory ran out"),
        ("out of memory", "memory ran out"),
    ):
        if sign in text:
            return cause
    return text[:200] or type(error).__name__
