"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from evalkit.cli import completion

SuiteOption = Annotated[
    str,
    typer.Option(
        "--suite", help="Name of a suite, or a path to a YAML or JSONL file.", autocompletion=completion.suites
    ),
]
SystemOption = Annotated[
    list[str] | None,
    typer.Option(
        "--system",
        help="NAME, NAME/VARIANT, LABEL=FOLDER or 'LABEL=cmd:PROGRAM ARGS'; may be repeated.",
        autocompletion=completion.systems,
    ),
]
ReferenceOption = Annotated[
    list[str] | None, typer.Option("--reference", help="As --system, for a system to compare with; may be repeated.")
]
CalibrateOption = Annotated[
    bool,
    typer.Option(
        "--calibrate", help="Add spoken lyrics, another prompt's lyrics, silence and noise: how far metrics go."
    ),
]
ProfileOption = Annotated[
    str,
    typer.Option("--profile", help="Which evaluators: a name or a YAML file.", autocompletion=completion.profiles),
]
TakesOption = Annotated[int, typer.Option("--takes", help="Songs for each prompt.")]
LimitOption = Annotated[int | None, typer.Option("--limit", help="Only so many prompts, from all languages in turn.")]
SeedOption = Annotated[int, typer.Option("--seed", help="Everything random follows from it.")]
OutOption = Annotated[Path | None, typer.Option("--out", help="Run folder; default runs/<suite>-<system>-<time>.")]
ResumeOption = Annotated[Path | None, typer.Option("--resume", help="Continue this run folder instead.")]
WeightsOption = Annotated[
    Path | None, typer.Option("--weights", help="Folder of SongGeneration weights in the official layout.")
]
WorkersOption = Annotated[
    int | None, typer.Option("--workers", min=1, help="Songs worked on at the same time; default one per core.")
]
ExecutorOption = Annotated[str, typer.Option("--executor", help="Where to work: local, or ray for many machines.")]
AddressOption = Annotated[
    str | None, typer.Option("--address", help="Of a Ray cluster, e.g. auto; default: Ray on this machine.")
]
TimeLimitOption = Annotated[
    float, typer.Option("--time-limit", min=0, help="Seconds a song may take in a stage; 0 for ever.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
EmbedOption = Annotated[bool, typer.Option("--embed-audio", help="Put the audio into the HTML file.")]
RunArgument = Annotated[Path, typer.Argument(help="Run folder.", show_default=False)]
