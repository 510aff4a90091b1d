"""Named, versioned rules that make two spellings of the same sung words equal.

The rules are ours (``docs/evaluators/lyrics.md`` lists them); the normalisers that come with Whisper delete words in
parentheses, break contractions apart and strip marks that some languages need.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Any

VERSION = 2
"""Raised whenever any output of this module or of the tokeniser changes."""

NAME = f"evalkit-lyrics-{VERSION}"
"""Of the whole set; goes into signatures, which must not depend on the song's language."""

_LETTERS = {
    "fr": str.maketrans({"œ": "oe", "æ": "ae"}),
    "ru": str.maketrans({"ё": "е"}),
    "be": str.maketrans({"ё": "е"}),
    "ro": str.maketrans({"ş": "ș", "ţ": "ț"}),  # the cedillas of old keyboards
}
_ACUTE, _GRAVE = "\u0301", "\u0300"
_HARAKAT = dict.fromkeys([*range(0x064B, 0x0653), 0x0670, 0x0640])
_POINTS = dict.fromkeys(code for code in range(0x0591, 0x05C8) if code not in (0x05BE, 0x05C0, 0x05C3, 0x05C6))
_SPACING = {"著": "着", "〇": "零"}
_TONES = "\u0300\u0301\u0303\u0309\u0323"
_OLD_TONE = re.compile(f"(o|(?<!q)u)([aey])([{_TONES}])(?=\\Z)")

_split = str.split
# Words that are written together with what follows; sung, they are words of their own (l'aime = l' + aime).
ELISIONS: dict[str, frozenset[str]] = {
    "fr": frozenset(
        ["c", "d", "j", "l", "m", "n", "s", "t", "qu", "jusqu", "lorsqu", "puisqu", "quoiqu", "quelqu", "presqu"]
    ),
    "it": frozenset(
        _split("l un d c m t s v n gl ch dell nell all dall sull coll quell quest bell sant tutt senz anch")
    )
    | frozenset(_split("com dov cos quand grand mezz cent fors nient")),
    "ca": frozenset(["l", "d", "m", "n", "s", "t"]),
}


def base_language(tag: str) -> str:
    """The language without script and region: ``pt-BR`` → ``pt``; Cantonese stays ``yue``."""
    language = tag.replace("_", "-").split("-")[0].lower()
    return {"cmn": "zh", "jpn": "ja", "eng": "en"}.get(language, language)


def normaliser_name(language: str) -> str:
    """Name of the rules for one language, e.g. ``evalkit-en-2``; languages without own rules use ``basic``."""
    language = base_language(language)
    return f"evalkit-{language if language in OWN_RULES else 'basic'}-{VERSION}"


OWN_RULES = frozenset(_split("en zh yue ja ko es fr de pt it ru be uk nl pl sv tr az vi id hi ar fa ur he ro th ca"))


def prepare(text: str) -> str:
    """What is done before offsets into the text are taken: composed characters (NFC), full-width half-width kana.

    Compatibility composition is used for half-width kana only, where ``ｶﾞ`` is one character; elsewhere it would change
    words (``½``, ligatures).
    """
    composed = unicodedata.normalize("NFC", text)
    if not any("\uff61" <= char <= "\uff9f" for char in composed):
        return composed
    out, run = [], ""
    for char in composed:
        if "\uff61" <= char <= "\uff9f":
            run += char
        else:
            out.append(unicodedata.normalize("NFKC", run) + char)
            run = ""
    return "".join(out) + unicodedata.normalize("NFKC", run)


def fold_width(char: str) -> str:
    """Full-width Latin letters, digits and punctuation as ordinary ones."""
    return chr(ord(char) - 0xFEE0) if "\uff01" <= char <= "\uff5e" else char


def lower(text: str, language: str) -> str:
    """Lower case; in Turkish and Azerbaijani ``I`` is the capital of ``ı`` and ``İ`` that of ``i``."""
    if language in ("tr", "az"):
        text = text.replace("I", "ı").replace("İ", "i")
    return unicodedata.normalize("NFC", text.lower())


def word(text: str, language: str) -> str:
    """Normalise one word that holds no punctuation but apostrophes."""
    text = lower("".join(map(fold_width, text)), language)
    if language in ("ru", "be", "uk"):  # stress marks of textbooks
        text = text.replace(_ACUTE, "").replace(_GRAVE, "")
    if language in ("ar", "fa", "ur"):
        text = text.translate(_HARAKAT)
    if language == "he":
        text = text.translate(_POINTS)
    if language == "vi":  # two ways to write one tone: hoà, hòa
        text = unicodedata.normalize("NFC", _OLD_TONE.sub(r"\1\3\2", unicodedata.normalize("NFD", text)))
    table = _LETTERS.get(language)
    text = text.translate(table) if table else text
    return text.replace("\u200c", "").replace("\u200d", "")


def kana(char: str, previous: str) -> str:
    """Fold one kana: katakana as hiragana, repetition marks written out, the long-vowel mark kept."""
    if char in "ゝヽ" and previous:
        return previous
    if char in "ゞヾ" and previous:
        return unicodedata.normalize("NFC", previous + "\u3099")
    return "".join(chr(ord(c) - 0x60) if "\u30a1" <= c <= "\u30f6" else c for c in char)


def simplify_chinese(text: str, language: str) -> str:
    """Traditional characters as simplified ones, one for one; Cantonese keeps what it has."""
    if language != "zh":
        return text
    converted = str(_opencc().convert(text))
    if len(converted) != len(text):  # a phrase rule changed the length: offsets matter more than that phrase
        converted = "".join(_one_simplified(char) for char in text)
    return "".join(_SPACING.get(char, char) for char in converted)


@lru_cache(maxsize=8192)
def _one_simplified(char: str) -> str:
    converted = str(_opencc().convert(char))
    return converted if len(converted) == 1 else char


@lru_cache(maxsize=1)
def _opencc() -> Any:
    from opencc import OpenCC

    return OpenCC("t2s")
