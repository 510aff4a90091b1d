"""From a summary to what is printed of it: digits, interval, whisker and axis. Shared by every page."""

from collections import Counter
from collections.abc import Sequence

from evalkit.types import Summary
from reports import numbers
from reports.report import Estimate, Measure, Missing, Scale, Whisker

Axis = tuple[float, float]
"""Both ends of an axis, as shown values."""

NEUTRAL_DIGITS = 2
"""Decimals where a metric prescribes none."""

FEW = 20
"""Below this many prompts a number is shown, but nothing is claimed from it (dots are hollow)."""


def make_axis(
    measure: Measure,
    bounds: tuple[float | None, float | None],
    summaries: Sequence[Summary],
    values: Sequence[float] = (),
) -> Axis:
    """An axis that holds estimates, intervals, the wanted range and further values.

    Args:
        measure: Of all the numbers.
        bounds: Lowest and highest possible stored value, None if unbounded.
        summaries: What stands on the axis.
        values: Further values, as shown.
    """
    ends = [end for s in summaries for end in (s.estimate, s.ci_low, s.ci_high) if end is not None]
    wanted = [end for end in measure.good or () if end is not None]
    shown = [end * measure.scale for end in ends] + list(values) + wanted
    low, high = (None if bound is None else bound * measure.scale for bound in bounds)
    return numbers.nice_range(shown, (low, high))


def make_scale(measure: Measure, axis: Axis) -> Scale:
    """The ends of an axis as text, and the wanted range on it."""
    digits = numbers.axis_digits(*axis)
    good = None
    if measure.good is not None:
        low, high = measure.good
        ends = (axis[0] if low is None else low), (axis[1] if high is None else high)
        good = (place(ends[0], axis), place(ends[1], axis))
    unit = measure.suffix if len(measure.suffix) <= 4 else ""
    return Scale(low=numbers.axis_end(axis[0], digits), high=numbers.axis_end(axis[1], digits) + unit, good=good)


def place(value: float, axis: Axis) -> float:
    """Position of a shown value on an axis, in percent of its width."""
    share = (value - axis[0]) / (axis[1] - axis[0])
    return round(100 * min(1.0, max(0.0, share)), 2)


def digits_of(measure: Measure, summary: Summary) -> int:
    """Decimals of an aggregate: the mean of whole numbers is not whole."""
    if measure.digits:
        return measure.digits
    shown = [] if summary.estimate is None else [summary.estimate * measure.scale]
    return min(numbers.digits_for(shown), NEUTRAL_DIGITS)


def make_estimate(measure: Measure, summary: Summary, missing: tuple[Missing, ...], axis: Axis) -> Estimate:
    """An aggregate as it is printed and drawn.

    Args:
        measure: Of the summary.
        summary: In the metric's stored unit.
        missing: What has no value, and why.
        axis: See `make_axis`.
    """
    by_label: Counter[str] = Counter()
    for item in missing:
        by_label[item.label] += item.count
    digits = digits_of(measure, summary)
    value, low, high = (
        None if end is None else end * measure.scale for end in (summary.estimate, summary.ci_low, summary.ci_high)
    )
    few = 0 < summary.n < FEW
    whisker = None
    if value is not None:
        ends = [None if end is None else place(end, axis) for end in (low, high)]
        whisker = Whisker(at=place(value, axis), low=ends[0], high=ends[1], hollow=few)
    text = numbers.MISSING if value is None else numbers.number(value, digits)
    return Estimate(
        value=None if value is None else round(value, digits),
        text=text if value is None else text + measure.suffix,
        number=text,
        interval=numbers.interval(low, high, digits),
        n=summary.n,
        n_text=numbers.count(summary.n, "prompt"),
        missing=missing,
        missing_text=", ".join(f"{n:,} {label}" for label, n in by_label.items()),
        method=summary.method,
        few=few,
        whisker=whisker,
    )
