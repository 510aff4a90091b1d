"""Systems over time: lines, and whether the newest entry differs from the one before."""

from collections.abc import Callable, Mapping, Sequence

from evalkit.comparison import MIN_PAIRS, PairedComparison, align, compare_many, holm
from reports import estimates, numbers
from reports.estimates import Axis
from reports.leaderboard.boards import Column
from reports.leaderboard.cells import Cells
from reports.leaderboard.entry import Entry
from reports.leaderboard.page import History, Past, Trend, Who
from reports.leaderboard.tiers import LEVEL, SEED

Key = tuple[str, bool]


def make_trend(cells: Cells, column: Column, line: Sequence[Entry], axis: Axis | None = None) -> Trend:
    """A line over the entries of a system, evenly spaced, oldest left; entries without a value leave a gap out."""
    axis = axis or cells.free_axis(column, line)
    scale = column.measure.scale
    found = [(place, cells.summary(entry, column)) for place, entry in enumerate(line)]
    steps = max(1, len(line) - 1)
    points, lows, highs = [], [], []
    for place, summary in found:
        if summary.estimate is None:
            continue
        x = f"{3 + 94 * place / steps:.2f}" if len(line) > 1 else "50.00"
        points.append((x, _height(summary.estimate * scale, axis)))
        if summary.ci_low is not None and summary.ci_high is not None:
            lows.append((x, _height(summary.ci_low * scale, axis)))
            highs.append((x, _height(summary.ci_high * scale, axis)))
    ends = [cells.estimate(line[place], column, axis).text for place in (0, -1)]
    return Trend(
        line=_points(points),
        band=_points([*highs, *reversed(lows)]) if len(lows) == len(points) else "",
        dots=" ".join(f"M{x} {y}h0" for x, y in points),
        label=f"{numbers.count(len(line), 'entry', 'entries')}, first {ends[0]}, newest {ends[1]}",
    )


def make_histories(
    cells: Cells,
    column: Column,
    lines: Mapping[Key, Sequence[Entry]],
    whos: Mapping[Key, Who],
    link: Callable[[Entry], str],
) -> tuple[History, ...]:
    """Systems with several entries; all share one axis, so that their lines can be compared."""
    several = {key: line for key, line in lines.items() if len(line) > 1}
    axis = cells.free_axis(column, [entry for line in several.values() for entry in line])
    changes = _changes(column, several)
    found = []
    for key, line in several.items():
        past = [
            Past(
                date=numbers.date(entry.created),
                run_id=entry.run_id,
                version=entry.version,
                takes=entry.takes,
                estimate=cells.estimate(entry, column, axis),
                report=link(entry),
            )
            for entry in reversed(line)
        ]
        found.append(
            History(
                who=whos[key],
                trend=make_trend(cells, column, line, axis),
                past=tuple(past),
                change=changes.get(key, ""),
                first=numbers.date(line[0].created),
                last=numbers.date(line[-1].created),
            )
        )
    return tuple(found)


def _changes(column: Column, lines: Mapping[Key, Sequence[Entry]]) -> dict[Key, str]:
    """Newest against the one before, in words; adjusted by Holm over the systems."""
    if not column.metric.headline:
        return {}
    pairs = {}
    for key, line in lines.items():
        newest, before = (entry.metrics.get(column.metric.name) for entry in (line[-1], line[-2]))
        if newest and before and newest.values is not None and before.values is not None:
            pairs[key] = align(newest.values, before.values)
    compared = dict(zip(pairs, compare_many(list(pairs.values()), seed=SEED), strict=True))
    tested = [key for key, comparison in compared.items() if comparison.p_value is not None]
    adjusted = dict(zip(tested, holm([compared[key].p_value or 0.0 for key in tested]), strict=True))
    return {key: _change(column, comparison, adjusted.get(key)) for key, comparison in compared.items()}


def _change(column: Column, comparison: PairedComparison, p: float | None) -> str:
    measure = column.measure
    if comparison.difference is None or p is None:
        return f"fewer than {MIN_PAIRS} prompts shared with the entry before"
    low, high = comparison.ci_low, comparison.ci_high
    ends = [None if end is None else end * measure.scale for end in (low, high)]
    digits = measure.digits or estimates.NEUTRAL_DIGITS
    difference = comparison.difference * measure.scale
    sign = "+" if round(difference, digits) > 0 else ""
    unit = measure.suffix.replace("%", "points")
    interval = numbers.interval(ends[0], ends[1], digits)
    text = f"{sign}{numbers.number(difference, digits)}{unit} ({interval}) since the entry before"
    if p > LEVEL:
        return f"{text}: not separable"
    if column.metric.direction not in ("higher", "lower"):
        return f"{text}: it moved"
    better = (difference > 0) == (column.metric.direction == "higher")
    return f"{text}: {'better' if better else 'worse'}"


def _height(value: float, axis: Axis) -> str:
    return f"{94 - 0.88 * estimates.place(value, axis):.2f}"


def _points(points: Sequence[tuple[str, str]]) -> str:
    return " ".join(f"{x},{y}" for x, y in points)
