"""Words that were nearly right: a letter or two, a dropped g, gonna for going to, another reading of a number.

Source of the letter rule: mss-alt (Syed et al. 2025, arXiv 2506.15514); the tables are ours.
"""

from collections.abc import Sequence

from rapidfuzz.distance import Levenshtein

from evalkit.text.align import Pair
from evalkit.text.normalise import base_language
from evalkit.text.tokens import Token

NAME = "near1"
"""Raised whenever a rule or table changes; part of signatures."""

MAX_EDITS = 2

_SAME: dict[str, tuple[tuple[str, str], ...]] = {
    # One spelling, and the other with its words separated by blanks.
    "en": (
        ("gonna", "going to"), ("wanna", "want to"), ("gotta", "got to"), ("kinda", "kind of"), ("sorta", "sort of"),
        ("outta", "out of"), ("lemme", "let me"), ("gimme", "give me"), ("dunno", "don't know"), ("cause", "because"),
        ("coz", "because"), ("cuz", "because"), ("til", "until"), ("em", "them"), ("ya", "you"),
        ("alright", "all right"), ("ok", "okay"), ("oughta", "ought to"), ("hafta", "have to"),
        ("coulda", "could have"), ("woulda", "would have"), ("shoulda", "should have"), ("c'mon", "come on"),
        ("y'all", "you all"),
        ("o'er", "over"), ("e'er", "ever"), ("ne'er", "never"), ("thru", "through"), ("tho", "though"),
        ("i'm", "i am"), ("you're", "you are"), ("it's", "it is"), ("we're", "we are"), ("they're", "they are"),
        ("can't", "can not"), ("cannot", "can not"), ("don't", "do not"), ("won't", "will not"), ("i'll", "i will"),
        ("i've", "i have"), ("that's", "that is"), ("let's", "let us"), ("isn't", "is not"), ("didn't", "did not"),
    ),
    "es": (("pa", "para"), ("to", "todo"), ("na", "nada")),
    "fr": (("ptit", "petit"), ("jsuis", "je suis"), ("chuis", "je suis"), ("ya", "il y a")),
    "de": (("nem", "einem"), ("ne", "eine"), ("nen", "einen"), ("s", "es"), ("gehts", "geht es"), ("hab", "habe")),
    "pt": (("pra", "para a"), ("pro", "para o"), ("pra", "para"), ("tá", "está"), ("tô", "estou"), ("cê", "você")),
    "it": (("po", "poco"),),
    "nl": (("m'n", "mijn"), ("z'n", "zijn"), ("t", "het"), ("n", "een"), ("k", "ik")),
}  # fmt: skip
_SINO = "영일이삼사오육칠팔구"
_NATIVE_UNITS = ("", "하나", "둘", "셋", "넷", "다섯", "여섯", "일곱", "여덟", "아홉")
_NATIVE_BEFORE = ("", "한", "두", "세", "네", "다섯", "여섯", "일곱", "여덟", "아홉")
_NATIVE_TENS = ("", "열", "스물", "서른", "마흔", "쉰", "예순", "일흔", "여든", "아흔")


def is_near(reference: str, heard: str, language: str) -> bool:
    """Whether one word was nearly heard as written.

    Without apostrophes they are equal, or one or two letters apart while the longer has more than twice as many; or
    they are two spellings of one word (``cause``, ``because``), or two readings of one Korean number.
    """
    language = base_language(language)
    one, other = reference.replace("'", ""), heard.replace("'", "")
    edits = Levenshtein.distance(one, other, score_cutoff=MAX_EDITS)
    if edits <= MAX_EDITS and max(len(one), len(other)) > 2 * edits:
        return True
    if _is_same([reference], [heard], language):
        return True
    return language == "ko" and (other in _native_readings(one) or one in _native_readings(other))


def near_columns(
    pairs: Sequence[Pair], reference: Sequence[Token], hypothesis: Sequence[Token], language: str
) -> list[bool]:
    """For each column of an alignment whether its error is a near miss.

    A spelling of one word for two (``gonna``, ``going to``) takes a substitution and what is deleted or
    inserted beside it.
    """
    language = base_language(language)
    found = [False] * len(pairs)
    for width in (3, 2):
        for index in range(len(pairs) - width + 1):
            window = pairs[index : index + width]
            ops = {pair.op for pair in window}
            if ops in ({"sub", "del"}, {"sub", "ins"}) and not any(found[index : index + width]):
                refs = [reference[pair.ref].text for pair in window if pair.ref is not None]
                hyps = [hypothesis[pair.hyp].text for pair in window if pair.hyp is not None]
                if 1 in (len(refs), len(hyps)) and _is_same(refs, hyps, language):
                    found[index : index + width] = [True] * width
    for index, pair in enumerate(pairs):
        if pair.ref is not None and pair.hyp is not None and pair.op == "sub" and not found[index]:
            found[index] = is_near(reference[pair.ref].text, hypothesis[pair.hyp].text, language)
    return found


def _is_same(one: Sequence[str], other: Sequence[str], language: str) -> bool:
    pair = {" ".join(one).replace("'", ""), " ".join(other).replace("'", "")}
    return any(pair == {left.replace("'", ""), right.replace("'", "")} for left, right in _SAME.get(language, ()))


def _native_readings(text: str) -> set[str]:
    """A word that begins with a Sino-Korean number up to 99, with that number read the Korean way.

    >>> sorted(_native_readings("이십사시간"))
    ['스물네시간', '스물넷시간']
    """
    tens, ten_sign, rest = text.partition("십")
    if ten_sign and (not tens or tens in _SINO[2:]):
        tens_value = _SINO.index(tens) if tens else 1
    else:
        tens_value, rest = 0, text
    units_value = _SINO.index(rest[0]) if rest and rest[0] in _SINO[1:] else 0
    rest = rest[1:] if units_value else rest
    if not tens_value and not units_value:
        return set()
    ten = _NATIVE_TENS[tens_value]
    if ten == "스물" and not units_value:
        return {"스물" + rest, "스무" + rest}
    return {ten + _NATIVE_UNITS[units_value] + rest, ten + _NATIVE_BEFORE[units_value] + rest}
