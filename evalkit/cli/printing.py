"""Answers on standard output."""

import json
from typing import Any

import typer


def print_answer(answer: dict[str, Any], as_json: bool, text: str) -> None:
    """One JSON object for machines, or a text for people."""
    typer.echo(json.dumps(answer, ensure_ascii=False) if as_json else text)


def print_rows(rows: list[dict[str, str]], as_json: bool) -> None:
    """Rows of one kind: a JSON list for machines, or a table for people."""
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in rows[0] if rows else ():
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(row[name] for name in row))
    Console(markup=False, highlight=False).print(table)
