"""MLflow: one run for each system, in an experiment named after the suite.

``where`` is the tracking address; without it MLflow's own rules hold (``MLFLOW_TRACKING_URI``, else a local store).
Logging a run again updates what is there.
"""

import os
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from itertools import islice
from time import time
from typing import Any

from evalkit.errors import StoreError, missing_package
from evalkit.loggers.base import Entry, metric_key

KEY = "evalkit.key"
_BATCH = 100
_MAX_PARAM = 500
_MAX_TAG = 5_000


class MlflowLogger:
    """Writes through `MlflowClient`; no global state of MLflow is touched."""

    def check(self) -> None:
        """Say how to get MLflow, if it is not there."""
        if find_spec("mlflow") is None:
            raise missing_package("Logging to MLflow", "mlflow-skinny", "mlflow")

    def log(self, entries: Sequence[Entry], project: str, where: str | None) -> list[str]:
        """See `evalkit.loggers.base.Logger`."""
        self.check()
        # Usage statistics of the package itself; a run is told to its tracker and to nobody else.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient

        try:
            client = MlflowClient(tracking_uri=where)
            experiment = _experiment(client, project)
            return [_log(client, experiment, entry) for entry in entries]
        except (MlflowException, OSError) as error:
            raise StoreError(
                f"MLflow refused: {str(error).splitlines()[0]}",
                "Name a store with --where, e.g. sqlite:///mlflow.db or http://localhost:5000",
            ) from error


LOGGER = MlflowLogger()


def _experiment(client: Any, project: str) -> str:
    found = client.get_experiment_by_name(project)
    return str(found.experiment_id if found is not None else client.create_experiment(project))


def _log(client: Any, experiment: str, entry: Entry) -> str:
    from mlflow.entities import Metric, Param, RunTag

    # The key is a digest, so nothing of a run can reach into the filter's language.
    before = client.search_runs([experiment], filter_string=f"tags.`{KEY}` = '{entry.key}'", max_results=1)
    run = before[0] if before else client.create_run(experiment, tags={KEY: entry.key}, run_name=entry.name[:250])
    run_id: str = run.info.run_id
    now = int(time() * 1000)
    tags = {
        "evalkit.run_id": entry.run_id,
        "evalkit.system": entry.system,
        "evalkit.reference": str(entry.reference).lower(),
        **{metric_key(f"evalkit.signature.{name}"): text for name, text in entry.signatures.items()},
    }
    for batch in _batches(entry.metrics.items()):
        client.log_batch(run_id, metrics=[Metric(name, value, now, 0) for name, value in batch])
    for batch in _batches((name, text[:_MAX_TAG]) for name, text in tags.items()):
        client.log_batch(run_id, tags=[RunTag(name, text) for name, text in batch])
    # Parameters cannot be changed in MLflow; of a run that is logged again only new ones are sent.
    known = run.data.params if before else {}
    for batch in _batches((metric_key(*k.split("/")), v[:_MAX_PARAM]) for k, v in entry.params.items()):
        client.log_batch(run_id, params=[Param(name, value) for name, value in batch if name not in known])
    for file in entry.files:
        client.log_artifact(run_id, str(file))
    client.set_terminated(run_id, "FINISHED")
    return run_id


def _batches(items: Iterable[tuple[str, Any]]) -> Iterable[list[tuple[str, Any]]]:
    rest = iter(items)
    while batch := list(islice(rest, _BATCH)):
        yield batch
