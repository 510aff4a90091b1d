"""Rules as tests."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

from evalkit.gate import writers
from evalkit.gate.judge import judge_files
from evalkit.gate.page import to_html

pytest_plugins = "pytester"

RULES = "[[rule]]\nmetric = 'per'\nmargin = 0.01\n[[rule]]\nmetric = 'loudness'\nmargin = 1.0\n"
PLUGIN = "evalkit.gate.pytest_plugin"


@pytest.fixture(scope="module", autouse=True)
def _loaded(tmp_path_factory, make_run, write_run, kinds):
    """Load everything a gate needs: the runs of pytest inside these tests forget what was first imported in them."""
    folder = write_run(make_run({kinds.per: np.full(20, 0.3)}), tmp_path_factory.mktemp("runs") / "run")
    result = judge_files(folder, folder)
    for write in (writers.to_markdown, writers.to_junit, to_html):
        write(result)


@pytest.fixture(autouse=True)
def _no_other_plugins(monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


@pytest.fixture
def gate(pytester, make_run, write_run, kinds):
    """Run pytest on a rules file or on given tests, for a candidate that differs from its baseline."""
    pytester.makefile(".toml", gates=RULES)

    def run(*arguments, per=0.3, loudness=-14.0, tests=None, baseline="old"):
        for name, values in (("old", (0.3, -14.0)), ("new", (per, loudness))):
            table = {kinds.per: np.full(20, values[0]), kinds.loudness: np.broadcast_to(values[1], 20)}
            write_run(make_run(table, name=name), pytester.path / name)
        if tests:
            pytester.makepyfile(tests)
        return pytester.runpytest_inprocess(
            "-p", PLUGIN, "-p", "no:cacheprovider", "--evalkit-run", "new", "--evalkit-baseline", baseline, *arguments
        )

    return run


def test_the_entry_point_is_this_module():
    project = tomllib.loads((Path(__file__).parents[4] / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {PLUGIN: PLUGIN}


def test_a_rules_file_is_collected_as_one_test_for_each_check(gate):
    result = gate("gates.toml", "-v", per=0.32)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*gates.toml::failed_songs PASSED*", "*gates.toml::per FAILED*"])
    result.stdout.fnmatch_lines(["FAIL: PER (per): Worse by more than 1.00?points*", "Candidate signature: v1"])
    assert "Traceback" not in result.stdout.str()
    assert result.ret == 1


def test_an_inconclusive_check_that_may_pass_is_a_warning(gate):
    result = gate("gates.toml", "-W", "always", loudness=-14 + np.tile([5.0, -5.0], 10))
    result.assert_outcomes(passed=3, warnings=1)
    result.stdout.fnmatch_lines(["*EvalkitGateWarning: inconclusive: LOUDNESS (loudness)*"])


def test_a_missing_baseline_is_a_failed_test(gate):
    result = gate("gates.toml", baseline="nowhere.evalkit")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*There is no run folder or baseline file nowhere.evalkit.*"])


TESTS = """
    from evalkit.gate.pytest_plugin import demand

    def test_check(evalkit_check):
        demand(evalkit_check)

    def test_whole(evalkit_gate):
        assert evalkit_gate.exit_code == {code}
        assert evalkit_gate.candidate_run == "new"
"""


@pytest.mark.parametrize(("per", "code"), [(0.3, 0), (0.32, 1)])
def test_fixtures(gate, per, code):
    result = gate("--evalkit-rules", "gates.toml", "-v", per=per, tests=TESTS.format(code=code))
    result.assert_outcomes(passed=4 - code, failed=code)
    result.stdout.fnmatch_lines([f"*test_check?per? {'FAILED' if code else 'PASSED'}*"])


def test_wrong_rules_and_missing_options_are_usage_errors(pytester, gate):
    pytester.makefile(".toml", wrong="policy = 1")
    result = gate("wrong.toml")
    result.stdout.fnmatch_lines(["*wrong.toml: policy: expected*"])
    assert result.ret != 0
    pytester.makepyfile("def test_it(evalkit_gate): pass")
    result = pytester.runpytest_inprocess("-p", PLUGIN, "--evalkit-run", "new")
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*The gate needs --evalkit-baseline.*"])


def test_other_projects_notice_nothing(pytester):
    pytester.makefile(".toml", gates=RULES)
    pytester.makepyfile("def test_it(): pass")
    pytester.runpytest_inprocess("-p", PLUGIN, "--evalkit-run", "new").assert_outcomes(passed=1)
