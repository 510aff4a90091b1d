"""The ``compare`` command."""

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evalkit.cli.options import JsonOption

if TYPE_CHECKING:
    from rich.console import Console

    from reports.compare.page import Duel, MetricView, Row

STYLES = {"better": "green", "worse": "red", "different": "cyan", "apart": "yellow"}


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(
            help="Run folder of the candidate, then runs or baseline files to compare with.", show_default=False
        ),
    ],
    system: Annotated[str | None, typer.Option("--system", help="Candidate, if its run has several systems.")] = None,
    reference: Annotated[
        list[str] | None,
        typer.Option("--reference", help="Compare with this system of any of the runs; may be repeated."),
    ] = None,
    metric: Annotated[list[str] | None, typer.Option("--metric", help="Only this metric; may be repeated.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the page; default the candidate's run.")] = None,
    allow_mismatch: Annotated[
        bool, typer.Option("--allow-mismatch", help="Show unequal signatures and suites side by side, marked.")
    ] = False,
    embed_audio: Annotated[bool, typer.Option("--embed-audio", help="Put the audio into the HTML file.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Is the candidate better than the others? Paired statistics by metric and language, and a page to listen."""
    import reports.compare as comparing
    from benchmarks import references
    from evalkit.baseline import load_run_or_baseline
    from evalkit.cli.display import Display, seconds

    display = Display(quiet=as_json)
    began = time.monotonic()
    loaded = [load_run_or_baseline(path) for path in runs]
    for path, run in zip(runs, loaded, strict=True):
        for notice in run.notices:
            display.say(f"{path}: {notice}")
    candidate, opponents = comparing.choose(loaded, system, reference or ())
    folder = out or (runs[0] if runs[0].is_dir() else Path())
    found = comparing.compare(
        candidate,
        opponents,
        folder,
        metrics=metric or None,
        allow_mismatch=allow_mismatch,
        embed_audio=embed_audio,
    )
    written = comparing.write(found, folder, published=references.load_all())
    url = written.html.resolve().as_uri()
    if as_json:
        answer = {**found.to_json(), "page": str(written.html), "url": url}
        typer.echo(json.dumps(answer, ensure_ascii=False))
        return
    _print(found.page.candidate.name, found.page.duels)
    display.detail(f"Compared and written in {seconds(time.monotonic() - began)}.")
    typer.echo(url)


def _print(candidate: str, duels: "tuple[Duel, ...]") -> None:
    from rich.console import Console

    # A log is no terminal of 80 columns; the table needs about 110.
    console = Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else 140)
    for duel in duels:
        console.print(f"{candidate} against {duel.label}", style="bold")
        for notice in duel.notices:
            console.print(notice, style="yellow")
        shown = [view for view in duel.metrics if view in duel.headline or view.all.tone in ("better", "worse")]
        if shown:
            _table(console, shown)
        left = len(duel.metrics) - len(shown)
        if left:
            console.print(f"{left} more metrics are on the page.", style="dim")
        console.print(duel.lead, style="bold")
        console.print()


def _table(console: "Console", shown: "list[MetricView]") -> None:
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("Metric", "Songs", "Verdict", "Candidate", "Opponent", "Difference", "95 % interval", "p (Holm)",
                 "Shows from", "Would settle"):  # fmt: skip
        table.add_column(name, overflow="fold", justify="left" if name in ("Metric", "Songs", "Verdict") else "right")
    for view in shown:
        for row in view.rows:
            if row.language and row.tone not in ("better", "worse", "different"):
                continue
            table.add_row(*_cells(view, row), style=STYLES.get(row.tone))
    console.print(table)


def _cells(view: "MetricView", row: "Row") -> tuple[str, ...]:
    return (
        "" if row.language else f"{view.measure.title} {view.measure.arrow}".strip(),
        f"{row.title} ({row.n})",
        row.verdict,
        row.candidate,
        row.baseline,
        row.difference,
        row.interval,
        row.p_value,
        row.mde,
        row.settle,
    )
