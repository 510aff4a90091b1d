"""A melody over the chords: chord tones where the beat is, small steps elsewhere, in the middle of the voice."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from generation.singing.plan import Chord, Mode

_MAJOR_SCALE = (0, 2, 4, 5, 7, 9, 11)
_MINOR_SCALE = (0, 2, 3, 5, 7, 8, 10)

# Preference for an interval to the note before, by its size in semitones.
_STEP_WEIGHT = {0: 0.5, 1: 1.0, 2: 1.2, 3: 0.6, 4: 0.45, 5: 0.25, 6: 0.05, 7: 0.12}
_LEAP_WEIGHT = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """Where a voice sings, in MIDI: at most ``reach`` semitones from ``centre``."""

    centre: int
    reach: int


FEMALE = Register(centre=62, reach=7)
MALE = Register(centre=50, reach=6)


def chord_tones(chord: Chord) -> frozenset[int]:
    """Pitch classes of the triad."""
    third = 4 if chord.mode == "major" else 3
    return frozenset(((chord.root + interval) % 12) for interval in (0, third, 7))


def scale_tones(key: int, mode: Mode) -> frozenset[int]:
    """Pitch classes of the major or natural minor scale."""
    return frozenset((key + step) % 12 for step in (_MAJOR_SCALE if mode == "major" else _MINOR_SCALE))


def make_melody(
    chords: Sequence[Chord],
    is_strong: Sequence[bool],
    *,
    key: int,
    mode: Mode,
    register: Register,
    ends_on_tonic: bool,
    rng: np.random.Generator,
) -> tuple[int, ...]:
    """Pitches for one line.

    Args:
        chords: The chord under each note.
        is_strong: Whether each note falls on a beat; those and the last take a tone of their chord.
        key: Pitch class of the tonic.
        mode: Of the key.
        register: Bounds of the pitches.
        ends_on_tonic: Close on the tonic if the last chord has it.
        rng: Draws among the candidates.

    Returns:
        MIDI pitches, one for each note, all within the register.
    """
    scale = scale_tones(key, mode)
    low, high = register.centre - register.reach, register.centre + register.reach
    everything = np.arange(low, high + 1)
    pitches: list[int] = []
    for index, (chord, strong) in enumerate(zip(chords, is_strong, strict=True)):
        is_last = index == len(chords) - 1
        tones = chord_tones(chord)
        allowed = tones if strong or is_last else scale | tones
        if is_last and ends_on_tonic and key in tones:
            allowed = frozenset((key,))
        candidates = [int(pitch) for pitch in everything if int(pitch) % 12 in allowed]
        # An arch: the middle of the line lies a little higher than its ends.
        share = index / max(1, len(chords) - 1)
        aim = register.centre + 2.5 * np.sin(np.pi * share) - 0.5
        previous = pitches[-1] if pitches else round(float(aim))
        weights = np.array([_weight(pitch, previous, float(aim), pitches) for pitch in candidates])
        pitches.append(int(rng.choice(candidates, p=weights / weights.sum())))
    return tuple(pitches)


def _weight(pitch: int, previous: int, aim: float, pitches: list[int]) -> float:
    weight = _STEP_WEIGHT.get(abs(pitch - previous), _LEAP_WEIGHT)
    weight *= float(np.exp(-(((pitch - aim) / 4.0) ** 2)))
    # Three of the same in a row sound like recitation.
    if len(pitches) >= 2 and pitches[-1] == pitches[-2] == pitch:
        weight *= 0.1
    return weight
