from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.text.align import align, count
from evalkit.text.ties import settle
from evalkit.text.tokens import Token


def lines(*texts: str) -> list[Token]:
    return [Token(text=w, surface=w, line=index) for index, text in enumerate(texts) for w in text.split()]


def sung(text: str, gaps: dict[int, float] | None = None, *, timed: bool = True) -> list[Token]:
    tokens, now = [], 0.0
    for index, word in enumerate(text.split()):
        now += (gaps or {}).get(index, 0.1)
        times = {"start_s": now, "end_s": now + 0.4} if timed else {}
        tokens.append(Token(text=word, surface=word, **times))
        now += 0.4
    return tokens


def deleted(reference: Sequence[Token], hypothesis: Sequence[Token]) -> list[int]:
    pairs = align([token.text for token in reference], [token.text for token in hypothesis])
    settled = settle(pairs, reference, hypothesis)
    assert count(settled) == count(pairs)
    return sorted({reference[pair.ref].line for pair in settled if pair.op == "del" and pair.ref is not None})


LYRIC = lines("a b c", "x y z", "x y z", "d e f")


def test_the_missing_one_of_two_equal_lines_is_where_the_pause_is() -> None:
    assert deleted(LYRIC, sung("a b c x y z d e f", {3: 3.0})) == [1]
    assert deleted(LYRIC, sung("a b c x y z d e f", {6: 3.0})) == [2]


def test_without_a_clear_pause_it_is_the_later_one() -> None:
    assert deleted(LYRIC, sung("a b c x y z d e f")) == [2]
    assert deleted(LYRIC, sung("a b c x y z d e f", {3: 0.5, 6: 0.1})) == [2]
    assert deleted(LYRIC, sung("a b c x y z d e f", timed=False)) == [2]


def test_of_three_equal_lines_any_may_be_missing() -> None:
    lyric = lines("x y z", "x y z", "x y z", "d e f")
    for line, word in ((0, 0), (1, 3), (2, 6)):
        assert deleted(lyric, sung("x y z x y z d e f", {word: 4.0})) == [line]


def test_a_missing_line_between_others_stays() -> None:
    lyric = lines("a b c", "x y z", "d e f")
    assert deleted(lyric, sung("a b c d e f", {0: 9.0})) == [1]


def test_an_error_inside_the_line_that_was_sung_goes_with_it() -> None:
    reference, hypothesis = LYRIC, sung("a b c x Q z d e f", {3: 3.0})
    pairs = settle(align([t.text for t in reference], [t.text for t in hypothesis]), reference, hypothesis)
    assert count(pairs).errors == 4


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["a b", "x", "x y"]), min_size=1, max_size=6),
    st.lists(st.sampled_from("abxy"), max_size=12),
    st.lists(st.floats(0.0, 5.0), min_size=12, max_size=12),
)
def test_counts_never_change_and_every_token_stays_in_order(texts: list[str], heard: list[str], gaps: list) -> None:
    reference, hypothesis = lines(*texts), sung(" ".join(heard), dict(enumerate(gaps)))
    pairs = align([t.text for t in reference], [t.text for t in hypothesis])
    settled = settle(pairs, reference, hypothesis)
    assert count(settled) == count(pairs)
    assert [p.ref for p in settled if p.ref is not None] == list(range(len(reference)))
    assert [p.hyp for p in settled if p.hyp is not None] == list(range(len(hypothesis)))
    for pair in settled:
        if pair.op == "hit":
            assert reference[pair.ref or 0].text == hypothesis[pair.hyp or 0].text
