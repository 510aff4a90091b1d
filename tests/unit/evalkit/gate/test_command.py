"""`evalkit gate` and `evalkit baseline save`, with files."""

import json
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from evalkit.cli import main

RULES = "[[rule]]\nmetric = 'per'\nmargin = 0.01\n[[rule]]\nmetric = 'loudness'\nmargin = 1.0\npolicy = 'fail'\n"


@pytest.fixture
def evalkit(monkeypatch, capfd):
    """Run the command line; exit code, standard output, standard error."""
    monkeypatch.setenv("GITHUB_ACTIONS", "false")

    def call(*arguments):
        monkeypatch.setattr("sys.argv", ["evalkit", *map(str, arguments)])
        code = main()
        return code, *capfd.readouterr()

    return call


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gates.toml").write_text(RULES)
    return tmp_path


@pytest.fixture
def runs(place, make_run, write_run, kinds):
    def make(name, per=0.3, loudness=-14.0, **options):
        table = {kinds.per: np.full(20, per), kinds.loudness: np.broadcast_to(loudness, 20)}
        return write_run(make_run(table, name=name, **options), place / name)

    return make


WRITTEN = ("--rules", "gates.toml", "--junit", "g.xml", "--markdown", "g.md", "--html", "g.html")


@pytest.mark.parametrize(
    ("options", "code", "word"),
    [
        ({}, 0, "PASS"),
        ({"per": 0.32}, 1, "FAIL"),
        ({"failed": (1,)}, 1, "FAIL"),
        ({"signature": "v2"}, 2, "NOT JUDGED"),
        ({"sha256": "6" * 64}, 2, "NOT JUDGED"),
        ({"loudness": -14.0 + np.tile([5.0, -5.0], 10)}, 3, "INCONCLUSIVE"),
        ({"status": "incomplete"}, 4, "INCOMPLETE"),
    ],
)
def test_exit_codes_and_files(evalkit, runs, place, options, code, word):
    runs("old")
    runs("new", **options)
    assert evalkit("baseline", "save", "old", "--out", "base.evalkit")[0] == 0
    for baseline in ("old", "base.evalkit"):
        found, out, err = evalkit("gate", "new", "--baseline", baseline, *WRITTEN)
        assert (found, err) == (code, "")
        assert out.splitlines()[-1].startswith(word)
        assert (place / "g.md").read_text().startswith(f"## evalkit gate: {word}")
        assert ET.parse(place / "g.xml").find(".//property[@name='exit_code']").attrib["value"] == str(code)
        assert f'data-exit-code="{code}"' in (place / "g.html").read_text()
        found, out, _ = evalkit("gate", "new", "--baseline", baseline, "--rules", "gates.toml", "--json")
        answer = json.loads(out)
        assert (found, answer["exit_code"], answer["passed"]) == (code, code, code == 0)


def test_a_missing_baseline_is_no_pass_and_leaves_no_old_result(evalkit, runs, place):
    runs("old")
    runs("new")
    assert evalkit("gate", "new", "--baseline", "old", *WRITTEN)[0] == 0
    code, out, _ = evalkit("gate", "new", "--baseline", "nowhere.evalkit", *WRITTEN)
    assert code == 2
    assert "There is no run folder or baseline file nowhere.evalkit." in out
    assert (place / "g.md").read_text().startswith("## evalkit gate: NOT JUDGED")
    (place / "gates.toml").write_text("policy = 1")
    code, _, err = evalkit("gate", "new", "--baseline", "old", *WRITTEN)
    assert code == 2
    assert "gates.toml: policy: expected" in err
    assert not any((place / name).exists() for name in ("g.md", "g.xml", "g.html"))
    assert evalkit("gate", "new")[0] == 2
    assert evalkit("gate", "nowhere", "--baseline", "old")[0] == 2
    assert "mkdir -p sub" in evalkit("gate", "new", "--baseline", "old", "--junit", "sub/g.xml")[2]


def test_a_damaged_baseline_is_no_pass(evalkit, runs, place):
    runs("new")
    evalkit("baseline", "save", "new", "--out", "base.evalkit")
    whole = (place / "base.evalkit").read_bytes()
    (place / "base.evalkit").write_bytes(whole[: len(whole) // 2])
    code, out, _ = evalkit("gate", "new", "--baseline", "base.evalkit", *WRITTEN)
    assert (code, "cut short or damaged" in out) == (2, True)


def test_a_baseline_is_small_repeats_and_refuses_half_a_run(evalkit, runs, place):
    runs("new")
    for name in ("a", "b"):
        assert evalkit("baseline", "save", "new", "--out", name)[0] == 0
    assert (place / "a").read_bytes() == (place / "b").read_bytes()
    assert (place / "a").stat().st_size < 3000
    runs("half", status="incomplete")
    code, _, err = evalkit("baseline", "save", "half", "--out", "c")
    assert (code, "half a run is no baseline" in err) == (2, True)


def test_in_a_github_workflow_annotations_are_printed(evalkit, runs, place, monkeypatch):
    runs("old")
    runs("new", per=0.32, loudness=-14.0 + np.tile([5.0, -5.0], 10))
    (place / "gates.toml").write_text(RULES.replace("'fail'", "'warn'"))
    arguments = ("gate", "new", "--baseline", "old", "--rules", "gates.toml")
    assert "::" not in evalkit(*arguments)[1]
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    out = evalkit(*arguments)[1]
    assert re.findall(r"^::(\w+) title=evalkit gate%3A \w+ \((\w+)\)", out, re.MULTILINE) == [
        ("error", "per"),
        ("warning", "loudness"),
    ]


def test_the_console_names_every_check_and_is_plain_in_a_log(evalkit, runs):
    runs("old")
    runs("new", per=0.32)
    _, out, _ = evalkit("gate", "new", "--baseline", "old", "--rules", "gates.toml")
    assert "\x1b" not in out
    lines = out.splitlines()
    assert re.search(r"^✗ +per +FAIL +30\.00 +32\.00 +\+2\.00 +2\.00 to 2\.00 +1\.00", out, re.MULTILINE), out
    assert any(re.match("✓ +loudness", line) for line in lines)
    assert any("Worse by more than 1.00" in line for line in lines)
