"""A lyric that switches languages declares the language of each line, in both suite formats."""

import json
from pathlib import Path

import pytest

from benchmarks import loader
from evalkit.baseline import prompt_digest
from evalkit.errors import SuiteError
from evalkit.types import Prompt

SUITE = """name: mixed
version: "1"
prompts:
  - id: ko-01
    language: ko
    line_languages: {languages}
    lyrics: |
      [verse]
      달빛이 내려와

      [chorus]
      Baby stay with me
      오늘 밤
"""


def yaml_suite(tmp_path: Path, languages: str) -> str:
    path = tmp_path / "mixed.yaml"
    path.write_text(SUITE.replace("{languages}", languages), encoding="utf-8")
    return str(path)


def jsonl_suite(tmp_path: Path, languages: str) -> str:
    path = tmp_path / "mixed.jsonl"
    lyric = "[verse] 달빛이 내려와. ; [chorus] Baby stay with me.오늘 밤."
    codes = [code.strip() for code in languages.strip("[]").split(",")]
    request = {"idx": "ko-01", "gt_lyric": lyric, "language": "ko", "line_languages": codes}
    path.write_text(json.dumps(request), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("suite", [yaml_suite, jsonl_suite])
def test_one_language_for_each_line(suite, tmp_path: Path) -> None:
    (prompt,) = loader.load(suite(tmp_path, "[ko, en, ko]")).prompts
    assert prompt.line_languages == ("ko", "en", "ko")


@pytest.mark.parametrize("suite", [yaml_suite, jsonl_suite])
def test_too_few_or_too_many_are_refused_with_the_field(suite, tmp_path: Path) -> None:
    for languages in ("[ko, en]", "[ko, en, ko, ko]"):
        path = suite(tmp_path, languages)
        with pytest.raises(SuiteError, match="3 sung lines"):
            loader.load(path)
        (issue,) = loader.check(path)
        assert "line_languages" in str(issue)


@pytest.mark.parametrize("suite", [yaml_suite, jsonl_suite])
def test_no_language_at_all_is_refused_and_an_unknown_one_is_warned_about(suite, tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="line_languages"):
        loader.load(suite(tmp_path, "[ko, '?', ko]"))
    (issue,) = loader.check(suite(tmp_path, "[ko, xx, ko]"))
    assert issue.severity == "warning"


def test_the_digest_of_other_prompts_stays_what_it_was() -> None:
    plain, mixed = Prompt(id="a", language="ko"), Prompt(id="a", language="ko", line_languages=("ko", "en"))
    assert prompt_digest(plain) == "a9f4a183f5e3df20dba9484d9f69d4f7a3aa56d5757c1f874000c182bf3ae546"
    assert prompt_digest(mixed) != prompt_digest(plain)
