"""Run folders: what is in ``run.json``, and the whole run in memory.

The format is described field by field in ``docs/run-format.md``. Reading and writing files is in `evalkit.runfolder`.
"""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from evalkit.types import Metric, Prompt, Score, SetScore, Song

SCHEMA_VERSION = 1

RunStatus = Literal["running", "complete", "incomplete"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteInfo:
    """Which suite was sung."""

    name: str
    version: str
    sha256: str
    licence: str
    description: str = ""
    n_prompts: int
    """Prompts in this run, after ``--limit``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemInfo:
    """One system under test; ``notes`` are remarks by language (or ``"*"``) that belong into every report."""

    name: str
    spec: str
    title: str
    notes: Mapping[str, str] = field(default_factory=dict)
    models: tuple[str, ...] = ()
    reference: bool = False
    calibration: Literal["", "ceiling", "floor"] = ""
    """Shows how far the metrics can go, up or down; never ranked, compared or gated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatorInfo:
    """One evaluator, its declared metrics, and the signature of each metric name."""

    name: str
    version: str
    options: Mapping[str, Any] = field(default_factory=dict)
    metrics: tuple[Metric, ...] = ()
    signatures: Mapping[str, str] = field(default_factory=dict)
    models: tuple[str, ...] = ()
    scope: Literal["song", "set"] = "song"
    """Whether it scores single songs or all songs of a system together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """Model files that were used: name, licence, where they came from and the digest over all files."""

    name: str
    licence: str
    source: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTiming:
    """Wall-clock and processor seconds of a stage, the audio it worked on, and the memory of its largest process."""

    wall_s: float
    busy_s: float
    audio_s: float
    n_songs: int
    peak_memory_mb: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """Everything in ``run.json``: what is needed to believe and to repeat a run.

    ``environment`` holds ``python``, ``platform``, ``cpu``, ``n_cpus``, ``device``, ``git_commit``, ``git_dirty`` and
    ``packages`` (name to version). Times are ISO 8601 in UTC.
    """

    schema_version: int = SCHEMA_VERSION
    run_id: str
    created: str
    finished: str | None = None
    status: RunStatus
    command: str
    suite: SuiteInfo
    systems: tuple[SystemInfo, ...]
    evaluators: tuple[EvaluatorInfo, ...] = ()
    models: tuple[ModelInfo, ...] = ()
    prompts: tuple[Prompt, ...] = ()
    profile: str = "embedded"
    seed: int = 0
    takes: int = 1
    limit: int | None = None
    environment: Mapping[str, Any] = field(default_factory=dict)
    timings: Mapping[str, StageTiming] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunData:
    """A whole run in memory.

    Attributes:
        folder: Where it lies.
        info: ``run.json``.
        prompts: By prompt id, in suite order.
        songs: In the order they were finished.
        scores: In the order they were finished; at most one per (song, metric), the latest.
        set_scores: Of whole sets of songs, by system, group and metric.
        notices: Sentences about what was repaired while reading, e.g. a torn last line.
    """

    folder: Path
    info: RunInfo
    prompts: Mapping[str, Prompt]
    songs: tuple[Song, ...]
    scores: tuple[Score, ...]
    set_scores: tuple[SetScore, ...] = ()
    notices: tuple[str, ...] = ()

    @property
    def metrics(self) -> dict[str, Metric]:
        """All metrics of single songs the run's evaluators declare, by name, in declared order."""
        return self._declared("song")

    @property
    def set_metrics(self) -> dict[str, Metric]:
        """All metrics of whole sets, by name, in declared order."""
        return self._declared("set")

    def _declared(self, scope: str) -> dict[str, Metric]:
        evaluators = (evaluator for evaluator in self.info.evaluators if evaluator.scope == scope)
        return {metric.name: metric for evaluator in evaluators for metric in evaluator.metrics}

    def overview(self, song: Song) -> dict[str, Any] | None:
        """Waveform peaks and mel spectrogram of a song for display, or None if there is no such file.

        Keys: ``duration_s``; ``peaks`` (base64 of uint8, one absolute peak per column, 255 = full scale); and
        ``spectrogram`` with ``n_mels``, ``n_frames``, ``f_min_hz``, ``f_max_hz``, ``floor_db`` and ``data``
        (base64 of uint8 [n_frames, n_mels], 0 = floor_db below the loudest, 255 = loudest).
        """
        if song.path is None:
            return None
        path = self.folder / overview_path(song.path)
        with contextlib.suppress(OSError, ValueError):
            found = json.loads(path.read_text(encoding="utf-8"))
            return found if isinstance(found, dict) else None
        return None


def overview_path(song_path: str) -> str:
    """Relative path of the display data that belongs to a song file."""
    return song_path.rsplit(".", 1)[0] + ".overview.json"
