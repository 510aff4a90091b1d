"""The ``log`` command, and ``--log`` of ``run``."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evalkit.cli.options import JsonOption

if TYPE_CHECKING:
    from evalkit.cli.display import Display

ToOption = Annotated[
    list[str] | None, typer.Option("--log", help="Tell a tracker at the end: mlflow or wandb; may be repeated.")
]


def log(
    folder: Annotated[Path, typer.Argument(help="Run folder or baseline file.", show_default=False)],
    to: Annotated[str, typer.Option("--to", help="mlflow or wandb.", show_default=False)],
    project: Annotated[
        str | None, typer.Option("--project", help="Experiment or project; default evalkit-<suite>.")
    ] = None,
    where: Annotated[
        str | None, typer.Option("--where", help="Address of the store or server; default the tracker's own.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Tell a tracker about a run: aggregates, intervals, signatures, report. Again updates what is there."""
    from evalkit.baseline import load_run_or_baseline
    from evalkit.loggers import LOGGERS
    from evalkit.loggers.base import default_project, make_entries

    logger = LOGGERS.get(to)
    logger.check()
    run = load_run_or_baseline(folder)
    entries = make_entries(run)
    places = logger.log(entries, project or default_project(run), where)
    if as_json:
        found = {entry.system: place for entry, place in zip(entries, places, strict=True)}
        typer.echo(json.dumps({"logger": to, "entries": found}, ensure_ascii=False))
        return
    for entry, place in zip(entries, places, strict=True):
        typer.echo(f"{entry.system}: {place}")


def check(names: Sequence[str]) -> None:
    """Refuse unknown and absent trackers before any work starts."""
    from evalkit.loggers import LOGGERS

    for name in names:
        LOGGERS.get(name).check()


def tell(folder: Path, names: Sequence[str], display: "Display") -> bool:
    """Tell trackers about a finished run; a tracker that refuses takes nothing from the run.

    Returns:
        Whether all of them took it.
    """
    from evalkit import runfolder
    from evalkit.errors import EvalkitError
    from evalkit.loggers import LOGGERS
    from evalkit.loggers.base import default_project, make_entries

    fine = True
    run = runfolder.load(folder) if names else None
    for name in names:
        assert run is not None
        try:
            for place in LOGGERS.get(name).log(make_entries(run), default_project(run), None):
                display.detail(f"{name}: {place}")
        except EvalkitError as error:
            fine = False
            display.say(f"{error} Then: evalkit log {folder} --to {name}")
    return fine
