"""Reads profiles: a name and evaluators with their options."""

import importlib.resources
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evalkit.errors import ConfigError
from evalkit.registry import suggestion

MAX_CHARACTERS = 100_000
"""Longest profile that is read."""


class WorkerNeeds(BaseModel):
    """What each measuring worker needs, where it should not be worked out from its evaluators (`evalkit.needs`).

    It computes on one core whatever it needs: with more threads, sums would be rounded otherwise.

    Attributes:
        gpus: Share of a GPU.
        memory_mb: Main memory.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    gpus: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    memory_mb: Annotated[float, Field(gt=0.0, le=10_000_000.0)] | None = None


class Profile(BaseModel):
    """Which evaluators run, in order, with their options."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title: str = ""
    evaluators: Mapping[str, Mapping[str, Any]]
    worker: WorkerNeeds = WorkerNeeds()


def names() -> list[str]:
    """Profiles shipped with evalkit."""
    files = importlib.resources.files("evalkit.profiles").iterdir()
    return sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml"))


def load(name_or_path: str) -> Profile:
    """Read a shipped profile by name, or one's own by path.

    Raises:
        ConfigError: no such profile, or the file is not one; the field is named.
    """
    if name_or_path in names():
        place = name_or_path
        text = importlib.resources.files("evalkit.profiles").joinpath(f"{name_or_path}.yaml").read_text("utf-8")
    elif Path(name_or_path).is_file():
        place = name_or_path
        try:
            text = Path(name_or_path).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"The profile {place} cannot be read: {error}.") from error
    else:
        raise ConfigError(f"Unknown profile {name_or_path!r}.", suggestion(name_or_path, names()))
    if len(text) > MAX_CHARACTERS:
        raise ConfigError(f"The profile {place} has {len(text):,} characters; at most {MAX_CHARACTERS:,} are read.")
    try:
        raw = yaml.safe_load(text)
        evaluators = raw.get("evaluators") if isinstance(raw, dict) else None
        if isinstance(evaluators, dict):
            raw["evaluators"] = {key: value or {} for key, value in evaluators.items()}
        return Profile.model_validate(raw)
    except (yaml.YAMLError, RecursionError, OverflowError) as error:
        raise ConfigError(f"The profile {place} is not YAML: {' '.join(str(error).split())[:300]}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole file"
        raise ConfigError(f"The profile {place}: {where[:200]}: {first['msg'][:300]}.") from error
    except ValueError as error:  # a date or a number that YAML's grammar allows and no calendar has
        raise ConfigError(f"The profile {place} is not YAML: {error}.") from error
