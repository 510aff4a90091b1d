"""Numbers that others have published, as tables that stand apart: text in alphabetical order, nothing to sort or rank.

They were made with other prompts, recognisers and selections of takes than anything in a run. The last table shows
what that means: one system measured by several rulers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from evalkit.published import PublishedRow, PublishedTable
from reports import numbers
from reports.index import ARROWS
from reports.languages import title_of
from reports.report import Table

TITLE = "Published elsewhere, other protocol"
LEAD = (
    "Numbers from papers, pages and charts of others. Each table has its own prompts, recogniser and choice of takes, "
    "so none can be compared with the numbers of a run or of another table. Systems stand in alphabetical order."
)
RULER_KEY = "per"
RULERS = "One system, several rulers"
RULERS_NOTE = (
    "The phone error rate of the same systems in different tables. They differ by more than the systems do, and even "
    "the order is not stable: this is why nothing here is ranked."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedView:
    """One table with all that is known of how it was made."""

    table: Table
    url: str
    source: str
    date: str
    protocol: str
    licence: str
    caveats: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The section of a page; without views it is left out."""

    title: str = TITLE
    lead: str = LEAD
    views: tuple[PublishedView, ...] = ()
    rulers: Table | None = None


def make_published(tables: Sequence[PublishedTable]) -> Published:
    """Format everything; values are text from here on."""
    return Published(views=tuple(_view(table) for table in tables), rulers=make_rulers(tables))


def make_rulers(tables: Sequence[PublishedTable]) -> Table | None:
    """The phone error rate of systems that several sources measured; None if there is no such system."""
    chosen = [table for table in tables if RULER_KEY in table.metrics]
    found: dict[str, dict[str, str]] = {}
    sources: dict[str, set[str]] = {}
    for table in chosen:
        for row in table.rows:
            if RULER_KEY in row.values:
                found.setdefault(row.known_as, {})[table.id] = _value(row, RULER_KEY, table)
                sources.setdefault(row.known_as, set()).add(table.source)
    # Two languages of one source are two tests by one ruler.
    several = {system: values for system, values in found.items() if len(sources[system]) > 1}
    if not several:
        return None
    rows = tuple(
        (system, *(values.get(table.id, numbers.MISSING) for table in chosen))
        for system, values in sorted(several.items())
    )
    return Table(title=RULERS, columns=("System", *(table.title for table in chosen)), rows=rows, note=RULERS_NOTE)


def _view(table: PublishedTable) -> PublishedView:
    columns = [f"{metric.title} {ARROWS[metric.direction]}".strip() for metric in table.metrics.values()]
    rows = sorted(table.rows, key=lambda row: row.system.casefold())
    languages = ", ".join(title_of(code) for code in table.languages)
    return PublishedView(
        table=Table(
            title=table.title,
            columns=("System", *columns),
            rows=tuple((row.system, *(_value(row, key, table) for key in table.metrics)) for row in rows),
            note=languages,
        ),
        url=table.url,
        source=table.source,
        date=table.date,
        protocol=table.protocol,
        licence=table.licence,
        caveats=table.caveats,
    )


def _value(row: PublishedRow, key: str, table: PublishedTable) -> str:
    value = row.values.get(key)
    if value is None:
        return numbers.MISSING
    unit = table.metrics[key].unit
    return (
        ("≈" if key in row.approximate else "")
        + numbers.number(value, row.decimals[key])
        + numbers.suffix_of(unit, False)
    )
