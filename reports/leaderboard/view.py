"""From boards to pages. All decisions and all formatting are made here and in the modules it calls."""

from collections.abc import Callable, Sequence

from evalkit.types import Summary
from reports import estimates, numbers
from reports.estimates import Axis
from reports.languages import title_of
from reports.leaderboard import history, method, wording
from reports.leaderboard.boards import Board, Column
from reports.leaderboard.cells import Cells, order_of, sorted_rows
from reports.leaderboard.entry import Entry, restrict
from reports.leaderboard.page import BoardPage, Cell, Head, MetricPage, Row, Site, Who
from reports.leaderboard.tiers import Tiers, make_tiers, text_of
from reports.report import Fact
from reports.titles import evaluator_title

Link = Callable[[Entry], str]
"""Where an entry's report lies, relative to the site's folder; empty if nowhere."""


def make_site(boards: Sequence[Board], link: Link) -> Site:
    """Decide and format everything; the same boards give an equal site."""
    pages = []
    first: dict[str, Board] = {}
    for board in boards:
        sibling = first.setdefault(board.entries[0].suite.sha256, board)
        pages.append(_board(board, None if sibling is board else sibling, link))
    entries = [entry for board in boards for entry in board.entries]
    systems = {entry.key for entry in entries}
    licences = sorted({licence for entry in entries for licence in entry.licences})
    return Site(
        facts=(
            Fact(label="Systems", value=f"{len(systems):,}"),
            Fact(label="Entries", value=f"{len(entries):,}"),
            Fact(label="Boards", value=f"{len(boards):,}"),
            Fact(label="Newest", value=numbers.date(max((entry.created for entry in entries), default=""))),
        ),
        boards=tuple(pages),
        system_licences=tuple(licences),
        metric_licences=tuple(sorted({column.metric.licence for board in boards for column in board.columns})),
        any_self_reported=any(entry.self_reported for entry in entries),
    )


def page_name(name: str) -> str:
    """File name of a metric's page; metric names may come from others."""
    kept = "".join(char if char.isascii() and (char.isalnum() or char in "_-") else "-" for char in name[:80])
    return f"{kept.strip('-') or 'metric'}.html"


def _board(board: Board, sibling: Board | None, link: Link) -> BoardPage:
    cells = Cells(board)
    current = [line[-1] for line in board.lines.values()]
    whos = {entry.key: _who(board, entry, link) for entry in current}
    tiers = {column.metric.name: _tiers(current, column) for column in board.columns}
    names = _page_names(board)
    heads = {
        column.metric.name: Head(
            measure=column.measure,
            scale=estimates.make_scale(column.measure, cells.axis(column, current)),
            page=names[column.metric.name],
            method=tiers[column.metric.name].method,
        )
        for column in board.columns
    }
    # A column that nobody has a value in says nothing; its own page tells what is missing.
    valued = [c for c in board.headline if any(cells.summary(entry, c).estimate is not None for entry in current)]
    headline = valued or board.headline
    primary = headline[0] if headline else None
    rows = []
    for place, entry in enumerate(current):
        found = tuple(
            _cell(cells, entry, c, cells.axis(c, current), tiers[c.metric.name], place, link) for c in headline
        )
        trend = history.make_trend(cells, primary, board.lines[entry.key]) if primary else None
        rows.append(Row(who=whos[entry.key], cells=found, trend=trend))
    pages = tuple(
        _metric(board, cells, column, heads[column.metric.name], tiers[column.metric.name], current, whos, link)
        for column in board.columns
    )
    suite = board.entries[-1].suite
    evaluators = dict.fromkeys(column.measure.evaluator for column in board.columns)
    return BoardPage(
        name=board.name,
        title=suite.name,
        version=suite.version,
        protocol=_protocol(board),
        lead=_lead(board, len(current)),
        apart=tuple(wording.differences(board, sibling)) if sibling else (),
        sibling=sibling.name if sibling else "",
        heads=tuple(heads[column.metric.name] for column in headline),
        rows=tuple(sorted_rows(rows, [t for t in [primary and tiers[primary.metric.name]] if t])),
        trend_of=primary.measure.title if primary else "",
        groups=tuple(
            (
                evaluator_title(name),
                tuple(heads[c.metric.name] for c in board.columns if c.measure.evaluator == name),
            )
            for name in evaluators
        ),
        metrics=pages,
        tables=method.make_tables(board, link),
        made=tuple(Fact(label=entry.system, value=entry.made) for entry in current if entry.made),
        any_few=any(cell.estimate.few for row in rows for cell in row.cells),
    )


def _metric(
    board: Board,
    cells: Cells,
    column: Column,
    head: Head,
    tiers: Tiers,
    current: Sequence[Entry],
    whos: dict[tuple[str, bool], Who],
    link: Link,
) -> MetricPage:
    axis = cells.axis(column, current)
    rows = [
        Row(who=whos[entry.key], cells=(_cell(cells, entry, column, axis, tiers, place, link),))
        for place, entry in enumerate(current)
    ]
    languages, by_language, language_axis = _languages(board, cells, column, current, whos, link)
    histories = history.make_histories(cells, column, board.lines, whos, link)
    n_single = len(current) - len(histories)
    shown = [cell for row in (*rows, *by_language) for cell in row.cells]
    return MetricPage(
        name=column.metric.name,
        head=head,
        rows=tuple(sorted_rows(rows, [tiers])),
        languages=languages,
        by_language=tuple(by_language),
        language_scale=estimates.make_scale(column.measure, language_axis),
        histories=histories,
        single=f"{numbers.count(n_single, 'system')} with a single entry" if n_single else "",
        facts=method.make_facts(column),
        any_few=any(cell.estimate.few for cell in shown),
    )


def _languages(
    board: Board,
    cells: Cells,
    column: Column,
    current: Sequence[Entry],
    whos: dict[tuple[str, bool], Who],
    link: Link,
) -> tuple[tuple[tuple[str, str, int], ...], list[Row], Axis]:
    codes = board.codes
    if column not in board.headline or len(codes) < 2:
        return (), [], (0.0, 1.0)
    tiers = {code: _tiers(current, column, board.prompts(code)) for code in codes}
    axis = estimates.make_axis(
        column.measure,
        column.metric.bounds,
        [cells.summary(entry, column, code) for entry in current for code in codes],
    )
    rows = [
        Row(
            who=whos[entry.key],
            cells=tuple(_cell(cells, entry, column, axis, tiers[code], place, link, code) for code in codes),
        )
        for place, entry in enumerate(current)
    ]
    overall = _tiers(current, column)
    ranked = sorted_rows(rows, [overall], [order_of(column, cells.summary(entry, column)) for entry in current])
    return tuple((code, title_of(code), len(board.prompts(code))) for code in codes), ranked, axis


def _tiers(current: Sequence[Entry], column: Column, prompts: Sequence[str] | None = None) -> Tiers:
    found = [entry.metrics.get(column.metric.name) for entry in current]
    values = [measured.values if measured else None for measured in found]
    if prompts is not None:
        wanted = set(prompts)
        values = [restrict(item, wanted) if item else None for item in values]
    return make_tiers(values, column.metric.direction)


def _cell(
    cells: Cells,
    entry: Entry,
    column: Column,
    axis: Axis,
    tiers: Tiers,
    place: int,
    link: Link,
    code: str | None = None,
) -> Cell:
    summary: Summary = cells.summary(entry, column, code)
    return Cell(
        estimate=cells.estimate(entry, column, axis, code),
        tiers=text_of(tiers.of[place]),
        order=order_of(column, summary),
        report=link(entry),
    )


def _who(board: Board, entry: Entry, link: Link) -> Who:
    line = board.lines[entry.key]
    remarks = []
    if entry.status != "complete":
        remarks.append("this run is not complete")
    if entry.n_failed:
        remarks.append(f"{numbers.count(entry.n_failed, 'song')} failed")
    if entry.takes > 1:
        remarks.append(f"mean of {entry.takes} takes")
    return Who(
        name=entry.system,
        title=entry.title,
        version=entry.version,
        date=numbers.date(entry.created),
        runs=numbers.count(len(line), "entry", "entries"),
        licences=entry.licences,
        reference=entry.reference,
        self_reported=entry.self_reported,
        remarks=tuple(remarks),
        report=link(entry),
    )


def _page_names(board: Board) -> dict[str, str]:
    names: dict[str, str] = {}
    taken = {"method.html"}
    for column in board.columns:
        name = page_name(column.metric.name)
        number = 1
        while name.lower() in taken:
            number += 1
            name = page_name(f"{column.metric.name[:70]}-{number}")
        taken.add(name.lower())
        names[column.metric.name] = name
    return names


def _protocol(board: Board) -> str:
    parts = [numbers.count(len(board.languages), "prompt"), wording.protocol(board)]
    return ", ".join(part for part in parts if part)


def _lead(board: Board, n_systems: int) -> str:
    codes = board.codes
    languages = numbers.count(len(codes), "language") if len(codes) > 1 else f"in {title_of(codes[0])}" if codes else ""
    heard = wording.protocol(board)
    parts = [
        numbers.count(len(board.languages), "prompt"),
        languages,
        numbers.count(n_systems, "system"),
        numbers.count(len(board.entries), "entry", "entries"),
        f"heard with {heard}" if heard else "",
    ]
    return " · ".join(part for part in parts if part)
