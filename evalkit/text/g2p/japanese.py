"""Japanese: OpenJTalk reads a whole line, so that kanji and kana spellings of the same words give the same phones."""

from collections.abc import Sequence

from evalkit.text.g2p.lines import share_out
from evalkit.text.tokens import Token


def phones_of_line(words: Sequence[Token]) -> list[tuple[str, ...]]:
    """Phones of a line, long vowels as two vowels, whispered vowels as voiced ones, pauses dropped.

    OpenJTalk reads the words as written, because a katakana word turned into hiragana is no longer in its dictionary. A
    reading belongs to the line as a whole; the phones are shared out evenly over its characters.
    """
    import pyopenjtalk

    text = "".join(word.surface for word in words)
    phones = [_voiced(phone) for phone in pyopenjtalk.g2p(text).split() if phone not in ("pau", "sil")]
    return share_out(phones, len(words))


def _voiced(phone: str) -> str:
    return phone.lower() if phone in ("A", "I", "U", "E", "O") else phone
