"""One region sounding at one key: resampling, vibrato, filter, and the volume envelope of each note.

The tone (everything that does not depend on the note's length or velocity) is computed once for the longest note and
shared; a note is then one envelope and one multiplication.

Source: SoundFont Technical Specification 2.04, section 9.1 (synthesis model); filter: two poles, R. Bristow-Johnson,
"Cookbook formulae for audio EQ biquad filter coefficients". Interpolation: cubic Hermite over four samples.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import signal

from evalkit.types import FloatArray
from generation.band.zones import Envelope, Region, Sweep

MAX_RATIO = 16.0
"""Fastest playback of the data; beyond this (four octaves up) nothing but aliasing is left."""

SILENCE_DB = -80.0
"""A release is followed down to this level."""

MIN_RELEASE_S = 0.012
"""Shortest release; an instant stop would click."""

BLOCK = 1 << 14
"""Samples interpolated at once, so that the work stays in the processor's cache."""

FILTER_BLOCK = 512
"""Samples (11 ms at 48 kHz) between updates of a moving cutoff."""


def pitch_ratio(region: Region, key: int, sample_rate: int) -> float:
    """Data samples per output sample."""
    played = key if region.fixed_key is None else region.fixed_key
    cents = (played - region.root_key) * region.cents_per_key + region.tune_cents
    ratio = 2.0 ** (min(max(cents, -12000.0), 12000.0) / 1200) * region.sample_rate / sample_rate
    return float(min(ratio, MAX_RATIO))


def tone(
    waves: npt.NDArray[np.int16],
    region: Region,
    key: int,
    n_samples: int,
    sample_rate: int,
    *,
    n_hold: int | None = None,
) -> FloatArray:
    """The region's sound before its volume envelope.

    Args:
        waves: The font's data, int16 [samples].
        region: What to play.
        key: Pressed key, 0 to 127.
        n_samples: Longest wanted length.
        sample_rate: Of the output, in Hz.
        n_hold: Samples until the release, for regions that leave their loop then; None never leaves it.

    Returns:
        At most ``n_samples`` samples in about [-1, 1]; fewer if the data ends and does not loop. [time]
    """
    positions = _positions(region, key, n_samples, sample_rate)
    n_data = int(positions(n_samples - 1, n_samples)[0]) + 4 if n_samples else 0
    leaves = n_hold is not None and not region.loops_in_release
    data = _unrolled(waves, region, n_data, int(positions(n_hold - 1, n_hold)[0]) if leaves and n_hold else None)
    out = _interpolate(data, positions, n_samples)
    return _filtered(out, region, sample_rate)


def held(shape: Envelope, key: int, n_samples: int, sample_rate: int) -> FloatArray:
    """Amplitude while the key stays down: delay, attack, hold, decay, sustain.

    Args:
        shape: Times and levels.
        key: Scales hold and decay.
        n_samples: Length of the result.
        sample_rate: In Hz.

    Returns:
        Amplitudes in [0, 1]. [time]
    """
    hold_s = shape.hold_s * 2.0 ** ((60 - key) * shape.key_to_hold / 1200)
    decay_s = max(shape.decay_s * 2.0 ** ((60 - key) * shape.key_to_decay / 1200), 1e-3)
    n_delay, n_attack, n_full = (round(s * sample_rate) for s in (shape.delay_s, max(shape.attack_s, 1e-3), hold_s))
    out = np.zeros(n_samples, dtype=np.float32)
    ramp = np.arange(1, n_attack + 1, dtype=np.float32)[: max(n_samples - n_delay, 0)] / np.float32(max(n_attack, 1))
    out[n_delay : n_delay + len(ramp)] = ramp
    decay_from = n_delay + n_attack + n_full
    out[n_delay + n_attack : decay_from] = 1.0
    if decay_from < n_samples:
        n_decay = min(n_samples - decay_from, int(decay_s * sample_rate * min(shape.sustain_db, 100.0) / 100) + 1)
        out[decay_from : decay_from + n_decay] = _fall(n_decay, decay_s, sample_rate)
        out[decay_from + n_decay :] = 10 ** (-shape.sustain_db / 20) if shape.sustain_db < 100 else 0.0
    return out


def release(shape: Envelope, sample_rate: int) -> FloatArray:
    """Amplitude after the key is released, from 1 down to the level of silence [time]."""
    return _fall(release_length(shape, 1.0, sample_rate), max(shape.release_s, MIN_RELEASE_S), sample_rate)


def release_length(shape: Envelope, level: float, sample_rate: int) -> int:
    """Samples until a note released at an amplitude is silent."""
    if level <= 10 ** (SILENCE_DB / 20):
        return 0
    return int(max(shape.release_s, MIN_RELEASE_S) * sample_rate * (20 * np.log10(level) - SILENCE_DB) / 100)


def _fall(n_samples: int, seconds: float, sample_rate: int) -> FloatArray:
    """From 1 downwards, 100 dB in ``seconds``."""
    rate = np.float32(-np.log(10) * 5 / (seconds * sample_rate))
    out: FloatArray = np.exp(rate * np.arange(n_samples, dtype=np.float32))
    return out


def _sweep_values(sweep: Sweep, times_s: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    top = sweep.delay_s + sweep.attack_s
    rise = np.clip((times_s - sweep.delay_s) / sweep.attack_s, 0, 1)
    fall = 1 - (times_s - top - sweep.hold_s) / sweep.decay_s
    return np.where(times_s < top + sweep.hold_s, rise, np.maximum(fall, sweep.sustain))


_Positions = Callable[[int, int], npt.NDArray[np.float64]]


def _positions(region: Region, key: int, n_samples: int, sample_rate: int) -> _Positions:
    """Where in the data the output samples ``begin`` to ``end`` lie; computed by the block, for they are many."""
    ratio = pitch_ratio(region, key, sample_rate)
    if abs(region.vibrato_cents) < 1 and abs(region.sweep.pitch_cents) < 1:
        return lambda begin, end: ratio * np.arange(begin, end, dtype=np.float64)
    times_s = np.arange(n_samples, dtype=np.float64) / sample_rate
    cents = region.sweep.pitch_cents * _sweep_values(region.sweep, times_s)
    since = np.maximum(times_s - region.vibrato_delay_s, 0)
    cents += region.vibrato_cents * np.sin(2 * np.pi * region.vibrato_hz * since)
    steps = np.minimum(ratio * 2 ** (cents / 1200), MAX_RATIO)
    places = np.cumsum(steps) - steps
    return lambda begin, end: places[begin:end]


def _unrolled(waves: npt.NDArray[np.int16], region: Region, n_data: int, leave: int | None) -> FloatArray:
    """The data with its loop written out to ``n_data`` samples, one sample of lead-in, three of lead-out.

    From position ``leave`` on, the turn that is under way is the last, and the rest of the data follows.
    """
    if region.loop is None:
        data = np.pad(waves[region.start : region.end], (1, 3))
    else:
        head = waves[region.start : region.loop[1]]
        turn = waves[region.loop[0] : region.loop[1]]
        n_more = max(n_data + 4 - len(head), 0)
        if leave is None:
            data = np.concatenate([head[:1], head, np.resize(turn, n_more)])
        else:
            n_turns = max(-(-(leave - len(head)) // len(turn)), 0)
            data = np.concatenate([head[:1], head, np.tile(turn, n_turns), waves[region.loop[1] : region.end]])
            data = np.pad(data, (0, 3))
    return data[: n_data + 5].astype(np.float32) * np.float32(1 / 32768)


def _interpolate(data: FloatArray, positions: _Positions, n_samples: int) -> FloatArray:
    out = np.empty(n_samples, dtype=np.float32)
    for begin in range(0, n_samples, BLOCK):
        block = positions(begin, min(begin + BLOCK, n_samples))
        n_inside = int(np.searchsorted(block, len(data) - 3, side="left"))
        block = block[:n_inside]
        index = block.astype(np.int32)
        x = (block - index).astype(np.float32)
        before, here, after, beyond = (data.take(index + step) for step in range(4))
        slope = 0.5 * (after - before)
        gap = after - here
        bend = slope + 0.5 * (beyond - here) - 2 * gap
        out[begin : begin + n_inside] = here + x * (slope + x * (gap - slope - bend + x * bend))
        if begin + n_inside < min(begin + BLOCK, n_samples):
            return out[: begin + n_inside]  # the data has ended
    return out


def _filtered(wave: FloatArray, region: Region, sample_rate: int) -> FloatArray:
    if region.cutoff_hz is None or wave.size == 0:
        return wave
    limit = 0.45 * sample_rate
    sweep = region.sweep
    if abs(sweep.cutoff_cents) < 1:
        if region.cutoff_hz >= limit:
            return wave
        b, a = _low_pass(region.cutoff_hz, region.resonance_db, sample_rate)
        return np.asarray(signal.lfilter(b, a, wave), dtype=np.float32)
    edges = np.arange(0, len(wave), FILTER_BLOCK)
    cents = sweep.cutoff_cents * _sweep_values(sweep, (edges + FILTER_BLOCK / 2) / sample_rate)
    cutoffs = np.minimum(region.cutoff_hz * 2 ** (cents / 1200), limit)
    out = np.empty_like(wave)
    state = np.zeros(2, dtype=np.float32)
    at = 0
    while at < len(edges):
        same = at + 1
        while same < len(edges) and abs(cutoffs[same] / cutoffs[at] - 1) < 0.01:
            same += 1
        begin, stop = int(edges[at]), int(edges[same]) if same < len(edges) else len(wave)
        b, a = _low_pass(float(cutoffs[at]), region.resonance_db, sample_rate)
        out[begin:stop], state = signal.lfilter(b, a, wave[begin:stop], zi=state)
        at = same
    return out


def _low_pass(cutoff_hz: float, resonance_db: float, sample_rate: int) -> tuple[FloatArray, FloatArray]:
    omega = 2 * np.pi * cutoff_hz / sample_rate
    quality = 10 ** (resonance_db / 20) / np.sqrt(2)
    alpha, cosine = np.sin(omega) / (2 * quality), np.cos(omega)
    b = np.array([(1 - cosine) / 2, 1 - cosine, (1 - cosine) / 2]) / (1 + alpha)
    a = np.array([1.0, -2 * cosine / (1 + alpha), (1 - alpha) / (1 + alpha)])
    return b.astype(np.float32), a.astype(np.float32)
