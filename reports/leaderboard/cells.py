"""Numbers of a board: every summary is computed once, resamples are drawn once for prompts of equal number."""

from collections.abc import Sequence

from evalkit import stats
from evalkit.stats import PromptValues
from evalkit.types import Metric, Summary
from reports import estimates
from reports.estimates import Axis
from reports.index import SEED
from reports.leaderboard.boards import Board, Column
from reports.leaderboard.entry import ALL, Entry, restrict
from reports.leaderboard.page import Row
from reports.leaderboard.tiers import Tiers
from reports.report import Estimate, Missing

RESAMPLES = 10_000

Key = tuple[int, str, str | None]
"""Place of the entry, metric, language."""


class Cells:
    """All summaries of a board.

    Args:
        board: Every entry gets every column over all prompts; the current entries get headline columns by language.
    """

    def __init__(self, board: Board) -> None:
        self._board = board
        self._place = {id(entry): place for place, entry in enumerate(board.entries)}
        self._axes: dict[tuple[str, tuple[int, ...]], Axis] = {}
        self._found: dict[Key, Summary] = {}
        wanted: list[tuple[Key, Metric, PromptValues]] = []
        for place, entry in enumerate(board.entries):
            for column in board.columns:
                self._add((place, column.metric.name, None), entry, column, wanted)
        groups = {code: set(board.prompts(code)) for code in board.codes} if len(board.codes) > 1 else {}
        for line in board.lines.values():
            for column in board.headline:
                for code, prompts in groups.items():
                    key = self._place[id(line[-1])], column.metric.name, code
                    self._add(key, line[-1], column, wanted, prompts)
        summaries = stats.summarise_values([(metric, values) for _, metric, values in wanted], SEED, RESAMPLES)
        self._found |= {key: summary for (key, _, _), summary in zip(wanted, summaries, strict=True)}

    def summary(self, entry: Entry, column: Column, code: str | None = None) -> Summary:
        """One aggregate, in the metric's stored unit."""
        return self._found[self._place[id(entry)], column.metric.name, code]

    def estimate(self, entry: Entry, column: Column, axis: Axis, code: str | None = None) -> Estimate:
        """One aggregate as it is printed."""
        measured = entry.metrics.get(column.metric.name)
        if measured is None:
            n = len(self._board.prompts(code))
            reason = "this entry was not measured with this metric"
            missing: tuple[Missing, ...] = (
                Missing(status="not_evaluated", label="not measured", count=n, reason=reason),
            )
        else:
            missing = measured.missing.get(code or ALL, ())
        return estimates.make_estimate(column.measure, self.summary(entry, column, code), missing, axis)

    def axis(self, column: Column, entries: Sequence[Entry]) -> Axis:
        """A common axis of several entries."""
        key = column.metric.name, tuple(self._place[id(entry)] for entry in entries)
        if key not in self._axes:
            summaries = [self.summary(entry, column) for entry in entries]
            self._axes[key] = estimates.make_axis(column.measure, column.metric.bounds, summaries)
        return self._axes[key]

    def free_axis(self, column: Column, entries: Sequence[Entry]) -> Axis:
        """A common axis for lines: it need not begin at the metric's bound, so that changes can be seen."""
        summaries = [self.summary(entry, column) for entry in entries]
        return estimates.make_axis(column.measure, (None, None), summaries)

    def _add(
        self,
        key: Key,
        entry: Entry,
        column: Column,
        wanted: list[tuple[Key, Metric, PromptValues]],
        prompts: set[str] | None = None,
    ) -> None:
        measured = entry.metrics.get(column.metric.name)
        if measured is not None and measured.values is not None:
            values = measured.values if prompts is None else restrict(measured.values, prompts)
            wanted.append((key, column.metric, values))
            return
        known = measured.sets.get(key[2] or ALL) if measured is not None else None
        self._found[key] = known or Summary(
            metric=column.metric.name,
            n=0,
            n_missing=len(self._board.prompts(key[2])),
            estimate=None,
            ci_low=None,
            ci_high=None,
            method="no values",
        )


def order_of(column: Column, summary: Summary) -> float | None:
    """What tables sort by, smaller is better: the distance from the wanted range where a range is wanted."""
    if summary.estimate is None:
        return None
    value = summary.estimate * column.measure.scale
    if column.metric.direction == "target" and column.measure.good is not None:
        low, high = column.measure.good
        return max(0.0 if low is None else low - value, 0.0 if high is None else value - high, 0.0)
    return -value if column.metric.direction == "higher" else value


def sorted_rows(rows: Sequence[Row], tiers: Sequence[Tiers], orders: Sequence[float | None] | None = None) -> list[Row]:
    """Best tier first; inside a tier by estimate, then by name; without a value last.

    Args:
        rows: In the order the tiers were made with.
        tiers: Of the column that leads, none if no column does.
        orders: What to sort by inside a tier; by default the first cell.
    """
    if orders is None:
        orders = [row.cells[0].order if row.cells else None for row in rows]

    def key(place: int) -> tuple[bool, tuple[int, ...], float, str, bool]:
        order = orders[place]
        of = tiers[0].of[place] if tiers else ()
        who = rows[place].who
        return order is None, of or (len(rows) + 1,), order or 0.0, who.name, who.self_reported

    return [rows[place] for place in sorted(range(len(rows)), key=key)]
