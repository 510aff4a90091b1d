from evalkit.text.align import Counts
from evalkit.text.compare import compare
from evalkit.text.tokens import TimedText, lyric_tokens, transcript_tokens
from evalkit.types import Section

SECTIONS = (
    Section(label="intro-short"),
    Section(label="verse", lines=("one two", "three")),
    Section(label="chorus", lines=("four five",)),
)


def heard(text: str) -> list:
    return transcript_tokens([TimedText(text=text)], "en")


def test_insertions_belong_to_what_was_sung_before() -> None:
    comparison = compare(lyric_tokens(SECTIONS, "en"), heard("hey one two ho three four five go go"))
    assert comparison.by_section == {1: Counts(hits=3, insertions=2), 2: Counts(hits=2, insertions=2)}
    placed = comparison.placed_hypothesis()
    assert [(token.text, token.section, token.line) for token in placed] == [
        ("hey", 1, 0),
        ("one", 1, 0),
        ("two", 1, 0),
        ("ho", 1, 0),
        ("three", 1, 1),
        ("four", 2, 2),
        ("five", 2, 2),
        ("go", 2, 2),
        ("go", 2, 2),
    ]


def test_sections_add_up_to_the_song() -> None:
    comparison = compare(lyric_tokens(SECTIONS, "en"), heard("one x four four"))
    assert sum(comparison.by_section.values(), Counts()) == comparison.counts


def test_without_reference_nothing_has_an_anchor() -> None:
    comparison = compare([], heard("one two"))
    assert comparison.anchors == [None, None]
    assert comparison.by_section == {}
    assert len(comparison.placed_hypothesis()) == 2
