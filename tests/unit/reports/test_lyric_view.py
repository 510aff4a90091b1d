from typing import Any

import pytest

from evalkit.types import Score
from reports import lyric_view


def item(
    op: str, ref: str | None, hyp: str | None, section: int | None, line: int | None, start: float | None
) -> dict[str, Any]:
    end = None if start is None else start + 0.5
    return {
        "op": op,
        "ref": ref,
        "hyp": hyp,
        "section": section,
        "line": line,
        "start": start,
        "end": end,
        "backing": False,
    }


ALIGNMENT = [
    item("ins", None, "oh", 1, 0, 0.1),
    item("hit", "shine", "shine", 1, 0, 1.0),
    item("sub", "on", "own", 1, 0, 1.5),
    item("del", "me", None, 1, 1, None),
    item("ins", None, "yeah", None, None, 2.504),
    item("hit", "tonight", "tonight", 2, 0, 3.0),
]


def score(metric: str = "wer", language: str = "en", **details: Any) -> Score:
    found = {
        "input": "mix",
        "language": language,
        "alignment": ALIGNMENT,
        "sections": [{"index": 1, "label": "verse"}, {"index": 2, "label": "chorus"}],
        "flags": ["asr_empty"],
        "transcript": "oh shine own yeah tonight",
        "decoding": {"chunks": 1, "retries": 2, "sampled": 0, "dropped_silence": 1},
        "hits": 2,
        "substitutions": 1,
        "deletions": 1,
        "insertions": 2,
        **details,
    }
    return Score(
        song_id="a/b.take0", evaluator="lyrics", metric=metric, value=1.0, status="ok", signature="s", details=found
    )


def test_an_alignment_becomes_sections_of_lines_of_tokens() -> None:
    (found,) = lyric_view.transcripts([score()], "en")
    assert [(s["label"], s["counts"]) for s in found["sections"]] == [
        ("verse", "3\u00a0words · 1 substituted · 1 missing · 2 added"),
        ("chorus", "1\u00a0word · all heard"),
    ]
    assert found["sections"][0]["lines"] == [
        [["i", "", "oh", 0.1, 0.6], ["h", "shine", "", 1.0, 1.5], ["s", "on", "own", 1.5, 2.0]],
        [["d", "me", "", None, None], ["i", "", "yeah", 2.5, 3.0]],
    ]
    assert found["label"] == "Mix"
    assert found["flags"] == ["asr empty"]
    assert found["transcript"] == "oh shine own yeah tonight"
    assert found["decoding"] == "retries 2, dropped silence 1"
    assert found["spaced"]


def test_mix_and_stem_stand_beside_each_other() -> None:
    found = lyric_view.transcripts([score(), score("wer_vocals", input="vocals")], "en")
    assert [(f["label"], f["metric"]) for f in found] == [("Mix", "wer"), ("Vocal stem", "wer_vocals")]


@pytest.mark.parametrize(
    ("language", "spaced"), [("zh", False), ("ja", False), ("th", False), ("zh-TW", False), ("ko", True)]
)
def test_characters_of_unspaced_languages_are_joined(language: str, spaced: bool) -> None:
    (found,) = lyric_view.transcripts([score(language=language)], language)
    assert found["spaced"] is spaced
    assert ("word" in found["sections"][0]["counts"]) is spaced


def test_counts_for_the_row() -> None:
    assert lyric_view.edit_counts([score("cer", alignment=None), score()]) == (2, 1, 1, 2)
    assert lyric_view.edit_counts([]) is None


@pytest.mark.parametrize("broken", [None, [], "text", [1, 2], 7])
def test_what_is_no_alignment_is_left_alone(broken: Any) -> None:
    assert lyric_view.transcripts([score(alignment=broken)], "en") == []


def test_backing_vocals_are_marked() -> None:
    (found,) = lyric_view.transcripts([score(alignment=[{**ALIGNMENT[1], "backing": True}])], "en")
    assert found["sections"][0]["lines"] == [[["h", "shine", "", 1.0, 1.5, 1]]]
