"""``evalkit init``: files to start from."""

import importlib.resources
from pathlib import Path
from typing import Annotated

import typer

from evalkit.errors import ConfigError

FILES = ("suite.yaml", "profile.yaml", "gates.toml")


def init(
    folder: Annotated[Path, typer.Argument(help="Where to put them; made if it is not there.")] = Path(),
) -> None:
    """Write a commented suite, profile and gates file to start from."""
    from evalkit.files import cannot_write, write_atomically

    there = [name for name in FILES if (folder / name).exists()]
    if there:
        raise ConfigError(f"{folder} already holds {', '.join(there)}.", "Choose another folder: evalkit init FOLDER")
    starters = importlib.resources.files("evalkit.cli").joinpath("starters")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    for name in FILES:
        write_atomically(folder / name, starters.joinpath(name).read_bytes())
        typer.echo(str(folder / name))
    typer.echo(f"Next: evalkit run --suite {folder / 'suite.yaml'} --profile {folder / 'profile.yaml'}")
