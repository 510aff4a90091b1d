"""Scores of one clip by the embedded profile's evaluators, the recogniser loaded once."""

import hashlib
from functools import lru_cache
from typing import Any

from evalkit.evaluators._ears import Ears
from evalkit.evaluators.base import EVALUATORS
from evalkit.evaluators.structure import StructureEvaluator
from evalkit.models.files import ModelFiles
from evalkit.models.transcript import Transcript
from evalkit.types import Audio, Clip, Score


@lru_cache(maxsize=8)
def evaluator(name: str) -> Any:
    options = {} if name == "technical" else {"separation": "none"}
    return EVALUATORS.get(name)(options, ModelFiles().locate)


class Heard:
    """Stands in for Whisper: hears what it was told, or, told nothing, no language at all."""

    def __init__(self, told: Transcript | None) -> None:
        self._told = told
        digest = hashlib.sha256(repr(told).encode()).hexdigest()[:12]
        self.signature_parts: dict[str, str | int | float] = {"engine": f"told-{digest}"}

    def knows(self, language: str) -> bool:
        return self._told is not None

    def transcribe(self, audio: Audio, language: str, *, voice: Any = None) -> Transcript:
        assert self._told is not None
        return self._told


def structure_that_heard(told: Transcript | None) -> StructureEvaluator:
    """The structure evaluator where only the sound is in question."""
    return StructureEvaluator({}, ModelFiles().locate, Heard(told))


def transcript(clip: Clip) -> Transcript:
    """What Whisper hears in a mix."""
    found = Ears({"separation": "none"}, ModelFiles().locate).transcript(clip, "mix")
    assert found is not None
    return found


def scores(clip: Clip, name: str) -> dict[str, Score]:
    return {score.metric: score for score in evaluator(name).score(clip)}


def value(clip: Clip, name: str, metric: str) -> float:
    """A metric that must have a value.

    Raises:
        AssertionError: it has none, with the reason.
    """
    score = scores(clip, name)[metric]
    assert score.value is not None, f"{metric}: {score.reason}"
    return score.value
