"""Outside programs: run without a shell, judged by what they leave."""

import sys
from pathlib import Path

import pytest

from evalkit.errors import ConfigError, GenerationError
from evalkit.types import Prompt, Section
from generation.systems.command import CommandSystem

HOSTILE = "pop, $(touch hacked); `touch hacked` {seed} {out} \"'"
PROMPT = Prompt(
    id="en-01",
    language="en",
    sections=(Section(label="verse", lines=("Hello; rm -rf /", "{out} there")),),
    description=HOSTILE,
    duration_s=7.5,
)
WRITER = """
import json, sys, pathlib, wave
out = pathlib.Path(sys.argv[sys.argv.index('--out') + 1])
pathlib.Path('{record}').write_text(json.dumps([sys.argv[1:], open(sys.argv[1], encoding='utf-8').read()]))
with wave.open(str(out), 'wb') as file:
    file.setnchannels(1); file.setsampwidth(2); file.setframerate(8000); file.writeframes(b'\\x00\\x10' * 8000)
"""


def no_models(name: str) -> Path:
    raise AssertionError(name)


def make(command: str) -> CommandSystem:
    return CommandSystem(command, no_models)


def test_arguments_arrive_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import json

    monkeypatch.chdir(tmp_path)
    record, script = tmp_path / "record.json", tmp_path / "writer with space.py"
    script.write_text(WRITER.replace("{record}", str(record)))
    system = make(
        f"{sys.executable} '{script}' {{lyrics_file}} --tags={{tags}} {{language}} {{duration}} {{seed}} --out {{out}}"
    )
    made = system.generate(PROMPT, take=0, seed=42)
    assert (made.mix.sample_rate, made.mix.samples.shape) == (8000, (1, 8000))
    arguments, lyrics = json.loads(record.read_text())
    assert arguments[1:5] == [f"--tags={HOSTILE}", "en", "7.5", "42"]
    assert lyrics == "[verse]\nHello; rm -rf /\n{out} there\n"
    assert not list(tmp_path.glob("hacked"))


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("", "is empty"),
        ("prog --in x", "has no {out}"),
        ("prog 'unclosed {out}", "cannot be split"),
    ],
)
def test_a_wrong_command_is_refused_before_work(command: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        make(command)


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("/no/such/program {out}", "'/no/such/program' was not found"),
        (f"{sys.executable} -c \"import sys; sys.exit('sad')\" {{out}}", "exit code 1: sad"),
        (f"{sys.executable} -c pass {{out}}", "wrote no file at {out}"),
        (f"{sys.executable} -c \"import sys; open(sys.argv[1], 'w').write('x')\" {{out}}", "no usable audio"),
    ],
)
def test_a_program_that_fails_is_one_failed_song(command: str, sentence: str) -> None:
    with pytest.raises(GenerationError, match=sentence):
        make(command).generate(PROMPT, take=0, seed=1)


def test_a_nul_in_the_tags_is_a_sentence() -> None:
    prompt = Prompt(id="x", language="en", description="a\0b")
    with pytest.raises(GenerationError, match="NUL character"):
        make(f"{sys.executable} -c pass {{tags}} {{out}}").generate(prompt, take=0, seed=1)
