"""Whisper for singing: one door, three engines, and a decoding rule that gives the same text every time.

A bare temperature 0 loops on sung audio, and Whisper's usual remedy draws random numbers. Here a chunk that fails
the usual checks is cut at a pause and decoded again, then decoded without repeats, and only then sampled, from a fixed
seed.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from evalkit import audio as audio_door
from evalkit.errors import ConfigError
from evalkit.models import activity, boilerplate, loops
from evalkit.models.activity import Span
from evalkit.models.transcript import ChunkLanguage, Recording, Segment, Stretch, Transcriber, Transcript
from evalkit.models.whisper_engines import BEAM_SIZE, SAMPLE_RATE, Engine, FasterWhisper, OpenAIWhisper, TogetherWhisper
from evalkit.types import Audio, FloatArray

RULE = "ladder2"
"""Name of chunking, ladder and filters; raised whenever any of them changes."""

MAX_COMPRESSION_RATIO = 2.4
MIN_AVG_LOGPROB = -1.0
MAX_NO_SPEECH_PROB = 0.6
MIN_SPLIT_S = 8.0
"""Chunks at least this long are cut in two when they fail."""

NO_REPEAT_NGRAM = 6
SAMPLING_TEMPERATURES = (0.4, 0.8)
SEED = 20_261_122
MIN_CHUNK_S = 0.1
MIN_LANGUAGE_PROB = 0.01

_ENGINES: dict[str, Callable[..., Engine]] = {
    "faster-whisper": FasterWhisper,
    "together": TogetherWhisper,
    "openai-whisper": OpenAIWhisper,
}


def make_transcriber(engine: str, model_folder: Path, options: Mapping[str, Any] | None = None) -> Transcriber:
    """Load a Whisper model.

    Args:
        engine: ``"faster-whisper"``, ``"together"`` (the same, many windows at once) or ``"openai-whisper"``.
        model_folder: Folder of the weights.
        options: ``compute_type`` (default ``"float32"``) and ``device`` (default ``"cpu"``), but for openai-whisper.

    Returns:
        A transcriber that keeps nothing between recordings.

    Raises:
        ConfigError: unknown engine or option.
        MissingDependencyError: the engine's package is not installed.
        ModelError: the weights cannot be read.
    """
    options = dict(options or {})
    return WhisperTranscriber(_engine_class(engine, options)(model_folder, **options))


def signature_parts(engine: str, options: Mapping[str, Any] | None = None) -> dict[str, str | int | float]:
    """Engine, beam, decoding rule and resampler: what `make_transcriber` would give, without loading anything.

    Raises:
        ConfigError: unknown engine or option.
        MissingDependencyError: the engine's package is not installed.
    """
    options = dict(options or {})
    return _parts(_engine_class(engine, options).describe(**options))


def _engine_class(engine: str, options: Mapping[str, Any]) -> Any:
    if engine not in _ENGINES:
        raise ConfigError(f"Unknown Whisper engine {engine!r}.", f"Use one of: {', '.join(_ENGINES)}.")
    allowed = set() if engine == "openai-whisper" else {"compute_type", "device"}
    unknown = sorted(set(options) - allowed)
    if unknown:
        raise ConfigError(
            f"Engine {engine} has no option {unknown[0]!r}.", f"Known: {', '.join(sorted(allowed)) or 'none'}."
        )
    return _ENGINES[engine]


def _parts(description: str) -> dict[str, str | int | float]:
    return {
        "engine": description,
        "beam": BEAM_SIZE,
        "decode": RULE,
        "filter": boilerplate.NAME,
        "resample": audio_door.RESAMPLER,
    }


@dataclass(frozen=True, slots=True)
class _Attempt:
    """Segments of one chunk and how many seconds of audio they stand for."""

    segments: tuple[Segment, ...]

    @property
    def loops(self) -> bool:
        return any(segment.compression_ratio > MAX_COMPRESSION_RATIO for segment in self.segments)

    @property
    def avg_logprob(self) -> float:
        """Mean over segments, weighted by characters; 0 if there is no text."""
        weights = [len(segment.text) for segment in self.segments]
        if not sum(weights):
            return 0.0
        return float(np.average([segment.avg_logprob for segment in self.segments], weights=weights))

    @property
    def passes(self) -> bool:
        return not self.loops and all(segment.avg_logprob >= MIN_AVG_LOGPROB for segment in self.segments)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    """A recording as the engine gets it: mono at 16 kHz [time], and where the voice is."""

    samples: FloatArray
    language: str
    voice: list[Span] | None

    @classmethod
    def of(cls, recording: Recording) -> "_Prepared":
        samples = audio_door.resample(audio_door.to_mono(recording.audio), SAMPLE_RATE).samples[0]
        voice = recording.voice
        spans = None if voice is None else activity.to_spans(voice, SAMPLE_RATE, len(samples))
        return cls(samples=samples, language=recording.language, voice=spans)

    @property
    def active_share(self) -> float | None:
        if self.voice is None:
            return None
        return sum(span.size for span in self.voice) / max(1, len(self.samples))

    def pieces(self) -> list[Span]:
        """What is decoded at a time."""
        if self.voice is not None:
            chunks = activity.chunks_of_voice(self.voice, SAMPLE_RATE)
        else:
            # Any level will do: Whisper scales its input.
            chunks = [Span(0, len(self.samples))] if np.any(self.samples) else []
        cut = (piece for chunk in chunks for piece in activity.quiet_chunks(self.samples, SAMPLE_RATE, chunk))
        return [piece for piece in cut if piece.size >= MIN_CHUNK_S * SAMPLE_RATE]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chunk:
    """What was heard in a piece, and what it took."""

    segments: tuple[Segment, ...]
    languages: tuple[ChunkLanguage, ...]
    counts: Counter[str]


def _one_by_one(jobs: Sequence[Callable[[], _Chunk]]) -> list[_Chunk]:
    return [job() for job in jobs]


class WhisperTranscriber:
    """The policy around an engine: resampling, chunks, ladder, filters.

    Args:
        engine: What decodes a chunk.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def signature_parts(self) -> Mapping[str, str | int | float]:
        """Engine, beam, decoding rule and resampler."""
        return _parts(self._engine.description)

    def knows(self, language: str) -> bool:
        """Whether the language can be forced."""
        return self._engine.knows(language)

    def transcribe(self, audio: Audio, language: str, *, voice: Sequence[Stretch] | None = None) -> Transcript:
        """Transcribe one recording (see `evalkit.models.transcript.Transcriber`)."""
        return self.transcribe_all([Recording(audio=audio, language=language, voice=voice)])[0]

    def transcribe_all(self, recordings: Sequence[Recording]) -> list[Transcript]:
        """Transcribe several recordings, their chunks side by side if the engine listens to many at once."""
        prepared = [_Prepared.of(recording) for recording in recordings]
        places = [(one, piece) for one in prepared for piece in one.pieces()]
        jobs = [partial(self._listen, one, piece) for one, piece in places]
        together = getattr(self._engine, "together", _one_by_one)
        heard: dict[int, list[_Chunk]] = {id(one): [] for one in prepared}
        for (one, _), chunk in zip(places, together(jobs), strict=True):
            heard[id(one)].append(chunk)
        return [self._transcript(one, heard[id(one)]) for one in prepared]

    def _listen(self, recording: _Prepared, piece: Span) -> _Chunk:
        counts = Counter(chunks=1)
        languages = self._languages(recording.samples, piece, recording.voice)
        best = self._climb(recording.samples, piece, recording.language, counts)
        return _Chunk(segments=best.segments, languages=tuple(languages), counts=counts)

    def _transcript(self, recording: _Prepared, chunks: Sequence[_Chunk]) -> Transcript:
        counts: Counter[str] = Counter()
        for chunk in chunks:
            counts += chunk.counts
        segments = [segment for chunk in chunks for segment in chunk.segments]
        kept = self._filter(segments, recording.voice, counts)
        counts["segments"] = len(kept)
        names = ("chunks", "segments", "retries", "split", "no_repeat", "sampled", "gave_up")
        dropped = ("dropped_boilerplate", "dropped_silence", "dropped_inactive", "dropped_loop_words")
        return Transcript(
            language=recording.language,
            segments=tuple(kept),
            decoding={name: counts[name] for name in (*names, *dropped)},
            active_share=recording.active_share,
            raw_text="".join(segment.text for segment in segments).strip(),
            languages=tuple(language for chunk in chunks for language in chunk.languages),
        )

    def _languages(self, samples: FloatArray, span: Span, voice: list[Span] | None) -> list[ChunkLanguage]:
        probabilities = self._engine.languages(np.ascontiguousarray(samples[span.start : span.stop]))
        if not probabilities:
            return []
        active = span.size
        if voice is not None:
            active = sum(max(0, min(span.stop, one.stop) - max(span.start, one.start)) for one in voice)
        found = sorted(probabilities.items(), key=lambda item: (-item[1], item[0]))
        return [
            ChunkLanguage(
                start_s=round(span.start / SAMPLE_RATE, 3),
                end_s=round(span.stop / SAMPLE_RATE, 3),
                active_s=round(active / SAMPLE_RATE, 3),
                probabilities={code: round(p, 4) for code, p in found if p >= MIN_LANGUAGE_PROB},
            )
        ]

    def _climb(self, samples: FloatArray, span: Span, language: str, counts: Counter[str]) -> _Attempt:
        """Decode a chunk; while it fails the checks, take the next step of the ladder; keep the best attempt."""
        chunk = np.ascontiguousarray(samples[span.start : span.stop])
        offset_s = span.start / SAMPLE_RATE

        def attempt(decoded: list[Segment]) -> _Attempt:
            return _Attempt(tuple(_shift(segment, offset_s) for segment in decoded))

        tried = [attempt(self._engine.decode(chunk, language))]
        if tried[-1].passes:
            return tried[-1]
        if span.size >= MIN_SPLIT_S * SAMPLE_RATE:
            counts["retries"] += 1
            counts["split"] += 1
            halves = activity.split_at_pause(samples, SAMPLE_RATE, span)
            parts = [self._climb(samples, half, language, counts).segments for half in halves]
            return _best([*tried, _Attempt(parts[0] + parts[1])])
        if tried[0].loops and self._engine.can_forbid_repeats:
            counts["retries"] += 1
            counts["no_repeat"] += 1
            tried.append(attempt(self._engine.decode(chunk, language, no_repeat_ngram=NO_REPEAT_NGRAM)))
        for temperature in SAMPLING_TEMPERATURES:
            # Sampling cures loops; a text that is merely improbable does not get better by chance.
            if not all(one.loops for one in tried):
                break
            counts["retries"] += 1
            counts["sampled"] += 1
            tried.append(attempt(self._engine.sample(chunk, language, temperature=temperature, seed=SEED)))
        best = _best(tried)
        counts["gave_up"] += not best.passes
        return best

    def _filter(self, segments: list[Segment], spans: list[Span] | None, counts: Counter[str]) -> list[Segment]:
        kept = []
        for segment in segments:
            if spans is not None and not _sounds(segment, spans):
                counts["dropped_inactive"] += 1
            elif boilerplate.is_boilerplate(segment.text):
                counts["dropped_boilerplate"] += 1
            elif segment.no_speech_prob > MAX_NO_SPEECH_PROB and segment.avg_logprob < MIN_AVG_LOGPROB:
                counts["dropped_silence"] += 1
            else:
                straight = loops.without_loops(segment)
                counts["dropped_loop_words"] += len(segment.words) - len(straight.words)
                kept.append(straight)
        return kept


def _sounds(segment: Segment, spans: list[Span]) -> bool:
    """Whether a segment touches vocal activity."""
    return any(span.start < segment.end_s * SAMPLE_RATE and segment.start_s * SAMPLE_RATE < span.stop for span in spans)


def _best(attempts: list[_Attempt]) -> _Attempt:
    """One that does not loop before one that does, then the most probable; the earlier of equals."""
    return max(attempts, key=lambda attempt: (not attempt.loops, attempt.avg_logprob))


def _shift(segment: Segment, offset_s: float) -> Segment:
    words = tuple(
        replace(word, start_s=round(word.start_s + offset_s, 3), end_s=round(word.end_s + offset_s, 3))
        for word in segment.words
    )
    return replace(
        segment, start_s=round(segment.start_s + offset_s, 3), end_s=round(segment.end_s + offset_s, 3), words=words
    )
