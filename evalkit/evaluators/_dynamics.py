"""Level, clipping, silence, clicks and dropouts."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evalkit.signal.frames import Array, NotMeasurable, chunks, group, runs, to_db
from evalkit.types import Audio

SILENCE_DBFS = -60.0
SILENCE_FRAME_MS = 100
CLIP_LEVEL = 10.0 ** (-0.1 / 20.0)
CLICK_HIGH_PASS_HZ = 10_000.0
CLICK_FLOOR_DBFS = -70.0
CLICK_MADS = 12.0
CLICK_MAX_MS = 5
DROPOUT_FRAME_MS = 5
DROPOUT_FALL_DB = 40.0


def crest_factor(peak: float, power: float) -> float:
    """Peak to RMS, 20 log10(peak / rms).

    Args:
        peak: Largest absolute sample of all channels.
        power: Mean square over all channels and samples.

    Returns:
        dB, 0 (square wave) or more; a sine has 3.01; below about 6 a song sounds crushed.

    Raises:
        NotMeasurable: digital silence.
    """
    if peak <= 0.0 or power <= 0.0:
        raise NotMeasurable("digital silence")
    return 20.0 * math.log10(peak) - 10.0 * math.log10(power)


def clipped_samples(audio: Audio) -> int:
    """Count clipped samples of all channels.

    A sample is clipped if it stands in a run of at least three samples of one sign with absolute values of at least
    0.999 times the largest of the clip, and that largest is at least -0.1 dBFS.

    Returns:
        Samples, 0 or more; lower is better; 0 for silence.

    Source: evalkit definition.
    """
    if audio.samples.size == 0:
        return 0
    peak = float(max(audio.samples.max(), -audio.samples.min()))
    if peak < CLIP_LEVEL:
        return 0
    least = np.float32(0.999 * peak)
    return sum(_in_runs(channel >= least) + _in_runs(channel <= -least) for channel in audio.samples)


def _in_runs(mask: npt.NDArray[np.bool_]) -> int:
    """Samples that stand in runs of at least three."""
    if len(mask) < 3:
        return 0
    core = mask[:-2] & mask[1:-1] & mask[2:]
    kept = np.zeros(len(mask), dtype=np.bool_)
    for shift in range(3):
        kept[shift : shift + len(core)] |= core
    return int(np.count_nonzero(kept))


def dc_offset(totals: Array, n_samples: int) -> float:
    """Largest absolute mean of any channel.

    Args:
        totals: Sums of samples [channels, cells].
        n_samples: Samples of each channel.

    Returns:
        Linear, 1.0 = full scale; lower is better, below 0.001 is good; 0 for silence.
    """
    return float(np.max(np.abs(totals.sum(axis=1)))) / n_samples


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Where a clip is silent, in seconds; ``ratio`` is a share between 0 and 1."""

    ratio: float
    lead_s: float
    trail_s: float
    max_inner_s: float
    is_everywhere: bool


def find_silence(squares: Array, lengths: Array, sample_rate: int) -> Silence:
    """Frames of 100 ms whose RMS over all channels is below -60 dBFS.

    A last frame that is not full counts with its own length. In a clip that is silent throughout only the ratio (1.0)
    means anything.

    Args:
        squares: Sums of squares [channels, cells].
        lengths: Samples in each cell [cells].
        sample_rate: In Hz.

    Source: evalkit definition.
    """
    counts = group(lengths, SILENCE_FRAME_MS)
    silent = to_db(group(squares.mean(axis=0), SILENCE_FRAME_MS) / counts) < SILENCE_DBFS
    seconds = counts / sample_rate
    starts, ends = runs(silent)
    lengths_s = np.array([seconds[a:b].sum() for a, b in zip(starts, ends, strict=True)])
    at_start = starts == 0
    at_end = ends == len(silent)
    inner = lengths_s[~at_start & ~at_end]
    return Silence(
        ratio=min(1.0, float(lengths_s.sum() / seconds.sum())),
        lead_s=float(lengths_s[at_start].sum()),
        trail_s=float(lengths_s[at_end].sum()),
        max_inner_s=float(inner.max()) if len(inner) else 0.0,
        is_everywhere=bool(silent.all()),
    )


def high_band_cells(audio: Audio) -> Array:
    """Mean square above 10 kHz over all channels, in cells of one millisecond [cells].

    Raises:
        NotMeasurable: the sample rate leaves no room above 10 kHz.
    """
    from scipy.signal import butter, sosfilt

    if audio.sample_rate < 2.2 * CLICK_HIGH_PASS_HZ:
        raise NotMeasurable(f"a sample rate of {audio.sample_rate} Hz holds too little above 10 kHz")
    sections = butter(4, CLICK_HIGH_PASS_HZ, "highpass", fs=audio.sample_rate, output="sos")
    state = np.zeros((len(sections), audio.channels, 2))
    found = []
    for start, end, cells in chunks(audio.samples.shape[1], audio.sample_rate):
        part, state = sosfilt(sections, audio.samples[:, start:end].astype(np.float64), axis=1, zi=state)
        state[np.abs(state) < 1e-30] = 0.0
        found.append(np.add.reduceat((part * part).mean(axis=0), cells) / np.diff(cells, append=end - start))
    return np.concatenate(found)


def find_clicks(cells: Array) -> npt.NDArray[np.int64]:
    """Bursts above 10 kHz that are much stronger than their surroundings and shorter than 5 ms.

    A cell stands out if its energy exceeds the median of its second by more than 12 median absolute deviations, and
    -70 dBFS; bursts less than 5 ms apart are one. A click also stands more than 5 dB above all that sounds 3 to 10 ms
    before and after it: drums and consonants have tails and do not count; very dry electronic percussion may.

    Args:
        cells: From `high_band_cells` [cells].

    Returns:
        Position of each click in milliseconds [clicks]; empty for silence.

    Source: evalkit definition.
    """
    size = 1000
    n_segments = max(1, round(len(cells) / size))
    out = np.zeros(len(cells), dtype=np.bool_)
    for segment in np.array_split(np.arange(len(cells)), n_segments):
        part = cells[segment]
        median = np.median(part)
        deviation = np.median(np.abs(part - median))
        out[segment] = (part > median + CLICK_MADS * deviation) & (to_db(part) > CLICK_FLOOR_DBFS)
    starts, ends = runs(out)
    if len(starts) == 0:
        return starts
    apart = starts[1:] - ends[:-1] >= CLICK_MAX_MS
    starts, ends = starts[np.append(True, apart)], ends[np.append(apart, True)]
    # The beginning of the file is an edge for the filter, not a click in the music.
    brief = (ends - starts < CLICK_MAX_MS) & (starts >= CLICK_MAX_MS)
    clicks = [start for start, end in zip(starts[brief], ends[brief], strict=True) if _is_isolated(cells, start, end)]
    return np.array(clicks, dtype=np.int64)


def _is_isolated(cells: Array, start: int, end: int) -> bool:
    """Whether nothing 3 to 10 ms before or after a burst comes within 5 dB of it."""
    top = start + int(np.argmax(cells[start:end]))
    around = np.concatenate([cells[max(0, top - 10) : max(0, top - 2)], cells[top + 3 : top + 11]])
    return bool(cells[top] > 3.0 * np.max(around, initial=0.0))


def find_dropouts(powers: Array) -> list[tuple[float, float]]:
    """Sudden holes in the sound: a fall by more than 40 dB for 20 to 300 ms, with a sudden return.

    Frames of 5 ms are compared with the median level of the second around them, which must be above -50 dBFS. Just
    before and after the hole the level must be within 20 dB of that median, so that notes dying away do not count.

    Args:
        powers: Mean squares in cells of one millisecond [cells].

    Returns:
        Start and length of each dropout in seconds; none for silence.

    Source: evalkit definition.
    """
    from scipy.ndimage import median_filter

    whole = group(powers, DROPOUT_FRAME_MS, whole=True) / DROPOUT_FRAME_MS
    if len(whole) < 3:
        return []
    levels = to_db(whole)
    usual = median_filter(levels, size=min(201, len(levels)), mode="nearest")
    starts, ends = runs((levels < usual - DROPOUT_FALL_DB) & (usual > -50.0))
    found = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        length_ms = (end - start) * DROPOUT_FRAME_MS
        before, after = levels[max(0, start - 2) : start], levels[end : end + 2]
        if not 20 <= length_ms <= 300 or not len(before) or not len(after):
            continue
        if before.max() > usual[start] - 20.0 and after.max() > usual[end - 1] - 20.0:
            found.append((start * DROPOUT_FRAME_MS / 1000.0, length_ms / 1000.0))
    return found
