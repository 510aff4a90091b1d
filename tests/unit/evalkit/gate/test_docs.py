"""What docs/gates.md says works: its rules, its tests, and the workflow step by step."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from evalkit.gate import rules as rule_files
from evalkit.gate.rules import EXPECTED

DOCS = Path(__file__).parents[4] / "docs"
PAGE = (DOCS / "gates.md").read_text("utf-8")
WORKFLOW = DOCS / "examples" / "evalkit-gate.yml"


def test_the_rules_of_the_page_are_read(tmp_path):
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "gates.toml").write_text(text)
    rules = rule_files.load(tmp_path / "gates.toml")
    assert len(rules.rules) == 7
    assert rules.sample_rate == 48_000


def test_every_key_is_explained():
    for key in EXPECTED:
        if key not in ("rule", "version"):
            assert re.search(rf"`{key}`|^{key} = ", PAGE, re.MULTILINE), key


def steps():
    (job,) = yaml.safe_load(WORKFLOW.read_text("utf-8"))["jobs"].values()
    return job["steps"]


def test_the_workflow_blocks_by_its_exit_code():
    found = yaml.safe_load(WORKFLOW.read_text("utf-8"))
    assert "pull_request" in found[True], "YAML reads 'on' as true"
    assert found["permissions"] == {"contents": "read"}
    assert list(found["jobs"]) == ["gate"], "docs/gates.md names the check to require"
    (gate,) = [step for step in steps() if step.get("name") == "Gate"]
    assert "if" not in gate
    assert "continue-on-error" not in str(found)
    after = steps()[steps().index(gate) + 1 :]
    assert all(step["if"] == "always()" for step in after)
    # Nothing that a pull request can choose is put into a command line.
    assert not re.search(r"\$\{\{\s*github\.(event|head)", WORKFLOW.read_text("utf-8"))


@pytest.mark.parametrize(("per", "code"), [(0.3, 0), (0.36, 1)])
def test_the_steps_of_the_workflow_run(tmp_path, make_run, write_run, kinds, per, code):
    """As a runner does it: each command in a shell of its own; singing is done already."""
    old = write_run(make_run({kinds.per: np.full(20, 0.3)}), tmp_path / "old")
    write_run(make_run({kinds.per: np.full(20, per)}), tmp_path / "runs" / "candidate")
    (tmp_path / "baselines").mkdir()
    (tmp_path / "gates.toml").write_text("[[rule]]\nmetric = 'per'\nmargin = 0.01\n")
    program = tmp_path / "bin" / "evalkit"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nif [ "$1" = run ]; then exit 0; fi\nexec "{sys.executable}" -m evalkit "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    environment = {
        **os.environ,
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        "GITHUB_ACTIONS": "true",
        "SUITE": "multilingual",
        "SYSTEM": "singer",
    }

    def shell(command):
        return subprocess.run(
            ["bash", "-eo", "pipefail", "-c", command],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    saved = shell(f"evalkit baseline save {old} --out baselines/released.evalkit")
    assert saved.returncode == 0, saved.stderr
    codes = {}
    for step in steps():
        if "run" in step and step["name"] != "Install":
            done = shell(step["run"])
            codes[step["name"]] = done.returncode
            if step["name"] == "Gate":
                assert ("::error title=" in done.stdout) == bool(code)
    assert codes == {"Sing and measure": 0, "Gate": code, "Summary": 0}
    assert (tmp_path / "summary.md").read_text().startswith(f"## evalkit gate: {'FAIL' if code else 'PASS'}")
    paths = steps()[-1]["with"]["path"].split()
    assert {"gate.xml", "gate.html"} <= set(paths)
    assert all((tmp_path / path).exists() for path in paths[:2])
