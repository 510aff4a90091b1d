"""SongGeneration's JSONL as a suite."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import loader, vocabulary
from benchmarks.vocabulary import parse_description
from evalkit.errors import SuiteError
from evalkit.types import Section, Tags

LYRIC = "[intro-short] ; [verse] Silver river.Slow and deep. ; [outro-short]"


def write(tmp_path: Path, *lines: dict[str, Any] | str, name: str = "my requests.jsonl") -> str:
    path = tmp_path / name
    text = "\n".join(line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines)
    path.write_text(text, encoding="utf-8", newline="")
    return str(path)


def request(**fields: Any) -> dict[str, Any]:
    return {"idx": "song_1", "gt_lyric": LYRIC, **fields}


def test_official_requests_load(tmp_path: Path) -> None:
    description = "Female, dark, pop, sad,  piano and drums, the bpm is 125."
    path = write(
        tmp_path,
        request(descriptions=description, auto_prompt_audio_type="Pop"),
        "",
        "   ",
        request(idx=2, gt_lyric="[verse] 月亮照着山.我在等你", prompt_audio_path="", descriptions=None),
        request(idx="third", language="it", duration_s=30),
    )
    suite = loader.load(path)
    assert (suite.name, suite.version) == ("my-requests", "jsonl-1")
    first, second, third = suite.prompts
    assert first.id == "song_1"
    assert first.lyrics == LYRIC
    assert first.sections[1] == Section(label="verse", lines=("Silver river", "Slow and deep"))
    assert first.description == description
    assert first.tags == Tags(
        gender="female", genre="pop", emotion="sad", instruments=("piano", "drums"), bpm=125.0, other=("dark",)
    )
    assert first.auto_prompt_audio_type == "Pop"
    assert (second.id, second.language, second.description, second.prompt_audio_path) == ("2", "zh", "", None)
    assert (third.language, third.duration_s) == ("it", 30)
    assert loader.check(path) == []


def test_windows_line_ends_and_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "w.jsonl"
    path.write_bytes(
        b"\xef\xbb\xbf" + json.dumps(request()).encode() + b"\r\n\r\n" + json.dumps(request(idx="b")).encode()
    )
    assert [prompt.id for prompt in loader.load(str(path)).prompts] == ["song_1", "b"]


@pytest.mark.parametrize(
    ("bad", "field", "message", "hint"),
    [
        ('{"idx": "x", ', "", "this is not JSON", "One object"),
        ('{"idx": NaN}x', "", "this is not JSON", ""),
        ("[1, 2]", "", "found a list of 2, expected an object with 'idx'", ""),
        ("3", "", "found 3, expected an object", ""),
        ('{"idx": ' + "9" * 10_000 + "}", "", "huge number", ""),
        ("[" * 100_000, "", "nested too deeply", ""),
        ('{"idx": "b", "idx": "c", "gt_lyric": ""}', "idx", "the field 'idx' stands twice", "Remove one"),
        ({"gt_lyric": LYRIC}, "idx", "the field 'idx' is missing", ""),
        ({"idx": "b"}, "gt_lyric", "the field 'gt_lyric' is missing", ""),
        (request(idx="song_1"), "idx", "'song_1' is already used in line 1", "Rename"),
        (request(idx="SONG_1"), "idx", "'SONG_1' is already used in line 1", "Rename"),
        (request(idx="../etc"), "idx", "'../etc' is not usable as a file name", "letters"),
        (request(idx="a/b"), "idx", "'a/b' is not usable as a file name", ""),
        (request(idx=None), "idx", "found nothing, expected text", ""),
        (request(idx=True), "idx", "found True, expected text", ""),
        (request(idx="b", gt_lyric=["x"]), "gt_lyric", "found a list of 1, expected text", ""),
        (request(idx="b", gt_lyric="[verse] a ; [what] b"), "gt_lyric, section 2", "unknown section label [what]", ""),
        (request(idx="b", gt_lyric="[verse]\nOne\n[what]\n"), "gt_lyric, line 3", "unknown section label [what]", ""),
        (request(idx="b", gt_lyric="[verse] a\x07"), "gt_lyric, section 1", "control character U+0007", "Remove"),
        ('{"idx": "b", "gt_lyric": "[verse] \\ud800"}', "gt_lyric, section 1", "U+D800", "Remove"),
        (request(idx="b", gt_lyric="[verse] " + "la " * 40_000), "gt_lyric, section 1", "at most 20,000", "Split"),
        (request(idx="b", descriptions=["pop"]), "descriptions", "found a list of 1, expected text", ""),
        (request(idx="b", descriptions="po\x00p"), "descriptions", "control character U+0000", "Remove"),
        (request(idx="b", auto_prompt_audio_type="Popp"), "auto_prompt_audio_type", "reference genre", "mean 'Pop'?"),
        (request(idx="b", language="italian"), "language", "not a language code", "Use 'it'"),
        (request(idx="b", duration_s="30"), "duration_s", "found '30', expected a number", "without quotes"),
        (
            request(idx="b", prompt_audio_path="x.wav", auto_prompt_audio_type="Pop"),
            "auto_prompt_audio_type",
            "exclude each other",
            "Keep one",
        ),
    ],
)  # fmt: skip
def test_each_broken_line_is_named(tmp_path: Path, bad: Any, field: str, message: str, hint: str) -> None:
    path = write(tmp_path, request(), "", bad)
    found = [issue for issue in loader.check(path) if message in issue.message]
    assert found, loader.check(path)
    assert (found[0].line, found[0].field, found[0].severity) == (3, field, "error")
    assert hint in found[0].hint
    with pytest.raises(SuiteError, match=r"my requests\.jsonl:3"):
        loader.load(path)


def test_all_lines_are_checked(tmp_path: Path) -> None:
    path = write(tmp_path, "{", request(), request(idx="a b"), "{}", request(idx="song_1"))
    assert [issue.line for issue in loader.check(path)] == [1, 3, 4, 4, 5]


def test_warnings(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        request(gt_lyrics="x"),
        request(idx="b", gt_lyric="[verse]\nSilver river\nSlow and deep"),
        request(idx="c", gt_lyric=""),
    )
    issues = loader.check(path)
    assert {issue.severity for issue in issues} == {"warning"}
    assert "unknown field 'gt_lyrics', ignored" in issues[0].message
    assert issues[0].hint == "Did you mean 'gt_lyric'?"
    assert "rewritten in the official one-line form" in issues[1].message
    assert "taken as instrumental" in issues[2].message
    suite = loader.load(path)
    assert suite.prompts[1].lyrics == "[verse] Silver river.Slow and deep."
    assert not suite.prompts[2].is_sung


def test_file_without_requests(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="the file is empty"):
        loader.load(write(tmp_path, "", "  "))


@pytest.mark.parametrize(
    ("lyrics", "language"),
    [
        ("[verse] Silver river", "en"),
        ("[verse] El río de plata", "en"),
        ("[verse] 月亮照着山", "zh"),
        ("[verse] 月亮照着山 baby", "zh"),
        ("[verse] hello hello hello hello 月", "en"),
        ("[verse] 川のほとりで", "ja"),
        ("[verse] 비 내리는 골목길에", "ko"),
        ("[verse] Город уснул", "ru"),
        ("[intro-short]", "en"),
        ("", "en"),
        ("[verse] 12 ... 34", "en"),
    ],
)
def test_language_from_script(lyrics: str, language: str) -> None:
    assert vocabulary.detect_language(lyrics) == language


@pytest.mark.parametrize(
    ("description", "tags"),
    [
        ("", Tags()),
        ("male, jazz", Tags(gender="male", genre="jazz")),
        ("MALE , R&B , the bpm is 90", Tags(gender="male", genre="r&b", bpm=90.0)),
        ("acoustic guitar", Tags(instruments=("acoustic guitar",))),
        ("piano and kazoo", Tags(instruments=("piano", "kazoo"))),
        ("pop, rock, piano, drums", Tags(genre="pop", instruments=("piano",), other=("rock", "drums"))),
        ("the bpm is 900", Tags(other=("the bpm is 900",))),
        ("bpm is 92.5.", Tags(bpm=92.5)),
        ("lots of thunder", Tags(other=("lots of thunder",))),
        (",, ,", Tags()),
    ],
)
def test_description_is_sorted_into_tags(description: str, tags: Tags) -> None:
    assert parse_description(description) == tags
