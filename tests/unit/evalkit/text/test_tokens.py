import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.text import normalise
from evalkit.text.script import graphemes
from evalkit.text.tokens import TimedText, characters, lyric_tokens, tokenise, transcript_tokens
from evalkit.types import Section

SECTIONS = (
    Section(label="intro-short"),
    Section(label="verse", lines=("Silver river, slow", "Carry me (carry me)")),
    Section(label="chorus", lines=("Don't go",)),
)


def test_lyric_tokens_know_their_place() -> None:
    tokens = lyric_tokens(SECTIONS, "en")
    assert [(t.surface, t.section, t.line, t.backing) for t in tokens] == [
        ("Silver", 1, 0, False),
        ("river", 1, 0, False),
        ("slow", 1, 0, False),
        ("Carry", 1, 1, False),
        ("me", 1, 1, False),
        ("carry", 1, 1, True),
        ("me", 1, 1, True),
        ("Don't", 2, 2, False),
        ("go", 2, 2, False),
    ]


def test_transcript_tokens_carry_word_times() -> None:
    words = [
        TimedText(text=" Silver", start_s=1.0, end_s=1.5),
        TimedText(text=" well-known", start_s=2.0, end_s=3.0),
        TimedText(text=" don", start_s=4.0, end_s=4.2),
        TimedText(text="'t.", start_s=4.2, end_s=4.4),
    ]
    tokens = transcript_tokens(words, "en")
    assert [(t.text, t.start_s, t.end_s) for t in tokens] == [
        ("silver", 1.0, 1.5),
        ("well", 2.0, 2.4),
        ("known", 2.5, 3.0),
        ("don't", 4.0, pytest.approx(4.333)),
    ]


def test_time_inside_an_unspaced_word_is_shared_out() -> None:
    tokens = transcript_tokens([TimedText(text="銀行", start_s=1.0, end_s=2.0)], "zh")
    assert [(t.text, t.surface, t.start_s, t.end_s) for t in tokens] == [("银", "銀", 1.0, 1.5), ("行", "行", 1.5, 2.0)]


def test_words_without_times_have_none() -> None:
    assert transcript_tokens([TimedText(text="a b")], "en")[0].start_s is None


def test_a_number_split_into_words_keeps_the_times() -> None:
    tokens = transcript_tokens([TimedText(text=" 21", start_s=0.0, end_s=1.0)], "en")
    assert [(t.text, t.start_s, t.end_s) for t in tokens] == [("twenty", 0.0, 1.0), ("one", 0.0, 1.0)]


def test_characters_leave_out_blanks_and_keep_the_place() -> None:
    chars = characters(lyric_tokens(SECTIONS, "en"))
    assert "".join(c.text for c in chars) == "silverriverslowcarrymecarrymedon'tgo"
    assert chars[-1].section == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [("한국어", 3), ("नमस्ते", 4), ("สวัสดี", 4), ("e\u0301a", 2), ("", 0)],
)
def test_graphemes(text: str, expected: int) -> None:
    assert len(list(graphemes(text))) == expected


@given(st.text(max_size=60), st.sampled_from(["en", "zh", "ja", "ko", "fr", "th", "tr", "ru", "xx"]))
@settings(max_examples=150, deadline=None)
def test_any_text_gives_ordered_tokens_within_it(text: str, language: str) -> None:
    prepared = normalise.prepare(text)
    pieces = tokenise(prepared, language)
    assert all(piece.text and piece.surface for piece in pieces)
    assert all(0 <= piece.start < piece.end <= len(prepared) for piece in pieces)
    starts = [piece.start for piece in pieces]
    assert starts == sorted(starts)
    assert not any(char.isspace() for piece in pieces for char in piece.text)
