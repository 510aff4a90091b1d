import pytest

from evalkit.models.boilerplate import is_boilerplate


@pytest.mark.parametrize(
    "text",
    [" Thanks for watching!", "ご視聴ありがとうございました。", "字幕由Amara.org社区提供", "[Music]", "(音楽)", "♪",
     " ", "...", "Untertitelung des ZDF, 2020", "시청해주셔서 감사합니다."],
)  # fmt: skip
def test_boilerplate(text: str) -> None:
    assert is_boilerplate(text)


@pytest.mark.parametrize("text", ["music", "Thanks for watching over me", "la musica", "ありがとう", "谢谢你"])
def test_lyrics_are_kept(text: str) -> None:
    assert not is_boilerplate(text)
