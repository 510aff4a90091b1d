"""Japanese to Kokoro's phoneme symbols: OpenJTalk's readings, our own table from kana to sounds."""

import unicodedata

from evalkit.errors import missing_package
from generation.singing import espeak

# Consonant before a, i, u, e, o; u itself is fronted after coronals, as in Kokoro's training text.
_ROWS = {
    "アイウエオ": ("", "", "", "", ""),
    "カキクケコ": ("k", "kʲ", "k", "k", "k"),
    "ガギグゲゴ": ("ɡ", "ɡʲ", "ɡ", "ɡ", "ɡ"),
    "サシスセソ": ("s", "ɕ", "s", "s", "s"),
    "ザジズゼゾ": ("ʣ", "ʥ", "z", "ʣ", "ʣ"),
    "タチツテト": ("t", "ʨ", "ʦ", "t", "t"),
    "ダヂヅデド": ("d", "ʥ", "z", "d", "d"),
    "ナニヌネノ": ("n", "ɲ", "n", "n", "n"),
    "ハヒフヘホ": ("h", "ç", "ɸ", "h", "h"),
    "バビブベボ": ("b", "bʲ", "b", "b", "b"),
    "パピプペポ": ("p", "pʲ", "p", "p", "p"),
    "マミムメモ": ("m", "mʲ", "m", "m", "m"),
    "ラリルレロ": ("ɾ", "ɾʲ", "ɾ", "ɾ", "ɾ"),
}
_SINGLE = {
    "ヤ": ("j", "a"),
    "ユ": ("j", "ɯ"),
    "ヨ": ("j", "o"),
    "ワ": ("β", "a"),
    "ヲ": ("", "o"),
    "ヰ": ("", "i"),
    "ヱ": ("", "e"),
    "ヴ": ("v", "ɯ"),
}
_SMALL_VOWELS = {"ァ": "a", "ィ": "i", "ゥ": "ɯ", "ェ": "e", "ォ": "o"}
_SMALL_Y = {"ャ": "a", "ュ": "ɯ", "ョ": "o", "ヮ": "a"}
_FRONTED_AFTER = frozenset(("s", "z", "ʦ"))
_PALATAL = frozenset("ɕʥʨɲç")


def _kana_table() -> dict[str, tuple[str, str]]:
    table = dict(_SINGLE)
    for kana, consonants in _ROWS.items():
        for char, consonant, vowel in zip(kana, consonants, "aiɯeo", strict=True):
            fronted = "ɨ" if vowel == "ɯ" and consonant in _FRONTED_AFTER else vowel
            table[char] = (consonant, fronted)
    return table


_KANA = _kana_table()


def pronounce(text: str) -> str:
    """Phonemes of a line, words separated by blanks; Latin words are read as English if OpenJTalk has no reading."""
    try:
        import pyopenjtalk
    except ImportError as error:
        raise missing_package("Singing in Japanese", "pyopenjtalk-plus") from error
    words = []
    for node in pyopenjtalk.run_frontend(text):
        reading = str(node["pron"]).replace("’", "").replace("'", "")
        if node["pos"] == "記号" or not reading:
            continue
        if any(char in _KANA or char in _SMALL_VOWELS or char == "ン" for char in reading):
            words.append(from_katakana(reading))
        elif reading.isascii() and reading.isalpha():
            from generation.singing.phonemes import to_kokoro

            words.append(to_kokoro(" ".join(espeak.to_ipa(reading, "en-us")), "en"))
    return " ".join(word for word in words if word)


def from_katakana(reading: str) -> str:
    """Sounds of a katakana reading; characters that are no kana are left out."""
    moras: list[tuple[str, str]] = []
    for char in unicodedata.normalize("NFKC", reading):
        if char in _KANA:
            moras.append(_KANA[char])
        elif char in _SMALL_Y and moras:
            moras[-1] = _with_glide(moras[-1][0], char)
        elif char in _SMALL_VOWELS and moras:
            consonant = moras[-1][0] or ("β" if moras[-1][1] == "ɯ" else "j")
            moras[-1] = (consonant, _SMALL_VOWELS[char])
        elif char in _SMALL_VOWELS:
            moras.append(("", _SMALL_VOWELS[char]))
        elif char == "ー" and moras:
            moras.append(("ː", ""))
        elif char == "ッ":
            moras.append(("ʔ", ""))
        elif char == "ン":
            moras.append(("ɴ", ""))
    sounds = []
    for (consonant, vowel), following in zip(moras, [*moras[1:], ("", "")], strict=True):
        sounds.append(_nasal_before(following[0]) if consonant == "ɴ" else consonant + vowel)
    return "".join(sounds)


def _with_glide(consonant: str, small: str) -> tuple[str, str]:
    vowel = _SMALL_Y[small]
    if small == "ヮ":
        return consonant + "ᵝ", vowel
    if small == "ュ":
        vowel = "ɨ"
    if consonant in _PALATAL or consonant.endswith("ʲ"):
        return consonant, vowel
    return consonant + "ʲ", vowel


def _nasal_before(consonant: str) -> str:
    first = consonant[:1]
    if first and first in "mpb":
        return "m"
    if first and first in "kɡ":
        return "ŋ"
    if first and first in "ɲʨʥ":
        return "ɲ"
    if first and first in "ntdɾzʣʦ":
        return "n"
    return "ɴ"
