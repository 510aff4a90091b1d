"""What the pages of a leaderboard show: plain strings and numbers, made by `reports.leaderboard.view`."""

from dataclasses import dataclass

from reports.report import Estimate, Fact, Measure, Scale, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """A system, by its current entry.

    Attributes:
        date: When it was measured or sent in.
        runs: How many entries it has on this board, in words.
        remarks: What a reader must know beside the number, e.g. that the run is not complete.
        report: Link to the run's page, relative to the site's folder; empty if there is none.
    """

    name: str
    title: str
    version: str
    date: str
    runs: str
    licences: tuple[str, ...]
    reference: bool
    self_reported: bool
    remarks: tuple[str, ...]
    report: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One number; ``order`` is what tables sort by, None if there is none."""

    estimate: Estimate
    tiers: str
    order: float | None
    report: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """A line over time in a square of 100 by 100; every point belongs to one entry.

    Attributes:
        line: Points of the line, for ``polyline``.
        band: Outline of the intervals, for ``polygon``; empty if an interval is missing.
        dots: A path of dots.
        label: The same in words.
    """

    line: str
    band: str
    dots: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The head of a column."""

    measure: Measure
    scale: Scale
    page: str
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A system in a table."""

    who: Who
    cells: tuple[Cell, ...]
    trend: Trend | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """One entry of a system over time."""

    date: str
    run_id: str
    version: str
    takes: int
    estimate: Estimate
    report: str


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """One system over time, newest first; ``change`` compares the newest with the one before."""

    who: Who
    trend: Trend
    past: tuple[Past, ...]
    change: str
    first: str
    last: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricPage:
    """One metric of a board.

    Attributes:
        languages: (code, title, number of prompts) of the columns of ``by_language``.
        by_language: A row for each system; empty for metrics that are not headlines, or with one language.
    """

    name: str
    head: Head
    rows: tuple[Row, ...]
    languages: tuple[tuple[str, str, int], ...]
    by_language: tuple[Row, ...]
    language_scale: Scale
    histories: tuple[History, ...]
    single: str
    facts: tuple[Fact, ...]
    any_few: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardPage:
    """One board: the overview, and the pages that hang on it.

    Attributes:
        title: Suite and version.
        protocol: What tells it apart from other boards, short.
        apart: Sentences on how it differs from the first board of the same suite.
        sibling: Name of that board; empty if this is the first.
    """

    name: str
    title: str
    version: str
    protocol: str
    lead: str
    apart: tuple[str, ...]
    sibling: str
    heads: tuple[Head, ...]
    rows: tuple[Row, ...]
    trend_of: str
    groups: tuple[tuple[str, tuple[Head, ...]], ...]
    """Evaluators and all their metrics."""
    metrics: tuple[MetricPage, ...]
    tables: tuple[Table, ...]
    made: tuple[Fact, ...]
    any_few: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Everything."""

    facts: tuple[Fact, ...]
    boards: tuple[BoardPage, ...]
    system_licences: tuple[str, ...]
    metric_licences: tuple[str, ...]
    any_self_reported: bool
