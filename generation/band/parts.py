"""What each role plays in one bar: drums, bass, chords, broken chords, counter-lines. Times are steps of the bar."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from generation.band.patterns import (
    ACCENTS,
    CRASH,
    FLOOR_TOM,
    HIGH_TOM,
    KICK,
    LOW_TOM,
    SNARE,
    STEPS,
    BassStep,
    Pattern,
    Style,
)
from generation.band.voicing import nearest_key

STRUM_S = 0.005
"""From string to string of a strummed chord."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A note inside a bar: step and length in sixteenths, MIDI key, velocity before humanising, seconds of delay."""

    step: float
    length: float
    key: int
    velocity: float
    delay_s: float = 0.0


def read(pattern: Pattern) -> Iterator[tuple[int, float]]:
    """Steps that sound, with their accents."""
    for step, mark in enumerate(pattern):
        if mark in ACCENTS:
            yield step, ACCENTS[mark]


def drums(style: Style, energy: float, *, is_first: bool, is_fill: bool, rng: np.random.Generator) -> list[Hit]:
    """One bar of drums.

    Args:
        style: Gives the patterns.
        energy: 0 to 1; from 0.75 the full pattern, below 0.4 only what keeps time.
        is_first: First bar of a section: a crash if it is a full one.
        is_fill: Last bar of a section: the fourth beat is a fill.
        rng: Chooses the fill.
    """
    beat = style.chorus if energy >= 0.75 else style.verse
    hits = []
    for key, pattern in beat.items():
        if key == CRASH and not is_first:
            continue
        for step, accent in read(pattern):
            keeps_time = step % 4 == 0 or key not in (KICK, SNARE)
            if (energy < 0.4 and not keeps_time) or (is_fill and step >= 12 and key != KICK):
                continue
            hits.append(Hit(step, 1, key, 92 * accent * (0.72 + 0.28 * energy)))
    if is_first and energy >= 0.75 and CRASH not in beat:
        hits.append(Hit(0, 4, CRASH, 78))
    if is_fill:
        hits.extend(_fill(style, energy, rng))
    return hits


def _fill(style: Style, energy: float, rng: np.random.Generator) -> list[Hit]:
    soft = not style.has_loud_fills or energy < 0.4
    keys = (
        (SNARE, SNARE, LOW_TOM, FLOOR_TOM),
        (HIGH_TOM, HIGH_TOM, LOW_TOM, FLOOR_TOM),
        (SNARE, HIGH_TOM, SNARE, LOW_TOM),
    )
    chosen = keys[int(rng.integers(len(keys)))]
    steps = (12, 14) if soft else (12, 13, 14, 15)
    return [Hit(step, 1, chosen[step - 12], (66 if soft else 84) + 4 * (step - 12)) for step in steps]


def bass(
    steps: tuple[BassStep, ...], tones: tuple[int, ...], next_root: int, energy: float, scale: tuple[int, ...]
) -> list[Hit]:
    """One bar of bass, ``tones`` root first; degree ``a`` approaches the next root by a step of the scale."""
    root = nearest_key(tones[0], 36)
    root = root + 12 if root < 31 else root
    target = nearest_key(next_root, root)
    approaches = [key for key in (target - 1, target - 2, target + 1, target + 2) if key % 12 in scale]
    keys = {
        "1": root,
        "3": root + (tones[1] - tones[0]) % 12,
        "5": root + 7 if root + 7 <= 45 else root - 5,
        "8": root + 12,
        "a": approaches[0] if approaches and target != root else root + 7,
    }
    chosen = steps if energy >= 0.4 else tuple(step for step in steps if step[0] % 8 == 0) or steps[:1]
    return [Hit(at, length, keys[degree], 88 if at == 0 else 80) for at, length, degree in chosen]


def chords(pattern: Pattern, keys: tuple[int, ...], length: float, *, is_strummed: bool) -> list[Hit]:
    """Struck chords; ``length`` 0 holds each to the next. A strum spreads its strings, up on the off-beats."""
    steps = list(read(pattern))
    hits = []
    for index, (step, accent) in enumerate(steps):
        following = steps[index + 1][0] if index + 1 < len(steps) else STEPS
        held = following - step if length == 0 else min(length, STEPS - step)
        order = keys if step % 4 == 0 else keys[::-1]
        for place, key in enumerate(order):
            hits.append(Hit(step, held, key, 76 * accent, STRUM_S * place if is_strummed else 0.0))
    return hits


def held(keys: tuple[int, ...], velocity: float) -> list[Hit]:
    """One sustained chord."""
    return [Hit(0, STEPS, key, velocity) for key in keys]


def broken(pattern: Pattern, keys: tuple[int, ...], energy: float) -> list[Hit]:
    """The chord's keys one after the other, up and down, over an octave more when the section is full."""
    ladder = [*keys, keys[0] + 12] if energy < 0.75 else [*keys, *(key + 12 for key in keys)]
    cycle = [*ladder, *ladder[-2:0:-1]]
    steps = list(read(pattern))
    if energy < 0.4:
        steps = [(step, accent) for step, accent in steps if step % 4 == 0]
    return [Hit(step, 3, cycle[index % len(cycle)], 72 * accent) for index, (step, accent) in enumerate(steps)]


def line(
    tones: tuple[int, ...], scale: tuple[int, ...], centre: int, start: int, rng: np.random.Generator
) -> list[Hit]:
    """A bar of counter-line: chord tones on strong beats, neighbours of the scale between.

    Args:
        tones: Pitch classes of the chord.
        scale: Pitch classes of the key.
        centre: Middle of the register.
        start: Key the line comes from.
        rng: Chooses rhythm and direction.
    """
    rhythms = ((0, 4, 8), (0, 4, 6, 8, 12), (0, 6, 8, 12), (0, 2, 4, 8, 10, 12))
    rhythm = rhythms[int(rng.integers(len(rhythms)))]
    hits = []
    key = start
    for index, step in enumerate(rhythm):
        length = (rhythm[index + 1] if index + 1 < len(rhythm) else STEPS - 1) - step
        wanted = key + int(rng.integers(-4, 5)) + (centre - key) * 0.4
        allowed = tones if step % 8 == 0 else scale
        key = min((nearest_key(tone, wanted) for tone in allowed), key=lambda near: (abs(near - wanted), near))
        hits.append(Hit(step, length * 0.95, key, 80 if step % 8 == 0 else 72))
    return hits
