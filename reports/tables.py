"""The run as tables: tidy CSV and Parquet, and a short Markdown summary."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from reports import numbers
from reports.index import Index
from reports.report import Estimate, LanguageTable, Measure, Report

COLUMNS = (
    "system",
    "prompt_id",
    "take",
    "language",
    "song_id",
    "evaluator",
    "metric",
    "value",
    "unit",
    "status",
    "reason",
    "signature",
)

NUMBERS = {"take": "int64", "value": "float64"}

MAX_REASON = 160
WORST = 5


def to_frame(index: Index) -> pd.DataFrame:
    """One row for each (song, metric), songs in suite order, metrics in declared order.

    A song without any score gives one row with an empty metric, so that it does not vanish.
    ``value`` is missing exactly if ``status`` is not ``ok``.
    """
    rows: list[tuple[str | int | float | None, ...]] = []
    for song in index.songs:
        scores = index.scores.get(song.id, {})
        head = song.system, song.prompt_id, song.take, index.language(song), song.id
        if not scores:
            status, reason = ("failed", song.reason) if song.status == "failed" else ("not_evaluated", "")
            rows.append((*head, "", "", None, "", status, reason, ""))
        for key in sorted(scores):
            score = scores[key]
            unit = index.metrics[key].unit
            tail = (score.metric, score.value, unit, score.status, score.reason, score.signature)
            rows.append((*head, score.evaluator, *tail))
    columns = dict(zip(COLUMNS, zip(*rows, strict=True), strict=True)) if rows else {name: () for name in COLUMNS}
    return pd.DataFrame({name: _column(name, values) for name, values in columns.items()})


def _column(name: str, values: Sequence[Any]) -> "pd.Series[Any]":
    if name in NUMBERS:
        return pd.Series(values, dtype=NUMBERS[name])
    # Most texts repeat many times: each is cleaned once.
    cleaned = {text: clean(text) for text in set(values)}
    return pd.Series([cleaned[text] for text in values], dtype=object)


def clean(text: str) -> str:
    """The text with anything UTF-8 cannot write replaced: half a surrogate pair is legal JSON."""
    return text.encode("utf-8", "replace").decode("utf-8")


def to_csv(frame: pd.DataFrame) -> bytes:
    """UTF-8 with a header and line feeds; missing values are empty."""
    text: str = frame.to_csv(index=False, lineterminator="\n")
    return text.encode("utf-8")


def to_parquet(frame: pd.DataFrame) -> bytes:
    """The same table; text columns that repeat are stored once."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), sink, compression="zstd")
    found: bytes = sink.getvalue().to_pybytes()
    return found


def to_markdown(report: Report) -> str:
    """A summary for a pull request or a mail: headline numbers, languages, problems, worst songs."""
    names = " · ".join(system.name for system in report.contenders)
    lines = [f"# {cell(report.title)} {cell(report.version)}: {cell(names)}", ""]
    lines += [" · ".join([report.date, *(f"{fact.label}: {cell(fact.value)}" for fact in report.facts)]), ""]
    for notice in filter(None, (report.status_note, *report.notices)):
        lines += [f"> {cell(notice)}", ""]
    several = len(report.contenders) > 1
    if report.cards:
        head = ["Metric", *(["System"] if several else []), "Estimate", "95 % interval", "Prompts", "Missing"]
        rows = [
            [
                f"{card.measure.title} {card.measure.arrow}".strip(),
                *([system.name] if several else []),
                estimate.text,
                estimate.interval,
                str(estimate.n),
                estimate.missing_text or "none",
            ]
            for card in report.cards
            for system, estimate in zip(report.contenders, card.estimates, strict=True)
        ]
        lines += [*table(head, rows), "", "↓ lower is better, ↑ higher is better, ◎ a range is wanted.", ""]
        lines += _calibration(report)
        lines += [f"- {cell(card.measure.title)}: {cell(card.human)}" for card in report.cards if card.human]
        lines += [""] if any(card.human for card in report.cards) else []
    if report.languages:
        lines += ["## By language", "", *_languages(report, report.languages, several), ""]
    notes = [(system.name, note) for system in report.systems for note in system.notes]
    if notes:
        lines += ["## Notes", "", *(f"- {cell(n)}, {cell(note.label)}: {cell(note.value)}" for n, note in notes), ""]
    lines += ["## Missing", ""]
    if report.problems:
        body = [
            [p.label, p.system, p.metrics or "all", str(p.count), shorten(p.reason), ", ".join(p.examples[:2])]
            for p in report.problems
        ]
        lines += [*table(["What", "System", "Metrics", "Songs", "Reason", "For example"], body), ""]
        lines += [report.problems_note, ""] if report.problems_note else []
    else:
        lines += ["Nothing: every song has every value.", ""]
    lines += _worst(report)
    lines += [f"`{cell(report.command)}`" if report.command else "", ""]
    return "\n".join(lines)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table."""
    body = ["| " + " | ".join(cell(text) for text in row) + " |" for row in rows]
    return ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head), *body]


def cell(text: str) -> str:
    """Text that stays inside its cell and is no markup: one line, with the characters of HTML and Markdown escaped."""
    flat = " ".join(clean(text).split())
    for char in "\\`*[]|":
        flat = flat.replace(char, "\\" + char)
    return flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def shorten(text: str) -> str:
    """A long reason, cut."""
    return text if len(text) <= MAX_REASON else text[: MAX_REASON - 1] + "…"


def _calibration(report: Report) -> list[str]:
    names = [system.name for system in report.systems if system.calibration]
    if not names:
        return []
    rows = []
    for card in report.cards:
        found = {mark.name: mark.text for mark in card.marks}
        rows.append([card.measure.title, *(found.get(name, numbers.MISSING) for name in names)])
    return ["How far these metrics go:", "", *table(["Metric", *map(cell, names)], rows), ""]


def _languages(report: Report, languages: LanguageTable, several: bool) -> list[str]:
    head = ["Language", *(["System"] if several else []), "Songs", *(_title(m) for m in languages.columns)]
    rows = [
        [
            row.title,
            *([report.systems[row.system].name] if several else []),
            str(row.n_songs),
            *(_brief(estimate) for estimate in row.estimates),
        ]
        for row in languages.rows
    ]
    few = ["", "Fewer than 20 prompts in a language: shown, but nothing should be claimed from it."]
    return table(head, rows) + (few if languages.any_few else [])


def _title(measure: Measure) -> str:
    return cell(f"{measure.title} {measure.arrow}".strip())


def _brief(estimate: Estimate) -> str:
    if estimate.value is None:
        return estimate.missing_text or estimate.text
    interval = f" ({estimate.interval})" if estimate.interval != numbers.MISSING else ""
    return estimate.text + interval + (f"; {estimate.missing_text}" if estimate.missing_text else "")


def _worst(report: Report) -> list[str]:
    if not report.cards:
        return []
    measure = report.cards[0].measure
    songs = [song for song in report.songs if song.values[measure.index] is not None][:WORST]
    if not songs:
        return []
    body = [
        [song.id, song.language, f"{song.values[measure.index]:.{measure.digits}f}{measure.suffix}"] for song in songs
    ]
    return ["## Worst songs", "", *table(["Song", "Language", _title(measure)], body), ""]
