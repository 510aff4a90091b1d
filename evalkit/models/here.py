"""Finds model files in a worker, which may run on another machine than the run was started on."""

from collections.abc import Mapping
from pathlib import Path

from evalkit.errors import ModelError
from evalkit.models.files import ModelFiles
from evalkit.types import ModelLocator


def locator(models: Mapping[str, Path]) -> ModelLocator:
    """Give model folders by name.

    Args:
        models: Folders as they were verified where the run was started. Where one of them is not there, this is another
            machine, and its own verified copy is used; it is fetched if a run may do so.

    Returns:
        A function that raises `ModelError` for a model that cannot be had.
    """

    def locate(name: str) -> Path:
        if name not in models:
            raise ModelError(f"The model {name} is not there.", f"Run: evalkit models pull {name}")
        if models[name].is_dir():
            return models[name]
        files = ModelFiles()
        if files.state(name) != "ready":
            files.check_automatic(name)
            files.pull([name])
        return files.locate(name)

    return locate
