"""What a transcriber gives back, and the door every speech recogniser stands behind."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from evalkit.types import Audio

Stretch = tuple[float, float]
"""Begin and end in seconds of the song."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One word as the recogniser wrote it (a leading blank included), with its time in seconds of the song."""

    text: str
    start_s: float
    end_s: float
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A stretch of text that was decoded together.

    Attributes:
        avg_logprob: Mean natural log-probability of its tokens.
        compression_ratio: Bytes of the text over its zlib-compressed bytes; high in loops.
        no_speech_prob: Probability of the no-speech token, 0 to 1.
    """

    text: str
    start_s: float
    end_s: float
    words: tuple[Word, ...] = ()
    avg_logprob: float = 0.0
    compression_ratio: float = 1.0
    no_speech_prob: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkLanguage:
    """Which languages one chunk of a recording sounds like.

    Attributes:
        start_s: Begin of the chunk.
        end_s: Its end.
        active_s: Seconds of voice in it; its whole length if the voice is not known.
        probabilities: Of languages by code; those below 1 % are left out.
    """

    start_s: float
    end_s: float
    active_s: float
    probabilities: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """All that was heard in one recording.

    Attributes:
        language: The language that was forced.
        segments: After the filters, in order of time.
        decoding: Counts: ``chunks``, ``segments``, ``retries`` and its kinds, ``dropped_*``.
        active_share: Share of the recording with vocal activity, 0 to 1; None if it was not measured.
        raw_text: Before the filters.
        languages: What each chunk sounds like; empty if the recogniser cannot tell languages.
    """

    language: str
    segments: tuple[Segment, ...]
    decoding: Mapping[str, int] = field(default_factory=dict)
    active_share: float | None = None
    raw_text: str = ""
    languages: tuple[ChunkLanguage, ...] = ()

    @property
    def text(self) -> str:
        """The filtered text."""
        return "".join(segment.text for segment in self.segments).strip()

    @property
    def words(self) -> tuple[Word, ...]:
        """Words of all segments; a segment without word times gives one entry with all its text."""
        found: list[Word] = []
        for segment in self.segments:
            whole = Word(text=segment.text, start_s=segment.start_s, end_s=segment.end_s, probability=0.0)
            found.extend(segment.words or (whole,))
        return tuple(found)

    def to_record(self) -> dict[str, Any]:
        """As JSON values, for `evalkit.derived.Derived.stored`."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "Transcript":
        """What `to_record` wrote."""
        segments = tuple(
            Segment(**{**segment, "words": tuple(Word(**word) for word in segment["words"])})
            for segment in record["segments"]
        )
        languages = tuple(ChunkLanguage(**chunk) for chunk in record["languages"])
        return cls(**{**record, "segments": segments, "languages": languages})


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What a recogniser is asked to write down.

    Attributes:
        audio: Any rate and number of channels.
        language: Two- or three-letter code; must be known to the recogniser.
        voice: Where singing is, in order, if the recording is a separated voice; only that is transcribed. None for a
            mix.
    """

    audio: Audio
    language: str
    voice: Sequence[Stretch] | None = None


class Transcriber(Protocol):
    """Turns a recording into words."""

    @property
    def signature_parts(self) -> Mapping[str, str | int | float]:
        """What determines the transcript, in a fixed order, for signatures."""
        ...

    def knows(self, language: str) -> bool:
        """Whether the language can be forced."""
        ...

    def transcribe(self, audio: Audio, language: str, *, voice: Sequence[Stretch] | None = None) -> Transcript:
        """Transcribe one recording.

        Args:
            audio: Any rate and number of channels.
            language: Two- or three-letter code; must be known.
            voice: Where singing is, in order, if the recording is a separated voice; only that is transcribed. None
                for a mix.

        Returns:
            The transcript; no segments if nothing was heard.
        """
        ...


def transcribe_all(transcriber: Transcriber, recordings: Sequence[Recording]) -> list[Transcript]:
    """Transcripts of several recordings, in their order: together if the recogniser can, else one by one.

    Either way gives the same transcripts; a recogniser that listens to many at once has a method of this name.
    """
    together = getattr(transcriber, "transcribe_all", None)
    if together is not None:
        found: list[Transcript] = together(recordings)
        return found
    return [transcriber.transcribe(one.audio, one.language, voice=one.voice) for one in recordings]
