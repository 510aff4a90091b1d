"""Is it the style that was asked for? Genre, mood, instruments and voice, as a small tagger of music hears them."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from evalkit.errors import ConfigError
from evalkit.evaluators._tag_metrics import METRICS, average_precision, chance_precision, kappa
from evalkit.evaluators.base import ModelLocator, make_signature, ok, too_short, without_value
from evalkit.models.musicnn import MODEL, TRAININGS, MusicnnEmbedder
from evalkit.style import classes, tagger
from evalkit.style.classes import DimensionName
from evalkit.types import Clip, Metric, Score, ScoreStatus

_SINGLE: tuple[DimensionName, ...] = ("genre", "emotion")
_SHOWN = 3


class TagsEvaluator:
    """musicnn's two trainings listen to the song once each; their tags are read as our style classes.

    A tag counts by how far it lies above what is usual for it (rare tags would never win otherwise); a class by the
    mean over its tags. Chance is that of a guess among the classes the tagger has words for; a prompt that leaves a
    dimension open, or asks for a class without a word, is not scored in it. This is no CLAP score: the tagger knows a
    hundred words and no sentences.
    """

    name: ClassVar[str] = "tags"
    version: ClassVar[str] = "1"
    metrics: ClassVar[tuple[Metric, ...]] = METRICS

    @classmethod
    def required_models(cls, options: Mapping[str, Any]) -> Sequence[str]:
        """The checkpoints out of the musicnn wheel."""
        return (MODEL,)

    def __init__(self, options: Mapping[str, Any], locate: ModelLocator) -> None:
        if options:
            raise ConfigError(f"The evaluator tags has no options, got {next(iter(options))!r}.")
        self._ears = {training: MusicnnEmbedder({"training": training}, locate) for training in TRAININGS}

    def signature(self, metric: str) -> str:
        """Input, networks, level, windows and classes in one line."""
        parts = [ears.signature_parts for ears in self._ears.values()]
        return make_signature(
            metric,
            self.version,
            {
                "input": "vocals" if "_vocals_" in metric else "mix",
                **parts[0],
                "embed": "+".join(str(part["embed"]) for part in parts),
                "classes": f"{classes.load().version}/{tagger.load().version}",
                "rule": "surprise-mean",
            },
        )

    def score(self, clip: Clip) -> list[Score]:
        """One score for each metric; see the class."""
        if reason := too_short(clip):
            return [self._without(clip, metric.name, reason, "failed") for metric in self.metrics]
        heard = self._listen(clip, "mix")
        scores: list[Score] = []
        for dimension in _SINGLE:
            scores += self._choice(clip, dimension, heard, f"tagger_{dimension}")
        scores += self._instruments(clip, heard)
        scores += self._choice(clip, "gender", heard, "tagger_gender")
        if "vocals" in clip.stems:
            scores += self._choice(clip, "gender", self._listen(clip, "vocals"), "tagger_gender_vocals")
        else:
            reason = "The system gives no vocal stem."
            scores += [self._without(clip, f"tagger_gender_vocals_{kind}", reason) for kind in ("acc", "kappa")]
        return scores

    def _listen(self, clip: Clip, source: str) -> dict[str, dict[str, float]]:
        """How surprising each tag of each training is."""
        found = {name: ears.tags(ears.windows(clip, source)) for name, ears in self._ears.items()}
        return {name: {tag: surprise for tag, (_, surprise) in tags.items()} for name, tags in found.items()}

    def _choice(
        self, clip: Clip, dimension: DimensionName, heard: Mapping[str, Mapping[str, float]], stem: str
    ) -> list[Score]:
        kinds = ("acc", "top3", "kappa") if dimension == "genre" else ("acc", "kappa")
        wanted = tagger.load().wanted(clip.prompt.tags, dimension)
        if len(wanted) != 1:
            reason = _why_not(clip, dimension, wanted)
            return [self._without(clip, f"{stem}_{kind}", reason) for kind in kinds]
        ranked, strengths = _ranking(dimension, heard)
        chance = 1.0 / len(ranked)
        hit = float(ranked[0] == wanted[0])
        best_other = max(strengths[name] for name in ranked if name != wanted[0])
        details = {
            "wanted": wanted[0],
            "heard": ranked[:_SHOWN],
            "margin": round(strengths[wanted[0]] - best_other, 3),
            "chance": round(chance, 4),
        }
        values = {"acc": hit, "top3": float(wanted[0] in ranked[:3]), "kappa": kappa(hit, chance)}
        return [self._ok(clip, f"{stem}_{kind}", values[kind], details) for kind in kinds]

    def _instruments(self, clip: Clip, heard: Mapping[str, Mapping[str, float]]) -> list[Score]:
        wanted = tagger.load().wanted(clip.prompt.tags, "instrument")
        names = ("tagger_instrument_ap", "tagger_instrument_kappa")
        ranked, _ = _ranking("instrument", heard)
        if not wanted or len(wanted) == len(ranked):
            return [self._without(clip, name, _why_not(clip, "instrument", wanted)) for name in names]
        found, chance = average_precision(ranked, wanted), chance_precision(len(wanted), len(ranked))
        details = {"wanted": list(wanted), "heard": ranked, "chance": round(chance, 4)}
        return [
            self._ok(clip, name, value, details)
            for name, value in zip(names, (found, kappa(found, chance)), strict=True)
        ]

    def _ok(self, clip: Clip, metric: str, value: float, details: Mapping[str, Any]) -> Score:
        return ok(clip, self.name, metric, value, self.signature(metric), **details)

    def _without(self, clip: Clip, metric: str, reason: str, status: ScoreStatus = "not_applicable") -> Score:
        return without_value(clip.song.id, self.name, metric, status, reason, self.signature(metric))


def _ranking(dimension: DimensionName, heard: Mapping[str, Mapping[str, float]]) -> tuple[list[str], dict[str, float]]:
    """Classes from the strongest to the weakest, and the mean surprise of each one's tags."""
    strengths = {}
    for name, words in tagger.load().dimensions[dimension].items():
        found = [heard[training][tag] for training in TRAININGS for tag in getattr(words, training)]
        strengths[name] = float(np.mean(found))
    return sorted(strengths, key=lambda name: -strengths[name]), strengths


def _why_not(clip: Clip, dimension: DimensionName, wanted: Sequence[str]) -> str:
    tags = classes.tags_of(clip.prompt.tags, dimension)
    if not tags:
        return f"The prompt asks for no {dimension}."
    said = " and ".join(repr(tag) for tag in tags)
    if wanted:
        return f"The prompt asks for {said}: more than one {dimension} the tagger has words for."
    return f"The tagger has no word for {said}."


EVALUATOR = TagsEvaluator
