"""How the gate writes numbers and foreign text; every writer uses this."""

import re

from evalkit.gate.result import Check
from reports import numbers

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")

VERDICTS = {
    "improved": "improved",
    "pass": "pass",
    "inconclusive": "inconclusive",
    "fail": "FAIL",
    "insufficient_data": "INSUFFICIENT DATA",
    "hard_fail": "HARD FAIL",
    "incomplete": "INCOMPLETE",
}


def plain(text: str) -> str:
    """One line without anything that steers a terminal, breaks XML or turns the reading direction."""
    return " ".join(_CONTROL.sub(lambda found: " " if found[0] in "\n\r\t" else "\ufffd", text).split())


def bare(check: Check, number: float | None, *, signed: bool = False) -> str:
    """A number of the check as people read it, without its unit."""
    if number is None:
        return numbers.MISSING
    text = numbers.number(number * _scale(check), _digits(check))
    return ("+" if signed and number > 0 and text.strip("0.") else "") + text


def bare_interval(check: Check) -> str:
    """The 95 % interval of the difference, without its unit."""
    if check.low is None or check.high is None:
        return numbers.MISSING
    return f"{bare(check, check.low)} to {bare(check, check.high)}"


def unit(check: Check) -> str:
    """What stands behind the numbers of the check."""
    found = numbers.suffix_of(check.unit, check.as_percent).strip()
    return f"{found} outside the range" if check.compared == "distance" else found


def value(check: Check, number: float | None) -> str:
    """A number of the check with its unit."""
    return numbers.MISSING if number is None else bare(check, number) + numbers.suffix_of(check.unit, check.as_percent)


def width(check: Check, number: float | None) -> str:
    """A difference or margin with its unit; differences of percentages are points."""
    return numbers.MISSING if number is None else bare(check, number) + _suffix(check)


def interval(check: Check) -> str:
    """The 95 % interval of the difference, with its unit."""
    return bare_interval(check) + (_suffix(check) if check.low is not None else "")


def verdict(check: Check) -> str:
    """The verdict in words; capitals block."""
    if check.verdict == "inconclusive":
        return "inconclusive" if check.warns else "INCONCLUSIVE"
    return VERDICTS[check.verdict] + (" (not statistical)" if check.kind == "threshold" else "")


def counted(check: Check) -> str:
    """Pairs, and what is missing."""
    if check.n is None:
        return numbers.MISSING
    return f"{check.n}" + (f" (−{check.n_missing})" if check.n_missing else "")


def name(check: Check) -> str:
    """Title and id."""
    return plain(f"{check.title} ({check.id})")


def _scale(check: Check) -> float:
    return 100.0 if check.as_percent else 1.0


def _digits(check: Check) -> int:
    if check.as_percent:
        return 2
    sizes = (check.difference, check.low, check.high, check.margin, check.mde, check.limit)
    found = [size for size in sizes if size] or [size for size in (check.candidate, check.baseline) if size is not None]
    return numbers.digits_for(found, unit=check.unit)


def _suffix(check: Check) -> str:
    return numbers.NBSP + "points" if check.as_percent else numbers.suffix_of(check.unit, False)
