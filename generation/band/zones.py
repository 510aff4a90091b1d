"""From the tables of a SoundFont to the regions of one preset: sample, pitch, envelope, pan, in plain units.

Instrument generators are absolute, preset generators are added to them; the first zone of either kind may be global and
supplies defaults; key and velocity ranges intersect.

Source: SoundFont Technical Specification 2.04, section 8.1 (generators), 9.4 (layering of zones).
Differs from it: modulators are not read, the default one that matters (velocity to attenuation) is applied by the
player; the modulation LFO is ignored.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from evalkit.errors import ModelError
from generation.band.soundfont import ROM_SAMPLE, SoundFont

MAX_REGIONS = 4096
"""Most regions one preset may have (a drum kit has about 60); more is damage or malice."""

EMU_ATTENUATION = 0.4
"""The E-mu hardware, against which soundfonts are balanced, applies only 0.4 of a zone's attenuation."""

OPEN_FILTER_CENTS = 13500
"""Cutoff generator from which the filter counts as open (the default, about 20 kHz)."""

# Operator numbers, section 8.1.2.
START, END, LOOP_START, LOOP_END, START_COARSE = 0, 1, 2, 3, 4
VIBRATO_PITCH, ENVELOPE_PITCH, CUTOFF, CUTOFF_Q, ENVELOPE_CUTOFF, END_COARSE = 6, 7, 8, 9, 11, 12
CHORUS, REVERB, PAN = 15, 16, 17
MOD_DELAY, MOD_ATTACK, MOD_HOLD, MOD_DECAY, MOD_SUSTAIN = 25, 26, 27, 28, 29
VIBRATO_DELAY, VIBRATO_RATE = 23, 24
DELAY, ATTACK, HOLD, DECAY, SUSTAIN, RELEASE, KEY_TO_HOLD, KEY_TO_DECAY = 33, 34, 35, 36, 37, 38, 39, 40
INSTRUMENT, KEY_RANGE, VELOCITY_RANGE, LOOP_START_COARSE, KEY, VELOCITY, ATTENUATION = 41, 43, 44, 45, 46, 47, 48
LOOP_END_COARSE, COARSE_TUNE, FINE_TUNE, SAMPLE_ID, LOOP_MODE, SCALE_TUNING = 50, 51, 52, 53, 54, 56
EXCLUSIVE_CLASS, ROOT_KEY = 57, 58

DEFAULTS = {
    CUTOFF: OPEN_FILTER_CENTS,
    VIBRATO_DELAY: -12000,
    MOD_DELAY: -12000,
    MOD_ATTACK: -12000,
    MOD_HOLD: -12000,
    MOD_DECAY: -12000,
    DELAY: -12000,
    ATTACK: -12000,
    HOLD: -12000,
    DECAY: -12000,
    RELEASE: -12000,
    KEY: -1,
    VELOCITY: -1,
    SCALE_TUNING: 100,
    ROOT_KEY: -1,
}

INSTRUMENT_ONLY = frozenset(
    {
        *(START, END, LOOP_START, LOOP_END, START_COARSE, END_COARSE, LOOP_START_COARSE, LOOP_END_COARSE),
        *(KEY, VELOCITY, LOOP_MODE, EXCLUSIVE_CLASS, ROOT_KEY, SAMPLE_ID, INSTRUMENT, KEY_RANGE, VELOCITY_RANGE),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """Volume envelope: times in seconds, a decay or release of ``s`` seconds falls 100 dB in that time.

    ``key_to_hold`` and ``key_to_decay`` shorten by that many cents of time for each key above 60.
    """

    delay_s: float = 0.0
    attack_s: float = 0.001
    hold_s: float = 0.0
    decay_s: float = 0.001
    sustain_db: float = 0.0
    release_s: float = 0.001
    key_to_hold: float = 0.0
    key_to_decay: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """Modulation envelope: rises from 0 to 1, falls linearly towards ``sustain``, and moves pitch and cutoff.

    ``decay_s`` is the time of a fall from 1 to 0; ``pitch_cents`` and ``cutoff_cents`` are reached at 1.
    """

    delay_s: float = 0.0
    attack_s: float = 0.001
    hold_s: float = 0.0
    decay_s: float = 0.001
    sustain: float = 1.0
    pitch_cents: float = 0.0
    cutoff_cents: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """What sounds for a range of keys and velocities.

    Attributes:
        keys: Lowest and highest key, inclusive, 0 to 127.
        velocities: Lowest and highest velocity, inclusive.
        start: First sample in the font's data.
        end: One past the last.
        loop: Start and end (exclusive) of the loop, or None.
        loops_in_release: The loop goes on after the key is released.
        sample_rate: Of the data, in Hz.
        root_key: Key at which the data sounds as recorded, before ``tune_cents``.
        tune_cents: Added to the pitch.
        cents_per_key: 100 for equal temperament, 0 for untuned sounds.
        fixed_key: Key played whatever key is pressed, or None.
        fixed_velocity: As ``fixed_key``.
        pan: -1 left to 1 right.
        gain_db: At most 0.
        cutoff_hz: Low-pass cutoff before the sweep, None if the filter stays open.
        resonance_db: Height of the peak at the cutoff.
        vibrato_cents: Depth of the vibrato LFO.
        vibrato_hz: Its rate.
        vibrato_delay_s: Its delay.
        exclusive_class: Sounds of the same class (not 0) cut each other, as hi-hats do.
        chorus: Share sent to the chorus, 0 to 1.
        reverb: Share sent to the reverb, 0 to 1.
        envelope: Volume envelope.
        sweep: Modulation envelope.
    """

    keys: tuple[int, int]
    velocities: tuple[int, int]
    start: int
    end: int
    loop: tuple[int, int] | None
    loops_in_release: bool
    sample_rate: int
    root_key: int
    tune_cents: float
    cents_per_key: float
    fixed_key: int | None
    fixed_velocity: int | None
    pan: float
    gain_db: float
    cutoff_hz: float | None
    resonance_db: float
    vibrato_cents: float
    vibrato_hz: float
    vibrato_delay_s: float
    exclusive_class: int
    chorus: float
    reverb: float
    envelope: Envelope
    sweep: Sweep


@dataclass(frozen=True, slots=True)
class _Zone:
    generators: dict[int, int]
    target: int | None  # instrument of a preset zone, sample of an instrument zone


@lru_cache(maxsize=256)
def regions(font: SoundFont, bank: int, program: int) -> tuple[Region, ...]:
    """All regions of a preset; a missing one falls back to program 0 of the same bank, then to the first preset.

    Raises:
        ModelError: the preset points outside the file's tables, or the file has no preset.
    """
    row = font.find(bank, program)
    if row is None:
        row = font.find(bank, 0)
    if row is None:
        row = 0
    if len(font.presets) == 0:
        raise ModelError(f"The soundfont {font.name} has no presets.")
    found: list[Region] = []
    for outer in _zones(font.preset_bags, font.preset_zones, font.preset_generators, row, INSTRUMENT):
        assert outer.target is not None
        if outer.target >= len(font.instrument_bags) - 1:
            raise ModelError(
                f"{font.name} is damaged: preset {row} names instrument {outer.target}, which is not there."
            )
        inner_zones = _zones(
            font.instrument_bags, font.instrument_zones, font.instrument_generators, outer.target, SAMPLE_ID
        )
        for inner in inner_zones:
            region = _region(font, outer, inner)
            if region is not None:
                found.append(region)
            if len(found) > MAX_REGIONS:
                raise ModelError(f"{font.name} is damaged: preset {row} has more than {MAX_REGIONS} regions.")
    return tuple(found)


def _zones(bags: Any, zones: Any, generators: Any, row: int, target: int) -> list[_Zone]:
    """Zones of one preset or instrument that end in ``target``, each with the global zone's values beneath its own."""
    first, last = int(bags[row]), int(bags[row + 1])
    if last - first > MAX_REGIONS:
        raise ModelError(f"The soundfont is damaged: {last - first:,} zones in one preset or instrument.")
    found: list[_Zone] = []
    shared: dict[int, int] = {}
    for zone in range(first, min(last, len(zones) - 1)):
        rows = generators[int(zones[zone]) : min(int(zones[zone + 1]), int(zones[zone]) + 256)]
        values = {int(operator): int(amount) for operator, amount in rows.tolist()}
        if target in values:
            found.append(_Zone({**shared, **values}, values[target] & 0xFFFF))
        elif zone == first:
            shared = values
    return found


def _range(generators: dict[int, int], operator: int) -> tuple[int, int]:
    if operator not in generators:
        return 0, 127
    amount = generators[operator] & 0xFFFF
    return amount & 0xFF, amount >> 8


def _seconds(timecents: float) -> float:
    """Timecents to seconds; -12000 is 1 ms, and the longest the specification allows is about 100 s."""
    return float(2.0 ** (np.clip(timecents, -12000, 8000) / 1200))


def _region(font: SoundFont, outer: _Zone, inner: _Zone) -> Region | None:
    keys, velocities = (
        (max(a[0], b[0]), min(a[1], b[1]))
        for a, b in (
            (_range(outer.generators, KEY_RANGE), _range(inner.generators, KEY_RANGE)),
            (_range(outer.generators, VELOCITY_RANGE), _range(inner.generators, VELOCITY_RANGE)),
        )
    )
    if keys[0] > keys[1] or velocities[0] > velocities[1]:
        return None
    assert inner.target is not None
    if inner.target >= len(font.samples):
        raise ModelError(f"{font.name} is damaged: a zone names sample {inner.target}, which is not there.")
    sample = font.samples[inner.target]
    if int(sample["type"]) & ROM_SAMPLE:
        return None  # its data is in the ROM of a sound card

    def value(operator: int, low: float = -32768, high: float = 32767) -> float:
        amount = inner.generators.get(operator, DEFAULTS.get(operator, 0))
        if operator not in INSTRUMENT_ONLY:
            amount += outer.generators.get(operator, 0)
        return float(min(max(amount, low), high))

    def position(field: str, fine: int, coarse: int) -> int:
        return int(sample[field]) + int(value(fine)) + 32768 * int(value(coarse))

    start = max(position("start", START, START_COARSE), 0)
    end = min(position("end", END, END_COARSE), len(font.waves))
    if end - start < 4:
        return None
    loop = (
        max(position("loop_start", LOOP_START, LOOP_START_COARSE), start),
        min(position("loop_end", LOOP_END, LOOP_END_COARSE), end),
    )
    mode = int(value(LOOP_MODE)) & 3
    has_loop = mode in (1, 3) and loop[1] - loop[0] >= 2
    root = int(value(ROOT_KEY))
    root = root if 0 <= root <= 127 else int(sample["root_key"])
    cutoff = value(CUTOFF, 1500, OPEN_FILTER_CENTS)
    return Region(
        keys=keys,
        velocities=velocities,
        start=start,
        end=end,
        loop=loop if has_loop else None,
        loops_in_release=mode == 1,
        sample_rate=int(sample["rate"]),
        root_key=root if root <= 127 else 60,
        tune_cents=100 * value(COARSE_TUNE, -120, 120) + value(FINE_TUNE, -99, 99) + int(sample["correction"]),
        cents_per_key=value(SCALE_TUNING, 0, 1200),
        fixed_key=int(value(KEY)) if 0 <= value(KEY) <= 127 else None,
        fixed_velocity=int(value(VELOCITY)) if 1 <= value(VELOCITY) <= 127 else None,
        pan=value(PAN, -500, 500) / 500,
        gain_db=-EMU_ATTENUATION * value(ATTENUATION, 0, 1440) / 10,
        cutoff_hz=None if cutoff >= OPEN_FILTER_CENTS else 8.176 * 2 ** (cutoff / 1200),
        resonance_db=value(CUTOFF_Q, 0, 960) / 10,
        vibrato_cents=value(VIBRATO_PITCH, -1200, 1200),
        vibrato_hz=8.176 * 2 ** (value(VIBRATO_RATE, -16000, 4500) / 1200),
        vibrato_delay_s=_seconds(value(VIBRATO_DELAY, -12000, 5000)),
        exclusive_class=int(value(EXCLUSIVE_CLASS, 0, 127)),
        chorus=value(CHORUS, 0, 1000) / 1000,
        reverb=value(REVERB, 0, 1000) / 1000,
        envelope=Envelope(
            delay_s=_seconds(value(DELAY, -12000, 5000)),
            attack_s=_seconds(value(ATTACK)),
            hold_s=_seconds(value(HOLD, -12000, 5000)),
            decay_s=_seconds(value(DECAY)),
            sustain_db=value(SUSTAIN, 0, 1440) / 10,
            release_s=_seconds(value(RELEASE)),
            key_to_hold=value(KEY_TO_HOLD, -1200, 1200),
            key_to_decay=value(KEY_TO_DECAY, -1200, 1200),
        ),
        sweep=Sweep(
            delay_s=_seconds(value(MOD_DELAY, -12000, 5000)),
            attack_s=_seconds(value(MOD_ATTACK)),
            hold_s=_seconds(value(MOD_HOLD, -12000, 5000)),
            decay_s=_seconds(value(MOD_DECAY)),
            sustain=1 - value(MOD_SUSTAIN, 0, 1000) / 1000,
            pitch_cents=value(ENVELOPE_PITCH, -12000, 12000),
            cutoff_cents=value(ENVELOPE_CUTOFF, -12000, 12000),
        ),
    )
