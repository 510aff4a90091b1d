import itertools

import numpy as np
import pytest

from evalkit.models import activity
from evalkit.models.activity import Span

RATE = 16_000


def bursts(*spans: tuple[float, float], duration_s: float, level: float = 0.3) -> np.ndarray:
    time = np.arange(round(duration_s * RATE)) / RATE
    gate = sum(((time >= start) & (time < stop)).astype(float) for start, stop in spans)
    return (level * gate * np.sin(2 * np.pi * 220 * time)).astype(np.float32)


def seconds(spans: list[Span]) -> list[tuple[float, float]]:
    return [(round(span.start / RATE, 2), round(span.stop / RATE, 2)) for span in spans]


def test_bursts_are_found_with_padding() -> None:
    samples = bursts((1.0, 2.0), (4.0, 5.0), duration_s=7.0)
    assert seconds(activity.active_spans(samples, RATE)) == [(0.8, 2.2), (3.8, 5.2)]


def test_short_gaps_are_closed_and_islands_dropped() -> None:
    samples = bursts((1.0, 2.0), (2.5, 3.0), (5.0, 5.1), duration_s=7.0)
    assert seconds(activity.active_spans(samples, RATE)) == [(0.8, 3.2)]


@pytest.mark.parametrize("samples", [np.zeros(RATE, np.float32), np.zeros(0, np.float32)])
def test_silence_has_no_activity(samples: np.ndarray) -> None:
    assert activity.active_spans(samples, RATE) == []


def test_below_minus_fifty_dbfs_is_silence() -> None:
    assert activity.active_spans(bursts((1.0, 2.0), duration_s=3.0, level=0.002), RATE) == []
    assert activity.active_spans(bursts((1.0, 2.0), duration_s=3.0, level=0.01), RATE) != []


def test_voice_is_cut_at_the_longest_gap() -> None:
    samples = bursts((0.0, 10.0), (11.0, 20.0), (23.0, 35.0), duration_s=36.0)
    chunks = activity.chunks_of_voice(activity.active_spans(samples, RATE), RATE)
    assert seconds(chunks) == [(0.0, 20.2), (22.8, 35.2)]
    assert activity.chunks_of_voice([], RATE) == []


def test_quiet_chunks_cover_the_span_and_cut_in_the_pause() -> None:
    samples = bursts((0.0, 20.0), (21.0, 70.0), duration_s=70.0) + np.float32(1e-4)
    chunks = activity.quiet_chunks(samples, RATE, Span(0, len(samples)))
    assert chunks[0].start == 0
    assert chunks[-1].stop == len(samples)
    assert all(chunk.size <= 28 * RATE for chunk in chunks)
    assert all(before.stop == after.start for before, after in itertools.pairwise(chunks))
    assert 20.0 <= chunks[0].stop / RATE <= 21.0


def test_a_chunk_is_split_at_its_pause() -> None:
    samples = bursts((0.0, 5.0), (6.0, 12.0), duration_s=12.0)
    left, right = activity.split_at_pause(samples, RATE, Span(0, len(samples)))
    assert (left.start, right.stop) == (0, len(samples))
    assert left.stop == right.start
    assert 5.0 <= left.stop / RATE <= 6.0
