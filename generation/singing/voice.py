"""Sings the lines of a score onto one track."""

from collections.abc import Callable

import numpy as np

from evalkit.types import Audio, FloatArray
from generation.singing.effects import polish
from generation.singing.phrase import Voice
from generation.singing.score import SungLine


def sing(
    voice: Voice, lines: tuple[SungLine, ...], duration_s: float, *, progress: Callable[[float], None] | None = None
) -> Audio:
    """Render all lines at their places.

    Args:
        voice: Prepared the phrases, and sings them.
        lines: Of the score.
        duration_s: Length of the track; what would sound later is cut.
        progress: Called with the finished share, 0 to 1.

    Returns:
        Stereo at 48 kHz; silence if there are no lines.
    """
    track: FloatArray = np.zeros(round(duration_s * voice.sample_rate), dtype=np.float32)
    for index, line in enumerate(lines):
        samples, lead_s = voice.sing(line.phrase, line.notes)
        begin = round((line.start_s - lead_s) * voice.sample_rate)
        if begin < 0:
            samples, begin = samples[-begin:], 0
        room = track[begin : begin + samples.size]
        room += samples[: room.size]
        if progress is not None:
            progress((index + 1) / len(lines))
    return polish(track, voice.sample_rate)
