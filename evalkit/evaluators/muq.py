"""Does the song match its prompt, as MuQ-MuLan hears it? For research only: its weights are non-commercial."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from evalkit.evaluators.base import ModelLocator, make_signature, ok, too_short, without_value
from evalkit.models.embedding import song_vector, unit
from evalkit.models.muq import MuqEmbedder
from evalkit.style.sentences import NAME as SENTENCE
from evalkit.style.sentences import sentence
from evalkit.types import Clip, Direction, Metric, Score, ScoreStatus


def _metric(name: str, title: str, description: str, direction: Direction = "higher", low: float = -1.0) -> Metric:
    return Metric(
        name=name,
        title=title,
        unit="",
        direction=direction,
        bounds=(low, 1.0),
        source="MuQ-MuLan (Zhu et al. 2025); windows by evalkit",
        licence=MuqEmbedder.licence,
        description=description,
    )


class MuqEvaluator:
    """Cosines of the song's ten-second windows with the prompt's tags as one sentence.

    Not comparable with published MuQ-T scores: those average other windows.
    """

    name: ClassVar[str] = "muq"
    version: ClassVar[str] = "1"
    metrics: ClassVar[tuple[Metric, ...]] = (
        _metric("muq_ta", "MuQ-MuLan, song and sentence", "Cosine of the song with the sentence."),
        _metric("muq_ta_min", "MuQ-MuLan, worst window", "The lowest cosine of a window with the sentence."),
        _metric("muq_ta_std", "MuQ-MuLan, spread over windows", "Their standard deviation.", "lower", 0.0),
    )

    @classmethod
    def required_models(cls, options: Mapping[str, Any]) -> Sequence[str]:
        """None that evalkit could fetch."""
        return ()

    def __init__(self, options: Mapping[str, Any], locate: ModelLocator) -> None:
        self._muq = MuqEmbedder(options, locate)

    def signature(self, metric: str) -> str:
        """Weights, windows and sentence in one line."""
        return make_signature(metric, self.version, {"input": "mix", **self._muq.signature_parts, "text": SENTENCE})

    def score(self, clip: Clip) -> list[Score]:
        """Three scores."""
        if reason := too_short(clip):
            return [self._without(clip, metric.name, reason, "failed") for metric in self.metrics]
        self._muq.check()
        text = sentence(clip.prompt.tags)
        if not text:
            return [self._without(clip, metric.name, "The prompt has no style tags.") for metric in self.metrics]
        windows = unit(self._muq.windows(clip))
        vector = self._muq.text([text])[0]
        each = (windows @ vector).astype(np.float64)
        values = (float(song_vector(windows) @ vector), float(each.min()), float(each.std()))
        details = {"text": text, "windows": [round(float(value), 4) for value in each]}
        return [
            ok(clip, self.name, metric.name, value, self.signature(metric.name), **details)
            for metric, value in zip(self.metrics, values, strict=True)
        ]

    def _without(self, clip: Clip, metric: str, reason: str, status: ScoreStatus = "not_applicable") -> Score:
        return without_value(clip.song.id, self.name, metric, status, reason, self.signature(metric))


EVALUATOR = MuqEvaluator
