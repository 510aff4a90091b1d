"""Strings of the International Phonetic Alphabet cut into phones."""

import unicodedata

_TIE = frozenset("\u0361\u035c")
_DROPPED = frozenset("ˈˌːˑ.‿|‖ '’-")
"""Stress and length: the melody decides them in singing."""


def split(ipa: str) -> tuple[str, ...]:
    """Cut into phones: a base letter with its marks; two letters joined by a tie are one phone.

    >>> split("t͡ʃao")
    ('t͡ʃ', 'a', 'o')
    >>> split("kɔ̃ˈtʲɛː")
    ('k', 'ɔ̃', 'tʲ', 'ɛ')
    """
    phones: list[str] = []
    for char in unicodedata.normalize("NFD", ipa):
        if char in _DROPPED:
            continue
        category = unicodedata.category(char)
        tied = bool(phones) and phones[-1][-1] in _TIE
        if phones and (tied or category[0] == "M" or category in ("Lm", "Sk")):
            phones[-1] += char
        elif category[0] == "L":
            phones.append(char)
    return tuple(phones)
