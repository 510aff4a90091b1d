"""The lyric grammar: both spellings, every violation with its line, round trips."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit import lyrics
from evalkit.errors import SuiteError
from evalkit.types import Section

OFFICIAL = "[intro-short] ; [verse] Silver river.Slow and deep. ; [chorus] Hold on. ; [outro-short]"
BY_LINES = "[intro-short]\n\n[verse]\nSilver river\nSlow and deep\n\n[chorus]\nHold on\n\n[outro-short]"
SECTIONS = (
    Section(label="intro-short"),
    Section(label="verse", lines=("Silver river", "Slow and deep")),
    Section(label="chorus", lines=("Hold on",)),
    Section(label="outro-short"),
)


def issue_of(text: str) -> tuple[int, str, str]:
    _, issues = lyrics.parse_with_issues(text)
    assert len(issues) == 1, issues
    return issues[0].line, issues[0].message, issues[0].hint


@pytest.mark.parametrize("text", [OFFICIAL, BY_LINES, BY_LINES.replace("\n", "\r\n"), f"\n\n  {BY_LINES}\n"])
def test_both_spellings_give_the_same_sections(text: str) -> None:
    assert lyrics.parse(text) == SECTIONS


def test_writers_give_the_two_spellings() -> None:
    assert lyrics.to_official(SECTIONS) == OFFICIAL
    assert lyrics.to_lines(SECTIONS) == BY_LINES


@pytest.mark.parametrize("text", ["", "  ", "\n\n", " ; ; "])
def test_nothing_gives_no_sections(text: str) -> None:
    assert lyrics.parse(text) == ()


def test_official_form_broken_into_lines_still_splits_sentences() -> None:
    text = "[intro-short] ;\n[verse] Silver river.Slow and deep. ;\n[chorus] Hold on. ;\n[outro-short]"
    assert lyrics.parse(text) == SECTIONS


def test_full_stop_inside_a_line_of_the_line_spelling_is_kept_and_written_as_a_comma() -> None:
    sections = lyrics.parse("[verse]\nWait. Then go; now\nStay...")
    assert sections[0].lines == ("Wait. Then go; now", "Stay...")
    assert lyrics.to_official(sections) == "[verse] Wait, Then go, now.Stay."


def test_chinese_has_no_final_full_stop_and_ascii_punctuation() -> None:
    section = Section(label="verse", lines=("月亮，你好。", "跟我走！", "回家"))
    assert lyrics.to_official([section]) == "[verse] 月亮,你好.跟我走!.回家"


def test_official_spelling_drops_lines_of_punctuation_and_joins_spaces() -> None:
    section = Section(label="verse", lines=("...", "one   two\tthree"))
    assert lyrics.to_official([section]) == "[verse] one two three."


def test_short_labels_are_understood() -> None:
    assert [section.label for section in lyrics.parse("[intro] ; [verse] a ; [inst] ; [outro]")] == [
        "intro-short",
        "verse",
        "inst-short",
        "outro-short",
    ]


@pytest.mark.parametrize(
    ("text", "line", "message", "hint"),
    [
        ("[verse]\nOne\n[chorsu]\nTwo", 3, "unknown section label [chorsu]", "[chorus]"),
        ("[Verse]\nOne", 1, "unknown section label [Verse]", "[verse]"),
        ("[Intro] ; [verse] One", 1, "unknown section label [Intro]", "[intro-short]"),
        ("[xyzzy]\nOne", 1, "unknown section label [xyzzy]", "Use: verse, chorus"),
        ("[verse]\n\n[chorus]\nTwo", 1, "[verse] has no words", "Add lyric lines"),
        ("[verse]\n!!!\n[chorus]\nTwo", 1, "[verse] has no words", ""),
        (
            "[verse]\nOne\n[outro-short]\nbye bye",
            3,
            "[outro-short] is instrumental but has the words 'bye bye'",
            "Move",
        ),
        ("One\n[verse]\nTwo", 1, "'One' stands before any section label", "[verse]"),
        ("[verse]\nOne [chorus] two\nThree", 2, "label '[chorus]' stands inside the text", "line of its own"),
        ("[verse] One [chorus] two", 1, "label '[chorus]' stands inside the text", "' ; '"),
        ("[verse] One ; two ; [chorus] x", 2, "'two' stands before any section label", ""),
        ("[verse]\nOne\nTwo\x07", 3, "control character U+0007", "Remove"),
        ("[verse]\nOne\rTwo", 2, "control character U+000D", "Remove"),
        ("[verse]\nOne\u2028Two", 2, "control character U+2028", "Remove"),
        ("[verse]\nOne \ud800", 2, "control character U+D800", "Remove"),
        ("[verse]\n" + "la " * 40_000, 1, "the lyric has 120,008 characters; at most 20,000", "Split"),
    ],
)
def test_each_violation_is_named_with_its_line(text: str, line: int, message: str, hint: str) -> None:
    found_line, found_message, found_hint = issue_of(text)
    assert found_line == line
    assert message in found_message
    assert hint in found_hint


def test_all_violations_are_reported_in_order_of_their_line() -> None:
    _, issues = lyrics.parse_with_issues("[outro-short]\nbye\n[what]\n[verse]\n[verse]\nfine [x] text\nfine")
    assert [issue.line for issue in issues] == [1, 3, 4, 6]


def test_what_can_be_read_is_returned_beside_the_issues() -> None:
    sections, issues = lyrics.parse_with_issues("[verse]\nOne\n[what]\nTwo")
    assert sections == (Section(label="verse", lines=("One",)),)
    assert len(issues) == 1


def test_parse_raises_the_first_issue_and_counts_the_others() -> None:
    with pytest.raises(SuiteError, match=r"Lyrics, line 1: unknown section label \[what\]\. \(1 more\)"):
        lyrics.parse("[what]\nOne\n[verse]\n")


@pytest.mark.parametrize(
    "line", ["שלום לך עולם", "مرحبا يا قمر", "party 🎉 time", "<script>alert(1)</script>", "ไปเที่ยวกัน"]
)
def test_any_script_and_markup_is_text(line: str) -> None:
    sections = lyrics.parse(f"[verse]\n{line}")
    assert sections[0].lines == (line,)
    assert lyrics.parse(lyrics.to_official(sections)) == sections


_word = st.text(st.characters(categories=("L", "N"), exclude_characters="\u0085"), min_size=1, max_size=8)
_line = st.lists(_word, min_size=1, max_size=6).map(" ".join)
_sung = st.builds(
    lambda label, lines: Section(label=label, lines=tuple(lines)),
    st.sampled_from(lyrics.VOCAL_LABELS),
    st.lists(_line, min_size=1, max_size=4),
)
_instrumental = st.sampled_from(lyrics.INSTRUMENTAL_LABELS).map(lambda label: Section(label=label))
_song = st.lists(st.one_of(_sung, _instrumental), max_size=6).map(tuple)


@given(_song)
def test_round_trip_through_both_spellings(sections: tuple[Section, ...]) -> None:
    assert lyrics.parse(lyrics.to_official(sections)) == sections
    assert lyrics.parse(lyrics.to_lines(sections)) == sections


@given(st.text(max_size=300))
def test_any_text_gives_sections_or_issues_whose_line_exists(text: str) -> None:
    sections, issues = lyrics.parse_with_issues(text)
    bound = max(text.count("\n"), text.count(";")) + 1
    assert all(1 <= issue.line <= bound for issue in issues)
    if not issues:
        official = lyrics.to_official(sections)
        assert lyrics.to_official(lyrics.parse(official)) == official


@given(
    st.lists(st.sampled_from(["[verse]", "[intro]", "[x]", "\n", " ; ", ".", "la", "月", " ", "[", "]"]), max_size=30)
)
def test_anything_near_the_grammar_is_stable_once_read(parts: list[str]) -> None:
    sections, issues = lyrics.parse_with_issues("".join(parts))
    if not issues:
        official = lyrics.to_official(sections)
        assert "\n" not in official
        assert lyrics.to_official(lyrics.parse(official)) == official
