"""The fallback voice: espeak-ng speaks, WORLD stretches the vowels and replaces the pitch. No model file is needed.

Source: Morise et al., "WORLD: a vocoder-based high-quality speech synthesis system", IEICE 2016 (pyworld).
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from evalkit.errors import missing_package
from evalkit.types import FloatArray
from generation.singing import espeak
from generation.singing.lines import split_text
from generation.singing.phonemes import ESPEAK_VOICES, pronounceable
from generation.singing.phrase import VOWELS, Note, Phrase
from generation.singing.pitch import midi_to_hz, pitch_curve

_FRAME_S = 0.005
_VOWEL_FLOOR = 0.6
_LEAD_S = 0.05
"""Silence put before the speech, so that it never begins in the middle of a sound."""
_MIN_HZ, _MAX_HZ = 60.0, 400.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Inside:
    """Speech [time] and the spans of its vowels in seconds, [nuclei, 2]."""

    samples: npt.NDArray[np.float64]
    vowels_s: npt.NDArray[np.float64]


class EspeakVoice:
    """Espeak-ng singing in one language, always with its standard male voice."""

    def __init__(self, language: str) -> None:
        self._world = _load_world()
        self._language = language
        self.name = f"espeak-ng {ESPEAK_VOICES[language]}"
        self.sample_rate = espeak.sample_rate()

    def prepare(self, text: str) -> list[Phrase]:
        """See `generation.singing.phrase.Voice`."""
        phrases = [self._phrase(piece) for piece in split_text(text, self._language)]
        return [phrase for phrase in phrases if phrase is not None]

    def _phrase(self, text: str) -> Phrase | None:
        cleaned = pronounceable(text, self._language)
        if not any(char.isalnum() for char in cleaned):
            return None
        speech = espeak.speak(cleaned, ESPEAK_VOICES[self._language])
        lead = round(_LEAD_S * self.sample_rate)
        vowels_s = (_vowel_spans(speech) + lead) / self.sample_rate
        if vowels_s.size == 0:
            return None
        samples = np.pad(speech.samples.astype(np.float64), (lead, 0))
        lengths = vowels_s[:, 1] - vowels_s[:, 0]
        ends = np.append(vowels_s[1:, 0], vowels_s[-1, 1])
        consonants = ends - vowels_s[:, 1]
        return Phrase(
            text=text,
            natural_s=tuple((lengths + consonants).tolist()),
            floor_s=tuple((_VOWEL_FLOOR * lengths + consonants).tolist()),
            lead_s=float(vowels_s[0, 0]),
            tail_s=samples.size / self.sample_rate - float(vowels_s[-1, 1]),
            inside=_Inside(samples=samples, vowels_s=vowels_s),
        )

    def sing(self, phrase: Phrase, notes: tuple[Note, ...]) -> tuple[FloatArray, float]:
        """See `generation.singing.phrase.Voice`."""
        pyworld = self._world
        inside: _Inside = phrase.inside
        rate = self.sample_rate
        f0_hz, times_s = pyworld.harvest(
            inside.samples, rate, f0_floor=_MIN_HZ, f0_ceil=_MAX_HZ, frame_period=1000 * _FRAME_S
        )
        envelope = pyworld.cheaptrick(inside.samples, f0_hz, times_s, rate)
        aperiodicity = pyworld.d4c(inside.samples, f0_hz, times_s, rate)

        sung_s, spoken_s = _anchors(inside.vowels_s, notes, phrase.tail_s)
        n_frames = round((sung_s[-1] + phrase.lead_s) / _FRAME_S)
        at_s = np.arange(n_frames) * _FRAME_S - phrase.lead_s
        source = np.round(np.interp(at_s, sung_s, spoken_s) / _FRAME_S).astype(np.int64).clip(0, f0_hz.size - 1)
        melody_hz = midi_to_hz(pitch_curve(notes, at_s))
        sung_hz = np.where(f0_hz[source] > 0, melody_hz, 0.0)
        samples = pyworld.synthesize(sung_hz, envelope[source], aperiodicity[source], rate, 1000 * _FRAME_S)
        return samples.astype(np.float32), phrase.lead_s

    def speak(self, phrase: Phrase) -> FloatArray:
        """The line as espeak-ng says it, audio [time]."""
        inside: _Inside = phrase.inside
        return inside.samples.astype(np.float32)


def _load_world() -> Any:
    try:
        with warnings.catch_warnings():
            # It asks pkg_resources for its own version, which newer setuptools warn about.
            warnings.simplefilter("ignore")
            import pyworld
    except ImportError as error:
        raise missing_package("The system singer/espeak", "pyworld") from error
    return pyworld


def _vowel_spans(speech: espeak.Speech) -> npt.NDArray[np.int64]:
    """First and last sample of each vowel [nuclei, 2]; events without a length are passed over."""
    following = [*speech.phonemes[1:], ("", speech.samples.size)]
    spans = [
        (start, end)
        # Nothing audible has no events at all.
        for (name, start), (_, end) in zip(speech.phonemes, following, strict=False)
        if end > start and any(char in VOWELS for char in name)
    ]
    return np.array(spans, dtype=np.int64).reshape(-1, 2)


def _anchors(
    vowels_s: npt.NDArray[np.float64], notes: tuple[Note, ...], tail_s: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Pairs of (sung, spoken) times: consonants keep their length, vowels take up the rest of their note."""
    lead_s = float(vowels_s[0, 0])
    sung, spoken = [-lead_s], [0.0]
    next_onsets = [*vowels_s[1:, 0].tolist(), float(vowels_s[-1, 1])]
    for note, (start, end), following in zip(notes, vowels_s.tolist(), next_onsets, strict=True):
        sung += [note.start_s, note.start_s + note.duration_s - (following - end)]
        spoken += [start, end]
    return np.array([*sung, sung[-1] + tail_s]), np.array([*spoken, spoken[-1] + tail_s])
