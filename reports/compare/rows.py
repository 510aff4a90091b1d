"""From contrasts to the rows of a comparison."""

import math
from collections.abc import Mapping, Sequence

from evalkit.contrasts import Contrast
from evalkit.pairing import orientation
from reports import numbers
from reports.compare.page import MetricView, Row, Span
from reports.compare.wording import TONES, difference_digits, p_value, sentence, signed, suffix_of, tone_of
from reports.estimates import FEW
from reports.index import make_measure
from reports.languages import title_of
from reports.report import Measure

ALL = "All songs"
SIDES = {True: ("worse", "better"), False: ("smaller", "larger")}
"""What the two halves of an axis mean, for metrics with and without a better side."""


def effect_of(row: Contrast) -> tuple[float, float | None, float | None] | None:
    """The difference and its interval in standard deviations of a prompt's share in it; positive is better or larger.

    The one unit in which metrics can stand on one axis. None if all prompts differ by the same amount.
    """
    paired = row.paired
    if paired is None or paired.difference is None or not paired.se:
        return None
    unit = _sign(row) / (paired.se * math.sqrt(paired.n))
    low, high = (None if end is None else end * unit for end in (paired.ci_low, paired.ci_high))
    return (paired.difference * unit, *((high, low) if unit < 0 else (low, high)))


def effect_limit(rows: Sequence[Contrast]) -> float:
    """End of the common axis: holds all effects over all songs."""
    ends = [abs(end) for row in rows if row.language is None for end in effect_of(row) or () if end is not None]
    return numbers.nice_range([0.0, *ends], (0.0, None))[1] if ends else 1.0


def make_metric(
    index: int, rows: Sequence[Contrast], evaluator: str, declared: Mapping[str, str], limit: float
) -> MetricView:
    """One metric.

    Args:
        index: Its place among the metrics.
        rows: All songs first, then the languages.
        evaluator: Who measured it.
        declared: Language to its name.
        limit: End of the common axis, see `effect_limit`.
    """
    first = rows[0]
    values = [value for side in (first.candidate, first.baseline) for value in [side] if value is not None]
    values += [row.candidate for row in rows if row.candidate is not None]
    signature = first.candidate_signature or first.baseline_signature
    measure = make_measure(index, first.metric, signature, evaluator, values)
    end = _axis_end(measure, rows)
    digits = numbers.axis_digits(-end, end)
    neutral = orientation(first.metric) == 0
    texts = (f"{numbers.MINUS}{numbers.number(end, digits)}", f"+{numbers.number(end, digits)}")
    flipped = orientation(first.metric) > 0
    return MetricView(
        measure=measure,
        rows=tuple(_row(measure, row, declared, end, limit) for row in rows),
        ends=(texts[1], texts[0]) if flipped else texts,
        sides=SIDES[not neutral],
        compared="distance from the wanted range" if first.compared == "distance" else "value",
        signatures=(first.candidate_signature, first.baseline_signature),
    )


def _row(measure: Measure, row: Contrast, declared: Mapping[str, str], end: float, limit: float) -> Row:
    paired = row.paired
    tone = tone_of(row)
    digits = difference_digits(measure, row)
    suffix = suffix_of(measure)
    difference = None if paired is None else paired.difference
    effect = effect_of(row)
    return Row(
        language=row.language or "",
        title=ALL if row.language is None else declared.get(row.language, title_of(row.language)),
        tone=tone,
        verdict=TONES[tone],
        sentence=sentence(measure, row),
        candidate=_value(measure, row.candidate),
        baseline=_value(measure, row.baseline),
        difference=numbers.MISSING if difference is None else signed(difference * measure.scale, digits) + suffix,
        interval=_interval(measure, row, digits),
        p_value=p_value(row.p_adjusted),
        wins=_wins(row),
        dz=numbers.MISSING if paired is None or paired.cohen_dz is None else signed(paired.cohen_dz, 2),
        rank=numbers.MISSING if paired is None or paired.rank_biserial is None else signed(paired.rank_biserial, 2),
        mde=numbers.MISSING
        if paired is None or paired.mde is None
        else numbers.number(paired.mde * measure.scale, digits) + suffix,
        settle=f"{row.sample_size:,}" if tone in ("same", "few") and row.sample_size else numbers.MISSING,
        n=row.n,
        missing=_missing(row),
        method="" if paired is None else paired.method,
        span=None if paired is None or tone == "apart" else _span(measure, row, end),
        effect=None if effect is None or tone == "apart" else _effect_span(effect, limit),
        order=None if effect is None or tone == "apart" else round(-effect[0] if _oriented(row) else abs(effect[0]), 4),
        few=row.n < FEW,
    )


def _axis_end(measure: Measure, rows: Sequence[Contrast]) -> float:
    """Symmetric end of a metric's axis, as shown; what has too few songs for a claim does not stretch it."""
    found = [row.paired for row in rows if row.paired is not None]
    solid = [row.paired for row in rows if row.paired is not None and tone_of(row) != "few"] or found
    ends = [abs(end) * measure.scale for p in solid for end in (p.difference, p.ci_low, p.ci_high) if end is not None]
    return numbers.nice_range([0.0, *ends], (0.0, None))[1] if any(ends) else 1.0


def _span(measure: Measure, row: Contrast, end: float) -> Span | None:
    paired = row.paired
    if paired is None or paired.difference is None:
        return None
    sign = _sign(row) * measure.scale
    ends = [None if value is None else _place(value * sign, end) for value in (paired.ci_low, paired.ci_high)]
    low, high = reversed(ends) if sign < 0 else ends
    return Span(at=_place(paired.difference * sign, end), low=low, high=high)


def _effect_span(effect: tuple[float, float | None, float | None], limit: float) -> Span:
    at, low, high = (None if value is None else _place(value, limit) for value in effect)
    assert at is not None
    return Span(at=at, low=low, high=high)


def _place(value: float, end: float) -> float:
    return round(50 + 50 * min(1.0, max(-1.0, value / end)), 2)


def _sign(row: Contrast) -> float:
    """Turns a difference so that positive is better; larger, if neither side is."""
    return -float(orientation(row.metric)) or 1.0


def _oriented(row: Contrast) -> bool:
    return orientation(row.metric) != 0


def _value(measure: Measure, value: float | None) -> str:
    if value is None:
        return numbers.MISSING
    shown = value * measure.scale
    # The mean of whole numbers is not whole.
    digits = measure.digits or min(numbers.digits_for([shown], unit=measure.unit), 2)
    return numbers.number(shown, digits) + measure.suffix


def _interval(measure: Measure, row: Contrast, digits: int) -> str:
    paired = row.paired
    if paired is None or paired.ci_low is None or paired.ci_high is None:
        return numbers.MISSING
    low, high = paired.ci_low * measure.scale, paired.ci_high * measure.scale
    return f"{signed(low, digits)} to {signed(high, digits)}"


def _wins(row: Contrast) -> str:
    paired = row.paired
    if paired is None or paired.win_rate is None:
        return numbers.MISSING
    share = 1 - paired.win_rate if orientation(row.metric) > 0 else paired.win_rate
    return f"{100 * share:.0f}{numbers.NBSP}%"


def _missing(row: Contrast) -> str:
    parts = [f"{row.n_missing:,} without a pair"] if row.n_missing else []
    parts += [f"{row.n_not_applicable:,} not applicable"] if row.n_not_applicable else []
    return ", ".join(parts)
