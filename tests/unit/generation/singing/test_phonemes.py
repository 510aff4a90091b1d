import json

import pytest

from evalkit.errors import GenerationError
from generation.singing import chinese, espeak, japanese
from generation.singing.phonemes import LANGUAGES, phonemise, pronounceable, to_kokoro

# The 114 symbols of Kokoro v1.0's published configuration.
VOCABULARY = frozenset(
    ';:,.!?—…"()“” \u0303ʣʥʦʨᵝꭧAIOQSTWYᵊabcdefhijklmnopqrstuvwxyz'
    "ɑɐɒæβɔɕçɖðʤəɚɛɜɟɡɥɨɪʝɯɰŋɳɲɴøɸθœɹɾɻʁɽʂʃʈʧʊʋʌɣɤχʎʒʔˈˌːʰʲ↓→↗↘ᵻ"
)
LINES = {
    "en": "Walking down the street, it's going on 42 times",
    "zh": "我走在雨中的街道，儿子看着月亮 love 3",
    "es": "Camino por la calle bajo la lluvia, mañana",
    "ja": "雨の街を歩いている、きっと今日もファンのジャズ love",
    "fr": "Je marche sous la pluie, un bon vin blanc",
    "de": "Ich höre schöne Straßen über Häusern, Pfützen",
    "pt": "Eu caminho pela rua, meu coração não",
    "it": "Cammino per la strada, gli occhi e la pioggia",
    "ko": "나는 비 오는 거리를 걷고 있어, 빨간 꿈",
    "ru": "Я иду по улице под дождём, ещё щука",
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_speaks_in_symbols_of_the_vocabulary(language):
    symbols = phonemise(LINES[language], language, VOCABULARY)
    assert len(symbols) > 15
    assert set(symbols) <= VOCABULARY
    assert symbols[0] != " " != symbols[-1]


@pytest.mark.parametrize("language", sorted(set(LANGUAGES) - {"zh", "ja"}))
def test_the_tables_leave_nothing_to_be_dropped(language):
    text = pronounceable(LINES[language], language)
    voice = {"en": "en-us", "pt": "pt-br"}.get(language, language)
    assert set(to_kokoro(" ".join(espeak.to_ipa(text, voice)), language)) <= VOCABULARY


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("text", ["", "   ", "😀☀", "!!! ...", "---", "\u0301\u0301", "مرحبا", "\u202e"])
def test_what_has_no_sound_gives_nothing(language, text):
    assert phonemise(text, language, VOCABULARY) == ()


def test_known_pronunciations():
    assert "".join(phonemise("day", "en", VOCABULARY)) == "dˈA"
    assert chinese.syllable("zh", "ong1") == "ꭧʊ→ŋ"
    assert chinese.syllable("sh", "i4") == "ʂɨ↘"
    assert chinese.syllable("x", "ve2") == "ɕɥe↗"
    assert chinese.pronounce("你好").replace(" ", "") == "ni↗xau↓"
    assert japanese.from_katakana("キョー") == "kʲoː"
    assert japanese.from_katakana("シンブン") == "ɕimbɯɴ"
    assert japanese.from_katakana("ファン") == "ɸaɴ"
    assert japanese.from_katakana("スッキリ") == "sɨʔkʲiɾʲi"


def test_a_voice_that_does_not_exist_is_an_error_and_not_the_voice_before():
    german = espeak.to_ipa("Straße", "de")
    with pytest.raises(GenerationError, match="fr-fr"):
        espeak.to_ipa("bonjour", "fr-fr")
    assert espeak.to_ipa("Straße", "de") == german


def test_vocabulary_is_the_models(request):
    folder = request.getfixturevalue("model_dir")("kokoro")
    vocabulary = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))["vocab"]
    assert set(vocabulary) >= VOCABULARY
