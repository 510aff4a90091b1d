"""Folders of audio made elsewhere."""

from collections.abc import Callable
from pathlib import Path

import pytest

from evalkit.audio import save_flac
from evalkit.errors import ConfigError, GenerationError
from evalkit.types import Audio, Prompt
from generation.systems.folder import FolderSystem


def no_models(name: str) -> Path:
    raise AssertionError(name)


def make_prompt(prompt_id: str) -> Prompt:
    return Prompt(id=prompt_id, language="en")


@pytest.fixture
def folder(tmp_path: Path, make_sine: Callable[..., Audio]) -> Path:
    audio = make_sine(duration_s=0.1)
    for name in ("a.flac", "b.take0.flac", "b.take1.flac", "b.take1.vocals.flac", "c.v2.flac"):
        save_flac(audio, tmp_path / name)
    (tmp_path / "notes.txt").write_text("not audio")
    return tmp_path


def test_files_are_matched_by_name_take_and_stem(folder: Path) -> None:
    system = FolderSystem(str(folder), no_models)
    assert system.generate(make_prompt("a"), take=0, seed=1).mix == folder / "a.flac"
    made = system.generate(make_prompt("b"), take=1, seed=1)
    assert made.mix == folder / "b.take1.flac"
    assert made.stems == {"vocals": folder / "b.take1.vocals.flac"}
    # The identifier is everything before the take, not what stands before the first dot.
    assert system.generate(make_prompt("c.v2"), take=0, seed=1).mix == folder / "c.v2.flac"


def test_a_missing_song_fails_alone(folder: Path) -> None:
    system = FolderSystem(str(folder), no_models)
    for prompt_id, take in (("a", 1), ("z", 0), ("c", 0)):
        with pytest.raises(GenerationError, match=f"No song for prompt {prompt_id}, take {take}"):
            system.generate(make_prompt(prompt_id), take=take, seed=1)


def test_two_files_for_one_song_are_refused(folder: Path) -> None:
    (folder / "a.take0.flac").write_bytes((folder / "a.flac").read_bytes())
    with pytest.raises(ConfigError, match="both claim prompt a, take 0"):
        FolderSystem(str(folder), no_models)


def test_manifest_wins_over_names(folder: Path) -> None:
    (folder / "manifest.csv").write_text(
        "prompt_id,file,take,vocals\nx,a.flac,,\nx,b.take0.flac,1,b.take1.vocals.flac\n"
    )
    system = FolderSystem(str(folder), no_models)
    assert system.generate(make_prompt("x"), take=0, seed=1).mix == folder / "a.flac"
    assert system.generate(make_prompt("x"), take=1, seed=1).stems["vocals"] == folder / "b.take1.vocals.flac"
    with pytest.raises(GenerationError, match=r"manifest\.csv"):
        system.generate(make_prompt("a"), take=0, seed=1)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("id,file\n", "column 'prompt_id' is missing"),
        ("prompt_id,file\nx,../../etc/passwd\n", "line 2: file is '../../etc/passwd'"),
        ("prompt_id,file\nx,/etc/passwd\n", "expected a file inside the folder"),
        ("prompt_id,file\nx,\n", "line 2: file is ''"),
        ("prompt_id,file,take\nx,a.flac,two\n", "line 2: take is 'two'"),
        ("prompt_id,file\nx,a.flac\nx,b.take0.flac\n", "line 3: a.flac and b.take0.flac both claim"),
    ],
)
def test_a_wrong_manifest_names_its_line(folder: Path, text: str, sentence: str) -> None:
    (folder / "manifest.csv").write_text(text)
    with pytest.raises(ConfigError, match=sentence.replace(".", r"\.")):
        FolderSystem(str(folder), no_models)


def test_a_manifest_in_another_encoding(folder: Path) -> None:
    (folder / "manifest.csv").write_bytes("prompt_id,file\né,a.flac\n".encode("latin-1"))
    with pytest.raises(ConfigError, match="not a CSV file in UTF-8"):
        FolderSystem(str(folder), no_models)


def test_a_manifest_that_names_a_missing_file(folder: Path) -> None:
    (folder / "manifest.csv").write_text("prompt_id,file\nx,gone.flac\n")
    with pytest.raises(GenerationError, match=r"gone\.flac for prompt x, which is not there"):
        FolderSystem(str(folder), no_models).generate(make_prompt("x"), take=0, seed=1)
