"""How numbers are written: digits, units, intervals, durations. Nothing else in the package formats a number."""

import math
from collections.abc import Iterable, Sequence
from datetime import datetime

NBSP = "\u00a0"
MINUS = "\u2212"
EN_DASH = "\u2013"
MISSING = "\u2014"


FINEST = {"LUFS": 1, "LU": 1, "dB": 1, "dB/octave": 1, "dBTP": 2, "Hz": 0, "s": 2, "%": 2}
"""Most decimals by unit."""


def digits_for(values: Sequence[float], *, percent: bool = False, unit: str = "") -> int:
    """Decimals that show about three significant digits of typical values; one for percentages.

    Args:
        values: Finite numbers as they will be shown; none gives 2.
        percent: The values are percentages.
        unit: Of the values; some are never written finer than people can hear or care.

    Returns:
        0 to 6.
    """
    if percent:
        return 1
    sizes = sorted(abs(value) for value in values if value != 0)
    if not sizes:
        return 0 if values else 2
    typical = sizes[(len(sizes) * 3) // 4]
    if all(float(value).is_integer() for value in values):
        return 0
    return max(0, min(FINEST.get(unit, 6), 2 - math.floor(math.log10(typical))))


def number(value: float, digits: int) -> str:
    """A number with a proper minus sign and thousands separated from 10,000 on.

    >>> number(-12.345, 1), number(16000.4, 0), number(-0.04, 1)
    ('−12.3', '16,000', '0.0')
    """
    rounded = round(value, digits)
    if rounded == 0:
        rounded = 0.0  # no "−0.0"
    text = f"{abs(rounded):,.{digits}f}" if abs(rounded) >= 10_000 else f"{abs(rounded):.{digits}f}"
    return (MINUS if rounded < 0 else "") + text


def interval(low: float | None, high: float | None, digits: int) -> str:
    """An interval without its unit, or a dash if there is none.

    >>> interval(9.81, 15.08, 1), interval(-3.0, 1.0, 0)
    ('9.8–15.1', '−3 to 1')
    """
    if low is None or high is None:
        return MISSING
    joiner = " to " if low < 0 or high < 0 else EN_DASH
    return number(low, digits) + joiner + number(high, digits)


def suffix_of(unit: str, as_percent: bool) -> str:
    """What follows a value, with its (no-break) space."""
    if as_percent:
        return NBSP + "%"
    return NBSP + unit if unit and unit not in ("0/1",) else ""


def duration(seconds: float | None) -> str:
    """Minutes and seconds.

    >>> duration(83.4), duration(7.26), duration(None)
    ('1:23', '0:07', '—')
    """
    if seconds is None:
        return MISSING
    whole = int(seconds)  # as players count
    hours, rest = divmod(whole, 3600)
    minutes, second = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{second:02d}" if hours else f"{minutes}:{second:02d}"


def wall_time(seconds: float) -> str:
    """A stretch of work in words.

    >>> [wall_time(seconds).replace(NBSP, " ") for seconds in (0.4, 42.2, 200)]
    ['0.4 s', '42 s', '3 min 20 s']
    """
    if seconds < 10:
        return f"{seconds:.1f}{NBSP}s"
    if seconds < 60:
        return f"{seconds:.0f}{NBSP}s"
    minutes, second = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}{NBSP}h {minutes}{NBSP}min" if hours else f"{minutes}{NBSP}min {second}{NBSP}s"


def date(created: str) -> str:
    """The day of a time stamp.

    >>> date("2026-11-24T14:20:11Z"), date("soon")
    ('24 November 2026', 'soon')
    """
    try:
        when = datetime.fromisoformat(created)
    except ValueError:
        return created or MISSING
    return f"{when.day} {when:%B %Y}"


def count(n: int, one: str, many: str | None = None) -> str:
    """A count with its noun.

    >>> [count(n, "song").replace(NBSP, " ") for n in (1, 12000)]
    ['1 song', '12,000 songs']
    """
    return f"{n:,}{NBSP}{one if n == 1 else many or one + 's'}"


def nice_range(values: Iterable[float], bounds: tuple[float | None, float | None]) -> tuple[float, float]:
    """Round ends of an axis that holds all values and stays within the metric's bounds.

    The axis begins at the lower bound if that lies near, so that rates begin at zero.

    Args:
        values: Finite numbers as shown; none gives a length of one from the lower bound, or from 0.
        bounds: Lowest and highest possible value as shown, None if unbounded.
    """
    found = list(values)
    first = bounds[0] or 0.0
    low, high = (min(found), max(found)) if found else (first, first + 1.0)
    if bounds[0] is not None and low - bounds[0] <= 4 * (high - low):
        low = bounds[0]
    if high - low < 1e-12:
        pad = abs(high) * 0.1 or 1.0
        low, high = low - pad, high + pad
    step = _nice_step((high - low) / 4)
    low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    if bounds[0] is not None:
        low = max(low, bounds[0])
    if bounds[1] is not None and high > bounds[1]:
        high = max(bounds[1], low + step)
    return low, high


def axis_end(value: float, digits: int) -> str:
    """An end of an axis; zero is written as it is."""
    return number(value, digits) if value else "0"


def axis_digits(low: float, high: float) -> int:
    """Decimals that the ends of an axis need."""
    return next((d for d in range(7) if all(abs(round(v, d) - v) < 1e-9 for v in (low, high))), 6)


def _nice_step(raw: float) -> float:
    power = 10.0 ** math.floor(math.log10(raw))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
