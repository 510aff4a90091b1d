"""The ``export`` command."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from evalkit.errors import ConfigError


class Format(StrEnum):
    """What a run can be written as."""

    CSV = "csv"
    PARQUET = "parquet"
    MARKDOWN = "markdown"
    LATEX = "latex"
    MODEL_INDEX = "model-index"


def export(
    folder: Annotated[Path, typer.Argument(help="Run folder or baseline file.", show_default=False)],
    form: Annotated[Format, typer.Option("--format", help="What to write.", show_default=False)],
    out: Annotated[Path | None, typer.Option("--out", help="File to write; default standard output.")] = None,
    system: Annotated[
        str | None, typer.Option("--system", help="For model-index, if the run has several systems.")
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", help="For latex and model-index; default the headline metrics; may be repeated."),
    ] = None,
) -> None:
    """Write a run as a table, a LaTeX table or the results block of a model card."""
    from evalkit.files import write_atomically

    if form is Format.PARQUET and out is None:
        raise ConfigError("Parquet is no text.", "Name a file: --out scores.parquet")
    content = _content(folder, form, system, metric or [])
    if out is None:
        typer.echo(content.decode("utf-8"), nl=False)
        return
    write_atomically(out, content)
    typer.echo(str(out))


def _content(folder: Path, form: Format, system: str | None, metrics: list[str]) -> bytes:
    from evalkit.baseline import load_run_or_baseline
    from reports import tables, view
    from reports.exports import latex, model_index
    from reports.index import make_index

    index = make_index(load_run_or_baseline(folder))
    if form is Format.CSV:
        return tables.to_csv(tables.to_frame(index))
    if form is Format.PARQUET:
        return tables.to_parquet(tables.to_frame(index))
    if form is Format.MARKDOWN:
        return tables.to_markdown(view.make_report(index)).encode("utf-8", "replace")
    if form is Format.LATEX:
        return latex.to_latex(index, metrics).encode("utf-8", "replace")
    return model_index.to_model_index(index, system, metrics).encode("utf-8", "replace")
