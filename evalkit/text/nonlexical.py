"""Syllables that are sung without being words: oh, la, mm, 啦, ああ. A singer may add them freely.

The lists are ours. Lengthened spellings are one (``ooooh`` is ``ooh``, ``laaaa`` is ``la``). What is a syllable in one
language is a word in another (French *la* and *du*, Portuguese *na*, Korean 나): such a syllable counts only where it
stands at least twice in a row.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from evalkit.text.normalise import base_language
from evalkit.text.tokens import Token

NAME = "nonlex1"
"""Raised whenever a list changes; part of signatures."""

_EVERYWHERE = (
    "oh ooh ohh oo ohoh ah aah ahh aa uh uhh eh mm mmm hm hmm mhm huh hey heh hoo woo woah whoa wow yeah yea yeh yay "
    "uhhuh oohooh"
)
_REPEATED = "la na da du doo dum dub ba bam pa ra ta tra fa ha sha ya yo ay ey hee um wo"
"""Words of one language or another: they must stand twice in a row unless a language frees them."""

_FREE = {"en": "la na doo sha hee wo", "zh": "la na", "ja": "la na", "ko": "la na"}

_ALSO: dict[str, str] = {
    "en": "aye uh-huh ooo",
    "es": "ay ey uy oye eo",
    "fr": "ouh hein ohé ouais",
    "de": "oje juhu hei ach",
    "pt": "ô ê uou iê",
    "it": "ehi oé uoh",
    "ru": "ох ах эх ой эй хей ууу ля йе йо ммм хм ооо ааа",
    "ko": "오 우 예 음 흠 워 와우 헤이 에이 오오 우우 아아 오예",
    "zh": "啦 哦 嗯 啊 呀 噢 喔 呜 嘿 耶 哎 唉 嗨 哈 呃 咿 哒 嘟 哟 呦 嗒",
    "yue": "啦 哦 嗯 啊 呀 噢 喔 嗚 嘿 耶 哎 唉 嗨 哈 呃 咿 噠 嘟 喲 嗒",
    "hi": "ओह आह ऊ हम्म हूँ",
    "ar": "آه اه أوه اوه هاه ياه لالا",
    "vi": "ô ồ ố ơ ớ hú hơ hò",
    "tr": "hop hey lay",
    "id": "hei hoi",
    "nl": "hé ooo joe hoi",
    "pl": "ojej hej ech oj",
    "sv": "åh hej ojoj tjo",
}
_ALSO_REPEATED: dict[str, str] = {
    "en": "ho hi",
    "es": "ja ole ho",
    "fr": "va là",
    "de": "o ho",
    "pt": "ai ei oi á",
    "it": "ho",
    "ru": "о а у е ла на да хо м",
    "ko": "나 아 어 와 야 라",
    "hi": "आ हो ना ला ओ हे",
    "ar": "يا لا هي ها",
    "vi": "là à á ờ",
    "tr": "of vay lo",
    "nl": "o ho",
    "pl": "o hop",
    "sv": "o ho",
}
_PATTERNS = {
    # Written without blanks: looked for in the text of the tokens together.
    "ja": (
        r"あ{2,}|お{2,}|う{2,}|ら{2,}|る{2,}|な{3,}|ん{2,}|[あおうえらわ]ー+|い[ぇえ](?:い|ー+)"
        r"|うぉ[うー]*|わお|へい|ふ[うー]+"
    ),
    "th": r"(?:ลา){2,}|(?:นา){2,}|(?:โอ้)+|โฮ+|(?:ฮู้?){2,}|(?:อา){2,}|เย้+|(?:อู้?){2,}|หื?ม{2,}",
}
_KOREAN = re.compile(r"(?:[라나랄루]|따){2,}|오+|우{2,}|아{2,}|예+|워+")
_LENGTHENED = re.compile(r"(.)\1{2,}")


def nonlexical(tokens: Sequence[Token], language: str) -> list[bool]:
    """Whether each token is a syllable without meaning, given those beside it.

    Args:
        tokens: Normalised words in order.
        language: Of the lyric.
    """
    language = base_language(language)
    if language in _PATTERNS:
        return _by_pattern(tokens, re.compile(_PATTERNS[language]))
    free, repeated = _lists(language)
    spellings = [_spellings(token.text) for token in tokens]
    flags = []
    for index, forms in enumerate(spellings):
        beside = spellings[max(0, index - 1) : index] + spellings[index + 1 : index + 2]
        alone = not forms.isdisjoint(free) or (language == "ko" and _KOREAN.fullmatch(tokens[index].text) is not None)
        flags.append(alone or any(forms & other & repeated for other in beside))
    return flags


@lru_cache(maxsize=64)
def _lists(language: str) -> tuple[frozenset[str], frozenset[str]]:
    repeated = frozenset(f"{_REPEATED} {_ALSO_REPEATED.get(language, '')}".split())
    freed = frozenset(_FREE.get(language, "").split())
    free = frozenset(f"{_EVERYWHERE} {_ALSO.get(language, '')}".split()) - frozenset(
        _ALSO_REPEATED.get(language, "").split()
    )
    return free | freed, repeated


def _spellings(text: str) -> frozenset[str]:
    """The word, and if a letter stands three times or more, the word with two and with one of it.

    >>> sorted(_spellings("laaaa"))
    ['la', 'laa', 'laaaa']
    >>> sorted(_spellings("he")), sorted(_spellings("hee"))
    (['he'], ['hee'])
    """
    if _LENGTHENED.search(text) is None:
        return frozenset({text})
    return frozenset({text, _LENGTHENED.sub(r"\1\1", text), _LENGTHENED.sub(r"\1", text)})


def _by_pattern(tokens: Sequence[Token], pattern: re.Pattern[str]) -> list[bool]:
    text, starts = "", []
    for token in tokens:
        starts.append(len(text))
        text += token.text
    covered = [False] * len(text)
    for match in pattern.finditer(text):
        covered[match.start() : match.end()] = [True] * len(match.group())
    return [bool(token.text) and covered[start] for token, start in zip(tokens, starts, strict=True)]
