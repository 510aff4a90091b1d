"""The tutorial, typed line by line: every command works, and says what the page shows."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorial.md"


def steps() -> Iterator[tuple[str, list[str]]]:
    for block in re.findall(r"^```console\n(.*?)^```", PAGE.read_text(encoding="utf-8"), flags=re.S | re.M):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, *shown = part.splitlines()
            yield command, shown


def test_the_page_has_commands() -> None:
    assert len(list(steps())) >= 8


@pytest.mark.slow
@pytest.mark.models
@pytest.mark.timeout(900)
def test_the_tutorial_line_by_line(tmp_path: Path) -> None:
    place = tmp_path
    for command, shown in steps():
        if command.startswith("cd "):
            place = place / command.removeprefix("cd ")
            continue
        # What the evalkit of this test prints, and nothing that is installed elsewhere.
        script = f'evalkit() {{ "{sys.executable}" -m evalkit "$@"; }}\n{command}'
        done = subprocess.run(["bash", "-c", script], cwd=place, capture_output=True, text=True, timeout=600)
        said = done.stdout + done.stderr
        assert done.returncode == 0, f"{command}\n{said}"
        assert "Traceback" not in said
        for line in shown:
            pattern = ".*".join(re.escape(part.strip()) for part in line.split("…"))
            assert re.search(pattern, re.sub(r"[ \t]+", " ", said)), f"{command} does not say {line!r}:\n{said}"
