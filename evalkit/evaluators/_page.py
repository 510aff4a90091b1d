"""Pages of ``docs/evaluators/``: what is declared in code is written there by this module, never by hand.

``python -m evalkit.evaluators._page [FOLDER]`` brings every page up to date. The text around the marked table is
written by people; a page that does not exist yet is begun from the class's docstring.
"""

import inspect
import sys
from pathlib import Path
from typing import Any

from evalkit.evaluators.base import EVALUATORS, is_set_evaluator
from evalkit.files import write_atomically
from evalkit.types import Metric

BEGIN = "<!-- declared in code: python -m evalkit.evaluators._page -->"
END = "<!-- end -->"

_BETTER = {"higher": "higher", "lower": "lower", "none": "describes"}


def declared(name: str) -> str:
    """The generated part of an evaluator's page: version, and one row for each metric."""
    cls = EVALUATORS.get(name)
    scope = "all songs of a system together" if is_set_evaluator(cls) else "one song at a time"
    models = ", ".join(f"`{model}`" for model in cls.required_models({})) or "none"
    rows = [_row(metric, of_sets=is_set_evaluator(cls)) for metric in cls.metrics]
    return "\n".join(
        [
            f"Version {cls.version}; scores {scope}; models by default: {models}.",
            "",
            "| Metric | Unit | Better | What it says | Over songs | Source | Licence |",
            "|---|---|---|---|---|---|---|",
            *rows,
        ]
    )


def page(name: str, text: str | None) -> str:
    """A page with its generated part brought up to date.

    Args:
        name: Of the evaluator.
        text: The page as it is, None for a new one.
    """
    if text is None:
        text = f"# `{name}`\n\n{_introduction(EVALUATORS.get(name))}\n"
    before, begun, rest = text.partition(BEGIN)
    after = rest.partition(END)[2] if begun else ""
    head = before if begun else before.rstrip() + "\n\n## Metrics\n\n"
    return f"{head}{BEGIN}\n{declared(name)}\n{END}{after or chr(10)}"


def write_pages(folder: Path) -> list[Path]:
    """Bring the pages of all registered evaluators up to date; returns those that changed."""
    changed = []
    for name in EVALUATORS.names():
        path = folder / f"{name}.md"
        text = path.read_text(encoding="utf-8") if path.is_file() else None
        wanted = page(name, text)
        if wanted != text:
            write_atomically(path, wanted.encode())
            changed.append(path)
    return changed


def _introduction(cls: Any) -> str:
    return (inspect.getdoc(cls) or "").partition("\n\nArgs:")[0].strip()


def _row(metric: Metric, *, of_sets: bool) -> str:
    value = "per cent" if metric.as_percent else metric.unit
    over = "the set has one" if of_sets else "ratio of sums" if metric.aggregate == "ratio" else "mean"
    cells = (f"`{metric.name}`", value, _better(metric), metric.description or metric.title, over)
    return "| " + " | ".join(_cell(cell) for cell in (*cells, metric.source, metric.licence)) + " |"


def _better(metric: Metric) -> str:
    if metric.direction != "target":
        return _BETTER[metric.direction]
    low, high = metric.good or (None, None)
    if low is None or high is None:
        return "a range" if low is None and high is None else f"{high:g} or less" if low is None else f"{low:g} or more"
    return f"{low:g} to {high:g}"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|") or "–"


if __name__ == "__main__":
    for path in write_pages(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/evaluators")):
        print(path)
