"""Audiobox Aesthetics of the mix: four ratings as people would give them."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from evalkit.audio import RESAMPLER
from evalkit.derived import array
from evalkit.errors import ConfigError
from evalkit.evaluators._ears import digest
from evalkit.evaluators.base import ModelLocator, make_signature, ok, too_short, without_value
from evalkit.models.audiobox import LICENCE, MODEL, SAMPLE_RATE, Audiobox, windows_of
from evalkit.registry import suggestion
from evalkit.signal.heard import LEVEL, heard
from evalkit.types import Clip, Metric, Score

_SOURCE = "Tjandra et al. 2025 (arXiv 2502.05139)"


def _metric(axis: str, title: str, direction: Any, description: str) -> Metric:
    return Metric(
        name=f"abx_{axis.lower()}",
        title=title,
        unit="",
        direction=direction,
        source=_SOURCE,
        licence=LICENCE,
        description=f"{description} About 1 to 10.",
    )


class AudioboxEvaluator:
    """Audiobox Aesthetics: windows of ten seconds of the mix, averaged by the audio they hold.

    Args:
        options: ``device`` (``cpu`` by default).
        locate: Finds model folders.
    """

    name: ClassVar[str] = "audiobox"
    version: ClassVar[str] = "1"
    metrics: ClassVar[tuple[Metric, ...]] = (
        _metric("CE", "Content enjoyment", "higher", "How much people are predicted to enjoy it."),
        _metric("CU", "Content usefulness", "higher", "How useful it would be as material."),
        _metric("PC", "Production complexity", "none", "How much goes on at once; more is not better."),
        _metric("PQ", "Production quality", "higher", "Technical quality: clarity, balance, no faults."),
    )

    @classmethod
    def required_models(cls, options: Mapping[str, Any]) -> Sequence[str]:
        """The published checkpoint."""
        return (MODEL,)

    def __init__(self, options: Mapping[str, Any], locate: ModelLocator) -> None:
        for key in options:
            if key != "device":
                raise ConfigError(f"The evaluator audiobox has no option {key!r}.", suggestion(key, ["device"]))
        self._device = str(options.get("device", "cpu"))
        self._locate = locate
        self._network: Audiobox | None = None

    def signature(self, metric: str) -> str:
        """Network, precision, level and windows in one line."""
        return make_signature(metric, self.version, self._parts())

    def score(self, clip: Clip) -> list[Score]:
        """Four ratings."""
        if reason := too_short(clip):
            return [
                without_value(clip.song.id, self.name, metric.name, "failed", reason, self.signature(metric.name))
                for metric in self.metrics
            ]

        def make() -> Mapping[str, Any]:
            windows, lengths = windows_of(heard(clip, "mix", SAMPLE_RATE).samples[0])
            size = Audiobox.batch
            parts = [
                self.network.predict(windows[first : first + size], lengths[first : first + size])
                for first in range(0, len(windows), size)
            ]
            return {"ratings": np.concatenate(parts), "lengths": lengths.astype(np.float32)}

        record = clip.derived.stored("mix", make_signature("audiobox", "1", self._parts()), make)
        ratings, lengths = array(record, "ratings").astype(np.float64), array(record, "lengths").astype(np.float64)
        means = lengths @ ratings / lengths.sum()
        return [
            ok(
                clip,
                self.name,
                metric.name,
                float(means[index]),
                self.signature(metric.name),
                windows=np.round(ratings[:, index], 4).tolist(),
            )
            for index, metric in enumerate(self.metrics)
        ]

    @property
    def network(self) -> Audiobox:
        """The network, loaded when the first song needs it."""
        if self._network is None:
            self._network = Audiobox.load(self._locate(MODEL), device=self._device)
        return self._network

    def _parts(self) -> dict[str, str | int | float]:
        return {
            "net": f"{MODEL}@{digest(MODEL)}",
            "precision": "float32",
            "level": LEVEL,
            "resample": RESAMPLER,
            "windows": "w10h10-zeropad-durationweighted",
        }


EVALUATOR = AudioboxEvaluator
