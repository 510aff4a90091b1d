"""The ``leaderboard`` command."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evalkit.cli.options import JsonOption
from evalkit.errors import ConfigError

if TYPE_CHECKING:
    from evalkit.cli.display import Display
    from reports.leaderboard import Source, Written


def leaderboard(
    runs: Annotated[
        list[Path], typer.Argument(help="Run folders, baseline files and submissions.", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder of the site.", show_default=False)],
    copy_reports: Annotated[
        bool, typer.Option("--copy-reports", help="Put the reports into the site instead of linking to them.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a static site over many runs: tiers, languages, metrics, lines over time."""
    from benchmarks import references
    from evalkit.cli.display import Display
    from reports.leaderboard import write

    display = Display(quiet=as_json)
    paths = _distinct(runs)
    written = write(_sources(paths, display), out, copy_reports=copy_reports, published=references.load_all())
    url = written.index.resolve().as_uri()
    if as_json:
        answer = {
            "index": str(written.index),
            "url": url,
            "boards": written.n_boards,
            "systems": written.n_systems,
            "entries": written.n_entries,
            "files": written.n_files,
        }
        typer.echo(json.dumps(answer, ensure_ascii=False))
        return
    _say(written, copy_reports, display)
    typer.echo(url)


def _say(written: "Written", copy_reports: bool, display: "Display") -> None:
    from reports.numbers import count

    display.detail(
        f"{count(written.n_entries, 'entry', 'entries')} of {count(written.n_systems, 'system')} on "
        f"{count(written.n_boards, 'board')}, {count(written.n_files, 'file')}."
    )
    if written.n_outside and not copy_reports:
        display.say(
            f"{count(written.n_outside, 'entry links', 'entries link')} to reports outside the site's folder: "
            "publish both together, or use --copy-reports."
        )


def _distinct(runs: Sequence[Path]) -> list[Path]:
    """In the order given, without repetitions; what is not there is said before anything is read."""
    found: dict[Path, Path] = {}
    for path in runs:
        if not path.exists():
            raise ConfigError(f"There is no run or file {path}.", "See: ls runs/")
        found.setdefault(path.resolve(), path)
    return list(found.values())


def _sources(paths: Sequence[Path], display: "Display") -> "Iterator[Source]":
    """One at a time; submissions are checked against their suite, if it is installed."""
    from evalkit.cli import checking
    from reports.leaderboard import read

    with display.stage("Reading", len(paths), unit="runs") as stage:
        for place, path in enumerate(paths):
            stage.update(place, path.name)
            for warning in checking.check_submission(path):
                stage.note(str(warning))
            source = read(path)
            for notice in source.run.notices:
                stage.note(f"{path}: {notice}")
            yield source
        stage.update(len(paths))
