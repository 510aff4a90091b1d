"""Each defect of Whisper's own normalisers that is listed in the metric reference must not show here."""

import pytest

from evalkit.text import normalise
from evalkit.text.tokens import tokenise


def words(text: str, language: str) -> list[str]:
    return [piece.text for piece in tokenise(normalise.prepare(text), language)]


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        # what Whisper's normalisers break
        ("en", "don't", "don't"),
        ("en", "Don’t stop", "don't stop"),
        ("en", "o'er the ramparts", "o'er the ramparts"),
        ("en", "mm, uh, hmm (ooh) yeah", "mm uh hmm ooh yeah"),
        ("en", "can't stop", "can't stop"),
        ("ja", "がんばって", "が ん ば っ て"),
        ("ko", "한국어", "한국어"),
        ("hi", "नमस्ते दुनिया", "नमस्ते दुनिया"),
        ("th", "สวัสดี", "ส วั ส ดี"),
        # common rules
        ("en", "[Chorus] Hello [x2] World!", "hello world"),
        ("en", "well-known — twenty…five", "well known twenty five"),
        ("en", "'cause I'm lovin' it, rock'n'roll", "cause i'm lovin it rock'n'roll"),
        (
            "en",
            "21 nights, 3rd street, 1,999",
            "twenty one nights third street one thousand nine hundred and ninety nine",
        ),
        ("en", "007", "zero zero seven"),
        ("en", "1,999.5", "one thousand nine hundred and ninety nine point five"),
        ("de", "3,5", "drei komma fünf"),
        ("en", "12.5.99", "twelve five ninety nine"),
        ("en", "ＡＢＣ １２", "abc twelve"),
        ("en", "♪ la la ♪ <b>", "la la b"),
        ("en", "cafe\u0301", "café"),
        ("en", "soft\u00adly", "softly"),
        # per language
        ("es", "¿Qué niño? Corazón", "qué niño corazón"),
        ("es", "21 días", "veintiuno días"),
        ("fr", "L'amour qu’il a aujourd'hui, cœur", "l' amour qu' il a aujourd'hui coeur"),
        ("it", "C'è un po' d'amore nell'anima", "c' è un po d' amore nell' anima"),
        ("de", "Straße ÜBER 21", "straße über einundzwanzig"),
        ("pt", "Coração, não 3", "coração não três"),
        ("ru", "Ещё любо́вь моя́ й", "еще любовь моя й"),
        ("tr", "ILIK İyi", "ılık iyi"),
        ("ko", "24시간 사랑해!", "이십사시간 사랑해"),
        ("zh", "愛與夢想，頭髮", "爱 与 梦 想 头 发"),
        ("zh", "2024年21個", "二 零 二 四 年 二 十 一 个"),
        ("zh", "一起love你baby", "一 起 love 你 baby"),
        ("yue", "愛與夢", "愛 與 夢"),
        ("ja", "時々", "時 時"),
        ("ja", "ラーメンｶﾞｯｺｳ", "ら ー め ん が っ こ う"),
        ("ja", "いすゞ", "い す ず"),
        ("ja", "21日", "二 十 一 日"),
        ("ar", "مَرْحَبًا", "مرحبا"),
        ("xx", "Hello 12", "hello 12"),
    ],
)
def test_normalised(language: str, text: str, expected: str) -> None:
    assert words(text, language) == expected.split()


def test_parentheses_are_kept_and_marked() -> None:
    pieces = tokenise("Hold me (hold me) now（啦）", "en")
    assert [(piece.text, piece.backing) for piece in pieces] == [
        ("hold", False),
        ("me", False),
        ("hold", True),
        ("me", True),
        ("now", False),
        ("啦", True),
    ]


@pytest.mark.parametrize(
    ("number", "han"),
    [("0", "零"), ("10", "十"), ("11", "十一"), ("105", "一百零五"), ("1000", "一千"), ("1010", "一千零一十"),
     ("10000", "一万"), ("100001", "十万零一"), ("20300", "二万零三百"), ("100000000", "一亿")],
)  # fmt: skip
def test_chinese_numbers(number: str, han: str) -> None:
    assert "".join(words(number, "zh")) == han


def test_normalisation_is_idempotent() -> None:
    text = "Don't STOP, (ooh) 21 nights"
    once = " ".join(words(text, "en"))
    assert " ".join(words(once, "en")) == once


def test_names_are_versioned() -> None:
    assert normalise.normaliser_name("en") == "evalkit-en-1"
    assert normalise.normaliser_name("pt-BR") == "evalkit-pt-1"
    assert normalise.normaliser_name("xx") == "evalkit-basic-1"


@pytest.mark.parametrize("text", ["", " ", "[Chorus]", "...!?", "()", "'", "'''", "\u0301", "🎵🎶"])
def test_nothing_to_sing_gives_nothing(text: str) -> None:
    assert words(text, "en") == []


def test_a_very_long_number_is_read_digit_by_digit() -> None:
    assert len(words("1" * 5000, "en")) == 5000
