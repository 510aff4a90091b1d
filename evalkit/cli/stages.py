"""The stages of a run as commands; what is heavy is imported inside them, so that help and version answer at once."""

from pathlib import Path
from typing import Annotated, Any

import typer

from evalkit.cli import interruption
from evalkit.cli.log import ToOption
from evalkit.cli.log import check as check_loggers
from evalkit.cli.log import tell as tell_loggers
from evalkit.cli.options import (
    AddressOption,
    CalibrateOption,
    EmbedOption,
    ExecutorOption,
    JsonOption,
    LimitOption,
    OutOption,
    ProfileOption,
    ReferenceOption,
    ResumeOption,
    RunArgument,
    SeedOption,
    SuiteOption,
    SystemOption,
    TakesOption,
    TimeLimitOption,
    WeightsOption,
    WorkersOption,
)
from evalkit.cli.printing import print_answer
from evalkit.errors import EvalkitError


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
    print_answer({"report": str(path), "url": path.resolve().as_uri()}, as_json, path.resolve().as_uri())


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
    interruption.folder = writer.folder
    display.detail(f"Run folder: {writer.folder}")
    return writer


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
    print_answer(answer, as_json, "\n".join(lines))
    if result.exit_code and report_path:
        raise typer.Exit(result.exit_code)
    if result.n_failed_songs:
        raise typer.Exit(1)
