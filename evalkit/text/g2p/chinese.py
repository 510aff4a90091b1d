"""Mandarin: initials and finals without tones, readings chosen by phrase."""

from collections.abc import Sequence
from typing import Any

from evalkit.text.tokens import Token

_PARTICLE = "地"


def phones_of_line(words: Sequence[Token]) -> list[tuple[str, ...]]:
    """Initial and final of each character of a line; ü is written v, y and w count as initials.

    The particles 的, 地 and 得 sound alike; 地 alone between words is read as one, inside a word (大地) as di.
    """
    from pypinyin import Style, lazy_pinyin

    text = "".join(word.text for word in words)
    initials = lazy_pinyin(text, style=Style.INITIALS, strict=False, errors=_keep)
    finals = lazy_pinyin(text, style=Style.FINALS, strict=False, errors=_keep)
    readings = [tuple(dict.fromkeys(part for part in pair if part)) for pair in zip(initials, finals, strict=True)]
    for index, char in enumerate(text):
        if (char == _PARTICLE and _is_particle(text, index)) or (char == "得" and readings[index] != ("d", "ei")):
            readings[index] = ("d", "e")
    return readings


def _is_particle(text: str, index: int) -> bool:
    from pypinyin.constants import PHRASES_DICT

    before, after = text[index - 1 : index + 1] if index else "", text[index : index + 2]
    return (
        not any(
            len(pair) == 2 and any("d" in syllable[0] and "e" not in syllable[0] for syllable in PHRASES_DICT[pair])
            for pair in (before, after)
            if pair in PHRASES_DICT
        )
        and index > 0
    )


def _keep(unknown: str) -> Any:
    return list(unknown)  # one entry per character, as the others; pypinyin's type names only str
