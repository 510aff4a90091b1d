"""Does the pitch of the voice fit the singer's gender that was asked for?"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from evalkit.errors import ConfigError
from evalkit.evaluators.base import ModelLocator, make_signature, ok, too_short, without_value
from evalkit.signal import f0
from evalkit.signal.f0 import F0Track, f0_track
from evalkit.style import classes
from evalkit.types import BINARY_UNIT, Clip, Metric, Score, ScoreStatus

Gender = Literal["female", "male", "mixed"]

MALE_BELOW_HZ = 165.0
FEMALE_ABOVE_HZ = 220.0
MIN_SHARE = 0.2
"""A song is mixed if low and high seconds are each at least so many of the decided ones."""

MIN_VOICED_S = 2.0
_SECOND_VOICED = 0.3

_RULE = f"f0-m{MALE_BELOW_HZ:g}f{FEMALE_ABOVE_HZ:g}mix{MIN_SHARE:g}"
_SOURCE = "evalkit definition, on the pitch track of the evaluator pitch"


class VocalGenderEvaluator:
    """Compares the pitch of the vocal stem with the gender the prompt asks for, and abstains between the registers.

    A median below 165 Hz counts as male, above 220 Hz as female; in between nothing is said, because sung registers
    overlap. A song whose seconds are low and high, each at least a fifth of them, is mixed.
    """

    name: ClassVar[str] = "vocal-gender"
    version: ClassVar[str] = "1"
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(
            name="vocal_f0",
            title="Pitch of the voice",
            unit="Hz",
            direction="none",
            bounds=(0.0, None),
            source="Boersma 1993 (pitch)",
            description="Median fundamental frequency of the vocal stem where somebody sings.",
        ),
        Metric(
            name="f0_gender_acc",
            title="Voice of the gender asked for, by pitch",
            unit=BINARY_UNIT,
            direction="higher",
            bounds=(0.0, 1.0),
            source=_SOURCE,
            as_percent=True,
            description="Songs whose register fits, among those where pitch decides; read f0_gender_decided with it.",
        ),
        Metric(
            name="f0_gender_decided",
            title="Songs where pitch decides the gender",
            unit=BINARY_UNIT,
            direction="none",
            bounds=(0.0, 1.0),
            source=_SOURCE,
            as_percent=True,
            description="The rest lie between the registers (165 to 220 Hz), and nothing is said about them.",
        ),
    )

    @classmethod
    def required_models(cls, options: Mapping[str, Any]) -> Sequence[str]:
        """None: this is arithmetic."""
        return ()

    def __init__(self, options: Mapping[str, Any], locate: ModelLocator) -> None:
        if options:
            raise ConfigError(f"The evaluator vocal-gender has no options, got {next(iter(options))!r}.")

    def signature(self, metric: str) -> str:
        """Input, pitch tracker and rule in one line."""
        parts: dict[str, str | int | float] = {"sep": "native", **f0.signature_parts()}
        if metric != "vocal_f0":
            parts |= {"rule": _RULE, "classes": classes.load().version}
        return make_signature(metric, self.version, parts)

    def score(self, clip: Clip) -> list[Score]:
        """Three scores; see the class."""
        if reason := too_short(clip):
            return [self._without(clip, metric.name, reason, "failed") for metric in self.metrics]
        if "vocals" not in clip.stems:
            return [self._without(clip, metric.name, "The system gives no vocal stem.") for metric in self.metrics]
        track = f0_track(clip)
        median = track.median_hz
        if median is None or track.voiced_s < MIN_VOICED_S:
            reason = f"Somebody sings for {track.voiced_s:.1f} s only, at least {MIN_VOICED_S:g} s are needed."
            return [self._without(clip, metric.name, reason) for metric in self.metrics]
        scores = [ok(clip, self.name, "vocal_f0", median, self.signature("vocal_f0"), voiced_s=track.voiced_s)]
        wanted = classes.wanted(clip.prompt.tags, "gender")
        if len(wanted.classes) != 1:
            said = f"{' and '.join(wanted.tags)!r} means no single class" if wanted.tags else "names none"
            reason = f"The prompt asks for no gender of the voice ({said})."
            return scores + [self._without(clip, metric.name, reason) for metric in self.metrics[1:]]
        found = gender(track)
        details = {"wanted": wanted.classes[0], "found": found or "undecided", "chance": 1 / 3}
        if found is None:
            reason = f"The voice lies between the registers (median {median:.0f} Hz)."
            scores.append(self._without(clip, "f0_gender_acc", reason))
        else:
            hit = float(found == wanted.classes[0])
            scores.append(ok(clip, self.name, "f0_gender_acc", hit, self.signature("f0_gender_acc"), **details))
        decided = float(found is not None)
        scores.append(ok(clip, self.name, "f0_gender_decided", decided, self.signature("f0_gender_decided"), **details))
        return scores

    def _without(self, clip: Clip, metric: str, reason: str, status: ScoreStatus = "not_applicable") -> Score:
        return without_value(clip.song.id, self.name, metric, status, reason, self.signature(metric))


def gender(track: F0Track) -> Gender | None:
    """What the pitch says, or None if it lies between the registers or nobody sings."""
    median = track.median_hz
    if median is None:
        return None
    low, high = _seconds(track)
    if low + high > 0 and min(low, high) >= MIN_SHARE * (low + high):
        return "mixed"
    if median < MALE_BELOW_HZ:
        return "male"
    return "female" if median > FEMALE_ABOVE_HZ else None


def _seconds(track: F0Track) -> tuple[int, int]:
    """Seconds with a low and with a high voice, among those in which somebody sings."""
    frames = round(1.0 / track.frame_s)
    low = high = 0
    for start in range(0, len(track.hz), frames):
        sung = track.hz[start : start + frames]
        sung = sung[sung > 0.0]
        if len(sung) >= _SECOND_VOICED * frames:
            middle = float(np.median(sung))
            low += middle < MALE_BELOW_HZ
            high += middle > FEMALE_ABOVE_HZ
    return low, high


EVALUATOR = VocalGenderEvaluator
