"""Would other prompts' sentences fit the songs as well? The control without which a CLAP score says little."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from evalkit.evaluators._clap_metrics import metric
from evalkit.evaluators.base import ModelLocator, make_signature
from evalkit.models.clap import ClapEmbedder
from evalkit.models.embedding import song_vector
from evalkit.style.sentences import NAME as SENTENCE
from evalkit.style.sentences import sentence
from evalkit.types import FloatArray, Metric, SetScore, SetSong

SEED = 20240607
RESAMPLES = 2000
_ALL = "all"


class ClapControlEvaluator:
    """Every song against every other prompt's sentence: the mean over all ways to shuffle the prompts."""

    name: ClassVar[str] = "clap-control"
    version: ClassVar[str] = "1"
    metrics: ClassVar[tuple[Metric, ...]] = (
        metric(
            "clap_shuffled",
            "CLAP, song and other prompts' sentences",
            "Mean cosine of the songs with the sentences of all other prompts: what clap_ta is without any matching.",
            direction="none",
        ),
        metric(
            "clap_lift",
            "CLAP, own sentence beyond others'",
            "clap_ta less clap_shuffled, on the same songs; an interval that holds 0 means the prompt had no effect.",
            low=-2.0,
        ),
    )

    @classmethod
    def required_models(cls, options: Mapping[str, Any]) -> Sequence[str]:
        """Those of the evaluator clap."""
        return ClapEmbedder.required_models(options)

    def __init__(self, options: Mapping[str, Any], locate: ModelLocator, embedder: ClapEmbedder | None = None) -> None:
        self._clap = embedder or ClapEmbedder(options, locate)

    def signature(self, metric: str) -> str:
        """Weights, engine, windows, sentence and the rule of shuffling."""
        parts = {**self._clap.signature_parts, "text": SENTENCE, "rule": f"all-others-bootstrap{RESAMPLES}-{SEED}"}
        return make_signature(metric, self.version, parts)

    def score_set(self, songs: Sequence[SetSong]) -> list[SetScore]:
        """Two scores of all songs whose prompts have style tags."""
        texts: dict[str, str] = {}
        takes: dict[str, list[FloatArray]] = {}
        with_style = [song for song in songs if sentence(song.prompt.tags)]
        if len({sentence(song.prompt.tags) for song in with_style}) < 2:
            reason = "Fewer than two different styles are asked for."
            return [self._without(songs, each.name, reason) for each in self.metrics]
        self._clap.check()
        self._clap.prepare(with_style)
        for song in with_style:
            texts[song.prompt.id] = sentence(song.prompt.tags)
            takes.setdefault(song.prompt.id, []).append(song_vector(self._clap.windows(song)))
        ids = list(takes)
        sentences = self._clap.text([texts[prompt_id] for prompt_id in ids])
        # Takes are averaged inside their prompt.
        cosines = np.array(
            [np.mean([vector @ sentences.T for vector in takes[prompt_id]], axis=0) for prompt_id in ids]
        )
        others = np.array([[texts[a] != texts[b] for b in ids] for a in ids])
        shuffled = np.array([row[mask].mean() for row, mask in zip(cosines, others, strict=True)], dtype=np.float64)
        lift = np.diag(cosines).astype(np.float64) - shuffled
        return [self._ok("clap_shuffled", shuffled), self._ok("clap_lift", lift)]

    def _ok(self, name: str, values: np.ndarray) -> SetScore:
        draws = np.random.default_rng(SEED).integers(len(values), size=(RESAMPLES, len(values)))
        low, high = np.percentile(values[draws].mean(axis=1), [2.5, 97.5])
        return SetScore(
            system="",
            group=_ALL,
            evaluator=self.name,
            metric=name,
            value=float(values.mean()),
            ci_low=float(low),
            ci_high=float(high),
            n=len(values),
            status="ok",
            signature=self.signature(name),
        )

    def _without(self, songs: Sequence[SetSong], name: str, reason: str) -> SetScore:
        return SetScore(
            system="",
            group=_ALL,
            evaluator=self.name,
            metric=name,
            value=None,
            n=len({song.prompt.id for song in songs}),
            status="not_applicable",
            reason=reason,
            signature=self.signature(name),
        )


EVALUATOR = ClapControlEvaluator
