"""Naming systems on the command line."""

from pathlib import Path

import pytest

from evalkit.errors import ConfigError
from generation.spec import check_unique, parse


def test_registered_systems_and_variants() -> None:
    assert (parse("tone").name, parse("tone").system, parse("tone").variant) == ("tone", "tone", "")
    spec = parse("singer/espeak", reference=True)
    assert (spec.name, spec.system, spec.variant, spec.folder, spec.reference) == (
        "singer/espeak",
        "singer",
        "espeak",
        "singer-espeak",
        True,
    )


def test_folder_and_command(tmp_path: Path) -> None:
    spec = parse(f"suno={tmp_path}")
    assert (spec.name, spec.system, spec.variant) == ("suno", "folder", str(tmp_path.resolve()))
    spec = parse("mine=cmd:prog --x=1 {out}")
    assert (spec.name, spec.system, spec.variant) == ("mine", "command", "prog --x=1 {out}")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("singr", "Unknown system 'singr'. Did you mean 'singer'"),
        ("", "Unknown system ''"),
        ("folder", "needs a label and a target"),
        ("suno=/not/there", "folder '/not/there' of system 'suno' does not exist"),
        ("a b=cmd:x {out}", "label 'a b'"),
        ("../x=cmd:x {out}", "label '../x'"),
        ("=cmd:x {out}", "label ''"),
    ],
)
def test_mistakes_are_explained(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence.replace(".", r"\.")):
        parse(text)


def test_two_systems_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="Two systems are called"):
        check_unique([parse("tone"), parse("tone", reference=True)])
    check_unique([parse("tone"), parse("singer")])
