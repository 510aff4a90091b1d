"""Whatever the runs hold: page, JUnit, Markdown, JSON, annotations and exit code tell the same story."""

import html
import json
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.gate import writers
from evalkit.gate.judge import judge
from evalkit.gate.page import to_html
from evalkit.gate.result import Check, GateResult, from_dict
from evalkit.gate.rules import Rule, Rules

VERDICTS = ("improved", "pass", "inconclusive", "fail", "insufficient_data", "hard_fail", "incomplete")
HOSTILE = "<script>alert(1)</script>|`*[x](y)\n::error::\x1b[31m\u202e@team ]]> &amp; \ud800\x00"


def assert_agree(result: GateResult) -> None:
    blocking = [check.id for check in result.checks if check.blocks]
    warned = [check.id for check in result.checks if check.warns]
    assert result.passed == (result.exit_code == 0) == (not blocking)

    found = json.loads(result.to_json())
    assert (found["exit_code"], found["passed"]) == (result.exit_code, result.passed)
    assert [row["id"] for row in found["checks"] if row["blocks"]] == blocking
    assert from_dict(found) == result

    root = ET.fromstring(writers.to_junit(result))
    cases = root.findall("./testsuite/testcase")
    bad = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    assert len(cases) == len(result.checks) == int(root.attrib["tests"])
    assert len(bad) == len(blocking) == int(root.attrib["failures"]) + int(root.attrib["errors"])
    assert [case.attrib["name"] for case in bad] == [writers.row(c)[0] for c in result.checks if c.blocks]
    assert root.find("./testsuite/properties/property[@name='exit_code']").attrib["value"] == str(result.exit_code)

    markdown = writers.to_markdown(result)
    assert markdown.startswith(f"## evalkit gate: {'PASS' if result.passed else ''}")
    assert markdown.startswith("## evalkit gate: PASS") == result.passed
    assert markdown.count("- ❌ ") == len(blocking)
    assert markdown.count("- ⚠️ ") == len(warned)
    assert f"exit code {result.exit_code}." in markdown

    lines = writers.to_annotations(result)
    assert sum(line.startswith("::error ") for line in lines) == len(blocking)
    assert sum(line.startswith("::warning ") for line in lines) == len(warned)
    assert all("\n" not in line for line in lines)

    page = to_html(result)
    effects = re.findall(r'data-effect="(\w+)"', page)
    assert effects == ["block" if c.blocks else "warn" if c.warns else "pass" for c in result.checks]
    assert re.search(r'data-exit-code="(\d)">([^<]*)<', page).groups() == (
        str(result.exit_code),
        html.escape(result.conclusion, quote=False).replace('"', "&#34;").replace("'", "&#39;"),
    )


metrics = st.sampled_from(["per", "loudness", "quality", "peak", "clipped", "collapse_rate", "nothing"])
small = st.sampled_from([0.0, 0.01, 0.1, 0.4])
rule = st.builds(
    Rule,
    metric=metrics,
    margin=st.none() | small,
    threshold=st.none() | small,
    max=st.none() | st.sampled_from([-20.0, 0.05, 0.3, 1.0]),
    languages=st.sampled_from([None, "each", ("en",), ("zh", "xx")]),
    policy=st.sampled_from([None, "fail", "warn", "extend"]),
)


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(),
    found=st.lists(rule, min_size=1, max_size=4),
    n=st.sampled_from([3, 6, 7, 20]),
    takes=st.integers(1, 2),
    signature=st.sampled_from(["v1", "v1", "v2"]),
    status=st.sampled_from(["complete", "complete", "complete", "incomplete"]),
    failed=st.sampled_from([(), (), (0,)]),
    has_baseline=st.sampled_from([True, True, True, False]),
    optional=st.booleans(),
)
def test_all_that_is_written_agrees(
    make_run, kinds, data, found, n, takes, signature, status, failed, has_baseline, optional
):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))

    def table(worse):
        spread = rng.choice([0.0, 0.02, 0.3])
        values = {
            kind: 0.3 + worse * rng.choice([-0.2, 0.0, 0.2]) + spread * rng.random((n, takes))
            for kind in (kinds.per, kinds.loudness, kinds.quality, kinds.peak)
        }
        values[kinds.loudness][rng.random((n, takes)) < 0.05] = np.nan
        values[kinds.clipped] = (rng.random((n, takes)) < 0.3).astype(float)
        return values

    options = {"languages": ("en", "zh")}
    new = make_run(table(1), name="new", status=status, failed=failed, signature=signature, **options)
    old = make_run(table(0), name="old", **options) if has_baseline else None
    asked = None if optional else Rules(rule=tuple(found))
    assert_agree(judge(new, old, asked, resamples=100))


texts = st.one_of(st.text(max_size=30), st.just(HOSTILE))
numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False)
check = st.builds(
    Check,
    id=texts,
    kind=st.sampled_from(["difference", "threshold", "limit", "run"]),
    title=texts,
    verdict=st.sampled_from(VERDICTS),
    reason=texts,
    policy=st.sampled_from(["fail", "warn", "extend"]),
    unit=st.sampled_from(["", "dB", "LUFS", HOSTILE]),
    as_percent=st.booleans(),
    **{name: numbers for name in ("candidate", "baseline", "difference", "low", "high", "margin", "mde", "limit")},
    n=st.none() | st.integers(0, 10**6),
    n_missing=st.none() | st.integers(0, 10**6),
    candidate_signature=texts,
)
results = st.builds(
    GateResult,
    candidate_run=texts,
    candidate_system=texts,
    baseline_run=texts,
    baseline_system=texts,
    suite=texts,
    rules=texts,
    seed=st.integers(0, 2**31),
    notices=st.lists(texts, max_size=2).map(tuple),
    checks=st.lists(check, min_size=1, max_size=6).map(tuple),
)


@settings(max_examples=150, deadline=None)
@given(result=results)
def test_no_result_at_all_is_written_in_two_ways(result):
    blocking = [c for c in result.checks if c.blocks]
    root = ET.fromstring(writers.to_junit(result).encode("utf-8"))
    bad = len(root.findall(".//failure")) + len(root.findall(".//error"))
    assert bad == len(blocking)
    assert writers.to_markdown(result).count("- ❌ ") == len(blocking)
    assert writers.to_markdown(result).startswith("## evalkit gate: PASS") == result.passed
    lines = writers.to_annotations(result)
    assert sum(line.startswith("::error ") for line in lines) == len(blocking)
    assert all(re.fullmatch(r"::(error|warning) title=[^\n,:]*::[^\n\r\x1b]*", line) for line in lines)
    page = to_html(result)
    assert page.count('data-effect="block"') == len(blocking)
    assert f'data-exit-code="{result.exit_code}"' in page
    assert "<script>alert" not in page + writers.to_markdown(result)
    assert "@team" not in writers.to_markdown(result)
    found = json.loads(result.to_json().encode("utf-8", "surrogatepass").decode("utf-8", "surrogatepass"))
    assert (found["exit_code"], found["passed"]) == (result.exit_code, not blocking)


@pytest.mark.parametrize(
    ("verdicts", "code", "word"),
    [
        (["pass", "improved"], 0, "PASS"),
        (["pass", "inconclusive:warn"], 0, "PASS"),
        (["inconclusive:warn", "inconclusive:fail"], 3, "INCONCLUSIVE"),
        (["inconclusive:extend"], 3, "INCONCLUSIVE"),
        (["insufficient_data", "inconclusive:fail"], 2, "NOT JUDGED"),
        (["insufficient_data", "fail"], 1, "FAIL"),
        (["hard_fail", "pass"], 1, "FAIL"),
        (["incomplete", "fail", "insufficient_data"], 4, "INCOMPLETE"),
    ],
)
def test_exit_codes(verdicts, code, word):
    checks = [
        Check(id=str(place), kind="run", title="t", reason="r", verdict=found, policy=policy or "warn")
        for place, (found, _, policy) in enumerate(text.partition(":") for text in verdicts)
    ]
    result = GateResult(
        candidate_run="a", candidate_system="s", baseline_run="b", baseline_system="s", suite="x", rules="r", seed=0,
        notices=(), checks=tuple(checks),
    )  # fmt: skip
    assert result.exit_code == code
    assert result.conclusion.startswith(word + ":")
    assert_agree(result)


def test_a_gate_without_a_check_cannot_be_made():
    with pytest.raises(ValueError, match="would pass everything"):
        GateResult(
            candidate_run="a", candidate_system="s", baseline_run="b", baseline_system="s", suite="x", rules="r",
            seed=0, notices=(), checks=(),
        )  # fmt: skip
