"""Sound that repeats itself exactly, as a decoder does that is stuck in a loop."""

import numpy as np
from scipy import fft

from evalkit.signal.frames import Array, runs, to_db
from evalkit.types import Audio, FloatArray

MIN_LAG_S = 1.0
MAX_LAG_S = 30.0
MIN_STRETCH_S = 8.0
CORRELATION = 0.98
_COARSE_HZ = 4000
_ANCHOR_S = 2.0
_ANCHOR_HOP_S = 4.0
_MAX_CANDIDATES = 8


def longest_loop(audio: Audio) -> tuple[float, float]:
    """Longest stretch that sounds the same a fixed time earlier.

    The waveform at ``t`` and ``t - lag`` must correlate by more than 0.98 in every second of the stretch, for one lag
    between 1 and 30 s, for at least 8 s. Lags are found on a coarse copy of 4 kHz and proved at the full rate.
    Music that pastes one loop unchanged is found as well: that is what it is.

    Returns:
        Seconds that repeat (0 if less than 8; lower is better), and the lag in seconds (0 if there is none).
        Silence never repeats.

    Source: evalkit definition.
    """
    best = (0.0, 0.0)
    if audio.duration_s < MIN_LAG_S + MIN_STRETCH_S:
        return best
    for lag in _candidate_lags(audio):
        stretch_s = _stretch_s(audio, lag)
        if stretch_s >= MIN_STRETCH_S and stretch_s > best[0] + 1e-9:
            best = (stretch_s, lag / audio.sample_rate)
    return best


def _candidate_lags(audio: Audio) -> list[int]:
    """Lags in samples at which some two seconds come back, most frequent first and then shortest."""
    factor = max(1, audio.sample_rate // _COARSE_HZ)
    coarse = _coarse(audio, factor)
    rate = audio.sample_rate / factor
    size, least_lag, most_lag = int(_ANCHOR_S * rate), int(MIN_LAG_S * rate), int(MAX_LAG_S * rate)
    squares = np.concatenate([[0.0], np.cumsum(coarse.astype(np.float64) ** 2)])
    found: dict[int, int] = {}
    for start in range(0, len(coarse) - size - least_lag + 1, int(_ANCHOR_HOP_S * rate)):
        field = coarse[start : start + most_lag + size]
        anchor_energy = squares[start + size] - squares[start]
        if to_db(anchor_energy / size) < -70.0:
            continue
        n_fft = fft.next_fast_len(len(field), real=True)
        spectrum = np.conj(fft.rfft(field[:size], n_fft)) * fft.rfft(field, n_fft)
        product = fft.irfft(spectrum, n_fft)[: len(field) - size + 1].astype(np.float64)
        ends = start + size + np.arange(len(product))
        energy = np.maximum(squares[ends] - squares[ends - size], 1e-3 * anchor_energy)
        similarity = product / np.sqrt(anchor_energy * energy)
        near = similarity[least_lag:]
        # The coarse grid can miss the peak by half a step, so less is asked for here than in the proof.
        peaks = 1 + np.flatnonzero((near[1:-1] > 0.85) & (near[1:-1] >= near[:-2]) & (near[1:-1] > near[2:]))
        for peak in peaks[np.argsort(-near[peaks], kind="stable")][:4]:
            lag = _refined(audio, int(start * factor), int((peak + least_lag) * factor), factor)
            found[lag] = found.get(lag, 0) + 1
    return sorted(found, key=lambda lag: (-found[lag], lag))[:_MAX_CANDIDATES]


def _coarse(audio: Audio, factor: int) -> FloatArray:
    """Low-passed copy: averages of ``factor`` samples, smoothed. Channels are weighted unequally, lest they cancel."""
    n = audio.samples.shape[1] // factor
    weights = 0.7 ** np.arange(audio.channels, dtype=np.float32)
    coarse = np.zeros(n, dtype=np.float32)
    for weight, channel in zip(weights, audio.samples, strict=True):
        coarse += weight * channel[: n * factor].reshape(n, factor).mean(axis=1)
    return np.convolve(coarse, np.full(4, 0.25, dtype=np.float32), mode="same")


def _refined(audio: Audio, start: int, lag: int, reach: int) -> int:
    """Best lag within ``reach`` samples of a coarse one, by half a second of the first channels."""
    size = audio.sample_rate // 2
    shifts = [shift for shift in range(lag - reach, lag + reach + 1) if start + shift + size <= audio.samples.shape[1]]
    anchor = audio.samples[:, start : start + size]
    scores = [float(np.vdot(anchor, audio.samples[:, start + shift : start + shift + size])) for shift in shifts]
    return shifts[int(np.argmax(scores))] if scores else lag


def _stretch_s(audio: Audio, lag: int) -> float:
    """Length of the longest stretch that repeats at ``lag``, proved in steps of 0.1 s by windows of 1 s."""
    step = audio.sample_rate // 10
    n_steps = (audio.samples.shape[1] - lag) // step
    if n_steps < 10:
        return 0.0
    products, before, after = np.zeros(n_steps), np.zeros(n_steps), np.zeros(n_steps)
    for channel in audio.samples:
        earlier = channel[: n_steps * step].reshape(n_steps, step)
        later = channel[lag : lag + n_steps * step].reshape(n_steps, step)
        products += np.einsum("ij,ij->i", earlier, later)
        before += np.einsum("ij,ij->i", earlier, earlier)
        after += np.einsum("ij,ij->i", later, later)

    def second(values: Array) -> Array:
        return np.asarray(np.lib.stride_tricks.sliding_window_view(values, 10).sum(axis=1))

    energy_before, energy_after = second(before), second(after)
    audible = np.minimum(energy_before, energy_after) > audio.sample_rate * audio.channels * 1e-6
    similarity = second(products) / np.sqrt(np.maximum(energy_before * energy_after, 1e-20))
    starts, ends = runs(audible & (similarity > CORRELATION))
    return float(np.max(ends - starts + 9, initial=0)) * step / audio.sample_rate if len(starts) else 0.0
