"""When each syllable sounds: natural speech rhythm, a little slower, on a grid that belongs to the tempo."""

import math
from dataclasses import dataclass

from generation.singing.phrase import Phrase

TARGET_UNIT_S = 0.17
"""The grid is the division of the beat nearest to this; about one unstressed sung syllable."""

DIVISIONS = (1, 2, 4, 8)
BASE_STRETCH = {"zh": 1.6}
DEFAULT_STRETCH = 1.2
"""Sung against spoken length; the values best understood by a recogniser."""

FINAL_MIN_S = 0.35
FINAL_MAX_S = 0.7
BREATH_S = 0.3
"""Rest between two lines, at least."""

_STRETCH_RANGE = (0.85, 1.0)
_STRETCH_STEPS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Divisions of a beat and their length in seconds."""

    per_beat: int
    unit_s: float

    @property
    def per_bar(self) -> int:
        """Units in a bar of four beats."""
        return 4 * self.per_beat


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """Length of each note, and of the line with its breath, in grid units."""

    units: tuple[int, ...]
    length_units: int

    @property
    def starts(self) -> tuple[int, ...]:
        """Onset of each note in grid units from the line's first downbeat."""
        return tuple(sum(self.units[:index]) for index in range(len(self.units)))


def make_grid(bpm: float) -> Grid:
    """The binary division of the beat whose length is nearest to `TARGET_UNIT_S`, as a ratio."""
    beat_s = 60.0 / bpm
    per_beat = min(DIVISIONS, key=lambda division: abs(math.log(beat_s / division / TARGET_UNIT_S)))
    return Grid(per_beat=per_beat, unit_s=beat_s / per_beat)


def make_rhythm(phrase: Phrase, grid: Grid, language: str, *, gap_s: float = 0.0, half_bars: bool = False) -> Rhythm:
    """Place a phrase on whole or half bars.

    The line gets the fewest bars it fits into at the quickest acceptable pace, and then the slowest acceptable pace
    that still fits, so that it neither rushes nor leaves the bar half empty.

    Args:
        phrase: The line.
        grid: Of the song.
        language: Decides how slow is well understood.
        gap_s: What has to stay free after the last vowel, e.g. for the consonants of the next line.
        half_bars: The line may end in the middle of a bar.

    Returns:
        Note lengths and the line's; every note is at least as long as the phrase's floor.
    """
    base = BASE_STRETCH.get(language, DEFAULT_STRETCH)
    low, high = (base * factor for factor in _STRETCH_RANGE)
    rest = math.ceil(max(BREATH_S, gap_s) / grid.unit_s)
    final_min = max(1, round(FINAL_MIN_S / grid.unit_s))
    final_max = max(final_min, round(FINAL_MAX_S / grid.unit_s))

    quickest = _units(phrase, grid, low, final_min)
    step = grid.per_bar // 2 if half_bars else grid.per_bar
    length_units = math.ceil((sum(quickest) + rest) / step) * step
    room = length_units - rest
    best = quickest
    for index in range(1, _STRETCH_STEPS):
        candidate = _units(phrase, grid, low + (high - low) * index / (_STRETCH_STEPS - 1), final_min)
        if sum(candidate) <= room:
            best = candidate
    slack = room - sum(best)
    best[-1] += min(slack, max(0, final_max - best[-1]))
    return Rhythm(units=tuple(best), length_units=length_units)


def _units(phrase: Phrase, grid: Grid, stretch: float, final_min: int) -> list[int]:
    """Units of each note, rounded along the running total so that the pace stays even."""
    units: list[int] = []
    wanted = 0.0
    for natural_s, floor_s in zip(phrase.natural_s, phrase.floor_s, strict=True):
        wanted += natural_s * stretch / grid.unit_s
        at_least = max(1, math.ceil(floor_s / grid.unit_s - 1e-6))
        units.append(max(at_least, round(wanted - sum(units))))
        # A note held longer than wanted must not make the following ones rush.
        wanted = max(wanted, float(sum(units)) - 0.5)
    units[-1] = max(units[-1], final_min)
    return units
