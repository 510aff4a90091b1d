"""Writes the report of a run into its folder."""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evalkit.errors import StoreError
from evalkit.published import PublishedTable
from evalkit.store import RunData
from reports import html, tables, view
from reports.human import open_human
from reports.index import make_index
from reports.published import make_published


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The files of a report."""

    html: Path
    markdown: Path
    csv: Path
    parquet: Path


def write(
    run: RunData,
    *,
    embed_audio: bool = False,
    published: Sequence[PublishedTable] = (),
    human: RunData | None = None,
) -> Written:
    """Write ``report.html``, ``report.md``, ``scores.csv`` and ``scores.parquet`` into the run folder.

    Each file is written under a temporary name and renamed, so a reader never sees half of one. The same run gives
    the same bytes.

    Args:
        run: What to show; only read.
        embed_audio: Put the audio into the page, so that it can be sent as a single file.
        human: A run of human recordings, to show how far the ruler itself reaches.
        published: Numbers of others to show apart, from `benchmarks.references`.

    Returns:
        The four paths.

    Raises:
        StoreError: the folder cannot be written, or an audio path leads out of it.
    """
    index = make_index(run)
    recordings = open_human(human) if human else None
    report = view.make_report(index, embed_audio=embed_audio, recordings=recordings)
    frame = tables.to_frame(index)
    written = Written(
        html=run.folder / "report.html",
        markdown=run.folder / "report.md",
        csv=run.folder / "scores.csv",
        parquet=run.folder / "scores.parquet",
    )
    _replace(written.csv, tables.to_csv(frame))
    _replace(written.parquet, tables.to_parquet(frame))
    _replace(written.markdown, tables.to_markdown(report).encode("utf-8", "replace"))
    _replace(written.html, html.render(report, make_published(published)).encode("utf-8", "replace"))
    return written


def _replace(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise StoreError(
            f"The report {path} cannot be written ({error.strerror or error}).",
            "Check the folder's permissions and the free space on the disk.",
        ) from error
