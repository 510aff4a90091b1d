"""Is the tempo what was asked for, does it hold, and is the key right?"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from evalkit.audio import RESAMPLER
from evalkit.errors import ConfigError
from evalkit.evaluators.base import ModelLocator, make_signature, ok, too_short, without_value
from evalkit.signal import key as keys
from evalkit.signal import tempo
from evalkit.signal.frames import NotMeasurable
from evalkit.signal.heard import LEVEL, heard
from evalkit.signal.key import Key
from evalkit.types import BINARY_UNIT, Clip, Direction, Metric, Score, ScoreStatus, Tags

TOLERANCE = 0.04
OCTAVES = (1 / 3, 1 / 2, 1, 2, 3)
"""What the estimate may be multiplied with for `tempo_acc2`."""

_OWN = "evalkit definition, after metrics of tempo estimation (Gouyon et al. 2006)"


def _metric(
    name: str,
    title: str,
    description: str,
    *,
    unit: str = "",
    direction: Direction = "higher",
    source: str = _OWN,
    shown: Literal["headline", "percent", ""] = "",
) -> Metric:
    return Metric(
        name=name,
        title=title,
        unit=unit,
        direction=direction,
        source=source,
        bounds=(0.0, 1.0 if unit in ("", BINARY_UNIT) and direction != "lower" else None),
        as_percent=shown in ("headline", "percent"),
        headline=shown == "headline",
        description=description,
    )


class TempoKeyEvaluator:
    """Finds the beats and the key of the mix once and compares them with the tempo and key of the prompt.

    Without a tempo or a key in the prompt there is nothing to be right about: those scores are ``not_applicable``, and
    what was found stands in `tempo_bpm` and in the details of `key_margin`.
    """

    name: ClassVar[str] = "tempo-key"
    version: ClassVar[str] = "1"
    metrics: ClassVar[tuple[Metric, ...]] = (
        _metric("tempo_bpm", "Tempo", "60 over the median distance of two beats.", unit="BPM", direction="none"),
        _metric(
            "tempo_acc1",
            "Tempo as asked for",
            "Songs whose tempo is within 4 % of the prompt's.",
            unit=BINARY_UNIT,
            shown="percent",
        ),
        _metric(
            "tempo_acc2",
            "Tempo as asked for, octaves forgiven",
            "As tempo_acc1, but a third, half, double or triple of the estimate is right too: listeners and estimators "
            "disagree about which beat counts.",
            unit=BINARY_UNIT,
            shown="headline",
        ),
        _metric(
            "tempo_stability",
            "Tempo variation",
            "Interquartile range of the local tempo over its median; 0 is a machine. Estimates on songs without drums "
            "waver more.",
            direction="lower",
        ),
        _metric(
            "key_score",
            "Key as asked for",
            "1 for the key the prompt names, .5 for a fifth above, .3 for the relative and .2 for the parallel key.",
            source="MIREX key weighting (as mir_eval.key)",
            shown="percent",
        ),
        _metric(
            "key_margin",
            "Clarity of the key",
            "Correlation of the pitch classes with the best key's profile, less that with the next best. The key "
            "itself is in the details.",
            direction="none",
            source="Krumhansl 1990 (profiles)",
        ),
    )

    @classmethod
    def required_models(cls, options: Mapping[str, Any]) -> Sequence[str]:
        """None: this is arithmetic."""
        return ()

    def __init__(self, options: Mapping[str, Any], locate: ModelLocator) -> None:
        if options:
            raise ConfigError(f"The evaluator tempo-key has no options, got {next(iter(options))!r}.")

    def signature(self, metric: str) -> str:
        """Input, rule and tolerance in one line."""
        parts: dict[str, str | int | float] = {"input": "mix", "level": LEVEL, "resample": RESAMPLER}
        parts["rule"] = keys.NAME if metric.startswith("key") else tempo.NAME
        if metric in ("tempo_acc1", "tempo_acc2"):
            parts["tolerance"] = TOLERANCE
        return make_signature(metric, self.version, parts)

    def score(self, clip: Clip) -> list[Score]:
        """Six scores; see the class."""
        if reason := too_short(clip):
            return [self._without(clip, metric.name, reason, "failed") for metric in self.metrics]
        return [*self._tempo(clip), *self._key(clip)]

    def _tempo(self, clip: Clip) -> list[Score]:
        names = ("tempo_bpm", "tempo_acc1", "tempo_acc2", "tempo_stability")
        try:
            beats = tempo.find_beats(heard(clip, "mix", tempo.SAMPLE_RATE).samples[0])
        except NotMeasurable as reason:
            return [self._without(clip, name, f"No tempo: {reason}.") for name in names]
        wanted = clip.prompt.tags.bpm
        details = {"wanted_bpm": wanted, "found_bpm": round(beats.bpm, 2)}
        values: dict[str, float | None] = {
            "tempo_bpm": beats.bpm,
            "tempo_acc1": None if wanted is None else float(is_near(beats.bpm, wanted)),
            "tempo_acc2": None if wanted is None else float(any(is_near(beats.bpm * by, wanted) for by in OCTAVES)),
            "tempo_stability": beats.stability,
        }
        scores = []
        for name, value in values.items():
            if value is None:
                scores.append(self._without(clip, name, "The prompt names no tempo."))
                continue
            extra = (
                {"beats": len(beats.times_s), "clarity": round(beats.clarity, 3)} if name == "tempo_bpm" else details
            )
            scores.append(ok(clip, self.name, name, value, self.signature(name), **extra))
        return scores

    def _key(self, clip: Clip) -> list[Score]:
        wanted = wanted_key(clip.prompt.tags)
        try:
            found, margin = keys.find_key(heard(clip, "mix", keys.SAMPLE_RATE).samples[0])
        except NotMeasurable as reason:
            return [self._without(clip, name, f"No key: {reason}.") for name in ("key_score", "key_margin")]
        details = {"found": str(found), "wanted": str(wanted) if wanted else None}
        if wanted is None:
            first = self._without(clip, "key_score", "The prompt names no key.")
        else:
            closeness = keys.closeness(found, wanted)
            first = ok(clip, self.name, "key_score", closeness, self.signature("key_score"), **details)
        return [first, ok(clip, self.name, "key_margin", margin, self.signature("key_margin"), **details)]

    def _without(self, clip: Clip, metric: str, reason: str, status: ScoreStatus = "not_applicable") -> Score:
        return without_value(clip.song.id, self.name, metric, status, reason, self.signature(metric))


def is_near(estimate_bpm: float, reference_bpm: float) -> bool:
    """Whether two tempi differ by no more than 4 % of the second."""
    return abs(estimate_bpm - reference_bpm) <= TOLERANCE * reference_bpm


def wanted_key(tags: Tags) -> Key | None:
    """The key a prompt names among its other tags, if any."""
    return next((key for tag in tags.other if (key := keys.written(tag))), None)


EVALUATOR = TempoKeyEvaluator
