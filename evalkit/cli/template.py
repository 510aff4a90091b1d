"""``evalkit template``: a suite to hand to whoever makes the songs elsewhere."""

import json
from pathlib import Path
from typing import Annotated

import typer

from evalkit.cli.options import JsonOption
from evalkit.errors import ConfigError


def template(
    suite: Annotated[str, typer.Option("--suite", help="Name of a suite, or a path to a YAML or JSONL file.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write; the songs are put into it.")],
    takes: Annotated[int, typer.Option("--takes", min=1, help="Songs for each prompt.")] = 1,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Only so many prompts, as with run --limit.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write lyrics, a manifest to fill in and instructions, ready to send; the filled folder is a system."""
    import benchmarks.loader
    from evalkit.cli.pipeline import select
    from generation import handout

    found = benchmarks.loader.load(suite)
    prompts = select(found.prompts, limit)
    if not prompts:
        raise ConfigError(f"The suite {suite} has no prompts.")
    handout.write(found, prompts, takes, out)
    answer = {"folder": str(out), "suite": found.name, "prompts": len(prompts), "songs": len(prompts) * takes}
    text = (
        f"{out}: {len(prompts) * takes} songs wanted; README.md says how.\n"
        f"When they are in it: evalkit validate {out}\n"
        f"Then: evalkit run --suite {suite} --system NAME={out}" + (f" --takes {takes}" if takes > 1 else "")
    )
    typer.echo(json.dumps(answer, ensure_ascii=False) if as_json else text)
