"""The ``cache`` commands."""

import typer

from evalkit.cli.options import JsonOption

cache_app = typer.Typer(
    no_args_is_help=True, help="Cached results (transcripts, embeddings): how much, and clear them."
)


@cache_app.command("info")
def cache_info(
    as_json: JsonOption = False,
) -> None:
    """Show where cached results lie, how many there are and how large they may grow."""
    import json

    from evalkit.cache import ResultCache

    info = ResultCache().info()
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "folder": str(info.folder),
                    "records": info.n_records,
                    "size_bytes": info.size_bytes,
                    "limit_bytes": info.limit_bytes,
                }
            )
        )
        return
    typer.echo(f"{info.folder}")
    typer.echo(f"{info.n_records:,} results, {info.size_bytes / 1e6:,.1f} MB of at most {info.limit_bytes / 1e9:g} GB")
    typer.echo(
        "The limit is EVALKIT_CACHE_LIMIT_GB; what was used longest ago goes first. Clear it: evalkit cache clear"
    )


@cache_app.command("clear")
def cache_clear() -> None:
    """Remove all cached results; they are computed again when they are needed. Model files stay."""
    from evalkit.cache import ResultCache

    removed = ResultCache().clear()
    typer.echo(f"Removed {removed / 1e6:,.1f} MB of cached results.")
