"""Scores of one clip by the embedded profile's evaluators, the recogniser loaded once."""

from functools import lru_cache
from typing import Any, ClassVar

from evalkit.evaluators.base import EVALUATORS
from evalkit.evaluators.structure import StructureEvaluator
from evalkit.models.files import ModelFiles
from evalkit.types import Clip, Score


@lru_cache(maxsize=8)
def evaluator(name: str) -> Any:
    options = {} if name == "technical" else {"separation": "none"}
    return EVALUATORS.get(name)(options, ModelFiles().locate)


class Deaf:
    """Stands in for Whisper where only levels matter."""

    signature_parts: ClassVar[dict[str, str | int | float]] = {"engine": "deaf"}

    def knows(self, language: str) -> bool:
        return False


@lru_cache(maxsize=1)
def deaf_structure() -> StructureEvaluator:
    """The structure evaluator for what needs no words."""
    return StructureEvaluator({}, ModelFiles().locate, Deaf())  # type: ignore[arg-type]


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
