"""A real Ray cluster of two nodes on this machine: a lost node costs nothing, one task fails alone."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace

import pytest

from evalkit.executors.base import Need, Pool

pytest.importorskip("ray", reason="needs Ray: pip install 'music-evalkit[ray]'")

from evalkit.executors import ray_cluster

pytestmark = [pytest.mark.slow, pytest.mark.timeout(280)]

PLACE = """
import json, os, sys, time
from collections import deque
from pathlib import Path
import ray
from ray.cluster_utils import Cluster
from evalkit.executors.base import Need, Outcome, Pool, Progress
from evalkit.executors.ray_cluster import RayExecutor
from evalkit.executors.loop import run
import ray_helper
folder = Path(sys.argv[1])

def pool(kind, tasks, **options):
    arguments = {"kind": kind, "folder": str(folder)}
    return Pool(name="p", make=ray_helper.make, arguments=arguments, tasks=deque(tasks), **options)

def two_nodes():
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    second = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    return cluster, second
"""

HELPER = """
import os, time
from pathlib import Path
from evalkit.errors import GenerationError

def make(kind, folder):
    import ray
    node = ray.get_runtime_context().get_node_id()
    def work(task, report):
        with (Path(folder) / "begun").open("a") as file:
            print(task, node, os.getpid(), file=file)
        report(("begun", node))
        if kind == "sad" and task == 2:
            raise GenerationError("Two is no number to sing.")
        if kind == "dies" and task == 2:
            os._exit(7)
        if kind == "hangs" and task == 2:
            time.sleep(100)
        doomed = Path(folder) / "doomed"
        # What the doomed node is given is not done before the node is gone, however long that takes.
        time.sleep(100 if doomed.exists() and doomed.read_text() == node else 0.5)
        return task * task, node
    return work
"""


def in_cluster(tmp_path: Path, body: str) -> dict[str, object]:
    """Run a script with a cluster in a process of its own: Ray leaves threads and signal handlers behind."""
    (tmp_path / "ray_helper.py").write_text(HELPER)
    script = tmp_path / "place.py"
    script.write_text(PLACE + textwrap.dedent(body))
    paths = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": paths, "RAY_USAGE_STATS_ENABLED": "0"}
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)], env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answer: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return answer


def test_a_node_is_lost_and_its_tasks_are_done_elsewhere(tmp_path: Path) -> None:
    found = in_cluster(
        tmp_path,
        """
        cluster, second = two_nodes()
        executor = RayExecutor(address=cluster.address)
        n_workers, second_id = executor.n_workers, second.node_id
        (folder / "doomed").write_text(second_id)
        results, lost = [], None
        work, n_tasks = pool("plain", list(range(6))), 6
        for event in run(executor, [work]):
            if isinstance(event, Outcome) and lost is None and n_tasks < 300:
                work.tasks.append(n_tasks)  # until the second node has come to work, however slow this machine is
                n_tasks += 1
            if isinstance(event, Progress) and event.message[1] == second_id and lost is None:
                lost = event.task
                cluster.remove_node(second, allow_graceful=False)
            if isinstance(event, Outcome):
                results.append((event.task, event.error, event.result and event.result[0]))
        begun = [int(line.split()[0]) for line in (folder / "begun").read_text().splitlines()]
        executor.close()
        cluster.shutdown()
        print(json.dumps({"n_workers": n_workers, "results": results, "lost": lost, "begun": begun,
                          "n_tasks": n_tasks}))
        """,
    )
    assert found["n_workers"] == 2
    assert found["lost"] is not None, "the second node was at work when it was killed"
    n_tasks = int(str(found["n_tasks"]))
    assert sorted(found["results"]) == [[task, "", task * task] for task in range(n_tasks)]  # type: ignore[call-overload]
    begun = found["begun"]
    assert isinstance(begun, list)
    assert begun.count(found["lost"]) == 2, "the lost task was begun again"
    assert sum(begun.count(task) - 1 for task in range(n_tasks)) <= 1, "no other was"


def test_errors_deaths_hangs_and_a_folder_that_is_not_shared(tmp_path: Path) -> None:
    found = in_cluster(
        tmp_path,
        """
        from evalkit.errors import EvalkitError
        executor = RayExecutor(n_workers=2)
        answer = {}
        for kind in ("sad", "dies", "hangs"):
            limit = {"time_limit_s": 6.0} if kind == "hangs" else {}
            events = [event for event in run(executor, [pool(kind, [1, 2, 3], **limit)]) if isinstance(event, Outcome)]
            answer[kind] = {event.task: event.error or event.result[0] for event in events}
        try:
            list(run(executor, [pool("plain", [1], shared=(folder / "elsewhere",))]))
        except EvalkitError as error:
            answer["said"] = str(error)
        executor.close()
        print(json.dumps(answer))
        """,
    )
    assert found["sad"] == {"1": 1, "2": "Two is no number to sing.", "3": 9}
    for kind, sentence in (("dies", "died twice"), ("hangs", "longer than 6 s")):
        answers = found[kind]
        assert isinstance(answers, dict)
        assert (answers["1"], answers["3"]) == (1, 9)
        assert sentence in answers["2"]
    assert "does not see the folder" in str(found["said"])
    assert "--out /shared/" in str(found["said"])


def test_actors_reserve_what_they_need(tmp_path: Path) -> None:
    found = in_cluster(
        tmp_path,
        """
        gigabyte = 2**30
        options = {"num_cpus": 4, "num_gpus": 1, "memory": 5 * gigabyte, "include_dashboard": False}
        cluster = Cluster(initialize_head=True, head_node_args=options)
        cluster.add_node(num_cpus=4, memory=2 * gigabyte)
        cluster.wait_for_nodes()
        executor = RayExecutor(address=cluster.address)
        answer = {}
        for name, need in (("small", Need(memory_mb=100)), ("large", Need(memory_mb=1900)),
                           ("gpu", Need(memory_mb=100, gpus=0.5)), ("huge", Need(memory_mb=1e6))):
            (folder / "begun").unlink(missing_ok=True)
            work = pool("plain", list(range(16)), need=need)
            errors = [event.error for event in run(executor, [work]) if isinstance(event, Outcome)]
            begun = [line.split()[1:] for line in (folder / "begun").read_text().splitlines()]
            nodes = {node: len({pid for where, pid in begun if where == node}) for node, _ in begun}
            answer[name] = {"errors": [error for error in errors if error], "done": len(errors),
                            "head": nodes.pop(cluster.head_node.node_id, 0), "second": sum(nodes.values())}
        executor.close()
        cluster.shutdown()
        print(json.dumps(answer))
        """,
    )
    for one in found.values():
        assert isinstance(one, dict)
        assert (one["done"], one["errors"]) == (16, [])
    small, large, gpu, huge = (found[name] for name in ("small", "large", "gpu", "huge"))
    assert small["head"] + small["second"] > 3, "cores alone limit them"  # type: ignore[index]
    assert large["head"] <= 2, "5 GB hold two"  # type: ignore[index]
    assert large["second"] <= 1, "2 GB hold one"  # type: ignore[index]
    assert gpu["second"] == 0, "only the head has a GPU"  # type: ignore[index]
    assert 1 <= gpu["head"] <= 2, "which two share"  # type: ignore[index]
    assert (huge["head"], huge["second"]) == (1, 0), "never more than the largest machine has"  # type: ignore[index]


def test_no_second_actor_where_memory_is_reserved(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 8.0, "memory": 5000.0 * 2**20})
    executor = object.__new__(ray_cluster.RayExecutor)
    executor._n_workers, executor._n_there, executor._looked = 8, 8, float("inf")
    pools = [Pool(name=name, make=dict, arguments={}, need=Need(memory_mb=2000)) for name in ("sing", "measure")]

    def worker(pool: Pool[object]) -> SimpleNamespace:
        return SimpleNamespace(pool=pool, is_ready=True)

    first, second = pools
    assert executor.has_room(first, [worker(first)])  # type: ignore[list-item]
    assert not executor.has_room(first, [worker(first), worker(first)])  # type: ignore[list-item]
    assert not executor.has_room(first, [worker(first), worker(second)])  # type: ignore[list-item]
    assert executor.has_room(second, [worker(first), worker(first)])  # type: ignore[list-item]
