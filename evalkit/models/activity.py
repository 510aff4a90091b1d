"""Where the voice is, by level, and where a recording is cut before it is transcribed.

Speech detectors call singing non-speech (metrics of the field report 0 % speech on sung tracks), so level decides.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evalkit.models.transcript import Stretch
from evalkit.types import FloatArray

NAME = "rms1"
"""Of the rule with its numbers, for signatures."""

FRAME_S = 0.05
FLOOR_DB = -50.0
RANGE_DB = 30.0
MAX_GAP_S = 0.6
MIN_ISLAND_S = 0.25
PAD_S = 0.2
MAX_CHUNK_S = 28.0


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open stretch of samples."""

    start: int
    stop: int

    @property
    def size(self) -> int:
        """Number of samples."""
        return self.stop - self.start


def frame_levels_db(samples: FloatArray, sample_rate: int) -> npt.NDArray[np.float64]:
    """RMS level of each 50 ms frame in dBFS [frames]; the last frame may be shorter; silence is -inf."""
    frame = max(1, round(FRAME_S * sample_rate))
    n_frames = math.ceil(len(samples) / frame)
    padded = np.zeros(n_frames * frame, dtype=np.float64)
    padded[: len(samples)] = samples
    power = np.mean(padded.reshape(n_frames, frame) ** 2, axis=1)
    with np.errstate(divide="ignore"):
        levels: npt.NDArray[np.float64] = 10.0 * np.log10(power)
    return levels


def active_spans(samples: FloatArray, sample_rate: int) -> list[Span]:
    """Stretches in which a separated voice sounds.

    A 50 ms frame is active above max(-50 dBFS, 95th percentile of the song - 30 dB); gaps under 0.6 s are closed,
    islands under 0.25 s dropped, 0.2 s added at both ends.

    Args:
        samples: Mono [time].
        sample_rate: In Hz.

    Returns:
        Spans in order, not touching; none for silence.
    """
    levels = frame_levels_db(samples, sample_rate)
    if not len(levels) or not np.isfinite(levels.max()):
        return []
    finite = np.where(np.isfinite(levels), levels, -200.0)
    active = finite > max(FLOOR_DB, float(np.percentile(finite, 95)) - RANGE_DB)
    frame = max(1, round(FRAME_S * sample_rate))
    runs = _runs(active)
    runs = _join(runs, round(MAX_GAP_S / FRAME_S))
    runs = [(start, stop) for start, stop in runs if (stop - start) * FRAME_S >= MIN_ISLAND_S]
    pad = round(PAD_S / FRAME_S)
    runs = _join([(max(0, start - pad), min(len(levels), stop + pad)) for start, stop in runs], 1)
    return [Span(start * frame, min(stop * frame, len(samples))) for start, stop in runs]


def to_spans(stretches: Sequence[Stretch], sample_rate: int, n_samples: int) -> list[Span]:
    """Stretches in seconds as samples of a recording of ``n_samples``."""
    spans = [Span(round(start * sample_rate), min(round(stop * sample_rate), n_samples)) for start, stop in stretches]
    return [span for span in spans if span.size > 0]


def chunks_of_voice(spans: list[Span], sample_rate: int, max_s: float = MAX_CHUNK_S) -> list[Span]:
    """Join active spans into chunks of at most ``max_s``, cut at the longest gaps; a longer span stays whole."""
    if not spans:
        return []
    whole = Span(spans[0].start, spans[-1].stop)
    if whole.size <= max_s * sample_rate or len(spans) == 1:
        return [whole]
    gaps = [after.start - before.stop for before, after in itertools.pairwise(spans)]
    cut = int(np.argmax(gaps)) + 1  # the first of equally long gaps
    return chunks_of_voice(spans[:cut], sample_rate, max_s) + chunks_of_voice(spans[cut:], sample_rate, max_s)


def quiet_chunks(samples: FloatArray, sample_rate: int, span: Span, max_s: float = MAX_CHUNK_S) -> list[Span]:
    """Cut a span into pieces of at most ``max_s``, each at the quietest quarter second of its second half."""
    pieces = []
    start = span.start
    limit = round(max_s * sample_rate)
    while span.stop - start > limit:
        cut = _quietest(samples, sample_rate, start + limit // 2, start + limit)
        pieces.append(Span(start, cut))
        start = cut
    pieces.append(Span(start, span.stop))
    return pieces


def split_at_pause(samples: FloatArray, sample_rate: int, span: Span) -> tuple[Span, Span]:
    """Cut a span in two at the quietest quarter second of its middle half."""
    quarter = span.size // 4
    cut = _quietest(samples, sample_rate, span.start + quarter, span.stop - quarter)
    return Span(span.start, cut), Span(cut, span.stop)


def _quietest(samples: FloatArray, sample_rate: int, start: int, stop: int) -> int:
    levels = frame_levels_db(samples[start:stop], sample_rate)
    power = np.convolve(10.0 ** (levels / 10.0), np.ones(5) / 5, mode="same")
    frame = max(1, round(FRAME_S * sample_rate))
    return start + min(int(np.argmin(power)) * frame + frame // 2, stop - start - 1)


def _runs(active: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate(([False], active, [False])).astype(np.int8)))
    return [(int(start), int(stop)) for start, stop in zip(edges[::2], edges[1::2], strict=True)]


def _join(runs: list[tuple[int, int]], max_gap: int) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start, stop in runs:
        if joined and start - joined[-1][1] < max_gap:
            joined[-1] = (joined[-1][0], max(joined[-1][1], stop))
        else:
            joined.append((start, stop))
    return joined
