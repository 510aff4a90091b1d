"""The data that flows between the rooms.

All types are frozen, keyword-only dataclasses. Nothing here reads files, and torch is never imported.
Units stand in the field names; audio arrays are float32 ``[channels, time]``, nominally in [-1, 1].
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from evalkit.derived import Derived
from evalkit.errors import AudioError, ShapeError, SuiteError

FloatArray = npt.NDArray[np.float32]

Direction = Literal["higher", "lower", "target", "none"]
ScoreStatus = Literal["ok", "not_applicable", "missing_model", "missing_audio", "failed"]
SongStatus = Literal["ok", "failed"]

ModelLocator = Callable[[str], Path]
"""Gives the folder of a verified model by registered name; raises `evalkit.errors.ModelError` if it is not there."""

BINARY_UNIT = "0/1"
"""Unit of metrics that are yes or no for each song: their rate gets a Wilson interval and an exact test."""

SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}\Z")


def check_id(value: str, what: str) -> str:
    """Refuse an identifier that could leave its folder or confuse a file name.

    Args:
        value: The identifier.
        what: What it names, for the message, e.g. ``"prompt id"``.

    Returns:
        The identifier itself.

    Raises:
        SuiteError: it is empty, too long or holds characters outside ``[A-Za-z0-9._-]``.
    """
    if not SAFE_ID.match(value):
        raise SuiteError(
            f"The {what} {value!r} is not usable as a file name.",
            "Use 1 to 120 letters, digits, '.', '_' or '-', beginning with a letter or digit.",
        )
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One labelled part of a lyric: ``label`` without brackets, and its sung lines (none if instrumental)."""

    label: str
    lines: tuple[str, ...] = ()

    @property
    def is_sung(self) -> bool:
        """Whether the section has words."""
        return bool(self.lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tags:
    """Style of a song by dimension; unspecified dimensions are None or empty."""

    gender: str | None = None
    genre: str | None = None
    emotion: str | None = None
    instruments: tuple[str, ...] = ()
    bpm: float | None = None
    other: tuple[str, ...] = ()

    @property
    def description(self) -> str:
        """The tags as one comma-separated line, in the order SongGeneration documents."""
        parts = [part for part in (self.gender, self.genre, self.emotion) if part]
        if self.instruments:
            parts.append(" and ".join(self.instruments))
        parts.extend(self.other)
        if self.bpm is not None:
            parts.append(f"the bpm is {self.bpm:g}")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What a system is asked to sing.

    Attributes:
        id: Unique in its suite; safe as a file name.
        language: BCP-47 tag of the lyrics, e.g. ``"en"``.
        lyrics: The lyric string in SongGeneration's one-line grammar; empty if there is none.
        sections: The same lyric, parsed.
        tags: Style by dimension.
        description: The style line given to the system; usually ``tags.description``.
        duration_s: Requested length in seconds, if any.
        prompt_audio_path: Reference audio for systems that take it.
        auto_prompt_audio_type: SongGeneration's built-in reference genre.
        line_languages: BCP-47 tag of every sung line, where a lyric switches languages; empty if all are `language`.
    """

    id: str
    language: str
    lyrics: str = ""
    sections: tuple[Section, ...] = ()
    tags: Tags = Tags()
    description: str = ""
    duration_s: float | None = None
    prompt_audio_path: str | None = None
    auto_prompt_audio_type: str | None = None
    line_languages: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_id(self.id, "prompt id")

    @property
    def is_sung(self) -> bool:
        """Whether the prompt has any words to sing."""
        return any(section.is_sung for section in self.sections)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A versioned set of prompts; ``sha256`` is the digest of the file it came from."""

    name: str
    version: str
    prompts: tuple[Prompt, ...]
    licence: str
    sha256: str
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Audio:
    """One clip in memory.

    Attributes:
        samples: float32 ``[channels, time]``, nominally in [-1, 1]; never modified in place.
        sample_rate: In Hz.

    Raises:
        ShapeError: ``samples`` is not two-dimensional float32 with at least one channel.
        AudioError: ``sample_rate`` is not positive.
    """

    samples: FloatArray
    sample_rate: int

    def __post_init__(self) -> None:
        if self.samples.ndim != 2 or self.samples.shape[0] == 0 or self.samples.dtype != np.float32:
            raise ShapeError(
                f"Audio needs float32 samples [channels, time], got {self.samples.dtype} {list(self.samples.shape)}."
            )
        if self.sample_rate <= 0:
            raise AudioError(f"A sample rate must be positive, got {self.sample_rate} Hz.")

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return float(self.samples.shape[1]) / self.sample_rate

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.samples.shape[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Song:
    """One take of one prompt by one system, as recorded in ``songs.jsonl``.

    Attributes:
        path: Relative to the run folder, with forward slashes; None if the song failed.
        stems: Stem name (``vocals``, ``accompaniment``) to relative path.
        params: Sampling parameters and notes the system recorded.
        reason: Why it failed; empty if ``status`` is ``ok``.
        generation_s: Wall-clock seconds the system took.
    """

    prompt_id: str
    system: str
    take: int
    seed: int
    status: SongStatus
    reason: str = ""
    path: str | None = None
    stems: Mapping[str, str] = field(default_factory=dict)
    sha256: str | None = None
    sample_rate: int | None = None
    channels: int | None = None
    duration_s: float | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    generation_s: float | None = None

    def __post_init__(self) -> None:
        for path in (self.path, *self.stems.values()):
            if path is not None and (path.startswith("/") or "\\" in path or "\0" in path or ".." in path.split("/")):
                raise ValueError(f"The path {path!r} of a song leads out of its run folder.")

    @property
    def id(self) -> str:
        """Unique inside a run."""
        return f"{self.system}/{self.prompt_id}.take{self.take}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clip:
    """What an evaluator is given for one song: the prompt, the record and the decoded audio (mix and native stems).

    ``derived`` holds what several evaluators compute from the same audio (`evalkit.derived`).
    """

    prompt: Prompt
    song: Song
    mix: Audio
    stems: Mapping[str, Audio] = field(default_factory=dict)
    derived: Derived = field(default_factory=Derived)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SetSong:
    """What a set evaluator is given for one song: nothing is decoded until ``open`` is called."""

    prompt: Prompt
    song: Song
    derived: Derived
    open: Callable[[], Clip]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """The meaning of a number.

    Attributes:
        name: Stable key in lower snake case.
        title: For people.
        unit: ``""`` if dimensionless, `BINARY_UNIT` if each song is right or wrong.
        direction: Which way is better; ``target`` means a range is wanted, ``none`` that it only describes.
        bounds: Lowest and highest possible value, None if unbounded.
        source: Paper, standard or "evalkit definition".
        licence: Licence of the model behind the number, or ``"MIT"`` for our own arithmetic.
        aggregate: ``mean`` of per-song values, or ``ratio`` of the sums of ``details["numerator"]`` and
            ``details["denominator"]``.
        as_percent: Show the value times 100 with a percent sign.
        headline: Shown at the top of a report.
        good: For ``direction="target"``: the wanted range, in the metric's unit.
    """

    name: str
    title: str
    unit: str
    direction: Direction
    source: str
    bounds: tuple[float | None, float | None] = (None, None)
    licence: str = "MIT"
    aggregate: Literal["mean", "ratio"] = "mean"
    as_percent: bool = False
    headline: bool = False
    good: tuple[float | None, float | None] | None = None
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One metric of one song, one line of ``scores.jsonl``.

    ``value`` is None exactly if ``status`` is not ``ok``; then ``reason`` says why.
    """

    song_id: str
    evaluator: str
    metric: str
    value: float | None
    status: ScoreStatus
    signature: str
    reason: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    seconds: float | None = None

    def __post_init__(self) -> None:
        if (self.value is None) == (self.status == "ok"):
            raise ValueError(f"Score {self.metric} of {self.song_id} is {self.status!r} with value {self.value!r}.")
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError(f"Score {self.metric} of {self.song_id} is {self.value}; only finite values are stored.")
        if self.status != "ok" and not self.reason:
            raise ValueError(f"Score {self.metric} of {self.song_id} is {self.status!r} without a reason.")


@dataclass(frozen=True, slots=True, kw_only=True)
class SetScore:
    """One metric of a set of songs by one system: a distance between sets, a diversity, a matching rate.

    Attributes:
        group: ``"all"``, or the language (BCP-47) whose songs were taken.
        value: None exactly if ``status`` is not ``ok``; then ``reason`` says why.
        ci_low: Lower end of the 95 % interval, None if there is none.
        ci_high: Its upper end.
        n: Prompts that went into it.
    """

    system: str
    group: str
    evaluator: str
    metric: str
    value: float | None
    ci_low: float | None = None
    ci_high: float | None = None
    n: int
    status: ScoreStatus
    signature: str
    reason: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.value is None) == (self.status == "ok"):
            raise ValueError(f"Score {self.metric} of {self.system} is {self.status!r} with value {self.value!r}.")
        numbers = [number for number in (self.value, self.ci_low, self.ci_high) if number is not None]
        if not np.isfinite(numbers).all():
            raise ValueError(f"Score {self.metric} of {self.system} is {numbers}; only finite values are stored.")
        if self.status != "ok" and not self.reason:
            raise ValueError(f"Score {self.metric} of {self.system} is {self.status!r} without a reason.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """An aggregate with its uncertainty; ``estimate`` and the interval are None if nothing could be aggregated."""

    metric: str
    n: int
    n_missing: int
    estimate: float | None
    ci_low: float | None
    ci_high: float | None
    method: str
