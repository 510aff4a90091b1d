"""A lyric line between words and music: where its vowels are, how long they want to be, and when they sound.

A voice prepares a phrase from text; rhythm and melody decide the notes; the same voice then sings them. Times count
from the onset of the first vowel, which falls on a beat; consonants before it sound earlier.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from evalkit.types import FloatArray

VOWELS = frozenset("AIOQWYaeiouyɑɐɒæɔəɚɛɜɤɨɪɯøœʊʌᵊᵻ")
LENGTHENERS = frozenset("ː̃→↗↘↓")
_WHOLE_DIPHTHONGS = frozenset("AIOQWY")
_GLIDES = frozenset("ɪʊiuɐøyᵊ")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Phrase:
    """A line a voice is ready to sing.

    Attributes:
        text: The words.
        natural_s: Spoken time from each nucleus onset to the next; for the last one, to the end of its vowel.
        floor_s: Shortest time that keeps each nucleus and the consonants after it intelligible.
        lead_s: From the beginning of the audio to the first nucleus onset.
        tail_s: From the end of the last vowel to the end of the audio.
        inside: What the voice keeps for itself.
    """

    text: str
    natural_s: tuple[float, ...]
    floor_s: tuple[float, ...]
    lead_s: float
    tail_s: float
    inside: Any

    @property
    def n_notes(self) -> int:
        """Number of syllable nuclei."""
        return len(self.natural_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One sung note; ``start_s`` and ``duration_s`` relative to the phrase's first onset, ``pitch`` in MIDI."""

    start_s: float
    duration_s: float
    pitch: float


class Voice(Protocol):
    """Sings phrases.

    Attributes:
        sample_rate: Of what `sing` returns, in Hz.
        name: For the record.
    """

    sample_rate: int
    name: str

    def prepare(self, text: str) -> list[Phrase]:
        """Make a line ready; several phrases if it is too long for one breath, none if nothing is pronounceable."""
        ...

    def sing(self, phrase: Phrase, notes: tuple[Note, ...]) -> tuple[FloatArray, float]:
        """Audio [time], and the seconds of it that lie before the first vowel onset."""
        ...

    def speak(self, phrase: Phrase) -> FloatArray:
        """The phrase in the voice's own rhythm and melody, audio [time]."""
        ...


def find_nuclei(symbols: tuple[str, ...], *, split_all: bool = False) -> list[tuple[int, int]]:
    """Syllable nuclei of a phoneme sequence.

    Args:
        symbols: Phoneme symbols, one sound or mark each.
        split_all: Count every vowel by itself (Japanese moras) instead of joining diphthongs.

    Returns:
        Half-open index ranges, each a vowel or diphthong with its length, nasal and tone marks.
    """
    nuclei: list[tuple[int, int]] = []
    index = 0
    while index < len(symbols):
        if symbols[index] not in VOWELS:
            index += 1
            continue
        end = index + 1
        joins = not split_all and symbols[index] not in _WHOLE_DIPHTHONGS
        while end < len(symbols):
            if symbols[end] in LENGTHENERS:
                end += 1
            elif joins and symbols[end] in _GLIDES and symbols[end - 1] in VOWELS | LENGTHENERS:
                end += 1
                joins = False
            else:
                break
        nuclei.append((index, end))
        index = end
    return nuclei
