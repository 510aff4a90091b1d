"""Profiles."""

from pathlib import Path

import pytest

from evalkit import profile
from evalkit.errors import ConfigError
from evalkit.evaluators.base import EVALUATORS


def test_shipped_profiles_name_evaluators_that_exist() -> None:
    assert "embedded" in profile.names()
    for name in profile.names():
        assert set(profile.load(name).evaluators) <= set(EVALUATORS.names())


def test_own_profile(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nevaluators:\n  technical:\n  lyrics: {beam: 1}\n")
    assert profile.load(str(path)).evaluators == {"technical": {}, "lyrics": {"beam": 1}}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "the whole file"),
        ("[1]", "the whole file"),
        ("name: x", "evaluators: Field required"),
        ("name: x\nevaluators: {a: 3}", "evaluators.a"),
        ("name: x\nevaluators: {}\ncolour: red", "colour: Extra inputs"),
        ("name: [", "not YAML"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=sentence):
        profile.load(str(path))
    with pytest.raises(ConfigError, match="Did you mean 'embedded'"):
        profile.load("embeded")
