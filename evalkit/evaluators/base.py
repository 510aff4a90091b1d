"""What an evaluator is.

One evaluator is one file in this package and one expensive pass over a song that gives several metrics. Its module
exposes ``EVALUATOR``, the class. Importing and constructing it must be cheap (``evalkit list``, signatures): models
and heavy imports wait for the first ``score``. ``score`` is pure: it writes to nothing it was given, keeps no state
between songs, reads no files of the song and prints nothing; so the order of songs and evaluators cannot matter.

Songs are measured in small groups. An evaluator whose network is cheaper for several songs at once may have one method
more, ``prepare`` (see `BatchEvaluator`); the runner looks for it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

from evalkit.registry import Registry
from evalkit.types import Clip, Metric, ModelLocator, Score, ScoreStatus, SetScore, SetSong


class Evaluator(Protocol):
    """Scores one song at a time.

    Attributes:
        name: Registered name; equals the module's.
        version: Raised whenever any value changes for the same audio; part of every signature.
        metrics: Everything `score` may return, declared once.
    """

    name: ClassVar[str]
    version: ClassVar[str]
    metrics: ClassVar[tuple[Metric, ...]]

    @classmethod
    def required_models(cls, options: Mapping[str, Any]) -> Sequence[str]:
        """Registered model names these options need; the runner fetches them before work starts."""
        ...

    def __init__(self, options: Mapping[str, Any], locate: ModelLocator) -> None:
        """Check the options; the model itself is loaded at the first `score`, so that signatures cost nothing.

        Args:
            options: From the profile; unknown keys are a `ConfigError`.
            locate: Finds model folders.
        """
        ...

    def signature(self, metric: str) -> str:
        """How the value of ``metric`` comes about, in one line (see `make_signature`)."""
        ...

    def score(self, clip: Clip) -> list[Score]:
        """One `Score` for each declared metric, in declared order."""
        ...


class BatchEvaluator(Evaluator, Protocol):
    """An evaluator that computes what is costly for several songs at once, before they are scored one by one."""

    def prepare(self, clips: Sequence[Clip]) -> None:
        """Leave in each clip's ``derived`` what `score` would compute, and nothing that it would not.

        `score` gives exactly the same without it, and with any other songs beside a song: it must not depend on who is
        in a group. Whatever this raises is only logged; `score` then meets the error with the song it belongs to.

        Args:
            clips: Songs that will be scored by this evaluator next, at least one; also such as cannot be scored.
        """
        ...


class SetEvaluator(Protocol):
    """Scores all songs of a system together: what no single song has, such as a distance to a reference set.

    Declared and constructed like an `Evaluator`, in the same folder. Embeddings come through ``song.derived``
    (`evalkit.derived.Derived.stored`), so that a song is only opened if nothing has computed them before.
    """

    name: ClassVar[str]
    version: ClassVar[str]
    metrics: ClassVar[tuple[Metric, ...]]

    @classmethod
    def required_models(cls, options: Mapping[str, Any]) -> Sequence[str]:
        """As `Evaluator.required_models`."""
        ...

    def __init__(self, options: Mapping[str, Any], locate: ModelLocator) -> None:
        """As `Evaluator`."""
        ...

    def signature(self, metric: str) -> str:
        """As `Evaluator.signature`."""
        ...

    def score_set(self, songs: Sequence[SetSong]) -> list[SetScore]:
        """Scores of one system's songs: each declared metric for ``"all"``, and for languages where that makes sense.

        Args:
            songs: Takes of one system, sorted by prompt and take; only songs that were made.
        """
        ...


def is_set_evaluator(evaluator: type[Evaluator] | type[SetEvaluator]) -> bool:
    """Whether a class scores sets of songs rather than single songs."""
    return hasattr(evaluator, "score_set")


def is_batch_evaluator(evaluator: type[Evaluator] | type[SetEvaluator]) -> bool:
    """Whether a class computes something for several songs at once."""
    return hasattr(evaluator, "prepare")


__all__ = [
    "EVALUATORS",
    "MIN_DURATION_S",
    "BatchEvaluator",
    "Evaluator",
    "ModelLocator",
    "SetEvaluator",
    "is_batch_evaluator",
    "is_set_evaluator",
    "make_signature",
    "ok",
    "too_short",
    "without_value",
]

MIN_DURATION_S = 5.0
"""Songs shorter than this are broken, not short: they fail instead of being scored."""

EVALUATORS: Registry[Any] = Registry("evaluator", "evalkit.evaluators", "EVALUATOR", "evalkit.evaluators")


def make_signature(metric: str, version: str, parts: Mapping[str, str | int | float]) -> str:
    """Join ``metric``, the parts in their order and the evaluator's version into one line.

    >>> make_signature("wer", "1", {"asr": "whisper-base", "beam": 5})
    'wer|asr:whisper-base|beam:5|v:1'
    """
    body = "".join(f"|{key}:{value}" for key, value in parts.items())
    return f"{metric}{body}|v:{version}"


def too_short(clip: Clip, min_duration_s: float = MIN_DURATION_S) -> str:
    """Why the song is too short to be measured; empty if it is not."""
    duration_s = clip.mix.duration_s
    if duration_s >= min_duration_s:
        return ""
    return f"bad_audio: {duration_s:.2f} s long, at least {min_duration_s:g} s are needed"


def ok(clip: Clip, evaluator: str, metric: str, value: float, signature: str, **details: Any) -> Score:
    """A score with a value."""
    return Score(
        song_id=clip.song.id,
        evaluator=evaluator,
        metric=metric,
        value=float(value),
        status="ok",
        signature=signature,
        details=details,
    )


def without_value(
    song_id: str, evaluator: str, metric: str, status: ScoreStatus, reason: str, signature: str, **details: Any
) -> Score:
    """A score that has no value, and why."""
    return Score(
        song_id=song_id,
        evaluator=evaluator,
        metric=metric,
        value=None,
        status=status,
        reason=reason,
        signature=signature,
        details=details,
    )
