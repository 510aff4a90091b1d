"""A worker's part of a GPU's memory: told to its process, and kept to."""

import os
import textwrap
from collections import deque
from pathlib import Path

import pytest

from evalkit.executors import gpu_share
from evalkit.executors.base import Need, Outcome, Pool
from evalkit.executors.local import LocalExecutor
from evalkit.executors.loop import run

_HELPER = textwrap.dedent("""
    import os

    def make():
        return lambda task, report: (os.environ.get("EVALKIT_GPU_SHARE"), os.environ.get("CUDA_VISIBLE_DEVICES"))
""")


@pytest.mark.parametrize(
    ("text", "share"),
    [("0.25", 0.25), ("1", 1.0), ("", 1.0), ("much", 1.0), ("0", 1.0), ("-1", 1.0), ("7", 1.0), ("nan", 1.0)],
)
def test_share_is_what_the_environment_says_or_everything(
    monkeypatch: pytest.MonkeyPatch, text: str, share: float
) -> None:
    monkeypatch.setenv(gpu_share.VARIABLE, text)
    assert gpu_share.share() == share


def test_only_a_fraction_is_told() -> None:
    assert gpu_share.environment(0.25) == {gpu_share.VARIABLE: "0.25"}
    assert gpu_share.environment(0.0) == gpu_share.environment(1.0) == {}


@pytest.mark.parametrize(("share", "limits"), [("0.25", [0.25]), ("1", [])])
def test_pytorch_is_held_to_the_share(monkeypatch: pytest.MonkeyPatch, share: str, limits: list[float]) -> None:
    torch = pytest.importorskip("torch")
    asked: list[float] = []
    monkeypatch.setenv(gpu_share.VARIABLE, share)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", asked.append)
    gpu_share.keep_to_share()
    assert asked == limits


def test_workers_on_one_gpu_know_their_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "share_helper.py").write_text(_HELPER)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]))
    import share_helper  # type: ignore[import-not-found]

    pools = [
        Pool(name="part", make=share_helper.make, arguments={}, tasks=deque([1]), need=Need(gpus=0.5)),
        Pool(name="none", make=share_helper.make, arguments={}, tasks=deque([1])),
    ]
    events = run(LocalExecutor(2, gpus=["3"]), pools)
    found = {event.pool: event.result for event in events if isinstance(event, Outcome)}
    assert found["part"] == ("0.5", "3")
    assert found["none"][0] is None
