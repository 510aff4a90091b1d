"""From notes to an F0 curve: portamento between notes and vibrato on the long ones."""

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

from generation.singing.phrase import Note

PORTAMENTO_S = 0.07
VIBRATO_HZ = 5.4
VIBRATO_SEMITONES = 0.35
VIBRATO_FROM_S = 0.38
"""Shorter notes stay straight."""

_VIBRATO_DELAY_S = 0.15
_VIBRATO_RISE_S = 0.15


def midi_to_hz(pitch: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Equal temperament, A4 = MIDI 69 = 440 Hz."""
    return 440.0 * 2.0 ** ((np.asarray(pitch, dtype=np.float64) - 69.0) / 12.0)


def pitch_curve(notes: tuple[Note, ...], times_s: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    """Pitch of a phrase over time.

    Args:
        notes: In order of time.
        times_s: Where to evaluate, relative to the first onset [frames].

    Returns:
        MIDI pitch [frames]; before the first and after the last note, that note's pitch.
    """
    starts = np.array([note.start_s for note in notes], dtype=np.float64)
    pitches = np.array([note.pitch for note in notes], dtype=np.float64)
    index = np.clip(np.searchsorted(starts, times_s, side="right") - 1, 0, len(notes) - 1)
    curve = pitches[index]
    # A glide is centred on the onset: consonants before it lead to the new note.
    for previous, following in itertools.pairwise(notes):
        share = (times_s - following.start_s) / PORTAMENTO_S + 0.5
        inside = (share > 0) & (share < 1)
        eased = 0.5 - 0.5 * np.cos(np.pi * share[inside])
        curve[inside] = previous.pitch + (following.pitch - previous.pitch) * eased
    for note in notes:
        if note.duration_s > VIBRATO_FROM_S:
            since = times_s - note.start_s
            inside = (since >= _VIBRATO_DELAY_S) & (since < note.duration_s)
            local = since[inside] - _VIBRATO_DELAY_S
            depth = VIBRATO_SEMITONES * np.minimum(1.0, local / _VIBRATO_RISE_S)
            # Let it fade before the next glide.
            depth *= np.clip((note.duration_s - since[inside]) / PORTAMENTO_S, 0.0, 1.0)
            curve[inside] += depth * np.sin(2 * np.pi * VIBRATO_HZ * local)
    return curve
