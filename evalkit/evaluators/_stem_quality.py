"""What the opinion scores of a voice have in common: they hear the vocal stem, and only where somebody sings.

On a mix they are meaningless: they rank real music as low as white noise. So there is no such thing as a score without
a stem.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from evalkit.audio import RESAMPLER
from evalkit.derived import array
from evalkit.errors import ConfigError
from evalkit.evaluators._ears import Ears, digest
from evalkit.evaluators.base import ModelLocator, make_signature, ok, too_short, without_value
from evalkit.models.separation import MODELS as SEPARATION_MODELS
from evalkit.models.transcript import Stretch
from evalkit.registry import suggestion
from evalkit.signal.heard import LEVEL, level_gain_db
from evalkit.types import Clip, FloatArray, Metric, Score, ScoreStatus

MIN_VOICE_SHARE = 0.5
"""Of a window, for it to count."""


class StemQuality:
    """Scores windows of the vocal stem at 16 kHz and takes the mean of those in which the voice sounds.

    Subclasses name the model and say how it cuts and what it predicts.

    Args:
        options: ``separation``: ``native`` (the system's own stem, the default), ``htdemucs`` or ``htdemucs_ft``.
        locate: Finds model folders.
    """

    name: ClassVar[str]
    version: ClassVar[str]
    metrics: ClassVar[tuple[Metric, ...]]
    model: ClassVar[str]
    sample_rate: ClassVar[int] = 16_000
    window_samples: ClassVar[int]

    @classmethod
    def required_models(cls, options: Mapping[str, Any]) -> Sequence[str]:
        """The network, and HTDemucs if it separates."""
        separation = str(options.get("separation", "native"))
        return (cls.model, *((separation,) if separation in SEPARATION_MODELS else ()))

    def __init__(self, options: Mapping[str, Any], locate: ModelLocator) -> None:
        for key in options:
            if key != "separation":
                raise ConfigError(f"The evaluator {self.name} has no option {key!r}.", suggestion(key, ["separation"]))
        if options.get("separation") == "none":
            raise ConfigError(f"The evaluator {self.name} listens to a vocal stem and needs a separation.")
        self._ears = Ears(options, locate)
        self._locate = locate
        self._network: Any = None

    @abstractmethod
    def load(self, folder: Path) -> Any:
        """The network, with ``predict`` and ``batch``."""

    @abstractmethod
    def starts(self, n_samples: int) -> list[int]:
        """First sample of each window."""

    def lengthened(self, samples: FloatArray) -> FloatArray:
        """What is shorter than a window, filled up [time]."""
        return np.pad(samples, (0, max(0, self.window_samples - len(samples))))

    def signature(self, metric: str) -> str:
        """Stem, network, level and windows in one line."""
        return make_signature(metric, self.version, self._parts())

    def score(self, clip: Clip) -> list[Score]:
        """One score for each output of the network."""
        if reason := too_short(clip):
            return self._all(clip, reason, "failed")
        if not self._ears.has(clip, "vocals"):
            return self._all(clip, f"It is only meaningful on a voice alone. {self._ears.why_not('vocals')}")
        record = self._record(clip)
        found, shares = array(record, "scores"), array(record, "shares")
        used = found[shares >= MIN_VOICE_SHARE]
        if len(used) == 0:
            return self._all(
                clip, f"No window of the stem has a voice in half of it (at most {100 * shares.max():.0f} %)."
            )
        means = used.mean(axis=0, dtype=np.float64)
        details = {"n_windows": len(used), "n_all_windows": len(found)}
        return [
            ok(clip, self.name, metric.name, float(value), self.signature(metric.name), **details)
            for metric, value in zip(self.metrics, means, strict=True)
        ]

    def _record(self, clip: Clip) -> Mapping[str, Any]:
        """Scores and share of voice of every window; windows without enough of it are not computed (score 0)."""
        separated = self._ears.separation in SEPARATION_MODELS
        parts = {**self._parts(), "mixgain": level_gain_db(clip, "mix")}

        def make() -> Mapping[str, Any]:
            samples = self.lengthened(self._ears.levelled(clip, "vocals").samples[0])
            starts = self.starts(len(samples))
            duration_s = clip.mix.duration_s
            shares = np.array([self._voice_share(self._ears.voice(clip) or (), start, duration_s) for start in starts])
            wanted = np.flatnonzero(shares >= MIN_VOICE_SHARE)
            scores = np.zeros((len(starts), len(self.metrics)), dtype=np.float32)
            for first in range(0, len(wanted), self.network.batch):
                rows = wanted[first : first + self.network.batch]
                windows = np.stack([samples[starts[row] : starts[row] + self.window_samples] for row in rows])
                scores[rows] = self.network.predict(windows)
            return {"scores": scores, "shares": shares.astype(np.float32)}

        return clip.derived.stored("mix" if separated else "vocals", make_signature("windows", "1", parts), make)

    @property
    def network(self) -> Any:
        """The network, loaded when the first song needs it."""
        if self._network is None:
            self._network = self.load(self._locate(self.model))
        return self._network

    def _voice_share(self, voice: Sequence[Stretch], start: int, duration_s: float) -> float:
        """Share of the window, as far as there is a song in it, in which somebody sings."""
        first = start / self.sample_rate
        last = min(first + self.window_samples / self.sample_rate, duration_s)
        sung = sum(max(0.0, min(end_s, last) - max(start_s, first)) for start_s, end_s in voice)
        return sung / (last - first) if last > first else 0.0

    def _parts(self) -> dict[str, str | int | float]:
        return {
            "sep": self._ears.separation_name("vocals"),
            "net": f"{self.model}@{digest(self.model)}",
            "level": LEVEL,
            "resample": RESAMPLER,
            "windows": f"hop1s-voice{MIN_VOICE_SHARE:g}",
        }

    def _all(self, clip: Clip, reason: str, status: ScoreStatus = "not_applicable") -> list[Score]:
        return [
            without_value(clip.song.id, self.name, metric.name, status, reason, self.signature(metric.name))
            for metric in self.metrics
        ]
