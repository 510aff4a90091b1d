import pytest

from evalkit.models.loops import without_loops
from evalkit.models.transcript import Segment, Word


def segment(text: str, word_s: float, compression: float = 3.0) -> Segment:
    words = tuple(
        Word(text=f" {word}", start_s=index * word_s, end_s=(index + 1) * word_s, probability=0.5)
        for index, word in enumerate(text.split())
    )
    return Segment(text=f" {text}", start_s=0.0, end_s=len(words) * word_s, words=words, compression_ratio=compression)


LOOP = "oh my love " * 7


def test_a_loop_too_fast_to_be_sung_keeps_one_turn() -> None:
    assert without_loops(segment(f"come here {LOOP}tonight", 0.05)).text == " come here oh my love tonight"
    assert without_loops(segment("Go, go go go GO go go go!", 0.02)).text == " Go,"


@pytest.mark.parametrize(
    "given",
    [
        segment(LOOP, 0.3),  # a slow chorus
        segment(LOOP, 0.05, compression=2.4),
        segment("oh my love " * 6, 0.05),
        segment("one two three four five six seven eight nine " * 9, 0.05),  # nine words are no loop's turn
        segment("", 0.05),
        Segment(text="la la la", start_s=0.0, end_s=1.0, compression_ratio=5.0),  # no word times
    ],
)
def test_anything_else_is_untouched(given: Segment) -> None:
    assert without_loops(given) is given


def test_two_loops_in_one_segment() -> None:
    found = without_loops(segment("na " * 8 + "hey you " * 9, 0.05))
    assert found.text == " na hey you"
    assert [word.start_s for word in found.words] == [0.0, pytest.approx(0.4), pytest.approx(0.45)]
