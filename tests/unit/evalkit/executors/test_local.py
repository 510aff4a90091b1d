"""Workers: every task has exactly one outcome, whatever happens to its process."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalkit.errors import ConfigError, EvalkitError
from evalkit.executors.base import Outcome, Pool, Progress
from evalkit.executors.local import LocalExecutor
from evalkit.executors.loop import run

# Workers import this file by path, since tests are no package.
_HELPER = textwrap.dedent("""
    import os, signal, time
    from pathlib import Path
    from evalkit.errors import ConfigError, GenerationError

    def make(kind="square", folder="."):
        if kind == "cannot load":
            raise ConfigError("It cannot load.", "Do this.")
        if kind == "dies loading":
            os.kill(os.getpid(), signal.SIGKILL)
        def work(task, report):
            report(0.5)
            if kind == "sad" and task == 2:
                raise GenerationError("Two is no number to sing.")
            if kind == "bug" and task == 2:
                raise ZeroDivisionError("oops")
            if kind == "dies once" and task == 2 and not (Path(folder) / "died").exists():
                (Path(folder) / "died").touch()
                os.kill(os.getpid(), signal.SIGKILL)
            if kind == "always dies" and task == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            if kind == "hangs" and task == 2:
                time.sleep(60)
            if kind == "is slow":
                time.sleep(2.5)
            if kind == "threads":
                return os.environ["OMP_NUM_THREADS"]
            return task * task
        return work
""")


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    (tmp_path / "worker_helper.py").write_text(_HELPER)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]))
    import worker_helper  # type: ignore[import-not-found]

    yield worker_helper.make
    del sys.modules["worker_helper"]


def run_tasks(
    make: Callable[..., Any], arguments: dict[str, Any], tasks: list[int], n_workers: int, **options: Any
) -> Any:
    pool = Pool(name="test", make=make, arguments=arguments, tasks=deque(tasks), **options)
    return run(LocalExecutor(n_workers), [pool])


def outcomes(make: Callable[..., Any], kind: str, folder: str = ".", **options: Any) -> dict[int, Outcome[int]]:
    found: dict[int, Outcome[int]] = {}
    for event in run_tasks(make, {"kind": kind, "folder": folder}, [1, 2, 3], n_workers=2, **options):
        if isinstance(event, Outcome):
            assert event.task not in found
            found[event.task] = event
    assert sorted(found) == [1, 2, 3]
    return found


def test_results_and_progress(make: Callable[..., Any]) -> None:
    events = list(run_tasks(make, {}, [1, 2, 3], n_workers=2))
    assert {event.task: event.result for event in events if isinstance(event, Outcome)} == {1: 1, 2: 4, 3: 9}
    assert sorted(event.task for event in events if isinstance(event, Progress)) == [1, 2, 3]
    assert all(event.peak_memory_mb > 1 for event in events if isinstance(event, Outcome))


def test_no_tasks_start_no_process(make: Callable[..., Any]) -> None:
    assert list(run_tasks(make, {"kind": "cannot load"}, [], n_workers=2)) == []


def test_workers_compute_with_one_thread_and_the_parent_keeps_its_own(make: Callable[..., Any]) -> None:
    before = dict(os.environ)
    assert outcomes(make, "threads")[1].result == "1"
    assert dict(os.environ) == before


def test_an_expected_error_is_its_sentence(make: Callable[..., Any]) -> None:
    found = outcomes(make, "sad")
    assert found[2].error == "Two is no number to sing."
    assert found[2].log == ""
    assert found[3].result == 9


def test_a_bug_keeps_its_traceback(make: Callable[..., Any]) -> None:
    found = outcomes(make, "bug")
    assert found[2].error == "ZeroDivisionError: oops"
    assert "Traceback" in found[2].log


def test_a_killed_worker_is_replaced_and_its_task_done_again(make: Callable[..., Any], tmp_path: Path) -> None:
    found = outcomes(make, "dies once", str(tmp_path))
    assert (tmp_path / "died").exists()
    assert {task: outcome.result for task, outcome in found.items()} == {1: 1, 2: 4, 3: 9}


def test_a_task_that_kills_its_worker_twice_is_given_up(make: Callable[..., Any]) -> None:
    found = outcomes(make, "always dies")
    assert "died twice (signal 9)" in found[2].error
    assert (found[1].result, found[3].result) == (1, 9)


def test_a_hanging_task_is_stopped(make: Callable[..., Any]) -> None:
    began = time.monotonic()
    found = outcomes(make, "hangs", time_limit_s=3.0)
    assert "longer than 3 s" in found[2].error
    assert found[3].result == 9
    assert time.monotonic() - began < 40


def test_a_task_of_several_songs_has_the_time_of_all(make: Callable[..., Any]) -> None:
    found = outcomes(make, "is slow", time_limit_s=1.0, songs_in=lambda task: 10 if task == 3 else 1)
    assert "longer than 1 s" in found[1].error
    assert found[3].result == 9


def test_what_cannot_load_is_said_once(make: Callable[..., Any]) -> None:
    with pytest.raises(ConfigError, match="It cannot load") as caught:
        list(run_tasks(make, {"kind": "cannot load"}, [1, 2], n_workers=2))
    assert caught.value.hint == "Do this."
    with pytest.raises(EvalkitError, match="ended while it was loading"):
        list(run_tasks(make, {"kind": "dies loading"}, [1], n_workers=1))


def test_workers_end_with_their_parent(make: Callable[..., Any], tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import worker_helper\nfrom collections import deque\nfrom evalkit.executors.base import Pool\n"
        "from evalkit.executors.local import LocalExecutor\nfrom evalkit.executors.loop import run\n"
        "if __name__ == '__main__':\n"
        "    pool = Pool(name='p', make=worker_helper.make, arguments={'kind': 'hangs'}, tasks=deque([2]))\n"
        "    for event in run(LocalExecutor(1), [pool]):\n"
        "        print('started', flush=True)\n"
    )
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "started\n"
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
    assert children
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(_is_alive(child) for child in children):
        time.sleep(0.1)
    assert not any(_is_alive(child) for child in children)


def _is_alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
