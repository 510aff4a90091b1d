"""The whole song on paper: sections to bars, lines to bars and notes, and the requested length kept if possible."""

import dataclasses
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evalkit.types import Section
from generation.singing.melody import FEMALE, MALE, make_melody
from generation.singing.phrase import Note, Phrase
from generation.singing.plan import BEATS_PER_BAR, Bar, SongPlan
from generation.singing.rhythm import Grid, Rhythm, make_grid, make_rhythm
from generation.singing.style import Style

DEFAULT_INSTRUMENTAL_S = 20.0
"""Length of a song without words if none is asked for."""

# Fewest, usual and most bars of a section without words.
_BARS_BY_LABEL = {"short": (1, 2, 4), "medium": (2, 4, 8), "long": (4, 8, 16), "silence": (1, 1, 2)}
_TAIL_S = 1.5
"""What the band's last chord and the reverb add after the last bar, about."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SungLine:
    """A phrase with its notes; the first vowel sounds at ``start_s`` in the song."""

    phrase: Phrase
    section: int
    start_s: float
    notes: tuple[Note, ...]

    @property
    def end_s(self) -> float:
        """End of the last vowel in the song."""
        return self.start_s + self.notes[-1].start_s + self.notes[-1].duration_s


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Score:
    """Plan for the band, lines for the voice."""

    plan: SongPlan
    lines: tuple[SungLine, ...]
    grid: Grid


@dataclass(slots=True)
class _Block:
    """A section while it is being laid out; ``rest_bars`` follow the bars its lines need."""

    label: str
    phrases: tuple[Phrase, ...] = ()
    rhythms: tuple[Rhythm, ...] = ()
    sung_bars: int = 0
    rest_bars: int = 0
    max_rest_bars: int = 0

    @property
    def n_bars(self) -> int:
        return self.sung_bars + self.rest_bars


def write_score(
    sections: Sequence[Section],
    phrases: Sequence[Sequence[Phrase]],
    style: Style,
    *,
    language: str,
    duration_s: float | None,
    instruments: tuple[str, ...],
    seed: int,
) -> Score:
    """Lay a song out.

    Args:
        sections: Of the prompt.
        phrases: The prepared phrases of each section.
        style: Tempo, key and chords.
        language: Of the lyrics.
        duration_s: Wished length; lines are never cut, so a wordy song gets longer.
        instruments: Handed on to the band.
        seed: Melodies depend on it, on the section's label and on the words: a repeated chorus is sung the same.

    Returns:
        The score; the first sung bar is never the first bar, because consonants come before the beat.
    """
    grid = make_grid(style.bpm)
    bar_s = BEATS_PER_BAR * 60.0 / style.bpm
    blocks = _make_blocks(sections, phrases, grid, language, half_bars=False)
    if duration_s is not None and sum(block.n_bars for block in blocks) * bar_s + _TAIL_S > duration_s:
        # Less regular, but nearer to what was asked for.
        blocks = _make_blocks(sections, phrases, grid, language, half_bars=True)
    _fit_length(blocks, bar_s, duration_s)
    bars = [
        Bar(
            section=number,
            label=block.label,
            position=position,
            chord=style.progression[position % len(style.progression)],
            is_last_of_section=position == block.n_bars - 1,
        )
        for number, block in enumerate(blocks)
        for position in range(block.n_bars)
    ]
    # A song ends at home.
    home = next((chord for chord in style.progression if chord.root == style.key), bars[-1].chord)
    bars[-1] = dataclasses.replace(bars[-1], chord=home)
    plan = SongPlan(
        bpm=style.bpm,
        key=style.key,
        mode=style.mode,
        genre=style.genre,
        emotion=style.emotion,
        instruments=instruments,
        bars=tuple(bars),
    )
    return Score(plan=plan, lines=_write_lines(blocks, plan, style, grid, seed), grid=grid)


def _make_blocks(
    sections: Sequence[Section],
    phrases: Sequence[Sequence[Phrase]],
    grid: Grid,
    language: str,
    *,
    half_bars: bool,
) -> list[_Block]:
    blocks = []
    everything = [phrase for section in phrases for phrase in section]
    gaps = {
        id(phrase): phrase.tail_s + (everything[index + 1].lead_s if index + 1 < len(everything) else 0.0)
        for index, phrase in enumerate(everything)
    }
    for section, own in zip(sections, phrases, strict=True):
        if own:
            # Tail and lead may overlap by the silence they begin and end with.
            rhythms = tuple(
                make_rhythm(phrase, grid, language, gap_s=0.5 * gaps[id(phrase)], half_bars=half_bars) for phrase in own
            )
            sung_bars = math.ceil(sum(rhythm.length_units for rhythm in rhythms) / grid.per_bar)
            blocks.append(_Block(section.label, tuple(own), rhythms, sung_bars, max_rest_bars=2))
        elif not section.is_sung:
            fewest, _, most = _bars_of(section.label)
            blocks.append(_Block(section.label, rest_bars=fewest, max_rest_bars=most))
    if not blocks or blocks[0].phrases:
        blocks.insert(0, _Block("intro-short", rest_bars=1, max_rest_bars=4))
    if not any(block.phrases for block in blocks) and len(blocks) == 1:
        blocks.append(_Block("inst-medium", rest_bars=2, max_rest_bars=10_000))
    if blocks[-1].phrases or len(blocks) == 1:
        blocks.append(_Block("outro-short", rest_bars=1, max_rest_bars=4))
    return blocks


def _bars_of(label: str) -> tuple[int, int, int]:
    return _BARS_BY_LABEL[label.rsplit("-", maxsplit=1)[-1]]


def _fit_length(blocks: list[_Block], bar_s: float, duration_s: float | None) -> None:
    """Add bars without words, one at a time in order, until the song is as long as wished."""
    is_sung = any(block.phrases for block in blocks)
    if duration_s is None and is_sung:
        for block in blocks:
            if not block.phrases and bar_s < 2.2:
                block.rest_bars = min(max(block.rest_bars, _bars_of(block.label)[1]), block.max_rest_bars)
        return
    wished = round(((duration_s or DEFAULT_INSTRUMENTAL_S) - _TAIL_S) / bar_s)
    missing = wished - sum(block.n_bars for block in blocks)
    unsung = [block for block in blocks if not block.phrases]
    sung = [block for block in blocks if block.phrases]
    for group in (unsung, sung):
        while missing > 0 and (open_blocks := [b for b in group if b.rest_bars < b.max_rest_bars]):
            for block in open_blocks[:missing]:
                block.rest_bars += 1
            missing -= min(missing, len(open_blocks))
    # Still too short: the last section without words goes on.
    unsung[-1].rest_bars += max(0, missing)


def _write_lines(blocks: list[_Block], plan: SongPlan, style: Style, grid: Grid, seed: int) -> tuple[SungLine, ...]:
    register = MALE if style.is_male else FEMALE
    lines = []
    first_bar = 0
    for number, block in enumerate(blocks):
        first_unit = first_bar * grid.per_bar
        for index, (phrase, rhythm) in enumerate(zip(block.phrases, block.rhythms, strict=True)):
            words = f"{block.label}/{index}/{phrase.text}"
            chords = [plan.bars[(first_unit + start) // grid.per_bar].chord for start in rhythm.starts]
            pitches = make_melody(
                chords,
                [start % grid.per_beat == 0 for start in rhythm.starts],
                key=style.key,
                mode=style.mode,
                register=register,
                ends_on_tonic=index == len(block.phrases) - 1,
                rng=np.random.default_rng([seed, zlib.crc32(words.encode())]),
            )
            notes = tuple(
                Note(start_s=start * grid.unit_s, duration_s=units * grid.unit_s, pitch=float(pitch))
                for start, units, pitch in zip(rhythm.starts, rhythm.units, pitches, strict=True)
            )
            lines.append(SungLine(phrase=phrase, section=number, start_s=first_unit * grid.unit_s, notes=notes))
            first_unit += rhythm.length_units
        first_bar += block.n_bars
    return tuple(lines)
