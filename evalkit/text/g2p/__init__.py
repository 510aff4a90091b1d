"""Phones of lyrics, offline, one converter for each language, the same for reference and transcript.

What counts is not that a phone is exact but that both sides are treated alike: homophones and spelling variants cost
nothing, misheard sounds do. A language without a converter has no phone error rate; nothing falls back to English.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import groupby

from evalkit.text.normalise import base_language
from evalkit.text.script import char_class, graphemes, is_latin
from evalkit.text.tokens import Token

NAME = "evalkit-g2p-2"
"""Of all converters together; raised whenever any phone of any language changes."""

Converter = Callable[[Sequence[Token]], list[tuple[str, ...]]]
"""Takes the words of one line, in order, and gives the phones of each."""

_NON_LATIN = frozenset(["zh", "yue", "ja", "ko", "ru", "be", "uk", "hi", "ar", "fa", "th", "lo", "km", "my"])


def languages() -> tuple[str, ...]:
    """Languages that have a converter, sorted."""
    from evalkit.text.g2p.rules import CODES

    return tuple(sorted({"en", "zh", "ja", *CODES}))


def has_g2p(language: str) -> bool:
    """Whether a phone error rate can be measured in this language."""
    return base_language(language) in languages()


def phone_tokens(tokens: Iterable[Token], language: str) -> list[Token]:
    """Phones of a token sequence.

    Each line goes into its converter as a whole, because readings depend on neighbours; words in another writing go
    into the converter of that writing's language (English hooks in a Chinese lyric).

    Args:
        tokens: Words in order; ``section`` and ``line`` tell which belong together.
        language: Of the lyric; must have a converter.

    Returns:
        One token per phone, with the section, line, mark and times of its word.
    """
    language = base_language(language)
    phones: list[Token] = []

    def key(token: Token) -> tuple[int, int, str]:
        return token.section, token.line, _language_of(token.text, language)

    for (_, _, run_language), group in groupby(tokens, key=key):
        words = list(group)
        readings = _converter(run_language)(words) if has_g2p(run_language) else [_opaque(word) for word in words]
        for word, reading in zip(words, readings, strict=True):
            phones.extend(replace(word, text=phone, surface=phone) for phone in reading or _opaque_if_needed(word))
    return phones


@lru_cache(maxsize=32)
def _converter(language: str) -> Converter:
    if language == "en":
        from evalkit.text.g2p.english import English

        return English()
    if language == "zh":
        from evalkit.text.g2p.chinese import phones_of_line as chinese

        return chinese
    if language == "ja":
        from evalkit.text.g2p.japanese import phones_of_line as japanese

        return japanese
    from evalkit.text.g2p.rules import Rules

    return Rules(language)


def _language_of(text: str, language: str) -> str:
    kind = char_class(text[0])
    if kind == "han":
        return language if language in ("ja", "yue") else "zh"
    if kind == "kana":
        return "ja"
    if kind == "hangul":
        return "ko"
    if kind == "alphabetic" and language in _NON_LATIN and is_latin(text):
        return "en"
    return language


def _opaque(word: Token) -> tuple[str, ...]:
    return tuple(graphemes(word.text))


def _opaque_if_needed(word: Token) -> tuple[str, ...]:
    """Signs no converter reads (digits, foreign letters) still count; mute ones (Russian ь alone) do not."""
    return tuple(char for char in _opaque(word) if char_class(char[0]) == "digit")
