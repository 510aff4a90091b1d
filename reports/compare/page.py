"""What a comparison shows: plain strings and numbers, made by `reports.compare.view`.

Positions in plots are percentages of their width; 50 is no difference, and right of it is better for the candidate.
For metrics without a better side, right is larger.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reports.report import Estimate, Measure, Scale, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """A system as its heading: who it is and where its own report lies (a relative link, empty if nowhere)."""

    name: str
    title: str
    run_id: str
    date: str
    songs: str
    remarks: tuple[str, ...]
    report: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A difference with its interval; ends are None without one."""

    at: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One metric in one language, or over all songs.

    Attributes:
        language: BCP-47 tag; empty for all songs.
        title: Its name.
        tone: ``better``, ``worse``, ``different``, ``same``, ``few`` or ``apart``.
        verdict: In one to three words.
        sentence: The same with its numbers.
        wins: Share of prompts on which the candidate's value is better, ties at half.
        settle: Songs that would settle a difference as large as the one seen; only where none is shown.
        span: On the axis of the metric.
        effect: On an axis common to all metrics, in standard deviations.
        order: By size, for sorting: standard deviations, positive is worse.
    """

    language: str
    title: str
    tone: str
    verdict: str
    sentence: str
    candidate: str
    baseline: str
    difference: str
    interval: str
    p_value: str
    wins: str
    dz: str
    rank: str
    mde: str
    settle: str
    n: int
    missing: str
    method: str
    span: Span | None
    effect: Span | None
    order: float | None
    few: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricView:
    """One metric: all songs first, then its languages; ``ends`` are the two ends of their axis as text."""

    measure: Measure
    rows: tuple[Row, ...]
    ends: tuple[str, str]
    sides: tuple[str, str]
    compared: str
    signatures: tuple[str, str]

    @property
    def all(self) -> Row:
        """The row over all songs."""
        return self.rows[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The metrics of one evaluator."""

    title: str
    summary: str
    metrics: tuple[MetricView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRow:
    """One metric of a whole set of songs on both sides; ``apart`` says why they cannot be compared, if so."""

    measure: Measure
    group: str
    candidate: Estimate
    opponent: Estimate
    scale: Scale
    apart: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Duel:
    """The candidate against one opponent.

    Attributes:
        lead: The outcome in a sentence or two.
        tally: Verdicts over all songs and how often each was given, as (tone, words, count).
        headline: Metrics shown as cards.
        scope: How many prompts and languages were compared.
        effect_ends: Ends of the common axis.
        changes: What differs between the two runs; empty if nothing does.
        same: What does not, in one sentence.
        data: What the page's script works on.
    """

    index: int
    opponent: Face
    label: str
    lead: str
    tally: tuple[tuple[str, str, int], ...]
    notices: tuple[str, ...]
    headline: tuple[MetricView, ...]
    groups: tuple[Group, ...]
    sets: tuple[SetRow, ...]
    effect_ends: tuple[str, str]
    changes: tuple[Table, ...]
    same: str
    scope: str
    method: tuple[str, ...]
    data: Mapping[str, Any] = field(repr=False)

    @property
    def metrics(self) -> tuple[MetricView, ...]:
        """All metrics in declared order."""
        return tuple(metric for group in self.groups for metric in group.metrics)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Everything a comparison shows.

    Attributes:
        songs: Songs of all sides: audio links and length.
        prompts: What was sung.
        details: By place in ``songs``: waveform, and the audio itself if it is embedded.
    """

    suite: str
    version: str
    candidate: Face
    duels: tuple[Duel, ...]
    languages: Mapping[str, str]
    songs: tuple[Mapping[str, Any], ...] = field(repr=False)
    prompts: tuple[Mapping[str, Any], ...] = field(repr=False)
    details: Mapping[int, Mapping[str, Any]] = field(repr=False)
    songs_note: str = ""
