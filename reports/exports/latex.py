r"""The run as LaTeX: a table over all songs and, with several languages, one by language.

Needs ``\usepackage{booktabs}`` and an engine that reads UTF-8. Everything from a run is escaped, so that no name or
title can end a cell, start a command or open a file.
"""

from collections.abc import Sequence

from evalkit.types import Summary
from reports import estimates, numbers
from reports.exports.choice import ALL, Aggregate, aggregates, choose
from reports.index import Index
from reports.languages import title_of
from reports.report import Measure
from reports.tables import clean

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    numbers.NBSP: "~",
    numbers.MINUS: "$-$",
    numbers.EN_DASH: "--",
    numbers.MISSING: "---",
    "↓": r"$\downarrow$",
    "↑": r"$\uparrow$",
    "◎": r"$\odot$",
}


_NAMES = ("Metric", "Language", "System")
"""Columns of words."""


def escape(text: str) -> str:
    r"""Text as LaTeX prints it; line breaks become spaces, other control characters vanish.

    >>> print(escape("50 % of a_b & {c} \\input"))
    50 \% of a\_b \& \{c\} \textbackslash{}input
    """
    return "".join(map(_escaped, clean(text)))


def _escaped(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    return " " if char.isspace() else char if char.isprintable() else ""


def to_latex(index: Index, metrics: Sequence[str] = ()) -> str:
    """The tables.

    Args:
        index: A run, put in order.
        metrics: Names; by default the headline metrics.

    Raises:
        ConfigError: an unknown metric.
    """
    measures = choose(index, metrics)
    systems = [system.name for system in index.systems if not system.calibration]
    found = {(a.system, a.language, a.measure.index): a for a in aggregates(index, measures, systems)}
    info = index.run.info
    caption = f"{info.suite.name} {info.suite.version}: estimates with 95 % intervals over prompts."
    lines = _comments(index, measures)
    head = ["Metric", *systems]
    rows = [[_title(m), *(_cell(found[system, ALL, m.index]) for system in systems)] for m in measures]
    lines += _table(head, rows, caption, "tab:evalkit")
    if len(index.languages) > 1:
        head = ["Language", *(["System"] if len(systems) > 1 else []), *(_title(m) for m in measures)]
        rows = [
            [
                title_of(code),
                *([system] if len(systems) > 1 else []),
                *(_cell(found[system, code, m.index]) for m in measures),
            ]
            for code in index.languages
            for system in systems
        ]
        few = any(a.summary.n < estimates.FEW for a in found.values() if a.language != ALL)
        note = f" {info.suite.name} {info.suite.version}, by language." + (
            f" Fewer than {estimates.FEW} prompts: no claim." if few else ""
        )
        lines += ["", *_table(head, rows, note.strip(), "tab:evalkit-languages")]
    return "\n".join(lines) + "\n"


def _comments(index: Index, measures: Sequence[Measure]) -> list[str]:
    return [
        r"% Needs \usepackage{booktabs}. Numbers may be compared only if their signatures are equal.",
        *(f"% {' '.join(clean(m.signature).split())}" for m in measures if m.signature),
        f"% run: {' '.join(clean(index.run.info.run_id).split())}",
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], caption: str, label: str) -> list[str]:
    return [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape(caption)}}}",
        rf"\label{{{label}}}",
        rf"\begin{{tabular}}{{{''.join('l' if name in _NAMES else 'r' for name in head)}}}",
        r"\toprule",
        " & ".join(escape(text) for text in head) + r" \\",
        r"\midrule",
        *(" & ".join(escape(text) for text in row) + r" \\" for row in rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]


def _title(measure: Measure) -> str:
    return f"{measure.title} {measure.arrow}".strip()


def _cell(found: Aggregate) -> str:
    measure, summary = found.measure, found.summary
    if summary.estimate is None:
        return numbers.MISSING
    digits = estimates.digits_of(measure, summary)
    text = numbers.number(summary.estimate * measure.scale, digits) + measure.suffix
    interval = _interval(measure, summary, digits)
    return f"{text} [{interval}]" if interval != numbers.MISSING else text


def _interval(measure: Measure, summary: Summary, digits: int) -> str:
    ends = [None if end is None else end * measure.scale for end in (summary.ci_low, summary.ci_high)]
    return numbers.interval(ends[0], ends[1], digits)
