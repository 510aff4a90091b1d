"""Known readings, and pairs of spellings that must sound alike."""

import pytest

from evalkit.text.compare import compare
from evalkit.text.g2p import has_g2p, ipa, languages, phone_tokens
from evalkit.text.tokens import TimedText, Token, lyric_tokens, transcript_tokens
from evalkit.types import Section


def phones(text: str, language: str) -> list[str]:
    return [token.text for token in phone_tokens(transcript_tokens([TimedText(text=text)], language), language)]


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", "shine on", "ʃ aɪ n ɔ n"),
        ("en", "don't", "d oʊ n t"),
        ("es", "corazón", "k o ɾ a s o n"),
        ("fr", "l'amour", "l a m u ʀ"),
        ("fr", "c'est", "s ɛ"),
        ("it", "ciao", "t͡ʃ a o"),
        ("ru", "любовь", "lʲ u b o fʲ"),
        ("ko", "같이", "k a t͡ɕʰ i"),
        ("ko", "국물", "k u ŋ m u l"),
        ("zh", "银行行走", "y in h ang x ing z ou"),
        ("zh", "重逢重量", "ch ong f eng zh ong l iang"),
        ("zh", "了解", "l iao j ie"),
        ("zh", "走了", "z ou l e"),
        ("zh", "女月五", "n v y ue w u"),
        ("ja", "今日は雨", "ky o o w a a m e"),
        ("ja", "きょうわあめ", "ky o o w a a m e"),
    ],
)
def test_readings(language: str, text: str, expected: str) -> None:
    assert phones(text, language) == expected.split()


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("en", "their", "there"),
        ("en", "night", "knight"),
        ("zh", "他", "她"),
        ("zh", "他", "它"),
        ("zh", "慢慢地走", "慢慢的走"),
        ("zh", "跑得快", "跑的快"),
        ("zh", "愛與夢", "爱与梦"),
        ("ja", "今日は雨", "きょうは雨"),
        ("ja", "一人", "ひとり"),
        ("ja", "ラーメン", "らーめん"),
        ("es", "casa", "caza"),
        ("fr", "aimé", "aimée"),
        ("fr", "c'est", "ses"),
        ("fr", "et", "est"),
        ("ko", "같이", "가치"),
    ],
)
def test_homophones_and_spelling_variants_are_equal(language: str, one: str, other: str) -> None:
    assert phones(one, language) == phones(other, language)


TEXTS = {
    "en": ("love", "light"), "zh": ("月亮", "太阳"), "ja": ("さくら", "うみ"), "ko": ("사랑", "바람"),
    "es": ("luna", "noche"), "fr": ("lune", "nuit"), "de": ("Mond", "Nacht"), "pt": ("lua", "noite"),
    "it": ("luna", "notte"), "ru": ("луна", "ночь"), "nl": ("liefde", "nacht"), "pl": ("miłość", "nocą"),
    "sv": ("kärlek", "natten"), "tr": ("aşkım", "gece"), "vi": ("tình", "đêm"), "id": ("cinta", "malam"),
    "hi": ("प्यार", "रातें"), "ar": ("حبيبي", "ليل"), "th": ("ความรัก", "คืน"),
}  # fmt: skip


def test_there_are_nineteen_languages_with_phones() -> None:
    assert languages() == tuple(sorted(TEXTS))


@pytest.mark.parametrize("language", TEXTS)
def test_words_have_phones_that_tell_them_apart_offline(language: str) -> None:
    one, other = TEXTS[language]
    assert has_g2p(language)
    assert len(phones(one, language)) >= 3
    assert phones(one, language) != phones(other, language)
    assert phones(one.upper(), language) == phones(one.lower(), language)
    both = phones(f"{one} {other}", language)
    assert len(both) == pytest.approx(len(phones(one, language)) + len(phones(other, language)), abs=1)


@pytest.mark.parametrize("language", TEXTS)
def test_the_same_line_on_both_sides_has_no_error(language: str) -> None:
    line = " ".join(TEXTS[language])
    lyric = lyric_tokens([Section(label="verse", lines=(line, f"({line})"))], language)
    heard = transcript_tokens([TimedText(text=f"{line}\n{line}")], language)
    comparison = compare(lyric, heard)
    both = compare(phone_tokens(lyric, language), phone_tokens(comparison.placed_hypothesis(), language))
    assert both.counts.errors == 0
    assert both.counts.n_ref >= 8


@pytest.mark.parametrize("language", ["yue", "lo", "km", "my", "fi", "el"])
def test_languages_without_a_converter_have_no_phones(language: str) -> None:
    assert not has_g2p(language)


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("zh", "我love你", "w o l ʌ v n i"),
        ("ru", "я love", "j a l ʌ v"),
        ("hi", "प्यार baby", "p j a r b eɪ b i"),
        ("th", "รัก baby", "r a k b eɪ b i"),
        ("ja", "君 love", "k i m i l ʌ v"),
        ("ko", "사랑 愛", "s a l a ŋ ai"),
        ("en", "我 love", "w o l ʌ v"),
        ("th", "สวัสดี", "s a w a t d i"),
    ],
)
def test_each_writing_is_read_by_its_own_language(language: str, text: str, expected: str) -> None:
    assert phones(text, language) == expected.split()


def test_the_particle_di_inside_a_word_stays() -> None:
    assert phones("大地", "zh") == ["d", "a", "d", "i"]


def test_unknown_words_are_spelled_out_the_same_way_each_time() -> None:
    first = phones("zorblat", "en")
    assert len(first) >= 5
    assert phones("zorblat", "en") == first


def test_a_hook_in_another_language_uses_its_own_converter() -> None:
    assert phones("我love你", "zh") == ["w", "o", "l", "ʌ", "v", "n", "i"]
    assert phones("사랑 love", "ko")[-3:] == ["l", "ʌ", "v"]


def test_phones_know_their_section_and_word_times() -> None:
    sections = (Section(label="verse", lines=("今日は雨",)), Section(label="chorus", lines=("(月)の光",)))
    tokens = phone_tokens(lyric_tokens(sections, "ja"), "ja")
    assert [token.section for token in tokens] == [0] * 8 + [1] * (len(tokens) - 8)
    timed = phone_tokens([Token(text="moon", surface="moon", section=3, line=7, start_s=1.0, end_s=2.0)], "en")
    assert {(token.section, token.line, token.start_s) for token in timed} == {(3, 7, 1.0)}


def test_a_language_without_converter_never_becomes_english() -> None:
    assert not has_g2p("yue")
    assert not has_g2p("fi")
    assert has_g2p("pt-BR")
    assert len(languages()) >= 16


def test_ipa_split() -> None:
    assert ipa.split("t͡ʃaˈo") == ("t͡ʃ", "a", "o")
    assert ipa.split("kɔ̃tʲɛː") == ("k", "ɔ̃", "tʲ", "ɛ")
    assert ipa.split("") == ()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("language", "text"),
    [("es", "el corazón que llama"), ("fr", "nous aimons toujours oiseau"), ("de", "ich möchte fliegen"),
     ("pt", "coração não amanhã"), ("it", "che gli occhi belli"), ("ru", "любовь моя"), ("ko", "사랑해 독립")],
)  # fmt: skip
def test_the_light_converter_equals_epitran(language: str, text: str) -> None:
    from epitran import Epitran

    from evalkit.text.g2p.rules import CODES, Rules

    full = Epitran(CODES[language])
    words = [Token(text=word, surface=word) for word in text.split()]
    assert Rules(language)(words) == [ipa.split(full.transliterate(word.text)) for word in words]
