"""SongEval by an outside program: what it is given, what it answers, and what it does wrong."""

import sys

import numpy as np
import pytest

from evalkit.errors import ConfigError, EvalkitError, ModelError
from evalkit.evaluators import songeval
from evalkit.evaluators.songeval import ASPECTS, SongEvalEvaluator
from evalkit.types import Audio, Clip, Prompt, Song

HONEST = """
import json, sys
import soundfile
for line in sys.stdin:
    samples, rate = soundfile.read(json.loads(line)["path"])
    level = float((samples ** 2).mean() ** 0.5)
    print(json.dumps({name: level + index for index, name in enumerate(%r)} | {"rate": rate}), flush=True)
""" % (ASPECTS,)  # noqa: UP031


def clip(gain=1.0, duration_s=6.0):
    samples = gain * 0.1 * np.random.default_rng(0).standard_normal((2, round(duration_s * 48_000)))
    return Clip(
        prompt=Prompt(id="p", language="en"),
        song=Song(prompt_id="p", system="s", take=0, seed=1, status="ok"),
        mix=Audio(samples=samples.astype(np.float32), sample_rate=48_000),
    )


def evaluator(code, **options):
    return SongEvalEvaluator({"command": [sys.executable, "-c", code], **options}, lambda name: pytest.fail(name))


def test_a_program_is_asked_for_every_song():
    subject = evaluator(HONEST, revision="fake@1")
    found = subject.score(clip())
    assert [score.metric for score in found] == [f"se_{aspect}" for aspect in ASPECTS]
    assert [score.value - found[0].value for score in found] == pytest.approx([0, 1, 2, 3, 4])
    assert 0.01 < found[0].value < 0.5
    assert subject.score(clip(gain=0.5))[0].value == pytest.approx(found[0].value, rel=0.01), "heard at one level"
    assert "|program:fake@1|" in found[0].signature
    assert {score.status for score in subject.score(clip(duration_s=2.0))} == {"failed"}


def test_without_a_program_it_says_why_and_what_to_do():
    with pytest.raises(ModelError, match=r"non-commercial.*command: \[python"):
        SongEvalEvaluator({}, lambda name: None).score(clip())


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import sys; sys.exit('no weights here')", r"ended \(no weights here\)"),
        ("import sys; sys.stdin.readline(); print('hello', flush=True); sys.stdin.readline()", "answered 'hello'"),
        ("""import sys; sys.stdin.readline(); print('{"error": "no GPU"}', flush=True)""", "reports: no GPU"),
        ("""import sys; sys.stdin.readline(); print('{"coherence": "good"}', flush=True)""", "'good' for coherence"),
    ],
)
def test_what_a_program_does_wrong_is_told(code, message):
    with pytest.raises(EvalkitError, match=message):
        evaluator(code).score(clip())


def test_a_program_that_died_is_started_again():
    code = HONEST.replace("for line in sys.stdin:", "for line in [sys.stdin.readline()]:")
    subject = evaluator(code)
    first = subject.score(clip())
    subject._program._process.wait(timeout=20)
    assert subject.score(clip()) == first


def test_a_program_that_sleeps_is_stopped(monkeypatch):
    monkeypatch.setattr(songeval, "LIMIT_S", 0.5)
    subject = evaluator("import time; time.sleep(60)")
    with pytest.raises(EvalkitError, match=r"did not answer within 0\.5 s"):
        subject.score(clip())
    assert not subject._program.is_alive


def test_it_cannot_be_started():
    with pytest.raises(ModelError, match="cannot be started"):
        SongEvalEvaluator({"command": ["/nowhere/python"]}, lambda name: None).score(clip())


@pytest.mark.parametrize("options", [{"command": "python x"}, {"command": [1]}, {"comand": []}])
def test_wrong_options_are_refused(options):
    with pytest.raises(ConfigError, match="command"):
        SongEvalEvaluator(options, lambda name: None)
