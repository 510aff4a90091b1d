"""Plays note events on a SoundFont into stereo."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from evalkit.types import FloatArray
from generation.band import effects, voice
from generation.band.soundfont import SoundFont
from generation.band.zones import Region, regions

SAMPLE_RATE = 48_000
DRUM_BANK = 128
CUT_RELEASE_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One key press: MIDI key 0 to 127, velocity 1 to 127, times in seconds from the start of the song."""

    key: int
    velocity: int
    start_s: float
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """All notes of one instrument.

    Attributes:
        name: For people and tests.
        program: General MIDI program, from 0.
        bank: 0, or 128 for drum kits.
        gain_db: Level in the mix.
        pan: -1 left to 1 right, added to the soundfont's own.
        reverb: Share sent to the reverb, 0 to 1.
        chorus: Share sent to the chorus, 0 to 1.
        notes: In any order.
    """

    name: str
    program: int
    notes: tuple[Note, ...]
    bank: int = 0
    gain_db: float = 0.0
    pan: float = 0.0
    reverb: float = 0.15
    chorus: float = 0.0


@dataclass(slots=True)
class _Voice:
    """A note on one region, in samples; ``n_hold`` shrinks if another of its exclusive class cuts it."""

    part: int
    region: Region
    key: int
    gain: float
    start: int
    n_hold: int
    is_cut: bool = False


def play(font: SoundFont, parts: Sequence[Part], *, n_samples: int) -> FloatArray:
    """Render all parts, with reverb and chorus, before mastering.

    Args:
        font: The instruments.
        parts: What they play; what lies beyond the end is cut off.
        n_samples: Length of the result at 48 kHz.

    Returns:
        float32 [2, time], not limited to [-1, 1].

    Raises:
        ModelError: a preset is damaged.
    """
    dry = np.zeros((2, n_samples), dtype=np.float32)
    to_reverb = np.zeros(n_samples, dtype=np.float32)
    to_chorus = np.zeros(n_samples, dtype=np.float32)
    groups: dict[tuple[int, Region, int], list[_Voice]] = defaultdict(list)
    for index, part in enumerate(parts):
        for sounding in _voices(font, part, index, n_samples):
            groups[index, sounding.region, sounding.key].append(sounding)
    for (index, region, key), members in groups.items():
        part = parts[index]
        left, right = (np.float32(gain) for gain in pan_gains(region.pan + part.pan))
        for start, sound in _sounds(font, region, key, members, n_samples):
            n = min(len(sound), n_samples - start)
            span = slice(start, start + n)
            sound = sound[:n]
            dry[0, span] += sound * left
            dry[1, span] += sound * right
            to_reverb[span] += sound * np.float32(part.reverb)
            if part.chorus > 0:
                to_chorus[span] += sound * np.float32(part.chorus)
    if np.any(to_chorus):
        dry += effects.chorus(to_chorus, SAMPLE_RATE)
    dry += effects.reverb(to_reverb, SAMPLE_RATE)
    return dry


def pan_gains(pan: float) -> tuple[float, float]:
    """Constant-power gains for left and right; ``pan`` from -1 to 1 is clipped."""
    angle = (min(max(pan, -1.0), 1.0) + 1) * np.pi / 4
    return float(np.cos(angle)), float(np.sin(angle))


def _voices(font: SoundFont, part: Part, index: int, n_samples: int) -> list[_Voice]:
    zones = regions(font, part.bank, part.program)
    found: list[_Voice] = []
    classes: dict[int, list[_Voice]] = defaultdict(list)
    for note in sorted(part.notes, key=lambda note: (note.start_s, note.key)):
        start = max(round(note.start_s * SAMPLE_RATE), 0)
        if start >= n_samples:
            continue
        n_hold = min(max(round(note.duration_s * SAMPLE_RATE), 1), n_samples - start)
        for region in zones:
            if not region.keys[0] <= note.key <= region.keys[1]:
                continue
            if not region.velocities[0] <= note.velocity <= region.velocities[1]:
                continue
            velocity = note.velocity if region.fixed_velocity is None else region.fixed_velocity
            # The default modulator (8.4.1): 960 cB, concave, which is 40 dB per decade of velocity.
            gain = (velocity / 127) ** 2 * 10 ** ((region.gain_db + part.gain_db) / 20)
            sounding = _Voice(index, region, note.key, gain, start, n_hold)
            found.append(sounding)
            if region.exclusive_class:
                _cut(classes[region.exclusive_class], sounding)
    return found


def _cut(earlier: list[_Voice], new: _Voice) -> None:
    """Stop sounds of the same class that began before the new one (its own stereo partner begins with it)."""
    for old in earlier:
        if old.start < new.start:
            old.is_cut = True
            old.n_hold = min(old.n_hold, new.start - old.start)
    earlier[:] = [old for old in earlier if old.start == new.start]
    earlier.append(new)


def _sounds(
    font: SoundFont, region: Region, key: int, members: list[_Voice], n_samples: int
) -> Iterator[tuple[int, FloatArray]]:
    """Start and samples of each note of one region at one key; what they share is computed once."""
    shape = region.envelope
    falling = voice.release(shape, SAMPLE_RATE)[:n_samples]
    fade = np.linspace(1, 0, round(CUT_RELEASE_S * SAMPLE_RATE), dtype=np.float32)
    longest = max(member.n_hold for member in members)
    level = voice.held(shape, key, longest, SAMPLE_RATE)
    shared = None
    if region.loop is None or region.loops_in_release:
        shared = voice.tone(font.waves, region, key, longest + len(falling), SAMPLE_RATE)
    for member in members:
        n_hold = member.n_hold
        down = falling[: voice.release_length(shape, float(level[n_hold - 1]), SAMPLE_RATE)]
        if member.is_cut:
            down = fade
        wave = shared
        if wave is None:
            wave = voice.tone(font.waves, region, key, n_hold + len(down), SAMPLE_RATE, n_hold=n_hold)
        sound = wave[: n_hold + len(down)] * np.float32(member.gain)
        sound[:n_hold] *= level[: min(n_hold, len(sound))]
        if len(sound) > n_hold:
            sound[n_hold:] *= down[: len(sound) - n_hold] * level[n_hold - 1]
        yield member.start, sound
