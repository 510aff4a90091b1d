"""What a page shows: plain strings and numbers, already rounded, ordered and labelled.

Everything here is made by `reports.view` and only printed by `reports.html` and `reports.tables`; tests compare these
values instead of markup. Positions in small plots are percentages of the plot's width.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A label and its value."""

    label: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemView:
    """One system under test; ``notes`` are (language or "all languages", remark)."""

    index: int
    name: str
    title: str
    spec: str
    reference: bool
    calibration: str
    """``ceiling`` or ``floor`` for systems that only show how far the metrics go; else empty."""
    n_songs: int
    n_failed: int
    notes: tuple[Fact, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One metric with one signature: the only things whose numbers may stand beside each other.

    Attributes:
        name: The metric's stable key.
        title: For people; marked if the run holds several signatures of this metric.
        suffix: Written after every value, with its space, e.g. ``" %"`` or ``" LUFS"``.
        scale: What a stored value is multiplied by before it is shown.
        digits: Decimals of values of single songs.
        direction: ``higher``, ``lower``, ``target`` or ``none``.
        better: The direction in words.
        arrow: The direction as one sign.
        good: The wanted range as shown values, either end None if open.
    """

    index: int
    evaluator: str
    name: str
    title: str
    unit: str
    suffix: str
    scale: float
    digits: int
    direction: str
    better: str
    arrow: str
    headline: bool
    description: str
    source: str
    licence: str
    remark: str
    """The licence, where it is not our own: it stands beside the number."""
    signature: str
    good: tuple[float | None, float | None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """How many values are missing for one reason."""

    status: str
    label: str
    count: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Whisker:
    """A dot with its interval on a scale of 0 to 100."""

    at: float
    low: float | None
    high: float | None
    hollow: bool = False
    """Too few prompts for a claim."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Where a calibration system lies on a scale of 0 to 100, and what it is called."""

    at: float
    name: str
    text: str
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """The common axis of several small plots, with its two ends as text and the wanted range, if any."""

    low: str
    high: str
    good: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One aggregate: what is printed, and what is missing."""

    value: float | None
    text: str
    number: str
    """The text without its unit."""
    interval: str
    n: int
    n_text: str
    missing: tuple[Missing, ...]
    missing_text: str
    method: str
    few: bool
    whisker: Whisker | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Values of single songs on the metric's axis: dots if few, else bars (left, width, height in percent)."""

    dots: tuple[float, ...] = ()
    bars: tuple[tuple[float, float, float], ...] = ()
    median: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRow:
    """One measure, for every system; ``slice`` names the songs if it is not all of them."""

    measure: Measure
    estimates: tuple[Estimate, ...]
    distributions: tuple[Distribution, ...]
    scale: Scale
    slice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricGroup:
    """What one evaluator measured, of single songs or of whole sets."""

    evaluator: str
    version: str
    title: str
    rows: tuple[MetricRow, ...]
    summary: str
    of_sets: bool = False
    absent: tuple[str, ...] = ()
    """Metrics that apply to no song of any system; their reasons are among the problems."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One headline metric: an estimate for each system that competes, a mark for each calibration system."""

    measure: Measure
    estimates: tuple[Estimate, ...]
    scale: Scale
    marks: tuple[Mark, ...] = ()
    human: str = ""
    """Human recordings measured the same way, in a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageRow:
    """One language and one system; an estimate and the calibration marks for each column of the table."""

    code: str
    title: str
    system: int
    n_songs: int
    estimates: tuple[Estimate, ...]
    marks: tuple[tuple[Mark, ...], ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageTable:
    """Headline metrics by language."""

    columns: tuple[Measure, ...]
    scales: tuple[Scale, ...]
    rows: tuple[LanguageRow, ...]
    any_few: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Songs or scores that are missing for the same reason."""

    what: str
    status: str
    label: str
    system: str
    metrics: str
    reason: str
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SongView:
    """One song.

    Attributes:
        values: One for each measure, scaled and rounded; None if missing.
        missing: Measure index to (status label, reason).
        counts: Hits, substitutions, deletions, insertions of the first alignment, or None.
        audio: ``(label, link or None)`` for the mix and the stems; None if the file is not there.
        detail: Lyrics, alignments and drawing data; None if left out of a huge report.
    """

    id: str
    prompt_id: str
    system: int
    take: int
    language: str
    status: str
    reason: str
    description: str
    tags: tuple[str, ...]
    duration: str
    values: tuple[float | None, ...]
    missing: Mapping[int, tuple[str, str]]
    counts: tuple[int, int, int, int] | None
    audio: tuple[tuple[str, str | None], ...]
    facts: tuple[Fact, ...] = ()
    detail: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A plain table of the foot."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    code: tuple[int, ...] = ()
    """Columns that hold code (digests, signatures)."""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything a page shows."""

    title: str
    version: str
    description: str
    run_id: str
    date: str
    status_note: str
    facts: tuple[Fact, ...]
    notices: tuple[str, ...]
    systems: tuple[SystemView, ...]
    """Those that compete first."""
    measures: tuple[Measure, ...]
    cards: tuple[Card, ...]
    languages: LanguageTable | None
    groups: tuple[MetricGroup, ...]
    problems: tuple[Problem, ...]
    problems_note: str
    songs: tuple[SongView, ...]
    """Worst first."""
    songs_note: str
    tags: tuple[tuple[str, tuple[str, ...]], ...]
    """Tags to filter by, (dimension, tags)."""
    language_titles: Mapping[str, str]
    tables: tuple[Table, ...]
    command: str
    statuses: tuple[Fact, ...] = field(default_factory=tuple)

    @property
    def contenders(self) -> tuple[SystemView, ...]:
        """Systems that are no calibration."""
        return tuple(system for system in self.systems if not system.calibration)
