"""Were the words sung? Error rates of the lyric against what Whisper hears, and what kind of errors they are."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from evalkit.errors import ConfigError
from evalkit.evaluators import _lyric_language
from evalkit.evaluators import _lyric_measures as measures
from evalkit.evaluators._ears import ENGINE_OPTIONS, Ears, check_options
from evalkit.evaluators._lyric_errors import Diagnosis
from evalkit.evaluators._lyric_metrics import ACTIVITY, INPUTS, LANGUAGE, LEVELS, METRICS, PHONES, SECOND, rate_name
from evalkit.evaluators.base import ModelLocator, make_signature, ok, too_short, without_value
from evalkit.models import activity
from evalkit.models.separation import Separator
from evalkit.models.transcript import Stretch, Transcriber, Transcript
from evalkit.text import g2p, language_id, near, nonlexical, normalise, ties
from evalkit.text.compare import Comparison, compare
from evalkit.text.tokens import Token, characters
from evalkit.types import Clip, Metric, Score, ScoreStatus

MIN_ACTIVE_SHARE = 0.05
"""A voice that sounds in less of the song than this is none."""

ERRORS = f"kinds1+{near.NAME}+{nonlexical.NAME}+{ties.NAME}"
"""Of the rules that tell errors apart, for signatures."""

_SECOND_OPTIONS = frozenset({"model", "engine", *ENGINE_OPTIONS})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """One input of one song: its transcript and the comparisons at each level (None where there is no converter)."""

    transcript: Transcript
    levels: Mapping[str, Comparison | None]
    diagnosis: Diagnosis

    @property
    def words(self) -> Comparison:
        return self.diagnosis.words


class LyricsEvaluator:
    """Transcribes mix and vocals once each, compares words, characters and phones with the lyric, and sorts the errors.

    The plain rates are measured on both inputs; everything else on one, the separated vocals if the profile separates,
    else the mix (`Ears.primary`); language on the vocals, if the profile allows them.

    Args:
        options: Those of `Ears`; ``second``: ``model``, ``engine`` and so on of another recogniser; ``text_language``:
            whether to tell the language of what was heard by its text (`evalkit.text.language_id`).
        locate: Finds model folders.
        transcriber: Used instead of Whisper, for tests and other recognisers.
        separator: Used instead of HTDemucs.
        second: Used as the second recogniser.
    """

    name: ClassVar[str] = "lyrics"
    version: ClassVar[str] = "2"
    metrics: ClassVar[tuple[Metric, ...]] = METRICS

    @classmethod
    def required_models(cls, options: Mapping[str, Any]) -> Sequence[str]:
        """The Whisper models, and HTDemucs if the profile separates."""
        second = [str(options["second"]["model"])] if _second_options(options) else []
        return list(dict.fromkeys([*Ears.required_models(options), *second]))

    def __init__(
        self,
        options: Mapping[str, Any],
        locate: ModelLocator,
        transcriber: Transcriber | None = None,
        separator: Separator | None = None,
        second: Transcriber | None = None,
    ) -> None:
        check_options(self.name, options, ("second", "text_language"))
        self._tells_text = options.get("text_language", False)
        if not isinstance(self._tells_text, bool):
            raise ConfigError(
                f"Option text_language of evaluator lyrics is {self._tells_text!r}.", "Use true or false."
            )
        self._ears = Ears(options, locate, transcriber, separator)
        second_options = _second_options(options)
        self._second: Ears | None = None
        if second_options or second:
            shared = {"separation": self._ears.separation}
            self._second = Ears({**shared, **second_options}, locate, second, separator)

    def signature(self, metric: str) -> str:
        """Input, recogniser, decoding, text rules and aggregation in one line."""
        ears = self._ears
        source = self._source(metric)
        parts = {**ears.signature_parts(source), "norm": normalise.NAME}
        if metric in SECOND:
            other = self._second.signature_parts(source) if self._second else {}
            parts["second"] = f"{other.get('asr', 'none')},{other.get('engine', '')}".rstrip(",")
        if metric in PHONES:
            parts["g2p"] = g2p.NAME
        if metric in ACTIVITY:
            parts["voice"] = f"{ears.separation_name('vocals')}+{activity.NAME}"
        if metric in LANGUAGE:
            parts["lid"] = _lyric_language.NAME
            if metric == "lang_text" and self._tells_text:
                parts["text"] = language_id.name()
        elif metric not in _PLAIN:
            parts["errors"] = ERRORS
        parts["agg"] = "song_mean" if metric.endswith("_song_mean") else _AGGREGATES[metric]
        return make_signature(metric, self.version, parts)

    def prepare(self, clips: Sequence[Clip]) -> None:
        """Have the recognisers listen to several songs at once, to all that `score` will ask for."""
        ears = self._ears
        sung = [clip for clip in clips if not too_short(clip) and ears.reference(clip)]
        ears.prepare((clip, source, None) for clip in sung for source in INPUTS if ears.has(clip, source))
        known = [clip for clip in sung if ears.transcript(clip, "mix") is not None]
        ears.prepare(self._freely(known))
        if self._second is not None:
            self._second.prepare((clip, self._second.primary, None) for clip in known)

    def score(self, clip: Clip) -> list[Score]:
        """One score for each metric, in declared order."""
        if reason := too_short(clip):
            return [self._without(clip, metric.name, reason, "failed") for metric in self.metrics]
        if not self._ears.reference(clip):
            leak = measures.leak(clip.prompt.sections, None, self._ears.voice(clip), clip.mix.duration_s)
            return self._scores(clip, {"vocal_leak": leak}, "The prompt has no words to sing.")
        if self._ears.transcript(clip, "mix") is None:
            language = normalise.base_language(clip.prompt.language)
            return self._scores(clip, {}, f"Whisper does not know the language {language!r}.")
        voice = self._ears.voice(clip)
        heard = {
            source: self._listen(self._ears, clip, source, voice) for source in INPUTS if self._ears.has(clip, source)
        }
        found = self._rates(clip, heard) | self._refined(clip, heard[self._ears.primary], voice)
        found |= self._languages(clip, heard)
        found |= self._second_opinion(clip, heard[self._ears.primary], voice)
        return self._scores(clip, found, self._ears.why_not("vocals"))

    def _source(self, metric: str) -> str:
        if metric in _PLAIN:
            return "vocals" if "_vocals" in metric else "mix"
        if metric in LANGUAGE:
            return "mix" if self._ears.separation == "none" else "vocals"
        return self._ears.primary

    def _listen(self, ears: Ears, clip: Clip, source: str, voice: Sequence[Stretch] | None) -> _Heard:
        language = normalise.base_language(clip.prompt.language)
        transcript, words = ears.transcript(clip, source), ears.words(clip, source)
        assert transcript is not None
        assert words is not None
        diagnosis = Diagnosis(words=words, language=language, voice=voice)
        levels: dict[str, Comparison | None] = {
            "wer": words,
            "cer": compare(characters(words.reference), characters(words.hypothesis)),
            "per": None,
        }
        if g2p.has_g2p(language):
            levels["per"] = compare(
                g2p.phone_tokens(words.reference, language), g2p.phone_tokens(words.placed_hypothesis(), language)
            )
        return _Heard(transcript=transcript, levels=levels, diagnosis=diagnosis)

    def _rates(self, clip: Clip, heard: Mapping[str, _Heard]) -> dict[str, measures.Measured]:
        found = {}
        for source, one in heard.items():
            flags = _flags(one, heard.get("vocals"))
            for level in LEVELS:
                measured = _rate(clip, level, one)
                if measured.value is not None:
                    extra = {"input": source, "language": one.diagnosis.language, "flags": flags}
                    more = _evidence(one) if level == "wer" else {}
                    measured = measures.Measured(value=measured.value, details={**measured.details, **more, **extra})
                found[rate_name(level, source)] = measured
                mean = None if measured.value is None else min(measured.value, 1.0)
                found[rate_name(level, source, True)] = measures.Measured(value=mean, reason=measured.reason)
        return found

    def _refined(self, clip: Clip, heard: _Heard, voice: Sequence[Stretch] | None) -> dict[str, measures.Measured]:
        diagnosis, duration_s = heard.diagnosis, clip.mix.duration_s
        per = _rate(clip, "per", heard)
        collapsed = measures.collapse(per.value, per.reason)
        if collapsed.value:
            why = f"The song collapsed: its phone error rate exceeds {measures.COLLAPSED:.0%}."
            noncollapsed = measures.nothing(why)
        else:
            noncollapsed = per
        return {
            **measures.word_measures(diagnosis),
            **measures.voice_measures(diagnosis),
            **measures.time_measures(diagnosis, duration_s),
            "collapse_rate": collapsed,
            "per_noncollapsed": noncollapsed,
            "per_clean": self._per_clean(per, diagnosis),
            "vocal_leak": measures.leak(clip.prompt.sections, diagnosis, voice, duration_s),
        }

    def _per_clean(self, per: measures.Measured, diagnosis: Diagnosis) -> measures.Measured:
        if diagnosis.voice is None:
            return measures.nothing(measures.NO_VOICE)
        if per.value is None or not diagnosis.hallucinated:
            return per
        words = diagnosis.words
        real = [token for i, token in enumerate(words.placed_hypothesis()) if i not in diagnosis.hallucinated]
        counts = compare(_phones(words.reference, diagnosis), _phones(real, diagnosis)).counts
        return measures.ratio(counts.errors, counts.n_ref, per.reason)

    def _freely(self, clips: Sequence[Clip]) -> Iterator[tuple[Clip, str, str | None]]:
        """Inputs that are heard again, in the language they sound like, for ``lang_text``."""
        source = self._source("lang_text")
        for clip in clips:
            expected = _lyric_language.Expected(clip.prompt.language, clip.prompt.line_languages)
            if self._tells_text and self._ears.has(clip, source) and len(expected.all) == 1:
                transcript = self._ears.transcript(clip, source)
                if transcript is not None:
                    yield clip, source, _lyric_language.heard_language(transcript.languages)

    def _languages(self, clip: Clip, heard: Mapping[str, _Heard]) -> dict[str, measures.Measured]:
        source = self._source("lang_acc")
        if source not in heard:
            return {}
        transcript, prompt = heard[source].transcript, clip.prompt
        placed = heard[source].words.placed_hypothesis()
        expected = _lyric_language.Expected(prompt.language, prompt.line_languages, placed)
        found = _lyric_language.language_measures(transcript.languages, expected)
        if not self._tells_text:
            return {**found, "lang_text": measures.nothing("The profile does not ask for it: text_language: true.")}
        if len(expected.all) > 1:
            # It spells the lines of the other language in the letters of the one it listens in: right songs look wrong.
            why = "The lyric switches languages, and Whisper writes a song in one."
            return {**found, "lang_text": measures.nothing(why)}
        language = _lyric_language.heard_language(transcript.languages)
        free = self._ears.transcript(clip, source, language) or transcript
        return {**found, "lang_text": _lyric_language.text_measure(free.segments, expected, language_id.language_of)}

    def _second_opinion(
        self, clip: Clip, first: _Heard, voice: Sequence[Stretch] | None
    ) -> dict[str, measures.Measured]:
        if self._second is None:
            return dict.fromkeys(SECOND, measures.nothing("The profile names no second recogniser."))
        if self._second.transcript(clip, self._second.primary) is None:
            return dict.fromkeys(SECOND, measures.nothing("The second recogniser does not know the language."))
        other = self._listen(self._second, clip, self._second.primary, voice)
        found = {"wer_second": _rate(clip, "wer", other), "per_second": _rate(clip, "per", other)}
        phones, others = first.levels["per"], other.levels["per"]
        if phones is None or others is None:
            return {**found, "asr_agreement": measures.nothing(_rate(clip, "per", other).reason)}
        if not phones.hypothesis or not others.hypothesis:
            both = not phones.hypothesis and not others.hypothesis
            return {**found, "asr_agreement": measures.Measured(value=float(both))}
        difference = compare(phones.hypothesis, others.hypothesis).counts.rate
        assert difference is not None
        return {**found, "asr_agreement": measures.Measured(value=1.0 - difference)}

    def _scores(self, clip: Clip, found: Mapping[str, measures.Measured], otherwise: str) -> list[Score]:
        scores = []
        for metric in self.metrics:
            measured = found.get(metric.name, measures.nothing(otherwise))
            if measured.value is None:
                scores.append(self._without(clip, metric.name, measured.reason))
            else:
                signature = self.signature(metric.name)
                scores.append(ok(clip, self.name, metric.name, measured.value, signature, **measured.details))
        return scores

    def _without(self, clip: Clip, metric: str, reason: str, status: ScoreStatus = "not_applicable") -> Score:
        return without_value(clip.song.id, self.name, metric, status, reason, self.signature(metric))


_PLAIN = frozenset(
    rate_name(level, source, song_mean) for source in INPUTS for level in LEVELS for song_mean in (False, True)
)
_AGGREGATES = {metric.name: "pooled" if metric.aggregate == "ratio" else "mean" for metric in METRICS}


def _second_options(options: Mapping[str, Any]) -> Mapping[str, Any]:
    second = options.get("second")
    if second is None:
        return {}
    if not isinstance(second, Mapping) or "model" not in second:
        raise ConfigError(
            f"Option second of evaluator lyrics is {second!r}.", "Give it at least a model: second: {model: NAME}."
        )
    if unknown := sorted(set(second) - _SECOND_OPTIONS):
        known = ", ".join(sorted(_SECOND_OPTIONS))
        raise ConfigError(f"Option second of evaluator lyrics has no {unknown[0]!r}.", f"Known: {known}.")
    return second


def _rate(clip: Clip, level: str, heard: _Heard) -> measures.Measured:
    comparison = heard.levels[level]
    if comparison is None:
        return measures.nothing(f"There is no grapheme-to-phoneme converter for {heard.diagnosis.language!r}.")
    counts = comparison.counts
    return measures.ratio(
        counts.errors,
        counts.n_ref,
        "The lyric gives no phones.",
        hits=counts.hits,
        substitutions=counts.substitutions,
        deletions=counts.deletions,
        insertions=counts.insertions,
        sections=measures.section_details(clip.prompt.sections, comparison.by_section),
    )


def _phones(words: Sequence[Token], diagnosis: Diagnosis) -> list[Token]:
    return g2p.phone_tokens(words, diagnosis.language)


def _flags(heard: _Heard, vocals: _Heard | None) -> list[str]:
    if not heard.transcript.words:
        # Only a voice on its own tells silence from an instrument, so it decides for the mix too.
        share = vocals.transcript.active_share if vocals else None
        return ["no_vocals" if share is not None and share < MIN_ACTIVE_SHARE else "asr_empty"]
    return ["lyrics_truncated"] if measures.is_truncated(heard.diagnosis) else []


def _evidence(heard: _Heard) -> dict[str, Any]:
    """What the lyric view of the report shows."""
    words, transcript = heard.words, heard.transcript
    columns = []
    for pair, anchor, kind in zip(words.pairs, words.anchors, heard.diagnosis.kinds, strict=True):
        ref = words.reference[pair.ref] if pair.ref is not None else None
        hyp = words.hypothesis[pair.hyp] if pair.hyp is not None else None
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
                "kind": kind,
            }
        )
    return {
        "match_error_rate": words.counts.match_error_rate,
        "information_lost": words.counts.information_lost,
        "transcript": transcript.text,
        "transcript_unfiltered": transcript.raw_text if transcript.raw_text != transcript.text else None,
        "active_share": transcript.active_share,
        "decoding": dict(transcript.decoding),
        "alignment": columns,
    }


EVALUATOR = LyricsEvaluator
