"""Mandarin to Kokoro's phoneme symbols: pypinyin's syllables, our own table of initials and finals.

Kokoro writes the tone after the vowels as an arrow and the two apical vowels of *zi* and *zhi* as one symbol.
"""

from evalkit.errors import missing_package
from generation.singing import espeak

_INITIALS = {
    "b": "p",
    "p": "pʰ",
    "m": "m",
    "f": "f",
    "d": "t",
    "t": "tʰ",
    "n": "n",
    "l": "l",
    "g": "k",
    "k": "kʰ",
    "h": "x",
    "j": "ʨ",
    "q": "ʨʰ",
    "x": "ɕ",
    "zh": "ꭧ",
    "ch": "ꭧʰ",
    "sh": "ʂ",
    "r": "ɻ",
    "z": "ʦ",
    "c": "ʦʰ",
    "s": "s",
    "": "",
}
# Medial, nucleus and coda; the tone goes between the last two.
_FINALS = {
    "a": ("a", ""),
    "ai": ("ai", ""),
    "an": ("a", "n"),
    "ang": ("a", "ŋ"),
    "ao": ("au", ""),
    "e": ("ɤ", ""),
    "ei": ("ei", ""),
    "en": ("ə", "n"),
    "eng": ("ə", "ŋ"),
    "er": ("ɚ", ""),
    "i": ("i", ""),
    "ia": ("ja", ""),
    "ian": ("jɛ", "n"),
    "iang": ("ja", "ŋ"),
    "iao": ("jau", ""),
    "ie": ("je", ""),
    "in": ("i", "n"),
    "ing": ("i", "ŋ"),
    "io": ("jɔ", ""),
    "iong": ("jʊ", "ŋ"),
    "iou": ("jou", ""),
    "o": ("wo", ""),
    "ong": ("ʊ", "ŋ"),
    "ou": ("ou", ""),
    "u": ("u", ""),
    "ua": ("wa", ""),
    "uai": ("wai", ""),
    "uan": ("wa", "n"),
    "uang": ("wa", "ŋ"),
    "uei": ("wei", ""),
    "uen": ("wə", "n"),
    "ueng": ("wə", "ŋ"),
    "uo": ("wo", ""),
    "v": ("y", ""),
    "ve": ("ɥe", ""),
    "van": ("ɥɛ", "n"),
    "vn": ("y", "n"),
    "ê": ("ɛ", ""),
}
_TONES = {"1": "→", "2": "↗", "3": "↓", "4": "↘", "5": ""}
_APICAL_AFTER = frozenset(("zh", "ch", "sh", "r", "z", "c", "s"))
_DIGITS = str.maketrans("0123456789", "零一二三四五六七八九")


def pronounce(text: str) -> str:
    """Phonemes of a line, syllables separated by blanks at word boundaries; Latin words are read as English."""
    try:
        from pypinyin import Style, lazy_pinyin
    except ImportError as error:
        raise missing_package("Singing in Chinese", "pypinyin") from error
    text = text.translate(_DIGITS)
    initials = lazy_pinyin(text, style=Style.INITIALS, strict=True, tone_sandhi=True, errors=_foreign)
    finals = lazy_pinyin(
        text,
        style=Style.FINALS_TONE3,
        strict=True,
        neutral_tone_with_five=True,
        tone_sandhi=True,
        errors=_foreign,
    )
    parts = []
    for initial, final in zip(initials, finals, strict=True):
        parts.append(final[1:] if final.startswith("\0") else syllable(initial, final))
    return " ".join("".join(part if part.strip() else " " for part in parts).split())


def syllable(initial: str, final: str) -> str:
    """One syllable, e.g. ``("zh", "ong1")``; an unknown final gives nothing."""
    tone = final[-1:] if final[-1:] in _TONES else "5"
    bare = final.rstrip("12345").replace("ü", "v")
    if bare == "i" and initial in _APICAL_AFTER:
        nucleus, coda = "ɨ", ""
    elif bare in _FINALS and initial in _INITIALS:
        nucleus, coda = _FINALS[bare]
    else:
        return ""
    return _INITIALS[initial] + nucleus + _TONES[tone] + coda


def _foreign(text: str) -> str:
    # Marked by a leading NUL so that it cannot be taken for a final.
    if not any(char.isalpha() for char in text):
        return "\0 "
    from generation.singing.phonemes import to_kokoro

    return "\0 " + to_kokoro(" ".join(espeak.to_ipa(text, "en-us")), "en") + " "
