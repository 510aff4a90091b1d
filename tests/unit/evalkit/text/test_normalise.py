"""Each defect of Whisper's own normalisers that is listed in the metric reference must not show here."""

import unicodedata

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


LANGUAGES = {
    # language: (as somebody writes it, as somebody else writes it, the words)
    "en": ("Don’t STOP — 21 nights (ooh)", "don't stop twenty-one nights, ooh!", "don't stop twenty one nights ooh"),
    "zh": ("愛與夢想 21 個，二〇", "爱与梦想二十一个 二零", "爱 与 梦 想 二 十 一 个 二 零"),
    "yue": ("我愛你21次！", "我 愛 你 二十一次", "我 愛 你 二 十 一 次"),
    "ja": ("がんばって１２時 々ラーメン", "がんばって十二時 々らーめん", "が ん ば っ て 十 二 時 々 ら ー め ん"),
    "ko": ("사랑해! 24시간 (오오)", "사랑해 이십사시간 오오", "사랑해 이십사시간 오오"),
    "es": ("¿Qué niño? ¡Corazón!", "qué niño… corazón", "qué niño corazón"),
    "fr": ("L’amour, cœur d’été", "l'amour coeur d'été", "l' amour coeur d' été"),
    "de": ("STRAẞE „Träume“ 21", "Straße, Träume, einundzwanzig", "straße träume einundzwanzig"),
    "pt": ("Coração, não… 21!", "coração não vinte e um", "coração não vinte e um"),
    "it": ("C’è un po’ d’AMORE", "c'è un po' d'amore", "c' è un po d' amore"),
    "ru": ("Ещё любо́вь — 21", "еще любовь, двадцать один", "еще любовь двадцать один"),
    "uk": ("Любо́в і п’ять зірок", "любов і п'ять зірок", "любов і п'ять зірок"),
    "be": ("Ё каханне", "е каханне", "е каханне"),
    "nl": ("M’n hart, ÉÉN 21", "m'n hart één eenentwintig", "m'n hart één eenentwintig"),
    "pl": ("Żółć, MIŁOŚĆ… 21", "żółć miłość dwadzieścia jeden", "żółć miłość dwadzieścia jeden"),
    "sv": ("Åh, älskling! 21", "åh älskling tjugoett", "åh älskling tjugoett"),
    "tr": ("IŞIK, İstanbul’da 21 gün", "ışık istanbul'da yirmi bir gün", "ışık istanbul'da yirmi bir gün"),
    "az": ("IŞIQ İyirmi", "ışıq iyirmi", "ışıq iyirmi"),
    "vi": ("Hoà thuý, 21 NĂM đừng", "hòa thúy hai mươi mốt năm đừng", "hòa thúy hai mươi mốt năm đừng"),
    "id": ("Cinta-cinta, 21 hari", "cinta cinta dua puluh satu hari", "cinta cinta dua puluh satu hari"),
    "hi": ("नमस्ते, ज़िंदगी! प्यार है।", "नमस्ते ज़िंदगी प्यार है", "नमस्ते ज़िंदगी प्यार है"),
    "ar": ("حُبِّي، لا أَنْسى حبيبـــي؟", "حبي لا أنسى حبيبي", "حبي لا أنسى حبيبي"),
    "fa": ("عِشق، ۲۱ روز", "عشق بیست و یک روز", "عشق بیست و یک روز"),
    "he": ("שָׁלוֹם, 21 ימים", "שלום עשרים ואחת ימים", "שלום עשרים ואחת ימים"),
    "th": ("สวัสดี (น้ำ)", "สวัสดี น้ำ", "ส วั ส ดี น้ำ"),
    "ro": ("Ştiu, ţară 21", "știu țară douăzeci și unu", "știu țară douăzeci și unu"),
    "ca": ("L’amor D’ESTIU", "l'amor d'estiu", "l' amor d' estiu"),
    "cs": ("Láska, ŘEKA 21", "láska řeka dvacet jedna", "láska řeka dvacet jedna"),
    "el": ("Αγάπη ΜΟΥ!", "αγάπη μου", "αγάπη μου"),
    "fi": ("Rakkaus, 21 PÄIVÄÄ", "rakkaus kaksikymmentäyksi päivää", "rakkaus kaksikymmentäyksi päivää"),
    "da": ("Kærlighed på ØEN", "kærlighed på øen", "kærlighed på øen"),
    "hu": ("Szerelem, ŐSZI 21", "szerelem őszi huszonegy", "szerelem őszi huszonegy"),
}
"""32 languages, each with signs that a careless normaliser breaks."""


@pytest.mark.parametrize("language", LANGUAGES)
def test_two_spellings_of_one_line_are_the_same_words(language: str) -> None:
    one, other, expected = LANGUAGES[language]
    assert words(one, language) == words(other, language) == expected.split()


@pytest.mark.parametrize("language", LANGUAGES)
def test_composed_and_decomposed_letters_are_the_same_words(language: str) -> None:
    line = LANGUAGES[language][0]
    assert words(unicodedata.normalize("NFD", line), language) == words(unicodedata.normalize("NFC", line), language)
    assert " ".join(words(" ".join(words(line, language)), language)) == " ".join(words(line, language))


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_mark_and_no_parenthesis_is_lost(language: str) -> None:
    """What Whisper's BasicTextNormalizer does: marks become blanks, words in parentheses vanish."""
    line = LANGUAGES[language][1]
    inside = tokenise(normalise.prepare(f"({line})"), language)
    assert [piece.text for piece in inside] == words(line, language)
    assert all(piece.backing for piece in inside)
    assert words(f"[Chorus: {line}] x", language) == ["x"]


def test_the_languages_of_the_metric_reference_are_among_them() -> None:
    named = "en zh ja ko es fr de pt it ru nl pl sv tr vi id hi ar th yue".split()  # noqa: SIM905
    assert set(named) <= set(LANGUAGES)
    assert len(LANGUAGES) == 32


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
    assert normalise.normaliser_name("en") == "evalkit-en-2"
    assert normalise.normaliser_name("pt-BR") == "evalkit-pt-2"
    assert normalise.normaliser_name("xx") == "evalkit-basic-2"


@pytest.mark.parametrize("text", ["", " ", "[Chorus]", "...!?", "()", "'", "'''", "\u0301", "🎵🎶"])
def test_nothing_to_sing_gives_nothing(text: str) -> None:
    assert words(text, "en") == []


@pytest.mark.parametrize("text", ["2\u00ad1", "2\u200d1", "21\u0301", "2\u20e31"])
def test_signs_inside_a_number_do_not_matter(text: str) -> None:
    assert words(text, "en") == ["twenty", "one"]


def test_a_very_long_number_is_read_digit_by_digit() -> None:
    assert len(words("1" * 5000, "en")) == 5000
