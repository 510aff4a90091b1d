"""What the evaluators hear of the words: transcripts, their alignment with the lyric, and where the voice is.

Lyrics and structure are given the same options and so use the same transcript: it is kept for the song and, by content,
on disk. Two inputs are listened to: ``mix`` is the song as delivered, ``vocals`` the voice alone, which is the system's
own stem (``separation: native``) or taken out of the mix by HTDemucs.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from evalkit.audio import RESAMPLER
from evalkit.derived import Derived
from evalkit.errors import AudioError, ConfigError
from evalkit.evaluators.base import ModelLocator, make_signature
from evalkit.models import activity
from evalkit.models.separation import MODELS as SEPARATION_MODELS
from evalkit.models.separation import Separator, load_separator
from evalkit.models.transcript import Recording, Stretch, Transcriber, Transcript, transcribe_all
from evalkit.models.whisper import make_transcriber, signature_parts
from evalkit.models.whisper_engines import SAMPLE_RATE
from evalkit.signal.heard import LEVEL, heard, level_gain_db
from evalkit.text import normalise
from evalkit.text.compare import Comparison, compare
from evalkit.text.tokens import TimedText, Token, lyric_tokens, transcript_tokens
from evalkit.types import Audio, Clip

DEFAULT_MODEL = "whisper-base"
DEFAULT_ENGINE = "together"
DEFAULT_SEPARATION = "native"
ENGINE_OPTIONS = ("compute_type", "device")
EAR_OPTIONS = frozenset({"model", "engine", "separation", *ENGINE_OPTIONS})
"""Options of a profile that belong to `Ears`; an evaluator adds its own to them."""

_SEPARATIONS = ("none", "native", *SEPARATION_MODELS)


class Ears:
    """One recogniser and one way to find the voice.

    Args:
        options: Those of `EAR_OPTIONS` are used: ``model`` (registered name, default ``whisper-base``), ``engine``
            (``together``, the default, ``faster-whisper`` or ``openai-whisper``), ``compute_type``, ``device``, and
            ``separation`` (``none``, ``native``, ``htdemucs`` or ``htdemucs_ft``; default ``native``).
        locate: Finds model folders; nothing is loaded before it is needed.
        transcriber: Used instead of Whisper, for tests and other recognisers.
        separator: Used instead of HTDemucs.

    Raises:
        ConfigError: an option has a value that does not exist.
    """

    def __init__(
        self,
        options: Mapping[str, Any],
        locate: ModelLocator,
        transcriber: Transcriber | None = None,
        separator: Separator | None = None,
    ) -> None:
        self.separation = str(options.get("separation", DEFAULT_SEPARATION))
        if self.separation not in _SEPARATIONS:
            raise ConfigError(f"Unknown separation {self.separation!r}.", f"Use one of: {', '.join(_SEPARATIONS)}.")
        model = str(options.get("model", DEFAULT_MODEL))
        self._model = f"{model}@{digest(model)}"
        engine = str(options.get("engine", DEFAULT_ENGINE))
        engine_options = {key: options[key] for key in ENGINE_OPTIONS if key in options}
        self._transcriber = transcriber
        self._parts = transcriber.signature_parts if transcriber else signature_parts(engine, engine_options)
        self._load: Callable[[], Transcriber] = lambda: make_transcriber(engine, locate(model), engine_options)
        self._separator = separator
        self._load_separator: Callable[[], Separator] = lambda: load_separator(
            self.separation, locate(self.separation), device=str(options.get("device", "cpu"))
        )

    @staticmethod
    def required_models(options: Mapping[str, Any]) -> list[str]:
        """Whisper, and HTDemucs if it separates."""
        separation = str(options.get("separation", DEFAULT_SEPARATION))
        models = [str(options.get("model", DEFAULT_MODEL))]
        return models + ([separation] if separation in SEPARATION_MODELS else [])

    @property
    def primary(self) -> str:
        """The input on which everything but the plain rates is measured.

        The separated voice if there is a separator: every system has one then. Otherwise the mix, which every system
        has too; native stems would compare some systems on another signal than others.
        """
        return "vocals" if self.separation in SEPARATION_MODELS else "mix"

    def has(self, clip: Clip, source: str) -> bool:
        """Whether a song has an input."""
        if source == "mix" or self.separation in SEPARATION_MODELS:
            return True
        return self.separation == "native" and source in clip.stems

    def why_not(self, source: str) -> str:
        """Why `has` is false."""
        return "The profile separates no vocals." if self.separation == "none" else "The system gives no vocal stem."

    def separation_name(self, source: str) -> str:
        """Value of ``sep`` in signatures."""
        if source == "mix":
            return "none"
        separated = self.separation in SEPARATION_MODELS
        return f"{self.separation}@{digest(self.separation)}" if separated else self.separation

    def signature_parts(self, source: str) -> dict[str, str | int | float]:
        """What determines the transcript of an input, in a fixed order."""
        return {
            "sep": self.separation_name(source),
            "asr": self._model,
            **self._parts,
            "level": LEVEL,
            "lang": "prompt",
        }

    def transcript(self, clip: Clip, source: str, language: str | None = None) -> Transcript | None:
        """What is heard in an input, from the cache if anything heard it before; None if the language is unknown.

        Args:
            clip: The song.
            source: ``mix`` or ``vocals``.
            language: The language forced; None for the prompt's.

        Raises:
            AudioError: the song has no such input (see `has`).
        """
        language = language or normalise.base_language(clip.prompt.language)
        key = self._key(clip, source, language)

        def make() -> dict[str, Any]:
            if not self.recogniser.knows(language):
                return {"unknown": True}
            one = self._recording(clip, source, language)
            return self.recogniser.transcribe(one.audio, one.language, voice=one.voice).to_record()

        record = clip.derived.stored(*key, make)
        if "unknown" in record:
            return None
        return clip.derived.once(("transcript", *key), lambda: Transcript.from_record(record))

    def prepare(self, wanted: Iterable[tuple[Clip, str, str | None]]) -> None:
        """Have the recogniser listen to several inputs at once, and leave what `transcript` would make of each.

        Args:
            wanted: Arguments of `transcript`; what was heard before is not heard again.

        Raises:
            AudioError: a song has no such input.
        """
        missing: dict[tuple[Derived, str, str], tuple[Clip, str, str]] = {}
        for clip, source, forced in wanted:
            language = forced or normalise.base_language(clip.prompt.language)
            key = self._key(clip, source, language)
            if not clip.derived.knows(*key):
                missing[clip.derived, *key] = (clip, source, language)
        # A language it does not know costs nothing to find out: `transcript` does.
        known = {key: one for key, one in missing.items() if self.recogniser.knows(one[2])}
        if not known:
            return
        found = transcribe_all(self.recogniser, [self._recording(*one) for one in known.values()])
        for (derived, digest_of, signature), transcript in zip(known, found, strict=True):
            derived.stored(digest_of, signature, transcript.to_record)

    def _recording(self, clip: Clip, source: str, language: str) -> Recording:
        voice = None if source == "mix" else self.voice(clip)
        return Recording(audio=self.levelled(clip, source), language=language, voice=voice)

    def _key(self, clip: Clip, source: str, language: str) -> tuple[str, str]:
        """Where a transcript is kept: whose digest it goes by, and its signature."""
        digest_of, stem = self._place(clip, source)
        parts = {**self.signature_parts(source), "lang": language}
        if source != "mix":
            parts["mixgain"] = level_gain_db(clip, "mix")
        return digest_of, make_signature("transcript", stem, parts)

    def reference(self, clip: Clip) -> list[Token]:
        """Words of the lyric; none if the prompt is instrumental."""
        language = clip.prompt.language
        return clip.derived.once("lyric_tokens", lambda: lyric_tokens(clip.prompt.sections, language))

    def words(self, clip: Clip, source: str) -> Comparison | None:
        """The alignment of lyric and transcript, word by word with times; None if there is no transcript."""
        transcript = self.transcript(clip, source)
        if transcript is None:
            return None
        language = clip.prompt.language

        def make() -> Comparison:
            timed = (TimedText(text=word.text, start_s=word.start_s, end_s=word.end_s) for word in transcript.words)
            return compare(self.reference(clip), transcript_tokens(timed, language))

        return clip.derived.once(("words", source, str(self.signature_parts(source))), make)

    def voice(self, clip: Clip) -> tuple[Stretch, ...] | None:
        """Where somebody sings, in seconds, by the level of the voice; None if there is no voice on its own.

        The voice is judged at the gain that brings the *mix* to its level: a stem that holds only bleed is not lifted
        into a voice, and a louder copy of the song changes nothing.
        """
        if not self.has(clip, "vocals"):
            return None
        digest_of, stem = self._place(clip, "vocals")
        gain_db = level_gain_db(clip, "mix")
        parts: dict[str, str | int | float] = {"sep": self.separation_name("vocals"), "rule": activity.NAME}
        parts |= {"level": LEVEL, "gain": gain_db, "resample": RESAMPLER}

        def make() -> dict[str, Any]:
            mono = heard(self._with_stem(clip), stem, SAMPLE_RATE, levelled=False).samples[0]
            spans = activity.active_spans(mono * np.float32(10.0 ** (gain_db / 20.0)), SAMPLE_RATE)
            return {"spans": [[span.start / SAMPLE_RATE, span.stop / SAMPLE_RATE] for span in spans]}

        record = clip.derived.stored(digest_of, make_signature("voice", "1", parts), make)
        return tuple((float(start), float(stop)) for start, stop in record["spans"])

    def levelled(self, clip: Clip, source: str) -> Audio:
        """What the recogniser is given: mono, 16 kHz, at the common level [1, time]."""
        stem = self._place(clip, source)[1]
        return heard(self._with_stem(clip) if source != "mix" else clip, stem, SAMPLE_RATE)

    @property
    def recogniser(self) -> Transcriber:
        """The recogniser, loaded when the first song needs it."""
        if self._transcriber is None:
            self._transcriber = self._load()
        return self._transcriber

    def _place(self, clip: Clip, source: str) -> tuple[str, str]:
        """Which file's digest an input goes by, and its name among the stems."""
        if not self.has(clip, source):
            raise AudioError(f"{clip.song.id} has no {source}: {self.why_not(source)}")
        separated = source == "vocals" and self.separation in SEPARATION_MODELS
        return ("mix", self.separation_name("vocals")) if separated else (source, source)

    def _with_stem(self, clip: Clip) -> Clip:
        if self.separation not in SEPARATION_MODELS:
            return clip
        name = self.separation_name("vocals")

        def separate() -> Audio:
            if self._separator is None:
                self._separator = self._load_separator()
            return self._separator.vocals(clip.mix)

        return replace(clip, stems={**clip.stems, name: clip.derived.once(("separated", name), separate)})


def check_options(evaluator: str, options: Mapping[str, Any], own: Sequence[str] = ()) -> None:
    """Refuse unknown options.

    Raises:
        ConfigError: with the first of them.
    """
    known = sorted({*EAR_OPTIONS, *own})
    if unknown := sorted(set(options) - set(known)):
        raise ConfigError(f"Evaluator {evaluator} has no option {unknown[0]!r}.", f"Known options: {', '.join(known)}.")


def digest(model: str) -> str:
    """Begin of the digest of a model's files; a model outside the registry is named by its folder alone."""
    from evalkit.models import registry

    known = registry.load()
    return known.get(model).sha256[:12] if model in known.models else "unregistered"
