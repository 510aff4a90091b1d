"""Digits read out in the language of the lyric."""

import re

_MAX_DIGITS = 15
_THOUSANDS = re.compile(r"\d{1,3}(?:[.,]\d{3})+\Z")
_ENGLISH_ORDINALS = frozenset({"st", "nd", "rd", "th"})
_HAN_DIGITS = "零一二三四五六七八九"
_HAN_UNITS = ("", "十", "百", "千")
_HAN_MYRIADS = ("", "万", "亿", "万亿")
_TURKISH = re.compile(
    "sıfır|bir|iki|üç|dört|beş|altmış|altı|yetmiş|yedi|seksen|sekiz|doksan|dokuz|on|yirmi|otuz|kırk|elli|yüz|bin"
    "|milyon|milyar|trilyon"
)
_NUM2WORDS = {"pt": "pt_BR", "nb": "no", "nn": "no", "kk": "kz"}


def to_words(digits: str, language: str) -> str | None:
    """Read a number out.

    Args:
        digits: ASCII digits, possibly with ``.`` or ``,`` between them.
        language: Two- or three-letter code.

    Returns:
        Words separated by blanks or hyphens as the language writes them; None if nothing here knows the language.
        Numbers of more than 15 digits and those with leading zeros are read digit by digit.
    """
    if _THOUSANDS.match(digits):
        digits = re.sub(r"[.,]", "", digits)
    elif "." in digits and "," in digits:  # 1,999.5 or 1.999,5: the last sign is the decimal one
        digits = re.sub(r"[.,](?=.*[.,])", "", digits)
    whole, _, fraction = digits.replace(",", ".").partition(".")
    if "." in fraction:  # a date or a version, not a number
        parts = [to_words(part, language) for part in re.split(r"[.,]", digits)]
        return None if None in parts else " ".join(part for part in parts if part)
    words = _whole_to_words(whole, language)
    if words is None or not fraction:
        return words
    rest = [_whole_to_words(digit, language) or "" for digit in fraction]
    point = _POINT.get(language, "")
    return " ".join(part for part in (words, point, *rest) if part)


_POINT = {
    "en": "point", "es": "coma", "fr": "virgule", "de": "komma", "pt": "vírgula", "it": "virgola", "nl": "komma",
    "ja": "点", "zh": "点", "yue": "点", "ko": "점", "ru": "и",
}  # fmt: skip


def ordinal_to_words(digits: str, suffix: str, language: str) -> str | None:
    """Read ``3rd`` out; None unless it is an English ordinal."""
    if language != "en" or suffix.lower() not in _ENGLISH_ORDINALS or not digits.isdigit() or len(digits) > _MAX_DIGITS:
        return None
    from num2words import num2words

    return str(num2words(int(digits), lang="en", to="ordinal"))


def _whole_to_words(digits: str, language: str) -> str | None:
    if len(digits) > 1 and (digits[0] == "0" or len(digits) > _MAX_DIGITS):
        single = {digit: _whole_to_words(digit, language) for digit in set(digits)}
        return None if None in single.values() else " ".join(single[digit] or "" for digit in digits)
    if language in ("zh", "yue"):
        return _han_number(int(digits))
    from num2words import num2words

    try:
        words = str(num2words(int(digits), lang=_NUM2WORDS.get(language, language)))
        return " ".join(_TURKISH.findall(words)) if language == "tr" else words  # num2words writes yirmibir
    except (NotImplementedError, KeyError, OverflowError):
        return None


def _han_number(value: int) -> str:
    if value == 0:
        return _HAN_DIGITS[0]
    groups: list[str] = []
    pending_zero = False
    remaining, level = value, 0
    parts: list[tuple[int, int]] = []
    while remaining:
        remaining, group = divmod(remaining, 10_000)
        parts.append((group, level))
        level += 1
    for group, unit in reversed(parts):
        if group == 0:
            pending_zero = bool(groups)
            continue
        if groups and (pending_zero or group < 1000):
            groups.append(_HAN_DIGITS[0])
        groups.append(_han_group(group) + _HAN_MYRIADS[unit])
        pending_zero = False
    text = "".join(groups)
    return text[1:] if text.startswith("一十") else text


def _han_group(group: int) -> str:
    out = ""
    zero = False
    for power in (3, 2, 1, 0):
        digit = group // 10**power % 10
        if digit == 0:
            zero = bool(out)
            continue
        out += (_HAN_DIGITS[0] if zero else "") + _HAN_DIGITS[digit] + _HAN_UNITS[power]
        zero = False
    return out
