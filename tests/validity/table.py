"""Reactions as rows, and the part of docs/validity.md that they fill."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

Expected = Literal["rises", "falls", "stays"]
MIN_SPEARMAN = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """What one metric does when songs are changed by known amounts.

    Attributes:
        change: What was done.
        doses: How much of it, ascending.
        metric: Its name.
        values: By song, one value for each dose.
        expected: What it should do.
        tolerance: For ``stays``: how far it may move.
    """

    change: str
    doses: tuple[float, ...]
    metric: str
    values: Mapping[str, Sequence[float]]
    expected: Expected
    tolerance: float = 0.0

    @property
    def means(self) -> list[float]:
        """Over songs, for each dose."""
        return np.mean(list(self.values.values()), axis=0).tolist()

    @property
    def spearman(self) -> float | None:
        """Rank correlation of dose and mean value; None if it does not move at all."""
        from scipy.stats import spearmanr

        means = np.round(self.means, 9)
        return None if np.ptp(means) == 0.0 else float(spearmanr(self.doses, means).statistic)

    @property
    def holds(self) -> bool:
        """Whether it does what it should: |Spearman| of 0.9 or more, or no movement beyond the tolerance."""
        if self.expected == "stays":
            return all(np.ptp(values) <= self.tolerance + 1e-9 for values in self.values.values())
        rho = self.spearman
        return rho is not None and (rho if self.expected == "rises" else -rho) >= MIN_SPEARMAN


def render(reactions: Sequence[Reaction]) -> str:
    """A Markdown table."""
    rows = [
        "| Change | Amount | Metric | Mean values | Should | Spearman | Songs | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in reactions:
        rho = "–" if one.spearman is None or one.expected == "stays" else f"{one.spearman:+.2f}"
        should = f"stay within {one.tolerance:g}" if one.expected == "stays" else one.expected.removesuffix("s")
        cells = (
            one.change,
            " · ".join(f"{dose:g}" for dose in one.doses),
            f"`{one.metric}`",
            " · ".join(f"{value:.3g}" for value in one.means),
            should,
            rho,
            str(len(one.values)),
            "yes" if one.holds else "**no**",
        )
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def write_section(path: Path, name: str, text: str) -> None:
    """Replace one section of a page, between its markers; a section that is not there is added at the end."""
    begin, end = f"<!-- measured: {name} -->", f"<!-- end: {name} -->"
    page = path.read_text("utf-8") if path.exists() else "# Validity\n"
    before, found, rest = page.partition(begin)
    if not found:
        page = f"{page.rstrip()}\n\n## {name}\n\n{begin}\n{text}\n{end}\n"
    else:
        page = f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}"
    path.write_text(page, "utf-8")
