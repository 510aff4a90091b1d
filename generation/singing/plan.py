"""The plan of a song: tempo, key, and one chord for each bar; voice and band both follow it."""

from dataclasses import dataclass
from typing import Literal

BEATS_PER_BAR = 4

Mode = Literal["major", "minor"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chord:
    """A triad: ``root`` is a pitch class, 0 = C ... 11 = B."""

    root: int
    mode: Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar; ``section`` counts from 0, ``label`` is the section's, ``position`` the bar's index inside it."""

    section: int
    label: str
    position: int
    chord: Chord
    is_last_of_section: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SongPlan:
    """Everything voice and band agree on.

    Attributes:
        bpm: Quarter notes per minute; bar ``i`` begins at ``i * bar_s`` seconds.
        key: Pitch class of the tonic.
        mode: Of the key.
        genre: Lower-case tag, ``"pop"`` if the prompt has none.
        emotion: Lower-case tag or empty.
        instruments: Lower-case tags, may be empty.
        bars: In order; the song ends after the last one plus its tail.
    """

    bpm: float
    key: int
    mode: Mode
    genre: str
    emotion: str
    instruments: tuple[str, ...]
    bars: tuple[Bar, ...]

    @property
    def beat_s(self) -> float:
        """Seconds of a quarter note."""
        return 60.0 / self.bpm

    @property
    def bar_s(self) -> float:
        """Seconds of a bar."""
        return BEATS_PER_BAR * self.beat_s

    @property
    def duration_s(self) -> float:
        """Seconds from the first to the end of the last bar."""
        return len(self.bars) * self.bar_s
