"""Does the song match its prompt? Cosines between CLAP's vectors of the song, of the prompt and of style classes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from evalkit.audio import load
from evalkit.derived import Derived
from evalkit.errors import AudioError
from evalkit.evaluators._clap_metrics import METRICS
from evalkit.evaluators._tag_metrics import average_precision, chance_precision, kappa
from evalkit.evaluators.base import ModelLocator, make_signature, ok, too_short, without_value
from evalkit.models.clap import ClapEmbedder
from evalkit.models.embedding import song_vector, unit
from evalkit.style import classes, distractors
from evalkit.style.classes import DIMENSIONS, DimensionName
from evalkit.style.sentences import NAME as SENTENCE
from evalkit.style.sentences import sentence
from evalkit.types import Audio, Clip, FloatArray, Metric, Score, ScoreStatus

REFERENCE_S = 10.0
"""So much of a prompt audio do systems use, and so much is compared."""

_TEXT_METRICS = ("clap_ta", "clap_ta_min", "clap_ta_std")
_SHOWN = 3


class ClapEvaluator:
    """One vector for every ten seconds of the song; all scores are cosines with it.

    Windows lie at fixed places (nothing is cropped at random), and the template sentence and the raw style line are
    two metrics, because they give different numbers.
    """

    name: ClassVar[str] = "clap"
    version: ClassVar[str] = "1"
    metrics: ClassVar[tuple[Metric, ...]] = METRICS

    @classmethod
    def required_models(cls, options: Mapping[str, Any]) -> Sequence[str]:
        """The checkpoint and its tokenizer."""
        return ClapEmbedder.required_models(options)

    def __init__(self, options: Mapping[str, Any], locate: ModelLocator, embedder: ClapEmbedder | None = None) -> None:
        self._clap = embedder or ClapEmbedder(options, locate)

    def signature(self, metric: str) -> str:
        """Weights, engine, windows, and what the song is compared with, in one line."""
        parts: dict[str, str | int | float] = {"input": "mix", **self._clap.signature_parts}
        if metric in _TEXT_METRICS:
            parts["text"] = SENTENCE
        elif metric == "clap_ta_tags":
            parts["text"] = "style-line"
        elif metric == "clap_aa":
            parts["reference"] = f"first{REFERENCE_S:g}s"
        elif metric == "clap_r1":
            parts["text"] = f"{SENTENCE}/{distractors.load().version}"
        else:
            parts["classes"] = classes.load().version
        return make_signature(metric, self.version, parts)

    def prepare(self, clips: Sequence[Clip]) -> None:
        """Embed the windows of several songs together."""
        self._clap.prepare([clip for clip in clips if not too_short(clip)])

    def score(self, clip: Clip) -> list[Score]:
        """One score for each metric; see the class."""
        if reason := too_short(clip):
            return [self._without(clip, metric.name, reason, "failed") for metric in self.metrics]
        # What is missing must be said for every song alike, whatever the cache holds.
        self._clap.check()
        windows = unit(self._clap.windows(clip))
        song = song_vector(windows)
        scores = [
            *self._text(clip, windows, song),
            *self._style_line(clip, song),
            self._reference(clip, song),
            self._rank(clip, song),
        ]
        for dimension in DIMENSIONS:
            scores += self._classes(clip, dimension, song)
        return scores

    def _text(self, clip: Clip, windows: FloatArray, song: FloatArray) -> list[Score]:
        text = sentence(clip.prompt.tags)
        if not text:
            return [self._without(clip, name, "The prompt has no style tags.") for name in _TEXT_METRICS]
        vector = self._clap.text([text])[0]
        each = (windows @ vector).astype(np.float64)
        details = {"text": text, "windows": [round(float(value), 4) for value in each]} | self._warning(text)
        values = (float(song @ vector), float(each.min()), float(each.std()))
        return [
            self._ok(clip, name, value, details if name == "clap_ta" else {"n_windows": len(each)})
            for name, value in zip(_TEXT_METRICS, values, strict=True)
        ]

    def _style_line(self, clip: Clip, song: FloatArray) -> list[Score]:
        line = clip.prompt.description or clip.prompt.tags.description
        if not line.strip():
            return [self._without(clip, "clap_ta_tags", "The prompt has no style line.")]
        value = float(song @ self._clap.text([line])[0])
        return [self._ok(clip, "clap_ta_tags", value, {"text": line} | self._warning(line))]

    def _reference(self, clip: Clip, song: FloatArray) -> Score:
        place = clip.prompt.prompt_audio_path
        if not place:
            return self._without(clip, "clap_aa", "The prompt has no audio.")
        try:
            whole = load(Path(place))
        except AudioError as error:
            return self._without(clip, "clap_aa", f"The prompt audio cannot be read: {error}", "missing_audio")
        first = Audio(samples=whole.samples[:, : round(REFERENCE_S * whole.sample_rate)], sample_rate=whole.sample_rate)
        reference = Clip(prompt=clip.prompt, song=clip.song, mix=first, derived=Derived())
        value = float(song @ song_vector(self._clap.windows(reference)))
        return self._ok(clip, "clap_aa", value, {"reference_s": round(first.duration_s, 2)})

    def _rank(self, clip: Clip, song: FloatArray) -> Score:
        others = distractors.choose(clip.prompt.id, clip.prompt.tags)
        if not others:
            return self._without(clip, "clap_r1", "The prompt's genre is none of the classes, so no other is known.")
        texts = [sentence(tags) for tags in (clip.prompt.tags, *others)]
        cosines = self._clap.text(texts) @ song
        rank = 1 + int(np.count_nonzero(cosines[1:] >= cosines[0]))
        details = {"rank": rank, "of": len(texts), "best": texts[int(np.argmax(cosines))], "chance": 1 / len(texts)}
        return self._ok(clip, "clap_r1", float(rank == 1), details)

    def _classes(self, clip: Clip, dimension: DimensionName, song: FloatArray) -> list[Score]:
        known = classes.load().dimensions[dimension]
        names = [metric.name for metric in self.metrics if metric.name.startswith(f"clap_{dimension}_")]
        wanted = classes.wanted(clip.prompt.tags, dimension)
        if not wanted.classes or (len(wanted.classes) > 1 and not known.multi_label):
            said = " and ".join(map(repr, wanted.tags))
            reason = f"{said} means no single class." if wanted.tags else f"The prompt asks for no {dimension}."
            return [self._without(clip, name, reason) for name in names]
        # A class an ambiguous word may mean is neither right nor wrong.
        candidates = [name for name in known.names if name not in wanted.undecided]
        cosines = {name: float(self._class_vector(dimension, name) @ song) for name in candidates}
        ranked = sorted(cosines, key=lambda name: -cosines[name])
        details: dict[str, Any] = {"wanted": list(wanted.classes), "heard": ranked[:_SHOWN]}
        if known.multi_label:
            if len(wanted.classes) == len(candidates):
                return [self._without(clip, name, f"The prompt asks for every {dimension}.") for name in names]
            first = average_precision(ranked, wanted.classes)
            chance = chance_precision(len(wanted.classes), len(candidates))
        else:
            own = wanted.classes[0]
            first, chance = float(ranked[0] == own), 1.0 / len(candidates)
            details["margin"] = round(cosines[own] - max(cosines[name] for name in candidates if name != own), 4)
        details["chance"] = round(chance, 4)
        values = {"top3": float(wanted.classes[0] in ranked[:3]), "kappa": kappa(first, chance)}
        return [self._ok(clip, name, values.get(name.rpartition("_")[2], first), details) for name in names]

    def _class_vector(self, dimension: DimensionName, name: str) -> FloatArray:
        return song_vector(self._clap.text(classes.load().dimensions[dimension].sentences(name)))

    def _warning(self, text: str) -> dict[str, str]:
        return (
            {"warning": "The text is longer than CLAP reads; its end was cut off."} if self._clap.is_cut(text) else {}
        )

    def _ok(self, clip: Clip, metric: str, value: float, details: Mapping[str, Any]) -> Score:
        return ok(clip, self.name, metric, value, self.signature(metric), **details)

    def _without(self, clip: Clip, metric: str, reason: str, status: ScoreStatus = "not_applicable") -> Score:
        return without_value(clip.song.id, self.name, metric, status, reason, self.signature(metric))


EVALUATOR = ClapEvaluator
