from hypothesis import given
from hypothesis import strategies as st

from generation.singing.lines import split_text


def test_short_lines_stay_whole():
    assert split_text("  Walking down the street  ", "en") == ["Walking down the street"]
    assert split_text("   ", "en") == []


def test_long_lines_break_after_punctuation_first():
    text = "The river is long and the mountains are high, and nobody knows where the swallows will fly tonight"
    pieces = split_text(text, "en")
    assert pieces[0].endswith("high,")
    assert len(pieces) == 2


def test_chinese_breaks_without_blanks():
    pieces = split_text("我" * 60, "zh")
    assert [len(piece) for piece in pieces] == [24, 24, 12]


@given(text=st.text(alphabet="ab ,。我😀", max_size=400), language=st.sampled_from(["en", "zh", "ja"]))
def test_nothing_is_lost_and_nothing_is_too_long(text, language):
    pieces = split_text(text, language)
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(0 < len(piece) <= 80 for piece in pieces)
