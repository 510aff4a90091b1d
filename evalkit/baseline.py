"""Baselines: a run reduced to what a comparison needs, in one small file that can be kept beside the code.

A baseline file is gzip-compressed JSON: everything of the run but audio, lyrics, transcripts and alignments. Its bytes
follow from the run alone, so saving it again changes nothing in version control. Field by field in
``docs/run-format.md``.
"""

import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from evalkit import runfolder
from evalkit.errors import StoreError
from evalkit.files import write_atomically
from evalkit.store import RunData, RunInfo
from evalkit.types import Prompt, Score, SetScore, Song

FORMAT = "evalkit-baseline"
VERSION = 1
MAX_BYTES = 1_000_000_000
"""A file that unpacks to more than this is no baseline."""

_KEPT_DETAILS = ("numerator", "denominator", "flags")
_MAGIC = b"\x1f\x8b"
_T = TypeVar("_T")

_info = TypeAdapter(RunInfo)
_song = TypeAdapter(Song)
_score = TypeAdapter(Score)
_set_score = TypeAdapter(SetScore)


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineData(RunData):
    """A run that was read from a baseline file: its prompts have lost their text but kept its digest."""

    digests: Mapping[str, str] = field(default_factory=dict)


class _PromptRow(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: str
    language: str
    sha256: str


class _SongRow(BaseModel):
    model_config = ConfigDict(extra="forbid")

    prompt_id: str
    system: str
    take: int
    seed: int
    status: str
    reason: str = ""
    sha256: str | None = None
    sample_rate: int | None = None
    channels: int | None = None
    duration_s: float | None = None


class _ScoreColumn(BaseModel):
    """Scores that differ in song, value and counts only."""

    model_config = ConfigDict(extra="forbid")

    evaluator: str
    metric: str
    signature: str
    status: str
    reason: str = ""
    songs: list[int]
    values: list[float | None]
    details: dict[str, list[Any]] = {}


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    format: str
    version: int
    run: dict[str, Any]
    prompts: list[_PromptRow]
    songs: list[_SongRow]
    scores: list[_ScoreColumn]
    set_scores: list[dict[str, Any]]


def load_run_or_baseline(path: Path) -> RunData:
    """Read a run folder or a baseline file.

    Raises:
        StoreError: it is neither, or damaged.
    """
    if path.is_file():
        return load_baseline(path)
    if not path.exists():
        raise StoreError(f"There is no run folder or baseline file {path}.", "See: ls runs/")
    return runfolder.load(path)


def save_baseline(run: RunData, path: Path) -> int:
    """Write a baseline file.

    Args:
        run: A complete run.
        path: Where to; replaced if it exists.

    Returns:
        The size of the file in bytes.

    Raises:
        StoreError: the run is not complete, or the file cannot be written.
    """
    if run.info.status != "complete":
        raise StoreError(
            f"The run {run.info.run_id} is {run.info.status}; half a run is no baseline.",
            f"Finish it first: evalkit run --resume {run.folder}",
        )
    content = to_bytes(run)
    if not path.parent.is_dir():
        raise StoreError(f"There is no folder {path.parent}.", f"Try: mkdir -p {path.parent}")
    write_atomically(path, content)
    return len(content)


def to_bytes(run: RunData) -> bytes:
    """The content of a baseline file."""
    songs = sorted(run.songs, key=lambda song: song.id)
    places = {song.id: place for place, song in enumerate(songs)}
    info = _info.dump_python(replace(run.info, prompts=(), timings={}), mode="json")
    digests = prompt_digests(run)
    content = _File(
        format=FORMAT,
        version=VERSION,
        run=info,
        prompts=[
            _PromptRow(id=prompt.id, language=prompt.language, sha256=digests[prompt.id])
            for prompt in run.prompts.values()
        ],
        songs=[_song_row(song) for song in songs],
        scores=_columns(run.scores, places),
        set_scores=[
            _set_score.dump_python(replace(score, details={}), mode="json")
            for score in sorted(run.set_scores, key=lambda score: (score.system, score.group, score.metric))
        ],
    )
    text = json.dumps(
        content.model_dump(mode="json", exclude_defaults=True),
        ensure_ascii=False,
        allow_nan=False,
        sort_keys=True,
        separators=(",", ":"),
    )
    return gzip.compress(text.encode("utf-8", "surrogatepass"), compresslevel=9, mtime=0)


def load_baseline(path: Path) -> BaselineData:
    """Read a baseline file.

    Raises:
        StoreError: it is none, is damaged, or is of a newer version.
    """
    raw = _read(path)
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        raise StoreError(f"{path} is no baseline file.", "Make one: evalkit baseline save RUN --out FILE")
    version = raw.get("version")
    if not isinstance(version, int) or version < 1:
        raise StoreError(f"{path} has no version, so it is no baseline file.")
    if version > VERSION:
        raise StoreError(
            f"{path} has version {version}; this evalkit reads up to {VERSION}.",
            "Try: pip install --upgrade music-evalkit",
        )
    try:
        content = _File.model_validate(raw)
        # Digests are made of what was asked; nothing of it is here, so ids and languages are all a prompt has.
        prompts = tuple(Prompt(id=row.id, language=row.language) for row in content.prompts)
        info = replace(_info.validate_python(content.run), prompts=prompts)
        songs = [_song.validate_python(row.model_dump()) for row in content.songs]
        return BaselineData(
            folder=path,
            info=info,
            prompts={prompt.id: prompt for prompt in prompts},
            songs=tuple(songs),
            scores=tuple(score for column in content.scores for score in _scores(column, songs)),
            set_scores=tuple(_set_score.validate_python(row) for row in content.set_scores),
            digests={row.id: row.sha256 for row in content.prompts},
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise StoreError(f"{path}: field {where or 'the whole file'}: {first['msg']}.") from error
    except (ValueError, IndexError, TypeError) as error:
        raise StoreError(f"{path} is damaged: {error}") from error


def prompt_digests(run: RunData) -> Mapping[str, str]:
    """Prompt id to SHA-256 of all that is asked of a system."""
    if isinstance(run, BaselineData):
        return run.digests
    return {prompt_id: prompt_digest(prompt) for prompt_id, prompt in run.prompts.items()}


def prompt_digest(prompt: Prompt) -> str:
    """SHA-256 over what a system is asked to sing: language, lyrics, style, length and reference audio."""
    asked: list[Any] = [
        prompt.language,
        prompt.lyrics,
        prompt.description,
        prompt.duration_s,
        prompt.prompt_audio_path,
        prompt.auto_prompt_audio_type,
    ]
    if prompt.line_languages:
        asked.append(list(prompt.line_languages))
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


def _song_row(song: Song) -> _SongRow:
    return _SongRow(**{name: getattr(song, name) for name in _SongRow.model_fields})


def _columns(scores: tuple[Score, ...], places: Mapping[str, int]) -> list[_ScoreColumn]:
    groups: dict[tuple[str, ...], list[Score]] = {}
    for score in scores:
        kept = tuple(name for name in _KEPT_DETAILS if score.details.get(name) not in (None, [], ()))
        key = (score.evaluator, score.metric, score.signature, score.status, score.reason, *kept)
        groups.setdefault(key, []).append(score)
    columns = []
    for key in sorted(groups):
        rows = sorted(groups[key], key=lambda score: places[score.song_id])
        evaluator, metric, signature, status, reason, *kept_names = key
        columns.append(
            _ScoreColumn(
                evaluator=evaluator,
                metric=metric,
                signature=signature,
                status=status,
                reason=reason,
                songs=[places[score.song_id] for score in rows],
                values=[score.value for score in rows],
                details={name: [score.details[name] for score in rows] for name in kept_names},
            )
        )
    return columns


def _scores(column: _ScoreColumn, songs: list[Song]) -> list[Score]:
    lists = [column.values, *column.details.values()]
    if any(len(found) != len(column.songs) for found in lists) or min(column.songs, default=0) < 0:
        raise ValueError(f"the columns of {column.metric} do not fit together.")
    return [
        _score.validate_python(
            {
                "song_id": songs[place].id,
                "evaluator": column.evaluator,
                "metric": column.metric,
                "value": column.values[row],
                "status": column.status,
                "signature": column.signature,
                "reason": column.reason,
                "details": {name: found[row] for name, found in column.details.items()},
            }
        )
        for row, place in enumerate(column.songs)
    ]


def _read(path: Path) -> Any:
    try:
        packed = path.read_bytes()
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error}.") from error
    if packed[:2] != _MAGIC:
        raise StoreError(f"{path} is no baseline file.", "Make one: evalkit baseline save RUN --out FILE")
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as file:
            text = file.read(MAX_BYTES + 1)
        if len(text) > MAX_BYTES:
            raise StoreError(f"{path} unpacks to more than {MAX_BYTES / 1e9:g} GB, so it is no baseline file.")
        return json.loads(text.decode("utf-8", "surrogatepass"))
    except (EOFError, OSError, zlib.error) as error:
        raise StoreError(f"{path} is cut short or damaged: {error}.", "Save the baseline again.") from error
    except ValueError as error:
        raise StoreError(f"{path} holds no JSON: {error}.", "Save the baseline again.") from error
