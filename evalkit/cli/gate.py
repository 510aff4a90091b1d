"""``evalkit gate`` and ``evalkit baseline``."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evalkit.cli.options import JsonOption
from evalkit.errors import StoreError

if TYPE_CHECKING:
    from evalkit.gate.result import Check, GateResult

baseline_app = typer.Typer(no_args_is_help=True, help="Keep a run as one small file to compare with.")


def gate(
    folder: Annotated[Path, typer.Argument(help="Run folder of the candidate.", show_default=False)],
    baseline: Annotated[Path, typer.Option("--baseline", help="Run folder or baseline file to hold it against.")],
    rules: Annotated[Path | None, typer.Option("--rules", help="gates.toml; without it the default rules.")] = None,
    system: Annotated[str | None, typer.Option("--system", help="Candidate, if the run has several systems.")] = None,
    baseline_system: Annotated[
        str | None, typer.Option("--baseline-system", help="Default: the candidate's name, or the only one.")
    ] = None,
    allow_mismatch: Annotated[
        bool, typer.Option("--allow-mismatch", help="Different suites: judge shared prompts with the same text.")
    ] = False,
    junit: Annotated[Path | None, typer.Option("--junit", help="Write JUnit XML.")] = None,
    markdown: Annotated[Path | None, typer.Option("--markdown", help="Write a summary for a pull request.")] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write a page with every check and how it came about.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """May the candidate replace the baseline? Exit code 0 yes; 1 no; 2, 3, 4 not known."""
    from evalkit.files import write_atomically
    from evalkit.gate import writers
    from evalkit.gate.judge import judge_files
    from evalkit.gate.page import to_html

    for path in (junit, markdown, html):
        _remove_old(path)
    result = judge_files(
        folder,
        baseline,
        rules,
        candidate_system=system,
        baseline_system=baseline_system,
        allow_mismatch=allow_mismatch,
    )
    if junit is not None:
        write_atomically(junit, writers.to_junit(result).encode())
    if markdown is not None:
        write_atomically(markdown, writers.to_markdown(result).encode())
    if html is not None:
        write_atomically(html, to_html(result).encode("utf-8", "replace"))
    if as_json:
        typer.echo(result.to_json())
    else:
        _print(result)
    raise typer.Exit(result.exit_code)


@baseline_app.command(epilog="Example: `evalkit baseline save runs/nightly --out baselines/v2-large.evalkit`")
def save(
    folder: Annotated[Path, typer.Argument(help="Run folder.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="File to write, a few kilobytes; keep it beside the code.")],
    as_json: JsonOption = False,
) -> None:
    """Write what a gate and a comparison need of a run: scores and counts, no audio, no lyrics, no transcripts."""
    import json

    from evalkit import runfolder
    from evalkit.baseline import save_baseline

    run = runfolder.load(folder)
    size = save_baseline(run, out)
    answer = {"baseline": str(out), "bytes": size, "run": run.info.run_id, "songs": len(run.songs)}
    text = f"{out}: {len(run.songs)} songs, {size / 1000:.0f} kB"
    typer.echo(json.dumps(answer, ensure_ascii=False) if as_json else text)


def _print(result: "GateResult") -> None:
    from rich.console import Console
    from rich.table import Table

    from evalkit.gate import wording, writers

    # A log is no terminal of 80 columns; the table needs about 110.
    console = Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else 140)
    console.print(writers.headline(result))
    for notice in result.notices:
        console.print(wording.plain(notice), style="yellow")
    console.print()
    rows = [writers.row(check) for check in result.checks]
    shown = [place for place in range(len(writers.HEAD)) if any(row[place] not in ("", "—") for row in rows)]
    found = Table(box=None, header_style="bold", pad_edge=False)
    found.add_column("")
    for place in shown:
        is_text = writers.HEAD[place] in ("Check", "Verdict", "Unit")
        found.add_column(writers.HEAD[place], overflow="fold", justify="left" if is_text else "right")
    for check, row in zip(result.checks, rows, strict=True):
        found.add_row(writers.mark(check), *(row[place] for place in shown), style=_style(check))
    console.print(found)
    console.print()
    for check in result.checks:
        if check.blocks or check.warns:
            console.print(f"{writers.mark(check)} {wording.name(check)}: {wording.plain(check.reason)}", soft_wrap=True)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in writers.to_annotations(result):
            typer.echo(line)
    console.print(wording.plain(result.conclusion), style="bold red" if not result.passed else "bold green")


def _style(check: "Check") -> str | None:
    return "red" if check.blocks else "yellow" if check.warns else None


def _remove_old(path: Path | None) -> None:
    """An older result must not be taken for this one's if this one ends in an error."""
    if path is None:
        return
    if not path.parent.is_dir():
        raise StoreError(f"There is no folder {path.parent} for {path.name}.", f"Try: mkdir -p {path.parent}")
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror or error}.") from error
