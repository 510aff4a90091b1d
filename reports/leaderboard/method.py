"""How the numbers of a board came about: signatures in words, entries, licences."""

from collections.abc import Callable

from reports import numbers
from reports.leaderboard import wording
from reports.leaderboard.boards import Board, Column
from reports.leaderboard.entry import Entry
from reports.report import Fact, Table


def make_facts(column: Column) -> tuple[Fact, ...]:
    """What one metric is, for the head of its page."""
    measure = column.measure
    facts = [
        Fact(label="Better", value=measure.better),
        Fact(label="Unit", value=measure.suffix.strip() or "none"),
        Fact(label="Source", value=measure.source),
        Fact(label="Licence", value=measure.licence),
    ]
    return (
        *facts,
        *(Fact(label=what.capitalize(), value=value) for what, value in wording.describe(measure.signature)),
    )


def make_tables(board: Board, link: Callable[[Entry], str]) -> tuple[Table, ...]:
    """The tables of a board's page on method."""
    return tuple(table for table in (_entries(board), _signatures(board), _licences(board)) if table.rows)


def _entries(board: Board) -> Table:
    rows = tuple(
        (
            entry.system,
            entry.created,
            "sent in" if entry.self_reported else "measured here",
            entry.version or numbers.MISSING,
            str(entry.takes),
            numbers.MISSING if entry.self_reported else str(entry.seed),
            entry.profile,
            f"{entry.n_songs:,}" + (f", {entry.n_failed:,} failed" if entry.n_failed else ""),
            entry.status,
            ", ".join(entry.licences),
            entry.run_id,
        )
        for entry in reversed(board.entries)
    )
    columns = ("System", "Made", "Numbers", "Version", "Takes", "Seed", "Profile", "Songs", "Status", "Licence", "Run")
    return Table(title="Entries", columns=columns, rows=rows, code=(10,))


def _signatures(board: Board) -> Table:
    rows = tuple(
        (
            column.metric.name,
            "; ".join(f"{what}: {value}" for what, value in wording.describe(column.measure.signature)),
            column.measure.signature,
        )
        for column in board.columns
    )
    return Table(
        title="Signatures",
        columns=("Metric", "In words", "Signature"),
        rows=rows,
        code=(0, 2),
        note="How each number came about. Every entry of this board was measured with exactly these signatures.",
    )


def _licences(board: Board) -> Table:
    covers: dict[str, dict[str, None]] = {}
    for column in board.columns:
        covers.setdefault(column.metric.licence, {})[f"metric {column.metric.name}"] = None
    for entry in board.entries:
        for licence in entry.licences:
            covers.setdefault(licence, {})[f"system {entry.system}"] = None
    rows = tuple((licence, ", ".join(items)) for licence, items in sorted(covers.items()))
    return Table(title="Licences", columns=("Licence", "Covers"), rows=rows)
