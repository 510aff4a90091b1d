"""Scores that somebody else measured: one JSON file, checked field by field, read as a run without songs.

The format is described in ``docs/leaderboard.md``. It holds one number a prompt and metric, takes averaged, together
with the signature of each metric, so that it can stand beside runs that were measured in the same way.
"""

import json
import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evalkit.errors import StoreError
from evalkit.registry import suggestion
from evalkit.store import EvaluatorInfo, ModelInfo, RunData, RunInfo, SuiteInfo, SystemInfo
from evalkit.types import SAFE_ID, Direction, Metric, Prompt, Score, ScoreStatus, Song, Suite

FORMAT = "evalkit-submission"
SCHEMA_VERSION = 1
MAX_BYTES = 64_000_000

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_METRIC = re.compile(r"[a-z][a-z0-9_]{0,79}\Z")

Text = Annotated[str, Field(min_length=1, max_length=2000)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class SubmittedSystem(_Part):
    """Who sang: ``name`` stays the same over versions, so that they form one line over time."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    version: Annotated[str, Field(min_length=1, max_length=200)]
    licence: Annotated[str, Field(min_length=1, max_length=200, description="Of the system's weights or service.")]
    title: Annotated[str, Field(max_length=300)] = ""


class SubmittedSuite(_Part):
    """What was sung: ``sha256`` is the digest of the suite's file."""

    name: Text
    version: Text
    sha256: Annotated[str, Field(description="64 lower-case hexadecimal digits.")]


class SubmittedValue(_Part):
    """One prompt: a value, or null with status and reason."""

    prompt: Text
    language: Annotated[str, Field(min_length=2, max_length=35, description="BCP-47 tag of the lyrics.")]
    value: float | None
    numerator: Annotated[float | None, Field(description="For ratios: mean over takes, e.g. of errors.")] = None
    denominator: Annotated[float | None, Field(description="For ratios: mean over takes, e.g. of words.")] = None
    status: ScoreStatus = "ok"
    reason: Annotated[str, Field(max_length=2000)] = ""


class SubmittedMetric(_Part):
    """One metric: its name, how it came about, and one value for each prompt."""

    name: Text
    signature: Text
    title: Annotated[str, Field(max_length=300)] = ""
    unit: Annotated[str, Field(max_length=40)] = ""
    direction: Direction = "none"
    aggregate: Literal["mean", "ratio"] = "mean"
    bounds: tuple[float | None, float | None] = (None, None)
    good: tuple[float | None, float | None] | None = None
    as_percent: bool = False
    headline: bool = False
    source: Annotated[str, Field(max_length=500)] = "self-reported"
    licence: Annotated[str, Field(max_length=200)] = "not stated"
    values: Annotated[tuple[SubmittedValue, ...], Field(min_length=1)]


class Submission(_Part):
    """The whole file."""

    format: Literal["evalkit-submission"]
    schema_version: Literal[1]
    created: Annotated[str, Field(description="ISO 8601 with its offset, e.g. 2026-11-24T14:20:11Z.")]
    system: SubmittedSystem
    suite: SubmittedSuite
    takes: Annotated[int, Field(ge=1, le=1000, description="Songs for each prompt; values are their mean.")]
    made: Annotated[str, Field(min_length=10, max_length=4000, description="How songs and numbers were made.")]
    metrics: Annotated[tuple[SubmittedMetric, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong with a submission: where, what, and what to do about it."""

    field: str
    message: str
    hint: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        return f"{self.field}: {self.message} {self.hint}" if self.field else f"{self.message} {self.hint}"


def is_submission(raw: object) -> bool:
    """Whether a JSON value means to be a submission."""
    return isinstance(raw, dict) and raw.get("format") == FORMAT


def read_json(path: Path) -> Any:
    """A JSON file.

    Raises:
        StoreError: it cannot be read, is too large, or is not JSON; the line is named.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise StoreError(f"{path} has {path.stat().st_size:,} bytes; at most {MAX_BYTES:,} are read.")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{path} cannot be read: {error}.", "Check the path, and that the file is UTF-8.") from error
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (json.JSONDecodeError, RecursionError) as error:
        line = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise StoreError(f"{path}{line}: not JSON.", "Check it with: python -m json.tool FILE") from error
    except ValueError as error:
        raise StoreError(f"{path}: {error}", "Write null, with a status and a reason.") from error


def check(raw: Any, suite: Suite | None = None) -> tuple[Submission | None, list[Problem]]:
    """Find every problem of a submission.

    Args:
        raw: The parsed JSON.
        suite: The suite it names, if it is known here; prompts and languages are then checked against it.

    Returns:
        The submission, None if its shape is wrong; and the problems, errors and warnings.
    """
    try:
        submission = Submission.model_validate(raw)
    except ValidationError as error:
        return None, [_of_shape(detail) for detail in error.errors(include_url=False)]
    return submission, [*_of_head(submission), *_of_metrics(submission), *_of_suite(submission, suite)]


def load(path: Path, suite: Suite | None = None) -> Submission:
    """Read and check a submission.

    Raises:
        StoreError: it is not one, or has errors; the first is named and the others are counted.
    """
    submission, problems = check(read_json(path), suite)
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors or submission is None:
        more = f" ({len(errors) - 1} more; see all with: evalkit validate {path})" if len(errors) > 1 else ""
        raise StoreError(f"{path}, field {errors[0].field or 'as a whole'}: {errors[0].message}{more}", errors[0].hint)
    return submission


def to_run(submission: Submission, path: Path) -> RunData:
    """The submission as a run: one song a prompt without audio, which stands for the mean of the takes."""
    system, created = submission.system, submission.created
    prompts = {
        value.prompt: Prompt(id=value.prompt, language=value.language)
        for metric in submission.metrics
        for value in metric.values
    }
    songs = {name: Song(prompt_id=name, system=system.name, take=0, seed=0, status="ok") for name in prompts}
    scores = [
        Score(
            song_id=songs[value.prompt].id,
            evaluator="self-reported",
            metric=metric.name,
            value=value.value,
            status=value.status,
            signature=metric.signature,
            reason=value.reason,
            details={"numerator": value.numerator, "denominator": value.denominator}
            if metric.aggregate == "ratio" and value.value is not None
            else {},
        )
        for metric in submission.metrics
        for value in metric.values
    ]
    metrics = tuple(
        Metric(**{**metric.model_dump(exclude={"values", "signature"}), "title": metric.title or metric.name})
        for metric in submission.metrics
    )
    info = RunInfo(
        run_id=f"{submission.suite.name}-{system.name}-{system.version}",
        created=created,
        finished=created,
        status="complete",
        command="",
        suite=SuiteInfo(**submission.suite.model_dump(), licence="", n_prompts=len(prompts)),
        systems=(SystemInfo(name=system.name, spec="", title=system.title or system.name, models=(system.name,)),),
        evaluators=(
            EvaluatorInfo(
                name="self-reported",
                version="",
                metrics=metrics,
                signatures={metric.name: metric.signature for metric in submission.metrics},
            ),
        ),
        models=(ModelInfo(name=system.name, licence=system.licence, source="self-reported", sha256=""),),
        prompts=tuple(prompts.values()),
        profile="self-reported",
        takes=submission.takes,
    )
    return RunData(folder=path.parent, info=info, prompts=prompts, songs=tuple(songs.values()), scores=tuple(scores))


def json_schema() -> dict[str, Any]:
    """The format as a JSON schema (draft 2020-12)."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Submission.model_json_schema()}


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number that can be stored.")


def _of_shape(detail: Any) -> Problem:
    """What pydantic found, with the field as people write it and a remedy."""
    field = ""
    for part in detail["loc"]:
        field += f"[{part}]" if isinstance(part, int) else f".{part}" if field else str(part)
    kind = detail["type"]
    if kind == "missing":
        return Problem(field=field, message="The field is missing.", hint="Add it.")
    if kind == "extra_forbidden":
        known = [*Submission.model_fields, *SubmittedSystem.model_fields, *SubmittedSuite.model_fields]
        known += [*SubmittedMetric.model_fields, *SubmittedValue.model_fields]
        closest = suggestion(str(detail["loc"][-1]), sorted(set(known)))
        return Problem(field=field, message="There is no such field.", hint=closest or "Remove it.")
    return Problem(
        field=field,
        message=f"{detail['msg'].rstrip('.')}, got {_shown(detail.get('input'))}.",
        hint="See docs/leaderboard.md for what is expected.",
    )


def _shown(value: object) -> str:
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "a list"
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "..."


def _of_head(submission: Submission) -> Iterator[Problem]:
    try:
        aware = datetime.fromisoformat(submission.created).utcoffset() is not None
    except ValueError:
        aware = False
    if not aware:
        yield Problem(
            field="created",
            message=f"{_shown(submission.created)} is not a time with its offset.",
            hint="Write it like 2026-11-24T14:20:11Z.",
        )
    if not _SHA256.match(submission.suite.sha256):
        yield Problem(
            field="suite.sha256",
            message=f"{_shown(submission.suite.sha256)} is not 64 lower-case hexadecimal digits.",
            hint="Take it from run.json, or: sha256sum SUITE.yaml",
        )


def _of_metrics(submission: Submission) -> Iterator[Problem]:
    languages: dict[str, str] = {}
    for metric in submission.metrics:
        for value in metric.values:
            languages.setdefault(value.prompt, value.language)
    seen: set[str] = set()
    for index, metric in enumerate(submission.metrics):
        field = f"metrics[{index}]"
        if not _METRIC.match(metric.name):
            yield Problem(
                field=f"{field}.name",
                message=f"{_shown(metric.name)} is no metric name.",
                hint="Use lower-case letters, digits and _, as `evalkit list evaluators` shows them.",
            )
        if metric.name in seen:
            yield Problem(
                field=f"{field}.name",
                message=f"The metric {metric.name!r} stands here twice.",
                hint="Put all its values into one entry.",
            )
        seen.add(metric.name)
        yield from _of_values(metric, field, languages)


def _of_values(metric: SubmittedMetric, field: str, languages: Mapping[str, str]) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, value in enumerate(metric.values):
        place = f"{field}.values[{index}]"
        if not SAFE_ID.match(value.prompt):
            hint = "Use the ids of the suite: letters, digits, '.', '_' and '-'."
            yield Problem(field=f"{place}.prompt", message=f"{_shown(value.prompt)} is no prompt id.", hint=hint)
        if value.prompt in seen:
            hint = "Average the takes of a prompt into one value."
            yield Problem(field=f"{place}.prompt", message=f"{value.prompt!r} stands here twice.", hint=hint)
        seen.add(value.prompt)
        if languages[value.prompt] != value.language:
            message = f"{value.prompt!r} is {value.language!r} here and {languages[value.prompt]!r} elsewhere."
            yield Problem(field=f"{place}.language", message=message, hint="A prompt has one language.")
        yield from _of_value(metric, value, place)
    missing = sorted(set(languages) - seen)
    if missing:
        yield Problem(
            field=f"{field}.values",
            message=f"{len(missing)} prompts that other metrics have are missing, e.g. {missing[0]!r}.",
            hint='Add them with "value": null, a status and a reason: nothing may vanish.',
        )


def _of_value(metric: SubmittedMetric, value: SubmittedValue, place: str) -> Iterator[Problem]:
    if (value.value is None) == (value.status == "ok"):
        message = f"The status is {value.status!r} and the value is {json.dumps(value.value)}."
        hint = 'Give a number with status "ok", or null with another status.'
        yield Problem(field=f"{place}.status", message=message, hint=hint)
    if value.status != "ok" and not value.reason:
        yield Problem(field=f"{place}.reason", message="A missing value has no reason.", hint="Say why in a sentence.")
    if value.value is None:
        return
    low, high = metric.bounds
    if (low is not None and value.value < low) or (high is not None and value.value > high):
        message = f"{value.value:g} is outside the metric's bounds {low} to {high}."
        yield Problem(field=f"{place}.value", message=message, hint="Check the unit, or the bounds.")
    if metric.aggregate != "ratio":
        return
    if value.numerator is None or value.denominator is None or value.denominator <= 0:
        message = "A ratio needs its numerator and a positive denominator."
        hint = "Add both (e.g. errors and words), so that the suite's value can be a ratio of sums."
        yield Problem(field=f"{place}.numerator", message=message, hint=hint)
    elif not math.isclose(value.value, value.numerator / value.denominator, rel_tol=1e-4, abs_tol=1e-6):
        message = f"{value.value:g} is not {value.numerator:g} / {value.denominator:g}."
        yield Problem(field=f"{place}.value", message=message, hint="Give numerator / denominator.")


def _of_suite(submission: Submission, suite: Suite | None) -> Iterator[Problem]:
    given = submission.suite
    if suite is None:
        message = f"The suite {given.name!r} is not installed here, so prompts could not be checked."
        yield Problem(field="suite.name", message=message, hint="Nothing to do.", severity="warning")
        return
    if suite.sha256 != given.sha256:
        yield Problem(
            field="suite.sha256",
            message=f"The suite {suite.name} {suite.version} that is installed here has the digest {suite.sha256}.",
            hint="If you sang that one, correct the digest; otherwise the scores stand on a board of their own.",
            severity="warning",
        )
        return
    languages = {prompt.id: prompt.language for prompt in suite.prompts}
    yield from _of_prompts(submission, languages)


def _of_prompts(submission: Submission, languages: Mapping[str, str]) -> Iterator[Problem]:
    found: dict[str, str] = {}
    for index, metric in enumerate(submission.metrics):
        for number, value in enumerate(metric.values):
            if value.prompt in found:
                continue
            found[value.prompt] = value.language
            place = f"metrics[{index}].values[{number}]"
            if value.prompt not in languages:
                message = f"The suite has no prompt {_shown(value.prompt)}."
                hint = suggestion(value.prompt, list(languages)) or "Use the ids of the suite."
                yield Problem(field=f"{place}.prompt", message=message, hint=hint)
            elif languages[value.prompt] != value.language:
                message = f"{value.prompt!r} is {languages[value.prompt]!r} in the suite, not {value.language!r}."
                yield Problem(field=f"{place}.language", message=message, hint="Use the suite's tag.")
    absent = _absent(languages, found)
    if absent:
        yield Problem(
            field="metrics",
            message=f"{len(absent)} of the suite's {len(languages)} prompts are not there, e.g. {absent[0]!r}.",
            hint="Add them (null, a status and a reason if they failed), or the scores stand on a board of their own.",
            severity="warning",
        )


def _absent(wanted: Collection[str], found: Collection[str]) -> list[str]:
    return [name for name in wanted if name not in found]
