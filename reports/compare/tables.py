"""The comparison as tables: tidy CSV, JSON with the same rows, and Markdown for a pull request."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from evalkit.contrasts import Contrast, losses, wins
from reports import numbers
from reports.compare.contenders import Contender
from reports.compare.page import Duel, MetricView, Page, Row
from reports.compare.view import Fight
from reports.tables import cell, clean, table

WORST = 5
NUMBERS = (
    "candidate_value",
    "opponent_value",
    "difference",
    "ci_low",
    "ci_high",
    "p_holm",
    "p_value",
    "cohen_dz",
    "rank_biserial",
    "win_rate",
    "mde",
)
"""Columns that hold numbers, in the metric's stored unit, never rounded."""


def rows(candidate: Contender, fights: Sequence[Fight]) -> list[dict[str, Any]]:
    """One row for each (opponent, metric, language); ``language`` is ``all`` over all songs."""
    return [
        {
            "candidate": candidate.system,
            "candidate_run": contrasts.candidate_run,
            "opponent": opponent.system,
            "opponent_run": contrasts.baseline_run,
            "metric": row.metric.name,
            "language": row.language or "all",
            "verdict": row.verdict,
            "comparable": row.comparable,
            "compared": row.compared,
            "direction": row.metric.direction,
            "unit": row.metric.unit,
            "n": row.n,
            "n_missing": row.n_missing,
            "n_not_applicable": row.n_not_applicable,
            **dict(zip(NUMBERS, _numbers(row), strict=True)),
            "songs_to_settle": row.sample_size,
            "method": row.paired.method if row.paired else "",
            "candidate_signature": row.candidate_signature,
            "opponent_signature": row.baseline_signature,
        }
        for opponent, contrasts in fights
        for row in contrasts.rows
    ]


def to_csv(found: Sequence[dict[str, Any]]) -> bytes:
    """UTF-8 with a header and line feeds; missing values are empty."""
    cleaned = [{key: clean(v) if isinstance(v, str) else v for key, v in row.items()} for row in found]
    frame = pd.DataFrame(cleaned)
    frame["songs_to_settle"] = pd.array(frame["songs_to_settle"], dtype="Int64")
    text: str = frame.to_csv(index=False, lineterminator="\n")
    return text.encode("utf-8")


def to_markdown(page: Page, fights: Sequence[Fight]) -> str:
    """Headline verdicts, what moved, worst songs and what else changed, for each opponent."""
    lines = [f"# {cell(page.candidate.name)} against {cell(' · '.join(duel.label for duel in page.duels))}", ""]
    lines += [f"{cell(page.suite)} {cell(page.version)}, run `{cell(page.candidate.run_id)}`", ""]
    for duel, (_, contrasts) in zip(page.duels, fights, strict=True):
        lines += [f"## Against {cell(duel.label)}", "", cell(duel.lead), ""]
        for notice in duel.notices:
            lines += [f"> {cell(notice)}", ""]
        shown = list(duel.headline) + [
            view for view in duel.metrics if view not in duel.headline and view.all.tone in ("better", "worse")
        ]
        lines += _metrics(shown)
        languages = [
            (view, row) for view in shown for row in view.rows[1:] if row.tone in ("better", "worse", "different")
        ]
        if languages:
            lines += ["### By language", "", *table(_HEAD, [_line(view, row) for view, row in languages]), ""]
        lines += _sets(duel)
        if duel.headline:
            first = contrasts.row(duel.headline[0].measure.name)
            lines += _songs(duel.headline[0], first)
        lines += _changes(duel)
    return "\n".join(lines)


_HEAD = ("Metric", "Songs", "Verdict", "Candidate", "Opponent", "Difference", "95 % interval", "p (Holm)")


def _metrics(views: Sequence[MetricView]) -> list[str]:
    if not views:
        return []
    body = [_line(view, view.all) for view in views]
    return [*table(_HEAD, body), "", "↓ lower is better, ↑ higher is better, ◎ a range is wanted.", ""]


def _line(view: MetricView, row: Row) -> list[str]:
    songs = f"{row.n}" + (f", {row.title}" if row.language else "")
    title = f"{view.measure.title} {view.measure.arrow}".strip()
    return [title, songs, row.verdict, row.candidate, row.baseline, row.difference, row.interval, row.p_value]


def _songs(view: MetricView, row: Contrast) -> list[str]:
    scale, digits, suffix = view.measure.scale, view.measure.digits, view.measure.suffix
    body = []
    for found in (losses(row)[:WORST], wins(row)[:WORST]):
        body += [
            [
                pair.prompt_id,
                numbers.number(pair.candidate * scale, digits) + suffix,
                numbers.number(pair.baseline * scale, digits) + suffix,
            ]
            for pair in found
        ]
    if not body:
        return []
    return [f"### Largest losses and wins: {cell(view.measure.title)}", "",
            *table(["Prompt", "Candidate", "Opponent"], body), ""]  # fmt: skip


def _sets(duel: Duel) -> list[str]:
    if not duel.sets:
        return []
    body = [
        [
            f"{row.measure.title} {row.measure.arrow}".strip(),
            row.group,
            *(
                f"{e.text} ({e.interval})" if e.interval != numbers.MISSING else e.text
                for e in (row.candidate, row.opponent)
            ),
            row.apart,
        ]
        for row in duel.sets
    ]
    head = ["Metric", "Songs", "Candidate", "Opponent", ""]
    return ["### Whole sets", "", *table(head, body), "", "A distance of a set has no pairs: nothing is claimed.", ""]


def _changes(duel: Duel) -> list[str]:
    body = [[f"{found.title}: {line[0]}", *line[1:]] for found in duel.changes for line in found.rows]
    if not body:
        return ["Nothing else is recorded to differ between the two runs.", ""]
    return ["### What changed", "", *table(["What", "Candidate", "Opponent"], body), ""]


def _numbers(row: Contrast) -> list[float | None]:
    paired = row.paired
    if paired is None:
        return [None] * len(NUMBERS)
    return [
        paired.candidate if row.compared == "value" else row.candidate,
        paired.baseline if row.compared == "value" else row.baseline,
        paired.difference,
        paired.ci_low,
        paired.ci_high,
        row.p_adjusted,
        paired.p_value,
        paired.cohen_dz,
        paired.rank_biserial,
        paired.win_rate,
        paired.mde,
    ]
