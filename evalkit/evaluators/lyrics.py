"""Were the words sung? Word, character and phone error rates of the lyric against what Whisper hears."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from evalkit.errors import ConfigError
from evalkit.evaluators.base import ModelLocator, make_signature, ok, too_short, without_value
from evalkit.models.transcript import Transcriber, Transcript
from evalkit.models.whisper import make_transcriber, signature_parts
from evalkit.text import g2p, normalise
from evalkit.text.compare import Comparison, compare
from evalkit.text.tokens import TimedText, Token, characters, lyric_tokens, transcript_tokens
from evalkit.types import Clip, Metric, Score, ScoreStatus

DEFAULT_MODEL = "whisper-base"
DEFAULT_ENGINE = "faster-whisper"
MIN_ACTIVE_SHARE = 0.05
"""A vocal stem that sounds in less of the song than this holds no vocals."""

_OPTIONS = frozenset({"model", "engine", "compute_type"})
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
    version: ClassVar[str] = "1"
    metrics: ClassVar[tuple[Metric, ...]] = tuple(
        _metric(level, source, song_mean) for source in _INPUTS for song_mean in (False, True) for level in _LEVELS
    )

    @classmethod
    def required_models(cls, options: Mapping[str, Any]) -> Sequence[str]:
        """The Whisper model."""
        return [str(options.get("model", DEFAULT_MODEL))]

    def __init__(
        self, options: Mapping[str, Any], locate: ModelLocator, transcriber: Transcriber | None = None
    ) -> None:
        unknown = sorted(set(options) - _OPTIONS)
        if unknown:
            raise ConfigError(
                f"Evaluator lyrics has no option {unknown[0]!r}.", f"Known options: {', '.join(sorted(_OPTIONS))}."
            )
        model = str(options.get("model", DEFAULT_MODEL))
        self._model = f"{model}@{_digest(model)}"
        engine = str(options.get("engine", DEFAULT_ENGINE))
        engine_options = {key: options[key] for key in ("compute_type",) if key in options}
        self._transcriber = transcriber
        self._parts = transcriber.signature_parts if transcriber else signature_parts(engine, engine_options)
        self._load: Callable[[], Transcriber] = lambda: make_transcriber(engine, locate(model), engine_options)

    @property
    def _ears(self) -> Transcriber:
        """The recogniser, loaded when the first song needs it."""
        if self._transcriber is None:
            self._transcriber = self._load()
        return self._transcriber

    def signature(self, metric: str) -> str:
        """Input, recogniser, decoding, text rules and aggregation in one line."""
        parts: dict[str, str | int | float] = {
            "sep": "native" if "_vocals" in metric else "none",
            "asr": self._model,
            **self._parts,
            "lang": "prompt",
            "norm": normalise.NAME,
        }
        if metric.startswith("per"):
            parts["g2p"] = g2p.NAME
        parts["agg"] = "song_mean" if metric.endswith("_song_mean") else "pooled"
        return make_signature(metric, self.version, parts)

    def score(self, clip: Clip) -> list[Score]:
        """Twelve scores: three rates, pooled and per song, on the mix and on the vocal stem."""
        reference = lyric_tokens(clip.prompt.sections, clip.prompt.language)
        language = normalise.base_language(clip.prompt.language)
        if not reference:
            return self._all(clip, "The prompt has no words to sing.")
        if reason := too_short(clip):
            return self._all(clip, reason, "failed")
        if not self._ears.knows(language):
            return self._all(clip, f"Whisper does not know the language {language!r}.")
        heard = {
            source: self._listen(clip, source, reference, language)
            for source in _INPUTS
            if source == "mix" or source in clip.stems
        }
        # Only a stem tells silence from an instrument, so it decides for the mix too.
        share = heard["vocals"].transcript.active_share if "vocals" in heard else None
        scores: list[Score] = []
        for source in _INPUTS:
            for song_mean in (False, True):
                for level in _LEVELS:
                    metric = _name(level, source, song_mean)
                    if source not in heard:
                        scores.append(self._without(clip, metric, "The system gives no vocal stem."))
                    else:
                        scores.append(self._one(clip, metric, level, source, heard[source], share))
        return scores

    def _listen(self, clip: Clip, source: str, reference: list[Token], language: str) -> _Heard:
        audio = clip.mix if source == "mix" else clip.stems[source]
        transcript = self._ears.transcribe(audio, language, vocals_only=source == "vocals")
        timed = (TimedText(text=word.text, start_s=word.start_s, end_s=word.end_s) for word in transcript.words)
        words = compare(reference, transcript_tokens(timed, language))
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


def _digest(model: str) -> str:
    """Begin of the digest of the model's files; a model outside the registry is named by its folder alone."""
    from evalkit.models import registry

    known = registry.load()
    return known.get(model).sha256[:12] if model in known.models else "unregistered"


EVALUATOR = LyricsEvaluator
