"""Suites by name and path, and the sentence each broken one gets."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks import loader, nodes
from benchmarks.issues import Issue
from evalkit.errors import SuiteError
from evalkit.types import Section, Suite, Tags

HEAD = 'name: mine\nversion: "1"\nprompts:\n'
PROMPT = "  - id: a\n    language: en\n    lyrics: |\n      [verse]\n      Hello river\n"
GOOD = HEAD + PROMPT

file_in = pytest.fixture(lambda tmp_path: lambda name, content: _write(tmp_path / name, content))


def _write(path: Path, content: str | bytes) -> str:
    path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    return str(path)


def errors(path: str) -> list[Issue]:
    return [issue for issue in loader.check(path) if issue.severity == "error"]


def prompt_with(extra: str, *, lyrics: bool = True) -> str:
    return HEAD + (PROMPT if lyrics else "  - id: a\n    language: en\n") + extra


def test_a_suite_of_ones_own(file_in: Any) -> None:
    path = file_in(
        "mine.yaml",
        "name: mine\nversion: 1.10\nlicence: CC0\ndescription: Two songs\nprompts:\n"
        "  - id: a\n    language: EN\n    duration_s: 20\n"
        "    tags: {gender: Female, genre: Pop, instruments: [Piano, drums], bpm: 90.5, other: [lo-fi tape]}\n"
        "    lyrics: '[verse] Hello river.Carry me'\n"
        "  - id: b\n    language: pt-BR\n    description: 'Slow, please'\n    auto_prompt_audio_type: R&B/Soul\n",
    )
    suite = loader.load(path)
    assert (suite.name, suite.version, suite.licence, suite.description) == ("mine", "1.10", "CC0", "Two songs")
    assert suite.sha256 == hashlib.sha256(Path(path).read_bytes()).hexdigest()
    first, second = suite.prompts
    assert first.language == "en"
    assert first.lyrics == "[verse] Hello river.Carry me."
    assert first.sections == (Section(label="verse", lines=("Hello river", "Carry me")),)
    assert first.tags == Tags(
        gender="female", genre="pop", instruments=("piano", "drums"), bpm=90.5, other=("lo-fi tape",)
    )
    assert first.description == "female, pop, piano and drums, lo-fi tape, the bpm is 90.5"
    assert (second.language, second.description, second.auto_prompt_audio_type) == ("pt-BR", "Slow, please", "R&B/Soul")
    assert not second.is_sung


def test_describe_and_names() -> None:
    info = loader.describe("smoke")
    assert (info.name, info.version, info.n_prompts, info.languages) == ("smoke", "1", 3, ("en", "es", "zh"))
    assert loader.names() == sorted(loader.names())


def test_unknown_name_is_answered_with_the_nearest_and_all() -> None:
    with pytest.raises(
        SuiteError, match=r"Unknown suite 'multilingal'. Did you mean 'multilingual'\? Available: .*smoke"
    ):
        loader.load("multilingal")


@pytest.mark.parametrize("name", ["no/such.yaml", "absent.jsonl", "with\0nul", "x" * 5000, "", "a/../b"])
def test_absent_file(name: str) -> None:
    with pytest.raises(SuiteError, match=r"There is no suite file|Unknown suite"):
        loader.load(name)


@pytest.mark.parametrize(
    ("content", "line", "field", "message", "hint"),
    [
        ("", 0, "", "the file is empty", ""),
        (" \n \n", 0, "", "the file is empty", ""),
        ("# only a comment\n", 1, "", "found nothing, expected a mapping", "name:"),
        ("- a\n- b\n", 1, "", "found a list of 2, expected a mapping", "name:"),
        (b"\xff\xfen\x00", 1, "", "the file is UTF-16", "UTF-8"),
        (b"name: mine\nversion: caf\xe9\n", 2, "", "byte 0xE9 is not UTF-8", "UTF-8"),
        ("name: mine\nversion: a\x07b\n", 2, "", "control character U+0007", "Remove"),
        ("name: mine\nprompts: [\n", 3, "", "this is not YAML", "indentation"),
        ("name: mine\n\tversion: 1\n", 2, "", "this is not YAML", ""),
        ("name: !!python/object/apply:os.system [ls]\n", 1, "name", "expected text", ""),
        ("name: mine\nversion: 1\nprompts: []\n", 3, "prompts", "the list is empty", ""),
        ("name: mine\nversion: 1\n", 1, "prompts", "the field 'prompts' is missing", ""),
        ("name: mine\nversion: 1\nprompts: x\n", 3, "prompts", "found 'x', expected a list", ""),
        (GOOD.replace("name: mine", "name: ../mine"), 1, "name", "not usable as a file name", "letters"),
        (GOOD + "licenc: MIT\n", 9, "licenc", "unknown field 'licenc'", "Did you mean 'licence'?"),
        (GOOD + "name: again\n", 9, "name", "the field 'name' stands twice", "Remove one"),
        (HEAD + "  - hello\n", 4, "prompts[1]", "found 'hello', expected a mapping of fields", ""),
        (GOOD + "  - language: en\n", 9, "prompts[2].id", "the field 'id' is missing", ""),
        (GOOD + PROMPT, 9, "prompts[2].id", "the id 'a' is already used in line 4", "Rename"),
        (GOOD + PROMPT.replace("id: a", "id: A"), 9, "prompts[2].id", "the id 'A' is already used in line 4", ""),
        (GOOD.replace("id: a", "id: ../a"), 4, "prompts[1].id", "'../a' is not usable as a file name", "letters"),
        (GOOD.replace("id: a", "id: 7"), 4, "prompts[1].id", "found 7, expected text", "quotes"),
        (GOOD.replace("id: a", f"id: {'a' * 121}"), 4, "prompts[1].id", "(121 characters) is not usable", ""),
        (GOOD.replace(": en", ": English"), 5, "prompts[1].language", "'English' is not a language code", "Use 'en'"),
        (GOOD.replace(": en", ": no"), 5, "prompts[1].language", "found False, expected text", "quotes"),
        (prompt_with("    tag: {}\n"), 9, "prompts[1].tag", "unknown field 'tag'", "Did you mean 'tags'?"),
        (prompt_with("    tags: pop\n"), 9, "prompts[1].tags", "found 'pop', expected a mapping", ""),
        (prompt_with("    tags: {gendre: pop}\n"), 9, "prompts[1].tags.gendre", "unknown field", "Did you mean 'gen"),
        (prompt_with("    tags: {genre: [pop]}\n"), 9, "prompts[1].tags.genre", "found a list of 1, expected text", ""),
        (prompt_with("    tags: {genre: ''}\n"), 9, "prompts[1].tags.genre", "the text is empty", "leave"),
        (prompt_with("    tags: {instruments: piano}\n"), 9, "prompts[1].tags.instruments", "expected a list", "[p"),
        (prompt_with("    tags:\n      instruments:\n        - piano\n        - 3\n"), 12, "instruments[2]", "", ""),
        (prompt_with("    tags: {bpm: fast}\n"), 9, "prompts[1].tags.bpm", "found 'fast', expected a number", ""),
        (prompt_with("    tags: {bpm: true}\n"), 9, "prompts[1].tags.bpm", "found True, expected a number", ""),
        (prompt_with("    tags: {bpm: 39.9}\n"), 9, "prompts[1].tags.bpm", "found 39.9, expected at least 40", ""),
        (prompt_with("    tags: {bpm: 241}\n"), 9, "prompts[1].tags.bpm", "found 241, expected at most 240", ""),
        (prompt_with("    tags: {bpm: .nan}\n"), 9, "prompts[1].tags.bpm", "expected", ""),
        (prompt_with("    duration_s: 4\n"), 9, "prompts[1].duration_s", "found 4, expected at least 5", ""),
        (prompt_with("    duration_s: .inf\n"), 9, "prompts[1].duration_s", "expected", ""),
        (prompt_with("    duration_s: 361\n"), 9, "prompts[1].duration_s", "found 361, expected at most 360", ""),
        (prompt_with('    description: "a\\x01b"\n'), 9, "prompts[1].description", "control character U+0001", "Re"),
        (prompt_with(f"    description: {'la ' * 700}\n"), 9, "prompts[1].description", "at most 2,000", ""),
        (prompt_with("    auto_prompt_audio_type: pop\n"), 9, "auto_prompt_audio_type", "'pop' is no", "mean 'Pop'?"),
        (
            prompt_with("    auto_prompt_audio_type: Pop\n    prompt_audio_path: x.wav\n"),
            9,
            "prompts[1].auto_prompt_audio_type",
            "'prompt_audio_path' and 'auto_prompt_audio_type' exclude each other",
            "Keep one",
        ),
        (prompt_with("    duration_s: 2001-99-99\n"), 9, "prompts[1].duration_s", "cannot be read", "quotes"),
        (prompt_with("    <<: {id: b}\n"), 9, "prompts[1]", "merge keys are not read", ""),
        (prompt_with("    lyrics: 3\n", lyrics=False), 6, "prompts[1].lyrics", "found 3, expected text", ""),
    ],
)  # fmt: skip
def test_each_broken_yaml_is_named_with_line_and_field(
    file_in: Any, content: str | bytes, line: int, field: str, message: str, hint: str
) -> None:
    path = file_in("mine.yaml", content)
    found = [issue for issue in errors(path) if message in issue.message]
    assert found, loader.check(path)
    assert found[0].file == path
    assert found[0].line == line
    assert found[0].field.endswith(field) if field else found[0].field == ""
    assert hint in found[0].hint
    with pytest.raises(SuiteError) as raised:
        loader.load(path)
    assert path in str(raised.value)


@pytest.mark.parametrize(
    ("lyrics", "line", "message"),
    [
        ("    lyrics: |\n      [verse]\n      One\n\n      [what]\n      Two\n", 10, "unknown section label [what]"),
        ("    lyrics: |\n\n\n      [what] One\n", 9, "unknown section label [what]"),
        ("    lyrics: |-\n      [verse]\n      One\n      [outro-short]\n      Bye\n", 9, "is instrumental but has"),
        ("    lyrics: '[verse] One ; [what] Two'\n", 6, "unknown section label [what]"),
        ("    lyrics:\n      '[verse] One ; [what] Two'\n", 7, "unknown section label [what]"),
        ("    lyrics: >\n      [verse] One ;\n      [what] Two\n", 6, "unknown section label [what]"),
        ('    lyrics: "[verse]\\nOne\\u0007"\n', 6, "control character U+0007"),
        ("    lyrics: |\n      Hello\n      [verse]\n      One\n", 7, "'Hello' stands before any section label"),
    ],
)  # fmt: skip
def test_lyric_issues_carry_the_line_of_the_file(file_in: Any, lyrics: str, line: int, message: str) -> None:
    path = file_in("mine.yaml", prompt_with(lyrics, lyrics=False))
    (issue,) = loader.check(path)
    assert (issue.line, issue.severity) == (line, "error")
    assert message in issue.message
    assert issue.field.startswith("prompts[1].lyrics")


def test_duplicates_on_one_line_and_by_alias_are_found(file_in: Any) -> None:
    for prompts in ("[{id: a, language: en}, {id: a, language: en}]", "[&p {id: a, language: en}, *p]"):
        (issue,) = loader.check(file_in("mine.yaml", f"name: mine\nversion: 1\nprompts: {prompts}\n"))
        assert (issue.line, issue.field) == (3, "prompts[2].id")
        assert "already used in line 3" in issue.message


def test_folded_texts_lose_their_final_line_break(file_in: Any) -> None:
    text = prompt_with("    description: >\n      slow\n      and low\n")
    assert loader.load(file_in("mine.yaml", text)).prompts[0].description == "slow and low"


def test_line_is_right_after_crlf_and_byte_order_mark(file_in: Any) -> None:
    text = prompt_with("    tags: {bpm: 20}\n")
    (issue,) = loader.check(file_in("mine.yaml", b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()))
    assert issue.line == 9


def test_every_problem_is_reported_at_once(file_in: Any) -> None:
    path = file_in(
        "mine.yaml",
        HEAD + "  - id: a b\n    language: en\n    lyrics: '[what] x'\n    tags: {bpm: 1}\n  - id: c\n  - 3\n",
    )
    assert [issue.line for issue in errors(path)] == [4, 6, 7, 8, 9]
    with pytest.raises(SuiteError, match=r"mine.yaml:4, prompts\[1\].id: .*\(4 more problems\).*evalkit validate"):
        loader.load(path)


def test_warnings_do_not_stop_a_suite(file_in: Any) -> None:
    path = file_in(
        "mine.yaml",
        HEAD + "  - id: a\n    language: qq\n    prompt_audio_path: none.wav\n    tags: {genre: pop, emotion: hapy}\n",
    )
    issues = loader.check(path)
    assert [(issue.severity, issue.line) for issue in issues] == [("warning", 5), ("warning", 6), ("warning", 7)]
    assert "language 'qq' is unknown" in issues[0].message
    assert "no file 'none.wav'" in issues[1].message
    assert "unknown emotion 'hapy'" in issues[2].message
    assert issues[2].hint == "Did you mean 'happy'?"
    assert loader.load(path).prompts[0].tags.emotion == "hapy"


def test_reference_audio_is_found_beside_the_suite(file_in: Any, tmp_path: Path) -> None:
    (tmp_path / "ref.wav").write_bytes(b"x")
    suite = loader.load(file_in("mine.yaml", prompt_with("    prompt_audio_path: ref.wav\n")))
    assert suite.prompts[0].prompt_audio_path == str(tmp_path / "ref.wav")


@pytest.mark.parametrize(
    "text", ["שלום לך עולם", "مرحبا يا قمر", "party 🎉 time", "<script>alert('x')</script>", "{x} {}"]
)
def test_any_script_emoji_and_markup_is_only_text(file_in: Any, text: str) -> None:
    path = file_in("mine.yaml", HEAD + f"  - id: a\n    language: he\n    lyrics: |\n      [verse]\n      {text}\n")
    assert loader.check(path) == []
    assert loader.load(path).prompts[0].sections[0].lines == (text,)


def test_aliases_are_followed_but_not_without_end(file_in: Any) -> None:
    shared = HEAD + "  - {id: a, language: en, tags: &t {genre: pop}}\n  - {id: b, language: en, tags: *t}\n"
    assert loader.load(file_in("a.yaml", shared)).prompts[1].tags.genre == "pop"
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    (issue,) = [i for i in errors(file_in("b.yaml", bomb)) if "aliases expand" in i.message]
    assert issue.line > 0
    loop = file_in("c.yaml", HEAD + "  - &p {id: a, language: en, tags: *p}\n")
    assert any("nested too deeply" in issue.message for issue in errors(loop))


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 5_000, "- " * 50_000, "? " * 50_000])
def test_deep_nesting_is_refused(file_in: Any, text: str) -> None:
    assert errors(file_in("deep.yaml", text))
    assert errors(file_in("deep.jsonl", text))


def test_too_large_a_file_is_not_read(file_in: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.files.MAX_BYTES", 1024 * 1024)
    (issue,) = loader.check(file_in("big.yaml", b"#" * (1024 * 1024 + 1)))
    assert "the file has 1.0 MiB; at most 1 MiB are read" in issue.message


def test_folder_device_and_other_endings_are_refused(file_in: Any, tmp_path: Path) -> None:
    assert "this is a folder" in loader.check(str(tmp_path))[0].message
    assert "no such file" in loader.check("/dev/null")[0].message
    assert "found the ending '.txt', expected .yaml" in loader.check(file_in("x.txt", "hello"))[0].message


def test_merely_a_bundled_name_wins_over_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("smoke").write_text("rubbish")
    assert loader.load("smoke").name == "smoke"


class _Point:
    def __init__(self, name: str, value: Any) -> None:
        self.name, self.value, self._thing = name, "other:thing", value

    def load(self) -> Any:
        return self._thing


def test_suites_of_other_distributions(file_in: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = file_in("theirs.yaml", GOOD)
    points = [_Point("by-path", path), _Point("by-call", lambda: path), _Point("broken", lambda: 1 / 0)]
    monkeypatch.setattr(loader, "entry_points", lambda group: points if group == "evalkit.suites" else [])
    assert {"by-path", "by-call", "broken", "smoke"} <= set(loader.names())
    assert loader.load("by-path").prompts == loader.load("by-call").prompts
    with pytest.raises(SuiteError, match=r"'broken' of the entry point 'other:thing' cannot be located: division"):
        loader.load("broken")
    points.append(_Point("smoke", path))
    with pytest.raises(SuiteError, match="'smoke' is bundled and also brought by the entry point"):
        loader.load("smoke")


def test_listing_imports_nothing_heavy() -> None:
    code = (
        "import sys, benchmarks.loader as loader; loader.describe('smoke');"
        "print([name for name in ('torch', 'pandas', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_pure_python_yaml_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = loader.load("multilingual")
    monkeypatch.setattr(nodes, "_Loader", nodes.yaml.SafeLoader)
    assert loader.load("multilingual") == fast


def _only_a_suite_or_a_sentence(path: str) -> None:
    issues = loader.check(path)
    assert all(issue.message and issue.line >= 0 for issue in issues)
    n_lines = Path(path).read_bytes().replace(b"\r", b"\n").count(b"\n") + 2
    if any(issue.severity == "error" for issue in issues):
        with pytest.raises(SuiteError):
            loader.load(path)
        assert all(issue.line <= n_lines for issue in issues) or not Path(path).read_bytes().isascii()
    else:
        suite = loader.load(path)
        assert isinstance(suite, Suite)
        json.dumps([prompt.lyrics + prompt.description for prompt in suite.prompts], ensure_ascii=False).encode()


_fuzz = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from(["en", "Pop", "[verse] la"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(["id", "idx", "gt_lyric", "lyrics", "language", "tags", "bpm", "genre", "instruments",
                         "name", "version", "prompts", "descriptions", "prompt_audio_path", "duration_s"])
        | st.text(max_size=5),
        inner, max_size=6,
    ),
    max_leaves=25,
)  # fmt: skip


@_fuzz
@given(st.binary(max_size=300), st.sampled_from([".yaml", ".jsonl"]))
def test_random_bytes(tmp_path: Path, data: bytes, suffix: str) -> None:
    _only_a_suite_or_a_sentence(_write(tmp_path / f"f{suffix}", data))


@_fuzz
@given(st.text(st.sampled_from(list("[]{}:-#&*!|>'\"%@`\n\t ,?abné0.~<=\\")), max_size=120))
def test_random_yaml_text(tmp_path: Path, text: str) -> None:
    _only_a_suite_or_a_sentence(_write(tmp_path / "f.yaml", text))
    _only_a_suite_or_a_sentence(_write(tmp_path / "f.yaml", GOOD + text))


@_fuzz
@given(st.lists(_json, max_size=4))
def test_random_json_values(tmp_path: Path, values: list[Any]) -> None:
    lines = "\n".join(json.dumps(value) for value in values)
    _only_a_suite_or_a_sentence(_write(tmp_path / "f.jsonl", lines))
    _only_a_suite_or_a_sentence(
        _write(tmp_path / "f.yaml", json.dumps({"name": "n", "version": "1", "prompts": values}))
    )
