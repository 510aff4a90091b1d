"""Scores of one clip by the embedded profile's evaluators, the recogniser loaded once."""

from functools import lru_cache
from typing import Any

from evalkit.evaluators.base import EVALUATORS
from evalkit.models.files import ModelFiles
from evalkit.types import Clip, Score


@lru_cache(maxsize=8)
def evaluator(name: str, separation: str = "none") -> Any:
    options = {} if name == "technical" else {"separation": separation}
    return EVALUATORS.get(name)(options, ModelFiles().locate)


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
