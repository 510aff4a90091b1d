import pytest

from evalkit.evaluators._lyric_language import group
from evalkit.text import language_id
from evalkit.text.language_id import language_of
from evalkit.text.normalise import OWN_RULES

LINES = {
    "en": "the tide is coming in tonight",
    "zh": "我们在一起走过的日子里有风有雨有你",
    "ja": "今日はとても綺麗な夜空ですね",
    "ko": "어제 밤에 너를 봤어요 정말로",
    "es": "la luna brilla sobre el mar esta noche",
    "fr": "je veux chanter pour toi toute la nuit",
    "de": "ich gehe durch die dunklen Straßen der Stadt",
    "pt": "eu não quero dançar contigo esta noite",
    "it": "vorrei cantare per te questa sera",
    "ru": "сегодня ночью звёзды горят над нами",
    "tr": "bu gece yıldızlar parlıyor senin için",
    "vi": "đêm nay trăng sáng trên dòng sông",
    "ar": "الليلة القمر يضيء فوق البحر",
    "hi": "आज रात चाँद चमक रहा है",
    "no": "jeg vil synge for deg hele natten lang",
}


@pytest.mark.parametrize("language", LINES)
def test_lines_of_songs(language: str) -> None:
    found = language_of(LINES[language])
    assert found is not None
    assert group(found) == group(language)


def test_short_texts_say_nothing() -> None:
    assert language_of("la luna") is None
    assert language_of("  ella      ") is None
    assert language_of("12 34 56 78 90 12") is None


def test_every_language_with_rules_is_a_candidate_and_the_name_says_which_library() -> None:
    assert set(language_id._candidates()) >= OWN_RULES - {"yue"}
    assert language_id.name().startswith("lingua2.")
