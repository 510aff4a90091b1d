import pytest

from evalkit.text.nonlexical import nonlexical
from evalkit.text.normalise import prepare
from evalkit.text.tokens import Token, tokenise


def syllables(text: str, language: str) -> list[str]:
    tokens = [Token(text=piece.text, surface=piece.surface) for piece in tokenise(prepare(text), language)]
    return [token.text for token, flag in zip(tokens, nonlexical(tokens, language), strict=True) if flag]


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", "oh love ooh yeah", "oh ooh yeah"),
        ("en", "Ooooooh mmmm laaaa baby", "ooooooh mmmm laaaa"),
        ("en", "la la land", "la la"),
        ("en", "he has a home to do", ""),  # hee, aaa and doo, shortened, are words
        ("en", "haaa he", ""),
        ("en", "ha ha she said", "ha ha"),
        ("fr", "la vie du vent", ""),
        ("fr", "la la la vie", "la la la"),
        ("fr", "oh la vie", "oh"),
        ("de", "du bist da oh na", "oh"),
        ("de", "na na na du", "na na na"),
        ("pt", "na rua da luz", ""),
        ("sv", "du har da ha", ""),
        ("da", "du er da", ""),
        ("ro", "da la noi", ""),
        ("it", "ho la voce eh", "eh"),
        ("es", "ha la casa ay ay ay", "ay ay ay"),
        ("vi", "em là trăng ơ ớ", "ơ ớ"),
        ("tr", "of of ya ya hey", "of of ya ya hey"),
        ("ru", "ой да на реке ля ля", "ой ля ля"),
        ("ko", "나 오 예 사랑 라라라", "오 예 라라라"),
        ("ko", "나 나 나", "나 나 나"),
        ("zh", "啦啦啦爱我哦", "啦 啦 啦 哦"),
        ("zh", "爱我 oh baby", "oh"),
        ("ja", "ああ君がすき", "あ あ"),
        ("ja", "らららうたう", "ら ら ら"),
        ("ja", "あなたと", ""),
        ("th", "ลาลาลา รัก", "ลา ลา ลา"),
        ("hi", "ओह दिल आ", "ओह"),
        ("ar", "آه يا ليل يا عين", "آه"),
        ("ar", "لا لا حبيبي لا", "لا لا"),
        ("xx", "", ""),
    ],
)
def test_syllables(language: str, text: str, expected: str) -> None:
    found = syllables(text, language)
    if language == "th":
        assert "".join(found) == expected.replace(" ", "")
    else:
        assert found == expected.split()
