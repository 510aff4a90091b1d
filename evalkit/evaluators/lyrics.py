"""Were the words sung? Word, character and phone error rates of the lyric against what Whisper hears."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from evalkit.evaluators._ears import Ears, check_options
from evalkit.evaluators.base import ModelLocator, make_signature, ok, too_short, without_value
from evalkit.models.separation import Separator
from evalkit.models.transcript import Transcriber, Transcript
from evalkit.text import g2p, normalise
from evalkit.text.compare import Comparison, compare
from evalkit.text.tokens import characters
from evalkit.types import Clip, Metric, Score, ScoreStatus

MIN_ACTIVE_SHARE = 0.05
"""A vocal stem that sounds in less of the song than this holds no vocals."""

_LEVELS = ("wer", "cer", "per")
_INPUTS = ("mix", "vocals")
_TITLES = {"wer": "Word error rate", "cer": "Character error rate", "per": "Phone error rate"}
_UNITS = {
    "wer": "words (characters in Chinese, Japanese and other languages written without spaces)",
    "cer": "written characters without blanks",
    "per": "phones, so that homophones and spelling variants cost nothing",
}
_HEADLINES = frozenset({"wer", "cer", "per", "per_vocals"})


def _name(level: str, source: str, song_mean: bool = False) -> str:
    return level + ("_vocals" if source == "vocals" else "") + ("_song_mean" if song_mean else "")


def _metric(level: str, source: str, song_mean: bool) -> Metric:
    where = "the vocal stem" if source == "vocals" else "the mix"
    name = _name(level, source, song_mean)
    how = (
        "Mean over songs of min(rate, 1)."
        if song_mean
        else "Substitutions, deletions and insertions over the words of the lyric, summed over songs."
    )
    return Metric(
        name=name,
        title=f"{_TITLES[level]}{', vocal stem' if source == 'vocals' else ''}{', per-song mean' if song_mean else ''}",
        unit="",
        direction="lower",
        bounds=(0.0, 1.0 if song_mean else None),
        source="evalkit definition, on Whisper (Radford et al. 2022)",
        licence="MIT",
        aggregate="mean" if song_mean else "ratio",
        as_percent=True,
        headline=name in _HEADLINES,
        description=f"Counts {_UNITS[level]}; Whisper listens to {where}. {how}",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """One input of one song: its transcript and the comparisons at each level (None where there is no converter)."""

    transcript: Transcript
    levels: Mapping[str, Comparison | None]


class LyricsEvaluator:
    """Transcribes mix and vocal stem once each and compares words, characters and phones with the lyric.

    Args:
        options: ``model`` (registered name, default ``whisper-base``), ``engine`` (``faster-whisper`` or
            ``openai-whisper``), ``compute_type``.
        locate: Finds model folders.
        transcriber: Used instead of Whisper, for tests and other recognisers.
    """

    name: ClassVar[str] = "lyrics"
    version: ClassVar[str] = "2"
    metrics: ClassVar[tuple[Metric, ...]] = tuple(
        _metric(level, source, song_mean) for source in _INPUTS for song_mean in (False, True) for level in _LEVELS
    )

    @classmethod
    def required_models(cls, options: Mapping[str, Any]) -> Sequence[str]:
        """The Whisper model, and HTDemucs if the profile separates."""
        return Ears.required_models(options)

    def __init__(
        self,
        options: Mapping[str, Any],
        locate: ModelLocator,
        transcriber: Transcriber | None = None,
        separator: Separator | None = None,
    ) -> None:
        check_options(self.name, options)
        self._ears = Ears(options, locate, transcriber, separator)

    def signature(self, metric: str) -> str:
        """Input, recogniser, decoding, text rules and aggregation in one line."""
        parts: dict[str, str | int | float] = {
            **self._ears.signature_parts("vocals" if "_vocals" in metric else "mix"),
            "norm": normalise.NAME,
        }
        if metric.startswith("per"):
            parts["g2p"] = g2p.NAME
        parts["agg"] = "song_mean" if metric.endswith("_song_mean") else "pooled"
        return make_signature(metric, self.version, parts)

    def score(self, clip: Clip) -> list[Score]:
        """Twelve scores: three rates, pooled and per song, on the mix and on the vocal stem."""
        language = normalise.base_language(clip.prompt.language)
        if not self._ears.reference(clip):
            return self._all(clip, "The prompt has no words to sing.")
        if reason := too_short(clip):
            return self._all(clip, reason, "failed")
        if self._ears.transcript(clip, "mix") is None:
            return self._all(clip, f"Whisper does not know the language {language!r}.")
        heard = {source: self._listen(clip, source, language) for source in _INPUTS if self._ears.has(clip, source)}
        # Only a stem tells silence from an instrument, so it decides for the mix too.
        share = heard["vocals"].transcript.active_share if "vocals" in heard else None
        scores: list[Score] = []
        for source in _INPUTS:
            for song_mean in (False, True):
                for level in _LEVELS:
                    metric = _name(level, source, song_mean)
                    if source not in heard:
                        scores.append(self._without(clip, metric, self._ears.why_not(source)))
                    else:
                        scores.append(self._one(clip, metric, level, source, heard[source], share))
        return scores

    def _listen(self, clip: Clip, source: str, language: str) -> _Heard:
        transcript, words = self._ears.transcript(clip, source), self._ears.words(clip, source)
        assert transcript is not None
        assert words is not None
        reference = self._ears.reference(clip)
        levels: dict[str, Comparison | None] = {
            "wer": words,
            "cer": compare(characters(reference), characters(words.hypothesis)),
            "per": None,
        }
        if g2p.has_g2p(language):
            phones = g2p.phone_tokens(words.placed_hypothesis(), language)
            levels["per"] = compare(g2p.phone_tokens(reference, language), phones)
        return _Heard(transcript=transcript, levels=levels)

    def _one(
        self, clip: Clip, metric: str, level: str, source: str, heard: _Heard, active_share: float | None
    ) -> Score:
        comparison = heard.levels[level]
        language = normalise.base_language(clip.prompt.language)
        if comparison is None:
            return self._without(clip, metric, f"There is no grapheme-to-phoneme converter for {language!r}.")
        rate = comparison.counts.rate
        if rate is None:
            return self._without(clip, metric, "The lyric gives no phones.")
        signature = self.signature(metric)
        if metric.endswith("_song_mean"):
            return ok(clip, self.name, metric, min(rate, 1.0), signature)
        details = _counts(comparison, clip)
        if level == "wer":
            details |= _evidence(comparison, heard.transcript)
        details |= {"input": source, "language": language, "flags": _flags(heard, active_share)}
        return ok(clip, self.name, metric, rate, signature, **details)

    def _all(self, clip: Clip, reason: str, status: ScoreStatus = "not_applicable") -> list[Score]:
        return [self._without(clip, metric.name, reason, status) for metric in self.metrics]

    def _without(self, clip: Clip, metric: str, reason: str, status: ScoreStatus = "not_applicable") -> Score:
        return without_value(clip.song.id, self.name, metric, status, reason, self.signature(metric))


def _flags(heard: _Heard, active_share: float | None) -> list[str]:
    if heard.transcript.words:
        return []
    return ["no_vocals" if active_share is not None and active_share < MIN_ACTIVE_SHARE else "asr_empty"]


def _counts(comparison: Comparison, clip: Clip) -> dict[str, Any]:
    counts = comparison.counts
    return {
        "numerator": counts.errors,
        "denominator": counts.n_ref,
        "hits": counts.hits,
        "substitutions": counts.substitutions,
        "deletions": counts.deletions,
        "insertions": counts.insertions,
        "sections": [
            {
                "index": index,
                "label": clip.prompt.sections[index].label,
                "hits": part.hits,
                "substitutions": part.substitutions,
                "deletions": part.deletions,
                "insertions": part.insertions,
            }
            for index, part in comparison.by_section.items()
        ],
    }


def _evidence(comparison: Comparison, transcript: Transcript) -> dict[str, Any]:
    """What the lyric view of the report shows."""
    counts = comparison.counts
    columns = []
    for pair, anchor in zip(comparison.pairs, comparison.anchors, strict=True):
        ref = comparison.reference[pair.ref] if pair.ref is not None else None
        hyp = comparison.hypothesis[pair.hyp] if pair.hyp is not None else None
        columns.append(
            {
                "op": pair.op,
                "ref": ref.surface if ref else None,
                "hyp": hyp.surface if hyp else None,
                "section": anchor.section if anchor else 0,
                "line": anchor.line if anchor else 0,
                "start": hyp.start_s if hyp else None,
                "end": hyp.end_s if hyp else None,
                "backing": ref.backing if ref else False,
            }
        )
    return {
        "match_error_rate": counts.match_error_rate,
        "information_lost": counts.information_lost,
        "transcript": transcript.text,
        "transcript_unfiltered": transcript.raw_text if transcript.raw_text != transcript.text else None,
        "active_share": transcript.active_share,
        "decoding": dict(transcript.decoding),
        "alignment": columns,
    }


EVALUATOR = LyricsEvaluator
