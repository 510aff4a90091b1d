"""Human recordings beside a run: how well the ruler reads songs that were sung for sure.

A recogniser makes errors on real singing too, about one word in seven with accompaniment. A system whose error rate is
near that of human recordings, measured in exactly the same way, is as good as this ruler can tell. The recordings are a
run like any other, of the user's own suite and folder; only numbers with equal signatures are set side by side.
"""

from dataclasses import dataclass

from evalkit.store import RunData
from evalkit.types import Metric, Summary
from reports import estimates, numbers
from reports.index import Index, make_index
from reports.report import Mark, Measure

NAME = "human recordings"


@dataclass(frozen=True, slots=True, kw_only=True)
class Human:
    """The recordings, put in order."""

    index: Index

    def summary(self, measure: Measure, language: str | None = None) -> Summary | None:
        """Over the recordings of a language (None: all); None if nothing was measured in the same way."""
        found = self._same(measure)
        if found is None:
            return None
        prompts = None
        if language is not None:
            prompts = [p.id for p in self.index.run.prompts.values() if p.language == language]
            if not prompts:
                return None
        system = self.index.contenders[0].name
        summary = self.index.summaries([(system, found, prompts)])[0]
        return None if summary.estimate is None else summary

    def _same(self, measure: Measure) -> int | None:
        here = (m for m in self.index.measures if m.name == measure.name)
        return next((m.index for m in here if m.signature and m.signature == measure.signature), None)

    def notice(self, measures: tuple[Measure, ...]) -> str:
        """What is not shown, and why; empty if every headline measure is."""
        names = {metric.name for metric in self.index.metrics}
        other = [m.name for m in measures if m.name in names and self._same(m) is None]
        if not other:
            return ""
        return (
            f"The human recordings were measured another way in {', '.join(other)} (their signatures differ), so they "
            "are not set beside this run there. Score them again with the same profile."
        )


def open_human(run: RunData) -> Human:
    """Human recordings out of their run or its baseline file."""
    return Human(index=make_index(run))


def mark(measure: Measure, summary: Summary, axis: tuple[float, float]) -> Mark:
    """Where the recordings lie on an axis."""
    return Mark(
        at=estimates.place(_shown(measure, summary), axis), name=NAME, text=_text(measure, summary), role="ceiling"
    )


def remark(measure: Measure, metric: Metric, summary: Summary, systems: list[tuple[str, Summary]]) -> str:
    """The recordings in a sentence, and which systems cannot be told from them."""
    interval = ""
    if summary.ci_low is not None and summary.ci_high is not None:
        ends = (summary.ci_low * measure.scale, summary.ci_high * measure.scale)
        interval = f" ({numbers.interval(*ends, estimates.digits_of(measure, summary))})"
    text = f"Human recordings, measured the same way: {_text(measure, summary)}{interval}, {summary.n:,} songs."
    near = [name for name, other in systems if _reaches(metric, other, summary)]
    if not near:
        return text
    who = ", ".join(near)
    return f"{text} The interval of {who} reaches theirs: whether it sings better than they do, this ruler cannot tell."


def _reaches(metric: Metric, system: Summary, human: Summary) -> bool:
    """Whether a system's interval overlaps the recordings' or lies on the better side of it."""
    if system.estimate is None or human.estimate is None or metric.direction not in ("lower", "higher"):
        return False
    low, high = _ends(system)
    human_low, human_high = _ends(human)
    return low <= human_high if metric.direction == "lower" else high >= human_low


def _ends(summary: Summary) -> tuple[float, float]:
    assert summary.estimate is not None
    low = summary.estimate if summary.ci_low is None else summary.ci_low
    high = summary.estimate if summary.ci_high is None else summary.ci_high
    return low, high


def _shown(measure: Measure, summary: Summary) -> float:
    assert summary.estimate is not None
    return summary.estimate * measure.scale


def _text(measure: Measure, summary: Summary) -> str:
    return numbers.number(_shown(measure, summary), estimates.digits_of(measure, summary)) + measure.suffix
