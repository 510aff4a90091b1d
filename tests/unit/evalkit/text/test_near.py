import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.text.align import align
from evalkit.text.near import is_near, near_columns
from evalkit.text.tokens import Token, tokenise


@pytest.mark.parametrize(
    ("language", "written", "heard", "near"),
    [
        ("en", "river", "rivers", True),
        ("en", "running", "runnin'", True),
        ("en", "loving", "lovin", True),
        ("en", "its", "it's", True),
        ("en", "night", "light", True),
        ("en", "fire", "fear", False),  # two of four letters: not more than twice as long
        ("en", "in", "on", False),
        ("en", "cat", "hat", True),
        ("en", "river", "mountain", False),
        ("en", "because", "cause", True),
        ("en", "because", "'cause", True),
        ("en", "yeah", "yes", False),
        ("de", "habe", "hab", True),
        ("zh", "爱", "梦", False),
        ("ko", "이십사시간", "스물네시간", True),
        ("ko", "세시", "삼시", True),
        ("ko", "스무살", "이십살", True),
        ("ko", "사랑", "바다", False),
        ("en-GB", "because", "coz", True),
    ],
)
def test_words_that_are_nearly_right(language: str, written: str, heard: str, near: bool) -> None:
    assert is_near(written, heard, language) is near
    assert is_near(heard, written, language) is near


def columns(written: str, heard: str, language: str = "en") -> list[tuple[str, bool]]:
    reference, hypothesis = (
        [Token(text=piece.text, surface=piece.surface) for piece in tokenise(text, language)]
        for text in (written, heard)
    )
    pairs = align([token.text for token in reference], [token.text for token in hypothesis])
    near = near_columns(pairs, reference, hypothesis, language)
    return [(pair.op, flag) for pair, flag in zip(pairs, near, strict=True) if pair.op != "hit"]


@pytest.mark.parametrize(
    ("language", "written", "heard"),
    [
        ("en", "we gonna fly", "we going to fly"),
        ("en", "we going to fly", "we gonna fly"),
        ("en", "I'm here", "I am here"),
        ("en", "it is o'er now", "it is over now"),
        ("en", "don't go", "do not go"),
        ("pt", "pra mim", "para mim"),
        ("de", "wie geht's dir", "wie geht es dir"),
    ],
)
def test_two_words_for_one_are_near_as_a_whole(language: str, written: str, heard: str) -> None:
    found = columns(written, heard, language)
    assert found
    assert all(near for _, near in found)


def test_only_what_belongs_to_the_spelling_is_near() -> None:
    assert columns("we gonna fly away", "we going to fly home")[-1] == ("sub", False)
    assert columns("one two", "one") == [("del", False)]
    assert columns("one", "one two") == [("ins", False)]


@given(st.text("abcdefgh", min_size=1, max_size=12), st.text("abcdefgh", min_size=1, max_size=12))
def test_the_letter_rule(one: str, other: str) -> None:
    from rapidfuzz.distance import Levenshtein

    edits = Levenshtein.distance(one, other)
    assert is_near(one, other, "xx") is (edits <= 2 and max(len(one), len(other)) > 2 * edits)
