"""Submissions: what is accepted, what is refused and in which words, and the format as it is published."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit import stats, submission
from evalkit.errors import StoreError
from evalkit.types import Prompt, Suite
from reports.leaderboard import write
from reports.leaderboard.sources import read

DOCS = Path(__file__).parents[3] / "docs"


def good() -> dict[str, Any]:
    return {
        "format": "evalkit-submission",
        "schema_version": 1,
        "created": "2026-11-24T14:20:11Z",
        "system": {"name": "my-model", "version": "3.1", "licence": "proprietary"},
        "suite": {"name": "s", "version": "1", "sha256": "ab" * 32},
        "takes": 2,
        "made": "Two takes of each prompt on one GPU, measured with evalkit.",
        "metrics": [
            {
                "name": "wer", "signature": "wer|asr:x|v:1", "direction": "lower", "aggregate": "ratio",
                "bounds": [0, None],
                "values": [
                    {"prompt": "p1", "language": "en", "value": 0.25, "numerator": 5, "denominator": 20},
                    {"prompt": "p2", "language": "de", "value": None, "status": "failed", "reason": "no song"},
                ],
            },
        ],
    }  # fmt: skip


SUITE = Suite(
    name="s", version="1", licence="MIT", sha256="ab" * 32,
    prompts=(Prompt(id="p1", language="en"), Prompt(id="p2", language="de")),
)  # fmt: skip


def problems(raw, suite=SUITE):
    return [(problem.severity, problem.field, problem.message) for problem in submission.check(raw, suite)[1]]


def changed(path, value):
    raw = good()
    place = raw
    *way, last = path
    for key in way:
        place = place[key]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return raw


VALUES = ("metrics", 0, "values")


def test_a_good_one_has_no_problems():
    assert problems(good()) == []


@pytest.mark.parametrize(
    ("path", "value", "field", "message"),
    [
        (("made",), ..., "made", "missing"),
        (("created",), "yesterday", "created", "not a time with its offset"),
        (("created",), "2026-11-24T14:20:11", "created", "not a time with its offset"),
        (("suite", "sha256"), "AB" * 32, "suite.sha256", "not 64 lower-case"),
        (("system", "licence"), ..., "system.licence", "missing"),
        (("system", "license"), "MIT", "system.license", "no such field"),
        (("takes",), 0, "takes", "greater than or equal to 1"),
        (("schema_version",), 2, "schema_version", "got 2"),
        (("metrics", 0, "name"), "WER %", "metrics[0].name", "no metric name"),
        (("metrics", 0, "signature"), "", "metrics[0].signature", "at least 1"),
        ((*VALUES, 0, "prompt"), "../x", "metrics[0].values[0].prompt", "no prompt id"),
        ((*VALUES, 1, "prompt"), "p1", "metrics[0].values[1].prompt", "twice"),
        ((*VALUES, 0, "value"), 0.3, "metrics[0].values[0].value", "is not 5 / 20"),
        ((*VALUES, 0, "value"), -1.0, "metrics[0].values[0].value", "outside the metric's bounds"),
        ((*VALUES, 0, "denominator"), ..., "metrics[0].values[0].numerator", "positive denominator"),
        ((*VALUES, 1, "reason"), "", "metrics[0].values[1].reason", "no reason"),
        ((*VALUES, 1, "value"), 0.5, "metrics[0].values[1].status", "status is 'failed'"),
        ((*VALUES, 0, "language"), "fr", "metrics[0].values[0].language", "'en' in the suite"),
        ((*VALUES, 0, "prompt"), "p9", "metrics[0].values[0].prompt", "The suite has no prompt 'p9'"),
    ],
)
def test_each_mistake_is_named_with_its_field(path, value, field, message):
    found = [text for severity, place, text in problems(changed(path, value)) if place == field and severity == "error"]
    assert found
    assert any(message in text for text in found)


def test_a_prompt_that_another_metric_has_may_not_vanish():
    raw = good()
    other = copy.deepcopy(raw["metrics"][0])
    raw["metrics"].append({**other, "name": "cer", "signature": "cer|v:1", "values": other["values"][:1]})
    assert ("error", "metrics[1].values", "1 prompts that other metrics have are missing, e.g. 'p2'.") in problems(raw)


def test_another_digest_of_the_suite_is_a_warning():
    severity, field, _ = problems(changed(("suite", "sha256"), "cd" * 32))[0]
    assert (severity, field) == ("warning", "suite.sha256")
    assert problems(good(), None)[0][:2] == ("warning", "suite.name")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "line 1: not JSON"),
        ('{"a": NaN}', "NaN is not a number"),
        ("[" * 100_000, "not JSON"),
        ('{"format": "other"}', "field"),
    ],
)
def test_what_is_no_submission_is_a_sentence(tmp_path, text, message):
    path = tmp_path / "s.json"
    path.write_text(text)
    with pytest.raises(StoreError, match=message):
        submission.load(path)


def test_as_a_run_it_has_the_same_numbers(tmp_path):
    path = tmp_path / "s.json"
    path.write_text(json.dumps(good()))
    run = submission.to_run(submission.load(path), path)
    summary = stats.summarise(run.scores, run.metrics["wer"], {song.id: song.prompt_id for song in run.songs})
    assert (summary.estimate, summary.n, summary.n_missing) == (0.25, 1, 1)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60)
@given(st.sampled_from(["system", "suite", "takes", "metrics", "created", "made"]), JSON)
def test_nothing_that_is_sent_in_raises(key, value):
    _, found = submission.check({**good(), key: value}, SUITE)
    for problem in found:
        assert str(problem)


def test_the_published_schema_and_example_are_current(tmp_path):
    schema = json.loads((DOCS / "submission.schema.json").read_text(encoding="utf-8"))
    assert schema == submission.json_schema(), "write it again: see docs/leaderboard.md"
    text = (DOCS / "leaderboard.md").read_text(encoding="utf-8")
    example = text.split("```json\n")[1].split("```")[0]
    (tmp_path / "example.json").write_text(example)
    errors = [p for p in submission.check(json.loads(example))[1] if p.severity == "error"]
    assert errors == []
    written = write([read(tmp_path / "example.json")], tmp_path / "site")
    assert written.n_entries == 1
    assert "self-reported" in (tmp_path / "site" / "index.html").read_text()
