"""The front door: all commands, grouped as people use them, and what becomes of errors."""

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from evalkit import __version__
from evalkit.cli import interruption
from evalkit.cli.cache import cache_app
from evalkit.cli.compare import compare
from evalkit.cli.export import export
from evalkit.cli.gate import baseline_app, gate
from evalkit.cli.inspecting import doctor, list_, validate
from evalkit.cli.leaderboard import leaderboard
from evalkit.cli.log import log
from evalkit.cli.models import models_app
from evalkit.cli.stages import evaluate, generate, report, run
from evalkit.cli.starting import init
from evalkit.cli.template import template
from evalkit.errors import EvalkitError

EXIT_USAGE = 2

MEASURE = "Measure"
DECIDE = "Compare and decide"
PREPARE = "Prepare"
LOOK = "Look after it"

app = typer.Typer(
    name="evalkit",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Find out whether a song generator got better: sing a prompt suite, measure it, look at the report.",
    epilog="Start with: `evalkit run --suite multilingual` or, faster, `evalkit run --suite smoke`",
)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    if version:
        typer.echo(f"evalkit {__version__}")
        raise typer.Exit


def _command(function: Callable[..., None], panel: str, example: str, name: str | None = None) -> None:
    app.command(name, rich_help_panel=panel, epilog=f"Example: `evalkit {example}`")(function)


_command(run, MEASURE, "run --suite multilingual --system singer --limit 5")
_command(generate, MEASURE, "generate --suite smoke --system singer --takes 2")
_command(evaluate, MEASURE, "evaluate runs/smoke-singer-20260101T120000Z")
_command(report, MEASURE, "report runs/smoke-singer-20260101T120000Z --embed-audio")

_command(compare, DECIDE, "compare runs/candidate runs/last-release")
_command(gate, DECIDE, "gate runs/candidate --baseline baselines/v2-large.evalkit --junit gate.xml")
app.add_typer(baseline_app, name="baseline", rich_help_panel=DECIDE)
_command(leaderboard, DECIDE, "leaderboard runs/* --out site")
_command(export, DECIDE, "export runs/night --format latex")
_command(log, DECIDE, "log runs/night --to mlflow --where sqlite:///mlflow.db")

_command(init, PREPARE, "init my-project")
_command(template, PREPARE, "template --suite multilingual --out songs-wanted")
_command(validate, PREPARE, "validate my-suite.yaml")

_command(list_, LOOK, "list suites", "list")
_command(doctor, LOOK, "doctor")
app.add_typer(models_app, name="models", rich_help_panel=LOOK)
app.add_typer(cache_app, name="cache", rich_help_panel=LOOK)


def main() -> int:
    """Run the command line; returns the exit code."""
    interruption.listen()
    logging.basicConfig(level=logging.CRITICAL, format="%(message)s", stream=sys.stderr)
    try:
        _check_neighbours()
        result = app(prog_name="evalkit", standalone_mode=False)
        code = result if isinstance(result, int) else 0
        return interruption.interrupted() if code == interruption.EXIT_INTERRUPTED else code
    except EvalkitError as error:
        print(f"Error: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"  {error.hint}", file=sys.stderr)
        return EXIT_USAGE
    except typer.Exit as exit_:
        return exit_.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return interruption.interrupted()
    except Exception as error:
        # typer carries its own copy of click, so its errors are known by what they can do.
        show = getattr(error, "show", None)
        if show is None:
            raise
        show()
        return int(getattr(error, "exit_code", EXIT_USAGE))


def _check_neighbours() -> None:
    """Refuse to run with a foreign package called generation, benchmarks or reports in front of ours."""
    from importlib.util import find_spec

    home = Path(__file__).resolve().parent.parent.parent
    for name in ("generation", "benchmarks", "reports"):
        spec = find_spec(name)
        origin = Path(spec.origin).resolve() if spec and spec.origin else None
        if origin is None or origin.parent.parent != home:
            found = origin.parent if origin else "nowhere"
            raise EvalkitError(
                f"The package {name!r} is loaded from {found}, not from {home / name}.",
                "Install evalkit into its own virtual environment, or leave the folder that holds the other package.",
            )
