"""Compares and writes ``compare.html``, ``compare.md``, ``compare.csv`` and ``compare.json``."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.contrasts import contrast
from evalkit.files import cannot_write, write_atomically
from evalkit.published import PublishedTable
from evalkit.resampling import RESAMPLES
from reports.compare import html, tables
from reports.compare.contenders import Contender
from reports.compare.page import Page
from reports.compare.view import Fight, make_page
from reports.published import make_published

SCHEMA_VERSION = 1
SEED = 0
_RESAMPLED_CELLS = 20_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A finished comparison: the numbers and the page made of them."""

    candidate: Contender
    fights: tuple[Fight, ...]
    page: Page

    def to_json(self) -> dict[str, Any]:
        """Everything a script may want, numbers unrounded."""
        return {
            "schema_version": SCHEMA_VERSION,
            "candidate": {"system": self.candidate.system, "run": self.candidate.run.info.run_id},
            "opponents": [
                {
                    "system": opponent.system,
                    "run": opponent.run.info.run_id,
                    "label": duel.label,
                    "summary": duel.lead,
                    "verdicts": {tone: n for tone, _, n in duel.tally},
                    "notices": list(duel.notices),
                    "prompts": len(contrasts.prompt_ids),
                    "sets": [
                        {
                            "metric": row.measure.name,
                            "songs": row.group,
                            "candidate": row.candidate.value,
                            "opponent": row.opponent.value,
                            "comparable": not row.apart,
                        }
                        for row in duel.sets
                    ],
                    "changes": {table.title: [list(row) for row in table.rows] for table in duel.changes},
                }
                for duel, (opponent, contrasts) in zip(self.page.duels, self.fights, strict=True)
            ],
            "rows": tables.rows(self.candidate, self.fights),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The files of a comparison."""

    html: Path
    markdown: Path
    csv: Path
    json: Path


def compare(
    candidate: Contender,
    opponents: Sequence[Contender],
    out: Path,
    *,
    metrics: Sequence[str] | None = None,
    by_language: bool = True,
    allow_mismatch: bool = False,
    embed_audio: bool = False,
    resamples: int | None = None,
) -> Compared:
    """Compare a candidate with each of its opponents.

    Args:
        candidate: From `reports.compare.choose`.
        opponents: The same.
        out: Folder of the page; links to audio and reports are relative to it.
        metrics: Only these; by default all.
        by_language: Also each language alone.
        allow_mismatch: Show unequal signatures side by side, marked, without a verdict; different suites on the
            prompts that both have with the same text.
        embed_audio: Put the audio into the page.
        resamples: Default 10,000, less for thousands of prompts, never under 1,000.

    Raises:
        ConfigError: unknown metric, different suites, or no prompt in common.
    """
    n_prompts = max(1, len(candidate.run.prompts))
    drawn = resamples or max(1_000, min(RESAMPLES, _RESAMPLED_CELLS // n_prompts))
    fights = tuple(
        (
            opponent,
            contrast(
                candidate.run,
                candidate.system,
                opponent.run,
                opponent.system,
                metrics=metrics,
                by_language=by_language,
                seed=SEED,
                allow_mismatch=allow_mismatch,
                resamples=drawn,
            ),
        )
        for opponent in opponents
    )
    page = make_page(candidate, fights, out, embed_audio=embed_audio)
    return Compared(candidate=candidate, fights=fights, page=page)


def write(compared: Compared, out: Path, *, published: Sequence[PublishedTable] = ()) -> Written:
    """Write all files of a comparison into ``out``; the same comparison gives the same bytes.

    Args:
        compared: From `compare`.
        out: The folder that `compare` was told.
        published: Numbers of others to show apart, from `benchmarks.references`.

    Raises:
        StoreError: the folder cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(out, error) from error
    written = Written(
        html=out / "compare.html",
        markdown=out / "compare.md",
        csv=out / "compare.csv",
        json=out / "compare.json",
    )
    answer = compared.to_json()
    text = json.dumps(answer, ensure_ascii=False, allow_nan=False, indent=1)
    write_atomically(written.json, text.encode("utf-8", "replace") + b"\n")
    write_atomically(written.csv, tables.to_csv(answer["rows"]))
    markdown = tables.to_markdown(compared.page, compared.fights)
    write_atomically(written.markdown, markdown.encode("utf-8", "replace"))
    write_atomically(written.html, html.render(compared.page, make_published(published)).encode("utf-8", "replace"))
    return written
