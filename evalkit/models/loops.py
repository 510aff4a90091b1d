"""Loops of a recogniser: the same few words again and again, too fast to be sung.

Ordinary repetition is never touched: choruses repeat, and some hooks are one word eight times. Only what no voice could
have sung is taken out, and one turn of it stays.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import replace

from evalkit.models.transcript import Segment, Word

MAX_COMPRESSION_RATIO = 2.4
MAX_WORD_S = 0.08
"""Mean length of a segment's words below which nobody sang them."""

MAX_TURNS = 6
MAX_NGRAM = 8


def without_loops(segment: Segment) -> Segment:
    """The segment with each loop cut down to its first turn.

    A loop is an n-gram of 1 to 8 words more than 6 times in a row, in a segment whose text has a compression ratio
    above 2.4 and whose words last less than 80 ms on average. Anything else comes back as it was.
    """
    words = segment.words
    if segment.compression_ratio <= MAX_COMPRESSION_RATIO or not words:
        return segment
    if sum(word.end_s - word.start_s for word in words) >= MAX_WORD_S * len(words):
        return segment
    kept = _cut(words)
    if len(kept) == len(words):
        return segment
    return replace(segment, words=kept, text="".join(word.text for word in kept))


def _cut(words: Sequence[Word]) -> tuple[Word, ...]:
    keys = [_key(word.text) for word in words]
    kept: list[Word] = []
    index = 0
    while index < len(words):
        size, turns = _loop_at(keys, index)
        kept.extend(words[index : index + size])
        index += size * turns
    return tuple(kept)


def _loop_at(keys: Sequence[str], start: int) -> tuple[int, int]:
    """Words of the shortest loop that begins at ``start`` and how often it comes; (1, 1) if there is none."""
    for size in range(1, MAX_NGRAM + 1):
        turn = keys[start : start + size]
        turns = 1
        while len(turn) == size and keys[start + turns * size : start + (turns + 1) * size] == turn:
            turns += 1
        if turns > MAX_TURNS:
            return size, turns
    return 1, 1


def _key(text: str) -> str:
    return "".join(char for char in text.lower() if unicodedata.category(char)[0] in "LNM")
