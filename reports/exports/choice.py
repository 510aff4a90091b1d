"""Which metrics an export holds, with their aggregates."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from evalkit.errors import ConfigError
from evalkit.registry import suggestion
from evalkit.types import Summary
from reports.index import Index
from reports.report import Measure
from reports.view_summary import headline

ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """One number of an export; ``language`` is `ALL` or a BCP-47 tag."""

    system: str
    language: str
    measure: Measure
    summary: Summary


def choose(index: Index, names: Sequence[str] = ()) -> list[Measure]:
    """The headline measures, or those named.

    Raises:
        ConfigError: the run has no metric of that name.
    """
    if not names:
        return headline(index)
    known = [measure.name for measure in index.measures]
    for name in names:
        if name not in known:
            raise ConfigError(f"The run has no metric {name!r}.", suggestion(name, known))
    return [measure for name in dict.fromkeys(names) for measure in index.measures if measure.name == name]


def aggregates(index: Index, measures: Sequence[Measure], systems: Collection[str]) -> list[Aggregate]:
    """All measures of the systems, over all songs and, if there are several languages, in each."""
    groups: list[tuple[str, set[str] | None]] = [(ALL, None)]
    if len(index.languages) > 1:
        for code in index.languages:
            groups.append((code, {song.prompt_id for song in index.songs if index.language(song) == code}))
    heads = [
        (system.name, code, measure, prompts)
        for system in index.systems
        if system.name in systems
        for code, prompts in groups
        for measure in measures
    ]
    found = index.summaries([(system, measure.index, prompts) for system, _, measure, prompts in heads])
    return [
        Aggregate(system=system, language=code, measure=measure, summary=summary)
        for (system, code, measure, _), summary in zip(heads, found, strict=True)
    ]


def pick_system(index: Index, name: str | None) -> str:
    """The system that is meant; the only one that is no reference if none is named.

    Raises:
        ConfigError: it is unknown or not clear.
    """
    names = [system.name for system in index.systems]
    if name is not None:
        if name not in names:
            raise ConfigError(f"The run has no system {name!r}.", suggestion(name, names))
        return name
    own = [system.name for system in index.systems if not (system.reference or system.calibration)] or names
    if len(own) != 1:
        raise ConfigError(f"The run has {len(own)} systems: {', '.join(own)}.", "Name one with --system.")
    return own[0]
