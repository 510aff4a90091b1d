"""Writes a leaderboard: a folder of pages that open from the disk and from any static host, without any request."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from evalkit.errors import ConfigError, StoreError
from evalkit.files import cannot_write, write_atomically
from evalkit.published import PublishedTable
from reports import assets
from reports.leaderboard.boards import make_boards
from reports.leaderboard.entry import Entry, Source, distinct, make_entries
from reports.leaderboard.page import BoardPage, Site
from reports.leaderboard.view import make_site
from reports.published import Published, make_published

STYLES = ("base.css", "summary.css", "leaderboard/leaderboard.css")
SCRIPTS = ("common.js", "leaderboard/leaderboard.js")

MANIFEST = "leaderboard.json"
SCHEMA_VERSION = 1
REPORTS = "reports"


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What was written.

    Attributes:
        index: The first page.
        n_outside: Entries whose report lies outside the site's folder and is only linked.
        n_unlinked: Entries without a report.
    """

    index: Path
    n_boards: int
    n_systems: int
    n_entries: int
    n_files: int
    n_outside: int
    n_unlinked: int


def write(
    sources: Iterable[Source], out: Path, *, copy_reports: bool = False, published: Sequence[PublishedTable] = ()
) -> Written:
    """Write the site; the same sources give the same bytes, in whatever order they come.

    Args:
        sources: Read one at a time and forgotten.
        out: A new or empty folder, or one that holds a leaderboard; pages that are no longer needed are removed.
        copy_reports: Put the reports of the runs into the site, so that it can be moved alone.
        published: Numbers of others to show apart, from `benchmarks.references`; they are never ranked.

    Raises:
        ConfigError: there are no sources, or ``out`` holds something else.
        StoreError: the folder cannot be written.
    """
    before = _files_before(out)
    entries = distinct([entry for source in sources for entry in make_entries(source)])
    if not entries:
        raise ConfigError("A leaderboard needs at least one run.", "Try: evalkit leaderboard runs/* --out site")
    links = _links(entries, out, copy_reports)
    site = make_site(make_boards(entries), lambda entry: links[id(entry)])
    pages: dict[str, bytes | Path] = {
        name: text.encode("utf-8", "replace") for name, text in render(site, make_published(published))
    }
    if copy_reports:
        for entry in entries:
            if entry.report is not None:
                pages[_copy_name(entries, entry)] = entry.report
    pages[MANIFEST] = _manifest(site, pages)
    _write(out, pages)
    _remove(out, before - set(pages))
    n_linked = sum(bool(link) for link in links.values())
    return Written(
        index=out / "index.html",
        n_boards=len(site.boards),
        n_systems=len({entry.key for entry in entries}),
        n_entries=len(entries),
        n_files=len(pages),
        n_outside=sum(link.startswith("../") for link in links.values()),
        n_unlinked=len(entries) - n_linked,
    )


def render(site: Site, published: Published) -> Iterable[tuple[str, str]]:
    """All pages by their path below the site's folder."""
    environment = assets.environment()
    script, digest = assets.script(SCRIPTS)
    common: dict[str, Any] = {
        "site": site,
        "style": assets.style(STYLES),
        "script": script,
        "script_digest": digest,
    }
    yield "index.html", environment.get_template("leaderboard/index.html.j2").render(published=published, **common)
    metric = environment.get_template("leaderboard/metric.html.j2")
    method = environment.get_template("leaderboard/method.html.j2")
    for board in site.boards:
        yield f"{board.name}/method.html", method.render(board=board, **common)
        for page in board.metrics:
            yield f"{board.name}/{page.head.page}", metric.render(board=board, page=page, **common)


def _links(entries: list[Entry], out: Path, copy_reports: bool) -> dict[int, str]:
    """For each entry its report, relative to the site's folder; empty if it has none."""
    found = {}
    for entry in entries:
        if entry.report is None:
            found[id(entry)] = ""
        elif copy_reports:
            found[id(entry)] = quote(_copy_name(entries, entry))
        else:
            relative = os.path.relpath(entry.report.resolve(), out.resolve())
            found[id(entry)] = quote(Path(relative).as_posix())
    return found


def _copy_name(entries: list[Entry], entry: Entry) -> str:
    """Several systems of one run share its page; runs that were called the same do not."""
    pages = list(dict.fromkeys(str(other.report) for other in entries if other.run_id == entry.run_id and other.report))
    number = pages.index(str(entry.report)) + 1
    safe = "".join(char if char.isascii() and (char.isalnum() or char in "._-") else "-" for char in entry.run_id[:100])
    return f"{REPORTS}/{safe.strip('.') or 'run'}{f'-{number}' if number > 1 else ''}.html"


def _manifest(site: Site, pages: Mapping[str, bytes | Path]) -> bytes:
    content = {
        "schema_version": SCHEMA_VERSION,
        "files": sorted([*pages, MANIFEST]),
        "boards": [_board(board) for board in site.boards],
    }
    return json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1).encode("utf-8", "replace") + b"\n"


def _board(board: BoardPage) -> dict[str, Any]:
    return {
        "name": board.name,
        "suite": board.title,
        "version": board.version,
        "metrics": [
            {
                "name": page.name,
                "signature": page.head.measure.signature,
                "direction": page.head.measure.direction,
                "systems": [
                    {
                        "system": row.who.name,
                        "self_reported": row.who.self_reported,
                        "tiers": row.cells[0].tiers,
                        "value": row.cells[0].estimate.text,
                        "interval": row.cells[0].estimate.interval,
                        "n": row.cells[0].estimate.n,
                        "missing": row.cells[0].estimate.missing_text,
                    }
                    for row in page.rows
                ],
            }
            for page in board.metrics
        ],
    }


def _files_before(out: Path) -> set[str]:
    """Files of the leaderboard that lies there already."""
    if not out.exists():
        return set()
    if not out.is_dir():
        raise ConfigError(f"{out} is a file.", "Give --out a folder.")
    try:
        content = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
        return {str(name) for name in content["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        if any(out.iterdir()):
            raise ConfigError(
                f"{out} is not empty and holds no leaderboard.", "Give --out a new folder, or an older leaderboard."
            ) from None
        return set()


def _write(out: Path, pages: Mapping[str, bytes | Path]) -> None:
    for name, content in pages.items():
        target = out / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            data = content.read_bytes() if isinstance(content, Path) else content
        except OSError as error:
            raise cannot_write(target.parent, error) from error
        write_atomically(target, data)


def _remove(out: Path, names: set[str]) -> None:
    """Pages of an older leaderboard; only what its manifest named and what lies below ``out``."""
    for name in sorted(names):
        target = (out / name).resolve()
        if not target.is_relative_to(out.resolve()) or not target.is_file():
            continue
        try:
            target.unlink()
        except OSError as error:
            raise StoreError(f"{target} cannot be removed: {error.strerror or error}.", "Remove it by hand.") from error
        if target.parent != out.resolve() and not any(target.parent.iterdir()):
            target.parent.rmdir()
