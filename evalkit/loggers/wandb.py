"""Weights & Biases: one run for each system, grouped by evalkit run, in a project named after the suite.

Whether it goes to a server or stays in a folder is decided as always with W&B (``WANDB_MODE=offline``,
``wandb login``); ``where`` is the address of a server of your own. Logging a run again updates what is there.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from evalkit.errors import StoreError, missing_package
from evalkit.loggers.base import Entry


class WandbLogger:
    """Aggregates become the summary of a W&B run, parameters and signatures its configuration, files its artifact."""

    def check(self) -> None:
        """Say how to get W&B, if it is not there."""
        if find_spec("wandb") is None:
            raise missing_package("Logging to Weights & Biases", "wandb", "wandb")

    def log(self, entries: Sequence[Entry], project: str, where: str | None) -> list[str]:
        """See `evalkit.loggers.base.Logger`."""
        self.check()
        import wandb

        try:
            return [_log(wandb, entry, project, where) for entry in entries]
        except (wandb.Error, OSError) as error:
            raise StoreError(
                f"Weights & Biases refused: {str(error).splitlines()[0]}",
                "Log in with: wandb login, or keep it on this machine with WANDB_MODE=offline",
            ) from error


LOGGER = WandbLogger()


def _log(wandb: Any, entry: Entry, project: str, where: str | None) -> str:
    settings = {"silent": True, **({"base_url": where} if where else {})}
    run = wandb.init(
        project=project,
        name=entry.name[:120],
        id=entry.key[:32],
        resume="allow",
        group=entry.run_id[:120],
        job_type="reference" if entry.reference else "candidate",
        config={**entry.params, "signatures": entry.signatures, "reference": entry.reference},
        settings=wandb.Settings(**settings),
        reinit="finish_previous",
    )
    try:
        run.summary.update(dict(entry.metrics))
        if entry.files:
            artifact = wandb.Artifact(f"evalkit-{entry.key[:16]}", type="report")
            for file in entry.files:
                artifact.add_file(str(file))
            run.log_artifact(artifact)
    finally:
        run.finish()
    return str(run.url or run.dir)
