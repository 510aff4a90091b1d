"""Speaks a lyric: the same voices without notes and without a band."""

from collections.abc import Callable, Sequence

import numpy as np

from evalkit.audio import resample
from evalkit.types import Audio, FloatArray, Section
from generation.singing.effects import SAMPLE_RATE, high_pass
from generation.singing.mix import active_rms_db
from generation.singing.phrase import Voice

LINE_PAUSE_S = 0.35
SECTION_PAUSE_S = 0.9
EDGE_S = 0.5
"""Silence before the first word and after the last."""
SHORTEST_S = 6.0
"""Shorter speech is followed by silence: some measures want five seconds."""
LEVEL_DB = -20.0
"""RMS in dBFS where the voice sounds."""
PEAK = 0.9


def speak(
    voice: Voice, sections: Sequence[Section], *, progress: Callable[[float], None] | None = None
) -> tuple[Audio, list[str]]:
    """Speak all lines one after the other.

    Args:
        voice: Whose speech it is.
        sections: Of the lyric; those without lines are passed over.
        progress: Called with the finished share, 0 to 1.

    Returns:
        Two equal channels at 48 kHz (silence if nothing can be pronounced), and the skipped lines.
    """
    rate = voice.sample_rate
    parts: list[FloatArray] = [_silence(EDGE_S, rate)]
    skipped: list[str] = []
    sung = [section for section in sections if section.is_sung]
    n_lines = sum(len(section.lines) for section in sung)
    done = 0
    for section in sung:
        for line in section.lines:
            phrases = voice.prepare(line)
            if not phrases:
                skipped.append(line)
            for phrase in phrases:
                parts += [voice.speak(phrase), _silence(LINE_PAUSE_S, rate)]
            done += 1
            if progress is not None:
                progress(done / n_lines)
        parts.append(_silence(SECTION_PAUSE_S - LINE_PAUSE_S, rate))
    spoken_s = sum(part.size for part in parts) / rate
    parts.append(_silence(max(EDGE_S, SHORTEST_S - spoken_s), rate))
    dry = Audio(samples=np.concatenate(parts)[None].astype(np.float32), sample_rate=rate)
    clip = resample(dry, SAMPLE_RATE)
    samples = high_pass(clip.samples[0])
    level_db = active_rms_db(Audio(samples=samples[None], sample_rate=SAMPLE_RATE))
    if np.isfinite(level_db):
        gain = min(10 ** ((LEVEL_DB - level_db) / 20), PEAK / float(np.abs(samples).max()))
        samples = samples * np.float32(gain)
    return Audio(samples=np.repeat(samples[None], 2, axis=0), sample_rate=SAMPLE_RATE), skipped


def _silence(seconds: float, rate: int) -> FloatArray:
    return np.zeros(round(seconds * rate), dtype=np.float32)
