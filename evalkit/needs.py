"""What a worker that measures needs, so that machines take as many as they can hold."""

from collections.abc import Iterable, Mapping

from evalkit.executors.base import Need
from evalkit.profile import WorkerNeeds
from evalkit.store import EvaluatorInfo

WORKER_MB = 1800.0
"""A worker with its libraries and a group of songs, or one of some minutes, without models."""

COPIES = 2.0
"""Memory of a loaded model over the size of its files: half-precision files are computed in float32."""

GPU_SHARE = 0.25
"""Of each evaluator that runs on a GPU, unless the profile says otherwise."""


def measuring_need(infos: Iterable[EvaluatorInfo], model_bytes: Mapping[str, int], given: WorkerNeeds) -> Need:
    """Need of a worker that scores songs with all of these evaluators.

    Args:
        infos: Evaluators; those of sets do not count.
        model_bytes: Size of the files of each model that is there.
        given: What the profile says, which goes first.
    """
    scoring = [info for info in infos if info.scope == "song"]
    models = {name for info in scoring for name in info.models}
    loaded_mb = COPIES * sum(model_bytes.get(name, 0) for name in models) / 2**20
    on_gpu = sum(str(info.options.get("device", "cpu")).startswith("cuda") for info in scoring)
    return Need(
        gpus=min(1.0, GPU_SHARE * on_gpu) if given.gpus is None else given.gpus,
        memory_mb=given.memory_mb or WORKER_MB + loaded_mb,
    )
