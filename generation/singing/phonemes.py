"""Text to the phoneme symbols Kokoro was trained on, for the ten languages the singer knows.

Seven languages go through espeak-ng with small replacement tables; Chinese and Japanese have modules of their own.
What the network's vocabulary lacks is replaced by the nearest sound or left out, always by a table one can read.
"""

import unicodedata
from collections.abc import Callable, Iterable

from generation.singing import espeak

LANGUAGES = ("en", "zh", "es", "ja", "fr", "de", "pt", "it", "ko", "ru")

ESPEAK_VOICES = {
    "en": "en-us",
    "zh": "cmn",
    "es": "es",
    "ja": "ja",
    "fr": "fr",
    "de": "de",
    "pt": "pt-br",
    "it": "it",
    "ko": "ko",
    "ru": "ru",
}

_SCRIPTS = {
    "zh": ("CJK", "LATIN"),
    "ja": ("CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "IDEOGRAPHIC", "LATIN"),
    "ko": ("HANGUL", "LATIN"),
    "ru": ("CYRILLIC", "LATIN"),
}
_PUNCTUATION = {"’": "'", "‘": "'", "、": ",", "，": ",", "。": ".", "！": "!", "？": "?", "；": ",", "：": ","}

# Longest first; the tie joins the letters of one sound. Kokoro writes diphthongs and affricates as single symbols.
_SHARED = (
    ("a^ɪ", "I"),
    ("a^ʊ", "W"),
    ("e^ɪ", "A"),
    ("o^ʊ", "O"),
    ("ə^ʊ", "Q"),
    ("ɔ^ɪ", "Y"),
    ("d^ʒ", "ʤ"),
    ("t^ʃ", "ʧ"),
    ("d^z", "ʣ"),
    ("t^s", "ʦ"),
    ("t^ɕ", "ʨ"),
    ("d^ʑ", "ʥ"),
)
_OWN = {
    "en": (
        ("ɜː", "ɜɹ"),
        ("ɚ", "əɹ"),
        ("ə^l", "ᵊl"),
        ("ː", ""),
        ("r", "ɹ"),
        ("ɾ", "T"),
        ("ʔ", "t"),
        ("ɐ", "ə"),
        ("o", "ɔ"),
        ("e", "A"),
        ("x", "k"),
    ),
    "ko": (("q", "k"), ("ɫ", "l"), ("ɐ", "a")),
    "ru": (("ɫ", "l"), ("ɵ", "o"), ("ʉ", "u"), ("ʑ", "ʒ"), ("^", "")),
}
_NEAREST = str.maketrans(
    {
        "g": "ɡ",
        "ʏ": "y",
        "ɫ": "l",
        "ɬ": "l",
        "ɭ": "l",
        "ʐ": "ʒ",
        "ʑ": "ʒ",
        "ʀ": "ʁ",
        "ɱ": "m",
        "ɦ": "h",
        "ħ": "h",
        "ʍ": "w",
        "ɵ": "ø",
        "ʉ": "u",
        "ɘ": "ə",
        "ɞ": "ɜ",
        "ɶ": "œ",
        "ɺ": "ɾ",
        "ʙ": "b",
        "ɝ": "ɜ",
        "ᵻ": "ɪ",
    }
)

Phonemiser = Callable[[str], str]


def phonemise(text: str, language: str, vocabulary: Iterable[str]) -> tuple[str, ...]:
    """Pronounce one line.

    Args:
        text: The line; emoji, symbols and letters of foreign scripts are not pronounced.
        language: One of `LANGUAGES`.
        vocabulary: Symbols that may come out.

    Returns:
        Symbols of the vocabulary, words separated by single blanks; empty if there is nothing to pronounce.
    """
    cleaned = pronounceable(text, language)
    if not any(char.isalnum() for char in cleaned):
        return ()
    allowed = set(vocabulary)
    symbols = [symbol for symbol in _pronounce(cleaned, language) if symbol in allowed]
    return tuple(_single_blanks(symbols))


def pronounceable(text: str, language: str) -> str:
    """The text without what has no sound: emoji, symbols, control characters, letters of other scripts."""
    scripts = _SCRIPTS.get(language, ("LATIN",))
    kept = []
    for char in unicodedata.normalize("NFKC", text):
        plain = str(unicodedata.decimal(char)) if char.isdecimal() else _PUNCTUATION.get(char, char)
        is_letter = char.isalpha() and unicodedata.name(char, "").startswith(scripts)
        is_sounding = is_letter or char.isdecimal() or (char in "々ー〆" and language == "ja")
        kept.append(plain if is_sounding or plain in ",.!?'-" or unicodedata.category(char) == "Mn" else " ")
    return " ".join("".join(kept).split())


def _pronounce(text: str, language: str) -> str:
    if language == "zh":
        from generation.singing import chinese

        return chinese.pronounce(text)
    if language == "ja":
        from generation.singing import japanese

        return japanese.pronounce(text)
    ipa = " ".join(espeak.to_ipa(text, ESPEAK_VOICES[language]))
    return to_kokoro(ipa, language)


def to_kokoro(ipa: str, language: str) -> str:
    """IPA of espeak-ng in Kokoro's spelling."""
    # espeak switches to English for words it takes for English and says so in brackets.
    while "(" in ipa and ")" in ipa[ipa.index("(") :]:
        start = ipa.index("(")
        ipa = ipa[:start] + ipa[ipa.index(")", start) + 1 :]
    for old, new in (*_SHARED, *_OWN.get(language, ())):
        ipa = ipa.replace(old, new)
    return ipa.replace(espeak.TIE, "").replace("-", "").translate(_NEAREST)


def _single_blanks(symbols: list[str]) -> list[str]:
    kept: list[str] = []
    for symbol in symbols:
        if symbol != " " or (kept and kept[-1] != " "):
            kept.append(symbol)
    return kept[:-1] if kept and kept[-1] == " " else kept
