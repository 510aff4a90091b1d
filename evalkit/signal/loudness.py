"""Loudness, loudness range and true peak.

Source: ITU-R BS.1770-4 (K-weighting, gating, true peak), EBU Tech 3342 (loudness range). The filters of BS.1770 are
tabulated for 48 kHz only; here they are computed for any rate from the analogue prototype that gives that table.
"""

import math
from collections.abc import Iterator

import numpy as np

from evalkit.signal.frames import Array, NotMeasurable, chunks
from evalkit.types import Audio, FloatArray

BLOCK_MS = 100
ABSOLUTE_GATE_LUFS = -70.0

# The interpolator of BS.1770-4 annex 2: four phases of twelve taps; the other two are these backwards.
_PHASE_0 = [0.0017089843750, 0.0109863281250, -0.0196533203125, 0.0332031250000, -0.0594482421875, 0.1373291015625]
_PHASE_0 += [0.9721679687500, -0.1022949218750, 0.0476074218750, -0.0266113281250, 0.0148925781250, -0.0083007812500]
_PHASE_1 = [-0.0291748046875, 0.0292968750000, -0.0517578125000, 0.0891113281250, -0.1665039062500, 0.4650878906250]
_PHASE_1 += [0.7797851562500, -0.2003173828125, 0.1015625000000, -0.0582275390625, 0.0330810546875, -0.0189208984375]
TRUE_PEAK_FILTER = np.array([_PHASE_0, _PHASE_1, _PHASE_1[::-1], _PHASE_0[::-1]], dtype=np.float32)
"""[phases, taps]."""


def channel_weights(channels: int) -> Array:
    """Weights of BS.1770-4 for the usual WAV channel orders: surrounds 1.41, low-frequency channel 0 [channels]."""
    layouts = {
        4: [1.0, 1.0, 1.41, 1.41],
        5: [1.0, 1.0, 1.0, 1.41, 1.41],
        6: [1.0, 1.0, 1.0, 0.0, 1.41, 1.41],
        7: [1.0, 1.0, 1.0, 0.0, 1.0, 1.41, 1.41],
        8: [1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.41, 1.41],
    }
    return np.array(layouts.get(channels, [1.0] * channels))


def k_weighting(sample_rate: int) -> Array:
    """The two biquads of the K-weighting for a sample rate [2, 6].

    A high shelf of +4 dB (the head) and a high-pass near 38 Hz, bilinear with the corner frequency kept in place.

    Args:
        sample_rate: In Hz, at least 4000 (the shelf's corner is at 1682 Hz).
    """
    k = math.tan(math.pi * 1681.974450955533 / sample_rate)
    q = 0.7071752369554196
    high = 10.0 ** (3.999843853973347 / 20.0)
    band = high**0.4996667741545416
    a0 = 1.0 + k / q + k * k
    shelf = [
        (high + band * k / q + k * k) / a0,
        2.0 * (k * k - high) / a0,
        (high - band * k / q + k * k) / a0,
        1.0,
        2.0 * (k * k - 1.0) / a0,
        (1.0 - k / q + k * k) / a0,
    ]
    k = math.tan(math.pi * 38.13547087602444 / sample_rate)
    q = 0.5003270373238773
    a0 = 1.0 + k / q + k * k
    high_pass = [1.0, -2.0, 1.0, 1.0, 2.0 * (k * k - 1.0) / a0, (1.0 - k / q + k * k) / a0]
    return np.array([shelf, high_pass])


def weighted_blocks(audio: Audio) -> tuple[Array, Array]:
    """Mean squares of the K-weighted signal in whole blocks of 100 ms.

    Returns:
        Mean square [channels, blocks], and mean of left times right [blocks] (zeros unless there are two channels).
    """
    from scipy.signal import sosfilt  # takes half a second, and listing the metrics must not

    sections = k_weighting(audio.sample_rate)
    state = np.zeros((len(sections), audio.channels, 2))
    squares, products = [], []
    for start, end, cells in chunks(audio.samples.shape[1], audio.sample_rate):
        part, state = sosfilt(sections, audio.samples[:, start:end].astype(np.float64), axis=1, zi=state)
        # Digital silence would let the filter's memory decay into denormal numbers, which are slow.
        state[np.abs(state) < 1e-30] = 0.0
        edges = cells[::BLOCK_MS]
        lengths = np.diff(edges, append=end - start)
        squares.append(np.add.reduceat(part * part, edges, axis=1) / lengths)
        if audio.channels == 2:
            products.append(np.add.reduceat(part[0] * part[1], edges) / lengths)
    found = np.concatenate(squares, axis=1)
    n_whole = audio.samples.shape[1] * 1000 // (audio.sample_rate * BLOCK_MS)
    return found[:, :n_whole], np.concatenate(products)[:n_whole] if products else np.zeros(n_whole)


def loudness_blocks(squares: Array) -> Array:
    """Weighted sum over channels [channels, blocks] -> [blocks]."""
    return np.asarray(channel_weights(len(squares)) @ squares)


def integrated_loudness(blocks: Array) -> float:
    """Integrated loudness, -0.691 + 10 log10(sum of channel powers), gated at -70 LUFS and 10 LU below the mean.

    Args:
        blocks: Channel-weighted K-weighted power in steps of 100 ms [blocks]; windows are four of them (400 ms, 75 %
            overlap).

    Returns:
        LUFS, above -70; about -14 is usual for streaming.

    Raises:
        NotMeasurable: shorter than 0.4 s, or nothing above -70 LUFS (silence).

    Source: ITU-R BS.1770-4.
    """
    if len(blocks) < 4:
        raise NotMeasurable("shorter than one loudness block of 0.4 s")
    windows = _sliding_mean(blocks, 4)
    loud = windows[_lufs(windows) > ABSOLUTE_GATE_LUFS]
    if len(loud) == 0:
        raise NotMeasurable("nothing louder than -70 LUFS")
    loud = loud[_lufs(loud) > _lufs(loud.mean()) - 10.0]
    return float(_lufs(loud.mean()))


def loudness_range(blocks: Array) -> float:
    """Loudness range: 95th minus 10th percentile of 3 s loudness, gated at -70 LUFS and 20 LU below the mean.

    Args:
        blocks: As for `integrated_loudness`; windows are thirty of them (3 s), one each 100 ms.

    Returns:
        LU, 0 or more; 0 = always equally loud.

    Raises:
        NotMeasurable: shorter than 3 s, or nothing above -70 LUFS.

    Source: EBU Tech 3342.
    """
    if len(blocks) < 30:
        raise NotMeasurable("shorter than one short-term loudness window of 3 s")
    windows = _sliding_mean(blocks, 30)
    loud = windows[_lufs(windows) > ABSOLUTE_GATE_LUFS]
    if len(loud) == 0:
        raise NotMeasurable("nothing louder than -70 LUFS")
    levels = _lufs(loud)
    levels = levels[levels > _lufs(loud.mean()) - 20.0]
    low, high = np.percentile(levels, [10.0, 95.0])
    return float(high - low)


def true_peak(audio: Audio) -> float:
    """Largest absolute value of the signal oversampled four times.

    Pieces that cannot hold the maximum (their samples times the filter's gain stay below the sample peak) are
    skipped; the result is the same.

    Returns:
        Linear, 1.0 = full scale, at least the sample peak; 0 for silence.

    Source: ITU-R BS.1770-4, annex 2.
    """
    gain = float(np.abs(TRUE_PEAK_FILTER).sum(axis=1).max())
    highest = float(max(audio.samples.max(), -audio.samples.min())) if audio.samples.size else 0.0
    least = highest / gain
    for channel in audio.samples:
        for rows in _loud_rows(channel, least):
            for phase in TRUE_PEAK_FILTER:
                over = _convolve_valid(rows, phase)
                highest = max(highest, float(over.max()), -float(over.min()))
    return highest


def _loud_rows(channel: FloatArray, least: float) -> Iterator[FloatArray]:
    """Pieces of 32 samples with one above ``least``, and all that the filter sees around them [pieces, samples].

    Beyond the ends of the clip there is silence.
    """
    size, margin, chunk = 32, TRUE_PEAK_FILTER.shape[1] - 1, 2**20
    for start in range(0, len(channel), chunk):
        n = min(chunk, len(channel) - start)
        part = channel[max(0, start - margin) : start + n + margin]
        before, wanted = max(0, margin - start), -(-n // size) * size + 2 * margin
        part = np.pad(part, (before, max(0, wanted - before - len(part))))[:wanted]
        middle = part[margin : wanted - margin].reshape(-1, size)
        loud = np.flatnonzero((middle.max(axis=1) > least) | (middle.min(axis=1) < -least))
        view = np.lib.stride_tricks.sliding_window_view(part, size + 2 * margin)[::size]
        for first in range(0, len(loud), 256):
            yield view[loud[first : first + 256]]


def _convolve_valid(rows: FloatArray, taps: FloatArray) -> FloatArray:
    """FIR along each row by whole-array steps: the same bits for any number of threads."""
    n = rows.shape[1] - len(taps) + 1
    out = np.zeros((len(rows), n), dtype=np.float32)
    scratch = np.empty_like(out)
    for lag, tap in enumerate(taps[::-1]):
        out += np.multiply(rows[:, lag : lag + n], tap, out=scratch)
    return out


def _sliding_mean(blocks: Array, size: int) -> Array:
    return np.asarray(np.lib.stride_tricks.sliding_window_view(blocks, size).mean(axis=1))


def _lufs(power: Array | float) -> Array:
    return np.asarray(-0.691 + 10.0 * np.log10(np.maximum(power, 1e-30)))
