"""Commands that look: what there is, what is wrong with a file, what is missing on this machine."""

import json
from typing import Annotated

import typer

from evalkit.cli.options import JsonOption
from evalkit.cli.printing import print_rows

EXIT_INVALID = 2


def list_(
    what: Annotated[str, typer.Argument(help="suites, systems, evaluators, models or profiles.")],
    as_json: JsonOption = False,
) -> None:
    """Show what there is, what is ready, and how to get what is missing."""
    from evalkit.cli import listing

    print_rows(listing.rows(what), as_json)


def validate(
    path: Annotated[
        str,
        typer.Argument(
            help="A suite (file or name), run folder, baseline, submission, or folder of songs made elsewhere."
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Check a suite, a run, a baseline, a submission or a folder of songs; exit code 2 if it has errors."""
    from evalkit.cli.checking import check

    kind, issues = check(path)
    errors = [issue for issue in issues if issue.severity == "error"]
    if as_json:
        from dataclasses import asdict

        typer.echo(
            json.dumps(
                {"kind": kind, "valid": not errors, "issues": [asdict(issue) for issue in issues]}, ensure_ascii=False
            )
        )
    else:
        for issue in issues:
            typer.echo(str(issue))
        warned = len(issues) - len(errors)
        typer.echo(f"{path}: {len(errors)} errors, {warned} warnings." if issues else f"{path} is a valid {kind}.")
    if errors:
        raise typer.Exit(EXIT_INVALID)


def doctor(as_json: JsonOption = False) -> None:
    """What is installed, what runs here, what each profile and system would need; one line each with the remedy."""
    from evalkit.cli.doctor import examine

    rows = examine()
    print_rows(rows, as_json)
    if any(row["state"] == "broken" for row in rows):
        raise typer.Exit(1)
