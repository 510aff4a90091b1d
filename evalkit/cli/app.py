"""The commands. Everything heavy is imported inside them, so that help and version answer at once."""

import contextlib
import json
import logging
import os
import shlex
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from evalkit import __version__
from evalkit.cli import completion
from evalkit.cli import gate as gate_commands
from evalkit.cli.cache import cache_app
from evalkit.cli.compare import compare
from evalkit.cli.export import export
from evalkit.cli.leaderboard import leaderboard
from evalkit.cli.log import ToOption, log
from evalkit.cli.log import check as check_loggers
from evalkit.cli.log import tell as tell_loggers
from evalkit.cli.models import models_app
from evalkit.cli.starting import init
from evalkit.cli.template import template
from evalkit.errors import EvalkitError

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

app = typer.Typer(
    name="evalkit",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Find out whether a song generator got better: sing a prompt suite, measure it, look at the report.",
    epilog="Start with: `evalkit run --suite multilingual` or, faster, `evalkit run --suite smoke`",
)
app.add_typer(models_app, name="models")
app.add_typer(gate_commands.baseline_app, name="baseline")
app.command(
    "gate", epilog="Example: `evalkit gate runs/candidate --baseline baselines/v2-large.evalkit --junit gate.xml`"
)(gate_commands.gate)
app.add_typer(cache_app, name="cache")
app.command(epilog="Example: `evalkit template --suite multilingual --out songs-wanted`")(template)
app.command(epilog="Example: `evalkit init my-project`")(init)
app.command(epilog="Example: `evalkit leaderboard runs/* --out site`")(leaderboard)
app.command(epilog="Example: `evalkit compare runs/candidate runs/last-release`")(compare)
app.command(epilog="Example: `evalkit export runs/night --format latex`")(export)
app.command(epilog="Example: `evalkit log runs/night --to mlflow --where sqlite:///mlflow.db`")(log)

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


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    if version:
        typer.echo(f"evalkit {__version__}")
        raise typer.Exit


@app.command(epilog="Example: `evalkit run --suite multilingual --system singer --limit 5`")
def run(
    suite: SuiteOption = "",
    system: SystemOption = None,
    reference: ReferenceOption = None,
    calibrate: CalibrateOption = False,
    profile: ProfileOption = "embedded",
    takes: TakesOption = 1,
    limit: LimitOption = None,
    seed: SeedOption = 0,
    out: OutOption = None,
    resume: ResumeOption = None,
    weights: WeightsOption = None,
    workers: WorkersOption = None,
    executor: ExecutorOption = "local",
    address: AddressOption = None,
    time_limit: TimeLimitOption = 3600,
    as_json: JsonOption = False,
    embed_audio: EmbedOption = False,
    log_to: ToOption = None,
) -> None:
    """Generate, evaluate and report, on one suite."""
    from evalkit.cli import pipeline, work
    from evalkit.cli.display import Display

    display = Display(quiet=as_json)
    check_loggers(log_to or ())
    machines = work.Machines(executor=executor, address=address, workers=workers, time_limit_s=time_limit)
    with _open(
        suite, system, reference, calibrate, profile, takes, limit, seed, out, resume, weights, display
    ) as writer:
        work.work(writer, display, machines)
        result = pipeline.finish(writer)
    report_path = pipeline.make_report(result.folder, display, embed_audio)
    told = tell_loggers(result.folder, log_to or (), display)
    _conclude(result, report_path, as_json)
    if not told:
        raise typer.Exit(1)


@app.command(epilog="Example: `evalkit generate --suite smoke --system singer --takes 2`")
def generate(
    suite: SuiteOption = "",
    system: SystemOption = None,
    reference: ReferenceOption = None,
    calibrate: CalibrateOption = False,
    takes: TakesOption = 1,
    limit: LimitOption = None,
    seed: SeedOption = 0,
    out: OutOption = None,
    resume: ResumeOption = None,
    weights: WeightsOption = None,
    workers: WorkersOption = None,
    executor: ExecutorOption = "local",
    address: AddressOption = None,
    time_limit: TimeLimitOption = 3600,
    as_json: JsonOption = False,
) -> None:
    """Make the songs of a suite; evaluate them later."""
    from evalkit.cli import pipeline, work
    from evalkit.cli.display import Display

    display = Display(quiet=as_json)
    machines = work.Machines(executor=executor, address=address, workers=workers, time_limit_s=time_limit)
    with _open(
        suite, system, reference, calibrate, "embedded", takes, limit, seed, out, resume, weights, display
    ) as writer:
        work.work(writer, display, machines, measure=False)
        result = pipeline.finish(writer)
    _conclude(result, None, as_json)


@app.command(epilog="Example: `evalkit evaluate runs/smoke-singer-20260101T120000Z`")
def evaluate(
    folder: RunArgument,
    profile: Annotated[str | None, typer.Option("--profile", help="Default: the run's own.")] = None,
    workers: WorkersOption = None,
    executor: ExecutorOption = "local",
    address: AddressOption = None,
    time_limit: TimeLimitOption = 3600,
    as_json: JsonOption = False,
) -> None:
    """Score the songs of a run; what is scored already is kept."""
    from evalkit.cli import pipeline, work
    from evalkit.cli.display import Display

    display = Display(quiet=as_json)
    machines = work.Machines(executor=executor, address=address, workers=workers, time_limit_s=time_limit)
    with pipeline.reopen(folder) as writer:
        work.work(writer, display, machines, sing=False, profile_name=profile)
        result = pipeline.finish(writer)
    _conclude(result, None, as_json)


@app.command(epilog="Example: `evalkit report runs/smoke-singer-20260101T120000Z --embed-audio`")
def report(
    folder: RunArgument,
    human: Annotated[
        Path | None,
        typer.Option("--human", help="Run or baseline file of human recordings, to show how far the ruler reaches."),
    ] = None,
    embed_audio: EmbedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write the report of a run again; only reads what is there."""
    from evalkit.cli import human as recordings
    from evalkit.cli import pipeline
    from evalkit.cli.display import Display

    if human is not None:
        recordings.keep(folder, human)
    path = pipeline.make_report(folder, Display(quiet=as_json), embed_audio)
    _print({"report": str(path), "url": path.resolve().as_uri()}, as_json, path.resolve().as_uri())


@app.command("list", epilog="Example: `evalkit list suites`")
def list_(
    what: Annotated[str, typer.Argument(help="suites, systems, evaluators, models or profiles.")],
    as_json: JsonOption = False,
) -> None:
    """Show what there is, what is ready, and how to get what is missing."""
    from evalkit.cli import listing

    _print_rows(listing.rows(what), as_json)


@app.command(epilog="Example: `evalkit validate my-suite.yaml`")
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
        raise typer.Exit(EXIT_USAGE)


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """What is installed, what runs here, what each profile and system would need; one line each with the remedy."""
    from evalkit.cli.doctor import examine

    rows = examine()
    _print_rows(rows, as_json)
    if any(row["state"] == "broken" for row in rows):
        raise typer.Exit(1)


def _open(
    suite: str,
    system: list[str] | None,
    reference: list[str] | None,
    calibrate: bool,
    profile: str,
    takes: int,
    limit: int | None,
    seed: int,
    out: Path | None,
    resume: Path | None,
    weights: Path | None,
    display: Any,
) -> Any:
    from evalkit.cli import pipeline

    request = pipeline.Request(
        suite=suite,
        systems=tuple(system or ("singer",)),
        references=tuple(reference or ()),
        calibrate=calibrate,
        profile=profile,
        takes=takes,
        limit=limit,
        seed=seed,
        out=out,
        weights=weights,
    )
    if resume is not None:
        writer = pipeline.reopen(resume, request if suite else None)
    elif not suite:
        raise EvalkitError("Which suite? --suite is missing.", "See: evalkit list suites")
    else:
        writer = pipeline.begin(request, display)
    global _interrupted_folder
    _interrupted_folder = writer.folder
    display.detail(f"Run folder: {writer.folder}")
    return writer


_interrupted_folder: Path | None = None
"""Run under way, so that an interruption can say how to go on."""


def _conclude(result: Any, report_path: Path | None, as_json: bool) -> None:
    answer = {
        "run": str(result.folder),
        "status": result.status,
        "songs": result.n_songs,
        "failed_songs": result.n_failed_songs,
        "failed_scores": result.n_failed_scores,
        "report": str(report_path) if report_path else None,
        "url": report_path.resolve().as_uri() if report_path else None,
    }
    lines = []
    if result.n_failed_songs or result.n_failed_scores:
        lines.append(f"{result.n_failed_songs} songs and {result.n_failed_scores} scores failed; the report says why.")
    if report_path:
        lines.append(report_path.resolve().as_uri())
    else:
        lines.append(str(result.folder))
        lines += [f"Next: evalkit evaluate {result.folder}"] if result.status != "complete" else []
    _print(answer, as_json, "\n".join(lines))
    if result.exit_code and report_path:
        raise typer.Exit(result.exit_code)
    if result.n_failed_songs:
        raise typer.Exit(1)


def _print(answer: dict[str, Any], as_json: bool, text: str) -> None:
    typer.echo(json.dumps(answer, ensure_ascii=False) if as_json else text)


def _print_rows(rows: list[dict[str, str]], as_json: bool) -> None:
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


def main() -> int:
    """Run the command line; returns the exit code."""
    with contextlib.suppress(ValueError):  # not in the main thread: whoever called us owns the signals
        signal.signal(signal.SIGINT, _on_interrupt)
    logging.basicConfig(level=logging.CRITICAL, format="%(message)s", stream=sys.stderr)
    try:
        _check_neighbours()
        result = app(prog_name="evalkit", standalone_mode=False)
        code = result if isinstance(result, int) else 0
        return _interrupted() if code == EXIT_INTERRUPTED else code
    except EvalkitError as error:
        print(f"Error: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"  {error.hint}", file=sys.stderr)
        return EXIT_USAGE
    except typer.Exit as exit_:
        return exit_.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted()
    except Exception as error:
        # typer carries its own copy of click, so its errors are known by what they can do.
        show = getattr(error, "show", None)
        if show is None:
            raise
        show()
        return int(getattr(error, "exit_code", EXIT_USAGE))


def _on_interrupt(number: int, frame: object) -> None:
    """Ctrl-C ends the run in order; once more ends it now. Either way nothing that was finished is lost."""
    signal.signal(signal.SIGINT, _on_second_interrupt)
    raise KeyboardInterrupt


def _on_second_interrupt(number: int, frame: object) -> None:
    # No cleaning up: workers end by themselves when this process is gone.
    os.write(2, _interrupted_text().encode())
    os._exit(EXIT_INTERRUPTED)


def _interrupted() -> int:
    print(_interrupted_text(), end="", file=sys.stderr)
    return EXIT_INTERRUPTED


def _interrupted_text() -> str:
    text = "\nInterrupted; what was finished is kept.\n"
    if _interrupted_folder is not None:
        text += f"Continue with: evalkit run --resume {shlex.quote(str(_interrupted_folder))}\n"
    return text


def _check_neighbours() -> None:
    """Refuse to run with a foreign package called generation, benchmarks or reports in front of ours."""
    from importlib.util import find_spec

    home = Path(__file__).resolve().parent.parent.parent
    for name in ("generation", "benchmarks", "reports"):
        spec = find_spec(name)
        origin = Path(spec.origin).resolve() if spec and spec.origin else None
        if origin is None or origin.parent.parent != home:
            found = origin.parent if origin else "nowhere"
            raise EvalkitError(
                f"The package {name!r} is loaded from {found}, not from {home / name}.",
                "Install evalkit into its own virtual environment, or leave the folder that holds the other package.",
            )
