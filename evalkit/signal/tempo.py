"""The beat of a song: how strongly something begins at each moment, how often that comes back, and where the beats are.

Tempo candidates are judged by two views that err in opposite ways: the autocorrelation of the onset strength also
peaks at half and third tempi, its spectrum also at double and triple tempi; their product keeps the one both know
(Peeters). Beats then follow the strongest onsets at steady steps (Ellis), and the tempo is that of their median
distance. No part of it is trained.

Source: Peeters, "Template-based estimation of time-varying tempo", 2007; Ellis, "Beat tracking by dynamic
programming", JNMR 2007.
"""

from dataclasses import dataclass

import numpy as np

from evalkit.signal.frames import NotMeasurable
from evalkit.signal.spectra import Array, power_spectra
from evalkit.types import FloatArray

NAME = "fluxacf-beats1"
"""Name of the rule, for signatures."""

SAMPLE_RATE = 16_000
N_FFT = 1024
HOP_LENGTH = 128
FRAME_RATE = SAMPLE_RATE / HOP_LENGTH
SLOWEST_BPM, FASTEST_BPM = 40.0, 240.0
USUAL_BPM, USUAL_OCTAVES = 110.0, 0.7
"""Centre and width of what people tap: a bell over the logarithm of the tempo, in octaves."""

MIN_BEATS = 8
_N_BANDS = 40
_TIGHTNESS = 200.0
_CANDIDATES = 600
_LOCAL_BEATS = 4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Beats:
    """The beats of a song.

    Attributes:
        times_s: Of each beat, in seconds.
        bpm: 60 over the median distance of two beats.
        stability: Interquartile range of the local tempo (over four beats) over its median; 0 for a machine.
        clarity: Autocorrelation of the onset strength at one beat, 0 (no pulse) to 1.
    """

    times_s: Array
    bpm: float
    stability: float
    clarity: float


def find_beats(samples: FloatArray) -> Beats:
    """Tempo and beats of a song.

    Args:
        samples: One channel at 16 kHz [time].

    Raises:
        NotMeasurable: silence, no onsets, or fewer than eight beats.
    """
    strength = onset_strength(samples)
    if len(strength) < 4.0 * FRAME_RATE:
        raise NotMeasurable("less than four seconds are too short for a tempo")
    if strength.max(initial=0.0) <= 1e-6:
        raise NotMeasurable("nothing begins anywhere: there is no beat")
    period, clarity = _period(strength)
    frames = _refined(_track(strength, period), strength)
    if len(frames) < MIN_BEATS:
        raise NotMeasurable(f"only {len(frames)} beats were found")
    times_s = frames / FRAME_RATE
    local = 60.0 * _LOCAL_BEATS / (times_s[_LOCAL_BEATS:] - times_s[:-_LOCAL_BEATS])
    low, middle, high = np.percentile(local, [25.0, 50.0, 75.0])
    return Beats(
        times_s=times_s,
        bpm=float(60.0 / np.median(np.diff(times_s))),
        stability=float((high - low) / middle),
        clarity=clarity,
    )


def onset_strength(samples: FloatArray) -> Array:
    """How much louder the bands of a spectrum became since the frame before, above its own surroundings [frames]."""
    spectra = power_spectra(samples, N_FFT, HOP_LENGTH)
    bands = np.log10(1.0 + 1e4 * (spectra @ _bands()).astype(np.float64))
    rise = np.maximum(np.diff(bands, axis=0, prepend=bands[:1]), 0.0).mean(axis=1)
    # The first frames hear the file begin, not a note.
    rise[:2] = 0.0
    width = int(FRAME_RATE // 2) * 2 + 1
    around = np.convolve(np.pad(rise, width // 2, mode="edge"), np.full(width, 1.0 / width), mode="valid")
    return np.asarray(np.maximum(rise - around, 0.0))


def _bands() -> FloatArray:
    """Triangles at equal steps of mel from 30 Hz to 8 kHz [n_fft / 2 + 1, bands]."""
    hz = np.arange(N_FFT // 2 + 1) * SAMPLE_RATE / N_FFT
    mel = 2595.0 * np.log10(1.0 + hz / 700.0)
    low, high = (2595.0 * np.log10(1.0 + edge / 700.0) for edge in (30.0, 8000.0))
    step = (high - low) / (_N_BANDS + 1)
    centres = low + step * np.arange(1, _N_BANDS + 1)
    weights = np.maximum(1.0 - np.abs(mel[:, None] - centres) / step, 0.0)
    total = weights.sum(axis=0)
    return np.asarray(weights / np.where(total > 0.0, total, 1.0), dtype=np.float32)


def _period(strength: Array) -> tuple[float, float]:
    """Frames between two beats, and how clearly the onsets come back after them."""
    centred = strength - strength.mean()
    size = 1 << int(np.ceil(np.log2(2 * len(centred))))
    spectrum = np.fft.rfft(centred, size)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2)[: len(centred)]
    correlation /= np.maximum(correlation[0], 1e-12)
    # A lag that leaves half of the song overlaps half as often; that says nothing about the pulse.
    correlation *= len(centred) / np.maximum(len(centred) - np.arange(len(centred)), 1)
    pulse = np.abs(np.fft.rfft(centred * np.hanning(len(centred)), 4 * size))
    bpm = np.geomspace(SLOWEST_BPM, FASTEST_BPM, _CANDIDATES)
    lags = 60.0 * FRAME_RATE / bpm
    # A beat comes back after two and four beats too; an off-beat does not. Half beats sound as well, but less so.
    returns = [np.maximum(_at(correlation, beats * lags), 0.0) for beats in (1, 2, 4)]
    returns = returns[0] ** 0.25 * np.sum(returns, axis=0)
    sounds = np.sqrt(_at(pulse, 4 * size / lags) + 0.5 * _at(pulse, 8 * size / lags))
    usual = np.exp(-0.5 * (np.log2(bpm / USUAL_BPM) / USUAL_OCTAVES) ** 2)
    best = int(np.argmax(returns * sounds * usual))
    near = lags[best] * np.linspace(0.98, 1.02, 81)
    # Four beats later the same error of the lag is four times as visible.
    count = max(1, min(8, int(0.5 * len(centred) / lags[best])))
    lag = float(near[np.argmax(sum(_at(correlation, beats * near) for beats in range(1, count + 1)))])
    return lag, float(np.clip(_at(correlation, np.array([lag]))[0], 0.0, 1.0))


def _at(values: Array, places: Array) -> Array:
    return np.interp(places, np.arange(len(values)), values)


def _track(strength: Array, period: float) -> Array:
    """Frames of the beats: the best sum of onset strengths whose distances stay near ``period``."""
    width = np.arange(-int(period), int(period) + 1)
    bell = np.exp(-0.5 * (width * 32.0 / period) ** 2)
    local = np.convolve(strength / np.maximum(strength.std(), 1e-12), bell, mode="same")
    steps = np.arange(-round(2 * period), -round(period / 2) + 1)
    penalty = -_TIGHTNESS * np.log(-steps / period) ** 2
    total, before = local.copy(), np.full(len(local), -1)
    for frame in range(-int(steps[-1]), len(local)):
        first = max(0, -(frame + int(steps[0])))
        reached = total[frame + steps[first:]] + penalty[first:]
        best = int(np.argmax(reached))
        if reached[best] > 0.0:
            total[frame] += reached[best]
            before[frame] = frame + steps[first + best]
    tail = total[-max(int(period), 1) :]
    frames = [len(total) - len(tail) + int(np.argmax(tail))]
    while before[frames[-1]] >= 0:
        frames.append(int(before[frames[-1]]))
    found = np.array(frames[::-1])
    # Beats before the music and after it have nothing under them.
    sounding = np.flatnonzero(local[found] > 0.1 * np.sqrt(np.mean(local[found] ** 2)))
    return found[sounding[0] : sounding[-1] + 1].astype(np.float64) if len(sounding) else found[:0].astype(np.float64)


def _refined(frames: Array, strength: Array) -> Array:
    """Beats between frames: the centre of the onset within two frames of each."""
    around = np.arange(-2, 3)
    padded = np.pad(strength, 2)
    weights = padded[frames.astype(int)[:, None] + 2 + around]
    total = weights.sum(axis=1)
    return np.asarray(frames + np.where(total > 0.0, weights @ around / np.where(total > 0.0, total, 1.0), 0.0))
