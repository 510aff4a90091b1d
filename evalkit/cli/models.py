"""The ``models`` commands."""

import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from evalkit.cli.options import JsonOption
from evalkit.cli.printing import print_rows
from evalkit.errors import ModelError

if TYPE_CHECKING:
    from evalkit.cli.display import Display
    from evalkit.models.files import ModelFiles

models_app = typer.Typer(no_args_is_help=True, help="Model files: what there is, fetch it, check it.")


@models_app.command("list")
def models_list(
    as_json: JsonOption = False,
) -> None:
    """Show all registered model files and their state."""
    from evalkit.cli import listing

    print_rows(listing.rows("models"), as_json)


@models_app.command("pull", epilog="Example: `evalkit models pull embedded`")
def models_pull(
    names: Annotated[list[str], typer.Argument(help="Models or groups, e.g. embedded.")],
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", "--accept-license", help="Accept the licences that ask for it.")
    ] = False,
) -> None:
    """Fetch model files and check them; goes on where an interrupted download stopped."""
    from evalkit.cli.display import Display
    from evalkit.models.files import ModelFiles

    files, display = ModelFiles(), Display()
    models = files.registry.expand(names)
    _ask_for_licences(files, names, display, accept_licence)
    for model in models:
        if files.state(model.name) == "ready":
            display.say(f"{model.name} is there already.")
            continue
        with display.stage(f"Fetching {model.name}", 1.0, unit="bytes") as stage:

            def show(_: str, done: int, total: int, stage=stage) -> None:  # type: ignore[no-untyped-def]
                stage.update(done / total if total else 1.0, f"{done / 1e6:,.0f} of {total / 1e6:,.0f} MB")

            files.pull([model.name], show)
        display.say(
            f"{model.name} is there: {model.size_bytes / 1e6:,.0f} MB, {model.licence}, {files.origin(model.name)}."
        )


@models_app.command("verify")
def models_verify(
    names: Annotated[list[str] | None, typer.Argument(help="Default: all that are there.")] = None,
) -> None:
    """Hash all bytes of model files and compare; exit code 1 if one is missing or altered."""
    from evalkit.models.files import ModelFiles

    files = ModelFiles()
    models = files.registry.expand(names) if names else list(files.registry.models.values())
    failed = False
    for model in models:
        if not names and files.state(model.name) == "missing":
            continue
        problems = files.problems(model.name, full=True)
        if problems:
            failed = True
            typer.echo(f"{model.name}: {problems[0]} Run: evalkit models pull {model.name}")
        else:
            typer.echo(f"{model.name}: all {len(model.files)} files are right ({files.folder(model)})")
    if failed:
        raise typer.Exit(1)


def _ask_for_licences(files: "ModelFiles", names: Sequence[str], display: "Display", accepted: bool) -> None:
    """Show the licences that were never accepted; asked once, remembered in the cache."""
    for licence in files.unaccepted(names):
        display.say(f"{licence.title}\n  {licence.text}\n  {licence.url}")
        if not accepted:
            if not sys.stdin.isatty():
                command = shlex.join(["evalkit", "models", "pull", *names, "--accept-licence"])
                raise ModelError(f"{licence.title} must be accepted before anything is fetched.", f"Run: {command}")
            if not typer.confirm("Do you accept it?"):
                raise ModelError(f"{licence.title} was not accepted; nothing was fetched.")
        display.say(f"Accepted; noted in {files.accept(licence)}")
