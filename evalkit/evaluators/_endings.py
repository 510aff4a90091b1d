"""How a song ends: complete, faded out, or cut off.

The end is judged where the sound stops; silence behind it does not make a cut song complete.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from evalkit.signal.frames import Array, NotMeasurable, to_db

NAME = "ending1"
"""Of the rule with its numbers, for signatures."""

SILENCE_DB = -60.0
LAST_S = 1.0
TAIL_MS = 50
MIN_DROP_DB = 6.0
MAX_REST_S = 0.5
FADE_BLOCKS, FADE_BLOCK_MS = 4, 1250
FADE_DB, FADE_SLACK_DB, FADE_END_DB = 15.0, 1.0, 20.0
MAX_FADE_STEP = 0.7

Kind = Literal["complete", "fade", "cut"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The end of one song.

    Attributes:
        kind: ``cut`` if the last second is less than 6 dB below the song's median level and either the last sung word
            ends less than 0.5 s before the sound does, or the last 50 ms still are within 6 dB of the median; else
            ``fade`` if the last 5 s sink step by step (in blocks of 1.25 s, none over 1 dB louder than the last)
            by 15 dB or more, to 20 dB or more below the median, and not by more than 70 % in one step; else
            ``complete``.
        drop_db: How far the last second lies below the song's median level.
        tail_db: How far the last 50 ms do.
        end_s: When the sound stops.
    """

    kind: Kind
    drop_db: float
    tail_db: float
    end_s: float


def find_ending(powers: Array, last_word_s: float | None) -> Ending:
    """Judge the end of a song.

    Args:
        powers: Mean squares over milliseconds [cells].
        last_word_s: When the last word ends; None if none was heard.

    Raises:
        NotMeasurable: silent throughout, or shorter than two seconds.
    """
    loud = np.flatnonzero(to_db(powers) > SILENCE_DB)
    if len(loud) == 0:
        raise NotMeasurable("silent throughout")
    end = int(loud[-1]) + 1
    if end < 2000 * LAST_S:
        raise NotMeasurable("sounds for less than two seconds")
    sounding = powers[:end]
    frames = sounding[: end - end % TAIL_MS].reshape(-1, TAIL_MS).mean(axis=1)
    median_db = float(np.median(to_db(frames)[to_db(frames) > SILENCE_DB]))
    drop_db = median_db - float(to_db(sounding[-round(1000 * LAST_S) :].mean()))
    tail_db = median_db - float(to_db(sounding[-TAIL_MS:].mean()))
    end_s = end / 1000.0
    inside_word = last_word_s is not None and end_s - last_word_s < MAX_REST_S
    if drop_db < MIN_DROP_DB and (inside_word or tail_db < MIN_DROP_DB):
        kind: Kind = "cut"
    else:
        blocks = sounding[max(0, end - FADE_BLOCKS * FADE_BLOCK_MS) :]
        blocks = blocks[len(blocks) % FADE_BLOCK_MS :].reshape(-1, FADE_BLOCK_MS).mean(axis=1)
        kind = "fade" if _sinks(to_db(blocks) - median_db) else "complete"
    return Ending(kind=kind, drop_db=drop_db, tail_db=tail_db, end_s=end_s)


def _sinks(levels: Array) -> bool:
    """Whether the levels of the last blocks fall from one to the next, far enough and not all at once."""
    if len(levels) < FADE_BLOCKS:
        return False
    falls = -np.diff(levels)
    total = float(falls.sum())
    return (
        total >= FADE_DB
        and float(falls.min()) >= -FADE_SLACK_DB
        and float(falls.max()) <= MAX_FADE_STEP * total
        and float(levels[-1]) <= -FADE_END_DB
    )
