from pathlib import Path

import pytest

from evalkit import profile
from evalkit.errors import ConfigError
from evalkit.executors.base import Need
from evalkit.needs import COPIES, GPU_SHARE, WORKER_MB, measuring_need
from evalkit.profile import WorkerNeeds
from evalkit.store import EvaluatorInfo

NOTHING = WorkerNeeds()
SIZES = {"small": 100 * 2**20, "large": 3000 * 2**20}


def info(name: str, *models: str, device: str = "", scope: str = "song") -> EvaluatorInfo:
    options = {"device": device} if device else {}
    return EvaluatorInfo(name=name, version="1", models=models, options=options, scope=scope)  # type: ignore[arg-type]


def test_memory_follows_the_models_that_are_there_each_once() -> None:
    infos = [info("a", "small", "large"), info("b", "small"), info("c", "missing"), info("d", "large", scope="set")]
    assert measuring_need(infos, SIZES, NOTHING) == Need(cpus=1, gpus=0.0, memory_mb=WORKER_MB + COPIES * 3100)
    assert measuring_need(infos[1:], SIZES, NOTHING).memory_mb == WORKER_MB + COPIES * 100


def test_evaluators_on_a_gpu_share_it() -> None:
    infos = [info("a", device="cuda"), info("b", device="cpu"), info("c", device="cuda:0")]
    assert measuring_need(infos, {}, NOTHING).gpus == 2 * GPU_SHARE
    assert measuring_need([info(str(n), device="cuda") for n in range(9)], {}, NOTHING).gpus == 1.0


def test_the_profile_goes_first(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nevaluators: {technical: }\nworker: {gpus: 0.1, memory_mb: 9000}\n")
    given = profile.load(str(path)).worker
    need = measuring_need([info("a", "large", device="cuda")], SIZES, given)
    assert need == Need(cpus=1, gpus=0.1, memory_mb=9000.0)
    none = measuring_need([info("a", device="cuda")], {}, WorkerNeeds(gpus=0.0))
    assert none.gpus == 0.0


@pytest.mark.parametrize("line", ["{gpus: 2}", "{cpus: 2}", "{memory_mb: -1}", "{ram: 5}", "{gpus: .nan}"])
def test_what_cannot_be_is_refused_with_the_field(tmp_path: Path, line: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"name: mine\nevaluators: {{technical: }}\nworker: {line}\n")
    with pytest.raises(ConfigError, match=r"worker\."):
        profile.load(str(path))
