"""Verdicts, differences and p-values in words and digits."""

from evalkit.comparison import MIN_PAIRS
from evalkit.contrasts import MIN_LANGUAGE_PROMPTS, Contrast
from reports import numbers
from reports.report import Measure

TONES = {
    "better": "Better",
    "worse": "Worse",
    "different": "Different",
    "same": "No difference shown",
    "few": "Too few songs",
    "apart": "Not comparable",
}
"""Verdicts by tone, in the order they are told."""

POINTS = numbers.NBSP + "points"
"""A difference of percentages is no percentage."""


def tone_of(row: Contrast) -> str:
    """Which of `TONES` a verdict is."""
    if row.verdict.startswith("not comparable"):
        return "apart"
    return {"no difference shown": "same", "too few songs": "few"}.get(row.verdict, row.verdict)


def suffix_of(measure: Measure) -> str:
    """What follows a difference."""
    return POINTS if measure.suffix.strip() == "%" else measure.suffix


def difference_digits(measure: Measure, row: Contrast) -> int:
    """Decimals that show a difference and its interval."""
    paired = row.paired
    if paired is None:
        return measure.digits
    found = (paired.difference, paired.ci_low, paired.ci_high, paired.mde)
    shown = [value * measure.scale for value in found if value is not None]
    return numbers.digits_for(shown, percent=measure.suffix.strip() == "%", unit=measure.unit)


def signed(value: float, digits: int) -> str:
    """A number with its sign, also if it is positive; nothing before a zero."""
    text = numbers.number(value, digits)
    return text if text.startswith(numbers.MINUS) or float(text.replace(",", "")) == 0 else "+" + text


def p_value(p: float | None) -> str:
    """A p-value in three digits.

    >>> [p_value(p).replace(numbers.NBSP, " ") for p in (0.5, 0.0123, 0.0002, None)]
    ['0.50', '0.012', '< 0.001', '—']
    """
    if p is None:
        return numbers.MISSING
    if p < 0.001:
        return f"<{numbers.NBSP}0.001"
    return f"{p:.2f}" if p >= 0.1 else f"{p:.3f}"


def sentence(measure: Measure, row: Contrast) -> str:
    """The verdict with the numbers behind it."""
    tone, paired = tone_of(row), row.paired
    songs = numbers.count(row.n, "prompt")
    if tone == "apart":
        return f"Not comparable: {row.verdict.partition(': ')[2]}."
    if tone == "few" or paired is None:
        need = MIN_PAIRS if row.language is None else MIN_LANGUAGE_PROMPTS
        return f"{songs} have a value on both sides; {need} are needed for a claim."
    suffix = suffix_of(measure)
    digits = difference_digits(measure, row)
    p = p_value(row.p_adjusted)
    chance = f"p{numbers.NBSP}{p}" if p.startswith("<") else f"p{numbers.NBSP}={numbers.NBSP}{p}"
    if tone == "same":
        text = f"No difference is shown on {songs} ({chance})."
        if paired.mde is not None:
            text += f" So many show one of {numbers.number(paired.mde * measure.scale, digits)}{suffix} or more."
        return text
    if paired.difference is None:  # a verdict needs one
        return TONES[tone]
    size = numbers.number(abs(paired.difference * measure.scale), digits) + suffix
    low, high = paired.ci_low, paired.ci_high
    ends = sorted(abs(end * measure.scale) for end in (low, high) if end is not None)
    span = f" ({numbers.interval(ends[0], ends[1], digits)})" if len(ends) == 2 else ""
    words = {"different": "Differs", "better": "Better", "worse": "Worse"}[tone]
    nearer = ", nearer to the wanted range" if tone == "better" else ", further from the wanted range"
    return f"{words} by {size}{span}{nearer if row.compared == 'distance' else ''} on {songs}, {chance}."
