"""What others have published of their systems, with their own prompts, recognisers and selection of takes.

These are no scores: they belong to no run, have no signature, no interval and no prompts, and share no type with what
is compared, gated or ranked. Read by `benchmarks.references`; shown apart by `reports.published`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedMetric:
    """A column as its authors named it; the same name in another table is another measurement."""

    title: str
    unit: str
    direction: Literal["higher", "lower", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRow:
    """One system.

    Attributes:
        system: As the source calls it.
        known_as: Its usual name, if that is another.
        values: By metric key, in the metric's unit.
        decimals: How many the source gives.
        approximate: Keys whose values were read from a chart.
        protocol: Id of the table it stands in; numbers of different protocols are never compared.
    """

    system: str
    known_as: str
    values: Mapping[str, float]
    decimals: Mapping[str, int]
    approximate: frozenset[str]
    protocol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedTable:
    """One table of one source: its ``id`` is the protocol of all its rows.

    Attributes:
        date: Year and month of the publication.
        protocol: What is known of prompts, recogniser and selection.
        licence: On what terms the numbers are repeated here.
        languages: BCP-47 tags; empty if not stated.
    """

    id: str
    title: str
    source: str
    url: str
    date: str
    protocol: str
    licence: str
    languages: tuple[str, ...]
    caveats: tuple[str, ...]
    metrics: Mapping[str, PublishedMetric]
    rows: tuple[PublishedRow, ...]
