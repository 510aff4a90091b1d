"""What a tagger with a fixed vocabulary can say about style: its words for our classes (``tagger.yaml``)."""

import functools
import importlib.resources
from collections.abc import Mapping

import yaml
from pydantic import BaseModel, ConfigDict

from evalkit.style import classes
from evalkit.style.classes import DimensionName
from evalkit.types import Tags


class Words(BaseModel):
    """The tagger's words for one class, by training; ``covers`` names our classes if they are others than its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    covers: tuple[str, ...] = ()
    msd: tuple[str, ...] = ()
    mtt: tuple[str, ...] = ()


class Vocabulary(BaseModel):
    """All dimensions; ``version`` goes into signatures."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str
    dimensions: Mapping[DimensionName, Mapping[str, Words]]

    def wanted(self, tags: Tags, dimension: DimensionName) -> tuple[str, ...]:
        """Which of the tagger's classes a prompt asks for, in their fixed order.

        >>> load().wanted(Tags(instruments=("guitar", "drums", "organ")), "instrument")
        ('guitar', 'drums')
        """
        asked = classes.wanted(tags, dimension)
        found = []
        for name, words in self.dimensions[dimension].items():
            covered = set(words.covers or (name,))
            if covered & set(asked.classes) or (asked.undecided and set(asked.undecided) <= covered):
                found.append(name)
        return tuple(found)


@functools.cache
def load() -> Vocabulary:
    """The vocabulary shipped with evalkit.

    Raises:
        ValueError: it names a class that does not exist.
    """
    text = importlib.resources.files("evalkit.style").joinpath("tagger.yaml").read_text(encoding="utf-8")
    found = Vocabulary.model_validate(yaml.safe_load(text))
    for dimension, entries in found.dimensions.items():
        known = classes.load().dimensions[dimension].classes
        for name, words in entries.items():
            if unknown := [each for each in words.covers or (name,) if each not in known]:
                raise ValueError(f"tagger.yaml: {unknown[0]!r} is no class of {dimension}")
    return found
