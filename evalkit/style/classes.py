"""Closed classes of style by dimension, and the way from a prompt's free tags to them (``classes.yaml``).

A tag means a class if it is listed there, or if it holds listed words of one class only ("warm female voice"). Of a
genre made of several words the last counts ("folk rock" is rock). Everything else is unmapped: it is never guessed.
"""

import functools
import importlib.resources
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from evalkit.types import Tags

DimensionName = Literal["gender", "genre", "emotion", "instrument"]
DIMENSIONS: tuple[DimensionName, ...] = ("gender", "genre", "emotion", "instrument")

_APART = re.compile(r"[\s_-]+")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StyleClass(_Strict):
    """One class: what is said of it to a text encoder, and the tags that mean it."""

    text: str
    tags: tuple[str, ...] = ()


class Dimension(_Strict):
    """One dimension of style with its closed set of classes, in a fixed order.

    Attributes:
        multi_label: Whether a song may be of several classes.
        head: ``"last"`` if the last of several known words in a tag decides.
        templates: Sentences with ``{x}`` for the class.
        classes: By name.
        ambiguous: Tags that could mean several classes, and which.
    """

    multi_label: bool = False
    head: Literal["last"] | None = None
    templates: tuple[str, ...] = Field(min_length=1)
    classes: Mapping[str, StyleClass]
    ambiguous: Mapping[str, tuple[str, ...]] = {}

    @model_validator(mode="after")
    def _is_closed(self) -> "Dimension":
        if wrong := [template for template in self.templates if "{x}" not in template]:
            raise ValueError(f"the template {wrong[0]!r} has no {{x}}")
        seen: dict[str, str] = {}
        for name, entry in self.classes.items():
            for tag in (name, *entry.tags):
                if seen.setdefault(plain(tag), name) != name:
                    raise ValueError(f"the tag {tag!r} stands for {seen[plain(tag)]!r} and for {name!r}")
        for tag, names in self.ambiguous.items():
            if plain(tag) in seen or not set(names) <= set(self.classes):
                raise ValueError(f"the ambiguous tag {tag!r} is listed for a class too, or names an unknown one")
        return self

    @property
    def names(self) -> list[str]:
        """The classes, in their fixed order."""
        return list(self.classes)

    @property
    def chance(self) -> float:
        """Share of hits of a classifier that guesses one class, each equally often."""
        return 1.0 / len(self.classes)

    def sentences(self, name: str) -> list[str]:
        """The templates filled in for one class."""
        return [template.replace("{x}", self.classes[name].text) for template in self.templates]

    def classify(self, tag: str) -> str | None:
        """The class a free tag means, or None."""
        known = _known(self)
        wanted = plain(tag)
        if wanted in known:
            return known[wanted]
        if wanted in map(plain, self.ambiguous):
            return None
        found = [
            (wanted.rfind(word) + len(word), len(word), name) for word, name in known.items() if _holds(wanted, word)
        ]
        if not found:
            return None
        if self.head == "last":
            return max(found)[2]
        names = {name for _, _, name in found}
        return names.pop() if len(names) == 1 else None

    def undecided(self, tag: str) -> tuple[str, ...]:
        """Classes an ambiguous tag could mean; none if it is not ambiguous."""
        return {plain(key): names for key, names in self.ambiguous.items()}.get(plain(tag), ())


class Classes(_Strict):
    """All dimensions; ``version`` goes into signatures."""

    version: str
    dimensions: Mapping[DimensionName, Dimension]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a prompt asks for in one dimension.

    Attributes:
        tags: The prompt's own words; empty if it asks for nothing.
        classes: What they mean, in the dimension's order.
        undecided: Classes that ambiguous words may mean and no other word settles.
        unmapped: Words that mean no class.
    """

    tags: tuple[str, ...]
    classes: tuple[str, ...]
    undecided: tuple[str, ...] = ()
    unmapped: tuple[str, ...] = ()


def plain(tag: str) -> str:
    """A tag in lower case, with single blanks for blanks, hyphens and underscores.

    >>> plain(" Hip-Hop ")
    'hip hop'
    """
    return _APART.sub(" ", tag).strip().casefold()


def tags_of(tags: Tags, dimension: DimensionName) -> tuple[str, ...]:
    """A prompt's words for one dimension."""
    if dimension == "instrument":
        return tags.instruments
    value = {"gender": tags.gender, "genre": tags.genre, "emotion": tags.emotion}[dimension]
    return (value,) if value else ()


def wanted(tags: Tags, dimension: DimensionName) -> Wanted:
    """Which classes of a dimension a prompt asks for.

    >>> wanted(Tags(genre="indie rock"), "genre").classes
    ('rock',)
    """
    own = tags_of(tags, dimension)
    known = load().dimensions[dimension]
    meant = {tag: known.classify(tag) for tag in own}
    undecided = {name for tag in own for name in known.undecided(tag)}
    classes = _in_order(known, [name for name in meant.values() if name])
    return Wanted(
        tags=own,
        classes=classes,
        undecided=_in_order(known, undecided - set(classes)),
        unmapped=tuple(tag for tag, name in meant.items() if name is None and not known.undecided(tag)),
    )


@functools.cache
def load() -> Classes:
    """The classes shipped with evalkit."""
    return parse(importlib.resources.files("evalkit.style").joinpath("classes.yaml").read_text(encoding="utf-8"))


def parse(text: str) -> Classes:
    """Read classes from YAML text."""
    return Classes.model_validate(yaml.safe_load(text))


def _in_order(dimension: Dimension, names: Sequence[str] | set[str]) -> tuple[str, ...]:
    return tuple(name for name in dimension.classes if name in names)


def _known(dimension: Dimension) -> dict[str, str]:
    return {plain(tag): name for name, entry in dimension.classes.items() for tag in (name, *entry.tags)}


def _holds(text: str, words: str) -> bool:
    return f" {words} " in f" {text} "
