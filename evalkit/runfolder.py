"""Reads and writes run folders.

``run.json`` and ``set_scores.jsonl`` are replaced atomically. ``songs.jsonl`` and ``scores.jsonl`` are appended and
flushed line by line, so a run that is killed keeps everything it finished; a torn last line is dropped and done again.
One process writes a folder at a time: a lock file that the operating system releases with the process says so.
"""

import contextlib
import fcntl
import gc
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from evalkit.errors import EvalkitError, StoreError
from evalkit.files import cannot_write, parse_json, write_atomically
from evalkit.store import (
    SCHEMA_VERSION,
    EvaluatorInfo,
    ModelInfo,
    RunData,
    RunInfo,
    StageTiming,
    SuiteInfo,
    SystemInfo,
)
from evalkit.types import Metric, Prompt, Score, Section, SetScore, Song, Tags

_T = TypeVar("_T")

_PARTS = (
    SuiteInfo,
    SystemInfo,
    EvaluatorInfo,
    ModelInfo,
    StageTiming,
    Prompt,
    Section,
    Tags,
    Metric,
    Song,
    Score,
    SetScore,
)
for _cls in (RunInfo, *_PARTS):
    # A mistyped field and a NaN are errors wherever they stand; the types themselves know nothing of pydantic.
    _cls.__pydantic_config__ = {"extra": "forbid", "allow_inf_nan": False}  # type: ignore[union-attr]
_info = TypeAdapter(RunInfo)
_song = TypeAdapter(Song)
_score = TypeAdapter(Score)
_set_score = TypeAdapter(SetScore)


SET_SCORES = "set_scores.jsonl"


def load(folder: Path) -> RunData:
    """Read a run.

    Args:
        folder: A run folder.

    Returns:
        The run; `RunData.notices` tells what had to be repaired.

    Raises:
        StoreError: it is not a run folder, or a file in it cannot be read; file and line are named.
    """
    info = load_info(folder)
    notices: list[str] = []
    songs: dict[str, Song] = {}
    for song in _read_lines(folder / "songs.jsonl", _song, notices):
        songs[song.id] = song
    scores: dict[tuple[str, str], Score] = {}
    shared = {song_id: song_id for song_id in songs}
    with _no_collection():
        for score in _read_lines(folder / "scores.jsonl", _score, notices):
            scores[score.song_id, score.metric] = _share(score, shared)
    return RunData(
        folder=folder,
        info=info,
        prompts={prompt.id: prompt for prompt in info.prompts},
        songs=tuple(songs.values()),
        scores=tuple(score for score in scores.values() if score.song_id in songs),
        set_scores=tuple(_read_lines(folder / SET_SCORES, _set_score, notices)),
        notices=tuple(notices),
    )


def load_info(folder: Path) -> RunInfo:
    """Read ``run.json`` alone.

    Raises:
        StoreError: missing, damaged, or of a newer schema.
    """
    path = folder / "run.json"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise StoreError(f"{folder} is not a run folder: it has no run.json.", "See: ls runs/") from None
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{path} cannot be read: {error}.") from error
    try:
        raw = parse_json(text)
    except ValueError as error:
        line = f", line {error.__cause__.lineno}" if isinstance(error.__cause__, json.JSONDecodeError) else ""
        raise StoreError(f"{path}{line}: {error}.") from error
    found = raw.get("schema_version") if isinstance(raw, dict) else None
    if not isinstance(found, int) or found < 1:
        raise StoreError(f"{path} has no schema_version, so it is not evalkit's.")
    if found > SCHEMA_VERSION:
        raise StoreError(
            f"{path} has schema version {found}; this evalkit reads up to {SCHEMA_VERSION}.",
            "Try: pip install --upgrade music-evalkit",
        )
    return _validate(_info, raw, str(path))


class RunWriter:
    """The one writer of a run folder; use as a context manager.

    Args:
        folder: The run folder; created if ``info`` is given.
        info: For a new run. None continues an existing one.

    Raises:
        StoreError: another process writes this folder, it cannot be written, or (new run) it is already a run.
    """

    def __init__(self, folder: Path, info: RunInfo | None = None) -> None:
        self.folder = folder
        try:
            if info is not None:
                folder.mkdir(parents=True, exist_ok=True)
                if (folder / "run.json").exists():
                    raise StoreError(
                        f"{folder} already holds a run.", f"Continue it with --resume {folder}, or choose --out."
                    )
            elif not (folder / "run.json").is_file():
                raise StoreError(f"{folder} is not a run folder: it has no run.json.")
            self._lock = _lock(folder)
            for name in ("songs.jsonl", "scores.jsonl"):
                _drop_torn_line(folder / name)
            # Unbuffered: a line is on its way to the disk when the call returns, and closing has nothing left to fail.
            self._songs = (folder / "songs.jsonl").open("ab", buffering=0)
            self._scores = (folder / "scores.jsonl").open("ab", buffering=0)
            self.info = info if info is not None else load_info(folder)
            if info is not None:
                self.write_info(info)
        except OSError as error:
            raise cannot_write(folder, error) from error

    def __enter__(self) -> "RunWriter":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the folder."""
        for file in (self._songs, self._scores, self._lock):
            file.close()

    def update(self, **changes: Any) -> None:
        """Change fields of ``run.json`` and write it."""
        self.write_info(replace(self.info, **changes))

    def write_info(self, info: RunInfo) -> None:
        """Replace ``run.json``."""
        self.info = info
        text = json.dumps(_info.dump_python(info, mode="json"), ensure_ascii=False, allow_nan=False, indent=1)
        write_atomically(self.folder / "run.json", text.encode() + b"\n")

    def add_song(self, song: Song) -> None:
        """Append a finished song and flush."""
        self._append(self._songs, [_song.dump_python(song, mode="json")])

    def add_scores(self, scores: Iterable[Score]) -> None:
        """Append the scores of one song and flush."""
        self._append(self._scores, [_score.dump_python(score, mode="json") for score in scores])

    def write_set_scores(self, scores: Iterable[SetScore]) -> None:
        """Replace ``set_scores.jsonl``."""
        rows = [_set_score.dump_python(score, mode="json") for score in scores]
        write_atomically(self.folder / SET_SCORES, b"".join(map(_line, rows)))

    def _append(self, file: IO[bytes], rows: list[Any]) -> None:
        # One write for all lines of a song: a kill tears at most the last of them.
        rest = memoryview(b"".join(map(_line, rows)))
        try:
            while rest:
                rest = rest[file.write(rest) :]
        except OSError as error:
            raise cannot_write(self.folder, error) from error


def _line(row: Any) -> bytes:
    return json.dumps(row, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def _read_lines(path: Path, adapter: TypeAdapter[_T], notices: list[str]) -> Iterator[_T]:
    # Line by line: a large run has millions of scores. pydantic reads good lines itself; for the others the slow way
    # finds out what is wrong with them.
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):  # a write was cut short
                    notices.append(f"The last line of {path.name} was cut short and is done again on resume.")
                    return
                yield _read_line(line, adapter, f"{path}, line {number}")
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error}.") from error


def _read_line(line: bytes, adapter: TypeAdapter[_T], place: str) -> _T:
    if b"NaN" not in line and b"Infinity" not in line:
        with contextlib.suppress(ValidationError, ValueError, RecursionError, EvalkitError):
            return adapter.validate_json(line)
    try:
        raw = parse_json(line)
    except ValueError as error:
        raise StoreError(f"{place}: {error}.", "Remove the line to have it done again.") from error
    return _validate(adapter, raw, place)


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Millions of objects that all stay: looking for garbage among them again and again takes half of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _share(score: Score, shared: dict[str, str]) -> Score:
    """Let equal texts be one object: a large run repeats a few signatures a million times."""
    for name in ("song_id", "evaluator", "metric", "signature", "reason"):
        text = getattr(score, name)
        object.__setattr__(score, name, shared.setdefault(text, text))
    return score


def _validate(adapter: TypeAdapter[_T], raw: Any, place: str) -> _T:
    try:
        return adapter.validate_python(raw, strict=False)
    except RecursionError:
        raise StoreError(f"{place}: nested too deeply.") from None
    except (ValidationError, ValueError, EvalkitError) as error:
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise StoreError(f"{place}: field {where[:200] or 'the whole line'}: {first['msg'][:300]}.") from error
        raise StoreError(f"{place}: {str(error)[:500]}") from error


def _drop_torn_line(path: Path) -> None:
    if not path.exists():
        return
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        # Back in blocks to the last newline; lines can be long but are rarely torn.
        end = size
        while end > 0:
            start = max(0, end - 65536)
            file.seek(start)
            block = file.read(end - start)
            newline = block.rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        if end != size:
            file.truncate(end)


def _lock(folder: Path) -> IO[str]:
    file = (folder / ".lock").open("a", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise StoreError(
            f"Another evalkit process is writing {folder}.", "Wait for it to end, or choose another --out."
        ) from None
    return file
