"""Which kind of writing a character belongs to, and where a written character ends."""

import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

CharClass = Literal[
    "space", "punctuation", "apostrophe", "digit", "alphabetic", "hangul", "han", "kana", "syllabic", "mark"
]

UNSPACED: frozenset[CharClass] = frozenset({"han", "kana", "syllabic"})
"""Writing without spaces between words: one written character is one token."""

_APOSTROPHES = frozenset("'\u2018\u2019\u201b\u02bc\u00b4\u0060\uff07\u2032")
_KANA_EXTRA = frozenset("\u30fc\u309d\u309e\u30fd\u30fe")
_HAN_EXTRA = frozenset("\u3005\u3007")
_SARA_AM = frozenset("\u0e33\u0eb3")  # vowels of Thai and Lao that stand with the consonant before
_SYLLABIC_RANGES = (
    (0x0E00, 0x0E7F),  # Thai
    (0x0E80, 0x0EFF),  # Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
)
_HAN_RANGES = (
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x323AF),
)


@lru_cache(maxsize=8192)
def char_class(char: str) -> CharClass:
    """The class of one character, on which the tokeniser decides.

    Marks (accents that could not be composed, vowel signs of Indic and Thai writing) belong to the character before.
    """
    if char in _APOSTROPHES:
        return "apostrophe"
    code = ord(char)
    category = unicodedata.category(char)
    if category[0] == "M" or char in _SARA_AM:
        return "mark"
    if char.isspace() or category[0] == "Z":
        return "space"
    if category == "Nd":
        return "digit"
    if char in _HAN_EXTRA or _within(code, _HAN_RANGES):
        return "han"
    if char in _KANA_EXTRA or 0x3041 <= code <= 0x3096 or 0x30A1 <= code <= 0x30FA:
        return "kana"
    if category[0] != "L":
        return "punctuation"
    if 0xAC00 <= code <= 0xD7A3 or 0x1100 <= code <= 0x11FF or 0x3131 <= code <= 0x318E:
        return "hangul"
    if _within(code, _SYLLABIC_RANGES):
        return "syllabic"
    return "alphabetic"


def is_latin(text: str) -> bool:
    """Whether the first letter of ``text`` is a Latin one."""
    for char in text:
        if char_class(char) == "alphabetic":
            return unicodedata.name(char, "").startswith("LATIN")
    return False


def graphemes(text: str) -> Iterator[str]:
    """Written characters of ``text``: each base character with the marks and joiners that follow it."""
    start = 0
    for index in range(1, len(text) + 1):
        if index == len(text) or not _continues(text, index):
            if index > start:
                yield text[start:index]
            start = index


def _continues(text: str, index: int) -> bool:
    joiners = "\u200c\u200d"
    return char_class(text[index]) == "mark" or text[index] in joiners or text[index - 1] == "\u200d"


def _within(code: int, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(low <= code <= high for low, high in ranges)
