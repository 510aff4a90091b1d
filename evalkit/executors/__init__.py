"""Where work is done: in processes of this machine, or on a Ray cluster.

`base` says what an executor is, `loop` works through tasks with any of them; `local` and `ray_cluster` are the two
there are.
"""

from evalkit.errors import ConfigError
from evalkit.executors.base import Executor
from evalkit.executors.local import LocalExecutor, default_workers
from evalkit.registry import suggestion

NAMES = ("local", "ray")


def make_executor(name: str = "local", n_workers: int | None = None, address: str | None = None) -> Executor:
    """The executor of a name.

    Args:
        name: ``local`` or ``ray``.
        n_workers: Workers that may compute at the same time; None for one on each core there is.
        address: Of a running Ray cluster; None starts Ray on this machine.

    Raises:
        ConfigError: no such executor, or an address for one that has none.
        MissingDependencyError: Ray is not installed.
        EvalkitError: the cluster does not answer.
    """
    if name not in NAMES:
        raise ConfigError(f"There is no executor {name!r}.", suggestion(name, list(NAMES)))
    if name == "local":
        if address is not None:
            raise ConfigError("--address belongs to --executor ray.", f"Write: --executor ray --address {address}")
        return LocalExecutor(n_workers or default_workers())
    from evalkit.executors.ray_cluster import RayExecutor

    return RayExecutor(n_workers, address)


__all__ = ["NAMES", "Executor", "default_workers", "make_executor"]
