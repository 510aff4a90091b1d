"""A suite sent to whoever makes the songs, and what comes back."""

import csv
import json

import numpy as np
import pytest

from benchmarks import loader
from evalkit import lyrics
from evalkit.audio import save_flac
from evalkit.cli import main
from evalkit.errors import ConfigError
from evalkit.types import Audio, Prompt, Suite, Tags
from generation import handout
from generation.systems.folder import FolderSystem


def make_prompt(prompt_id, text, **fields):
    return Prompt(id=prompt_id, lyrics=text, sections=lyrics.parse(text), **fields)


@pytest.fixture
def suite():
    tags = Tags(gender="female", genre="pop")
    prompts = (
        make_prompt(
            "en-01", "[verse] Café, \"light\" & rain.A second line ; [outro-short]", language="en", duration_s=18,
            tags=tags, description=tags.description,
        ),
        make_prompt(
            "zh-01", "[verse] 月光落在河边的小路上 ; [outro-short]", language="zh", description="=cmd|'/c calc'!A1"
        ),
    )  # fmt: skip
    return Suite(name="two", version="3", prompts=prompts, licence="CC0-1.0", sha256="7" * 64)


@pytest.fixture
def sine(make_sine):
    return make_sine(duration_s=0.2)


def fill(folder, sine, names):
    for name in names:
        save_flac(sine, folder / name)


def rows_of(folder):
    with (folder / "manifest.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def rewrite(folder, change):
    rows = [change(row) for row in rows_of(folder)]
    with (folder / "manifest.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, handout.COLUMNS)
        writer.writeheader()
        writer.writerows(row for row in rows if row is not None)


def test_the_folder_has_all_a_stranger_needs(suite, tmp_path):
    out = tmp_path / "new" / "wanted"
    written = handout.write(suite, suite.prompts, 2, out)
    assert {str(path.relative_to(out)) for path in written} == {
        "manifest.csv", "manifest.jsonl", "README.md", handout.MARKER, "lyrics/en-01.txt", "lyrics/zh-01.txt",
    }  # fmt: skip
    rows = rows_of(out)
    assert [(row["prompt_id"], row["take"], row["file"]) for row in rows] == [
        ("en-01", "0", "en-01.take0.wav"),
        ("en-01", "1", "en-01.take1.wav"),
        ("zh-01", "0", "zh-01.take0.wav"),
        ("zh-01", "1", "zh-01.take1.wav"),
    ]
    assert rows[0]["lyrics"].splitlines() == ["[verse]", 'Café, "light" & rain', "A second line", "", "[outro-short]"]
    assert (rows[0]["duration_s"], rows[0]["tags"]) == ("18", "female, pop")
    assert rows[2]["tags"].startswith("'="), "a spreadsheet must not run it"
    records = [json.loads(line) for line in (out / "manifest.jsonl").read_text("utf-8").splitlines()]
    assert records[2]["description"] == "=cmd|'/c calc'!A1"
    assert records[0]["sections"][0] == {"label": "verse", "lines": ['Café, "light" & rain', "A second line"]}
    assert (out / "lyrics" / "zh-01.txt").read_text("utf-8").startswith("[verse]\n月光落在河边的小路上\n")
    readme = (out / "README.md").read_text("utf-8")
    assert "2 songs (takes 0 to 1) for each of 2 lyrics, 4 in all (languages: en, zh)" in readme
    assert "CC0-1.0" in readme


def test_what_was_asked_for_is_what_the_folder_system_reads(suite, tmp_path, sine):
    handout.write(suite, suite.prompts, 2, tmp_path)
    fill(tmp_path, sine, [row["file"].replace(".wav", ".flac") for row in rows_of(tmp_path)])
    rewrite(tmp_path, lambda row: row | {"file": row["file"].replace(".wav", ".flac")})
    assert handout.check(tmp_path) == ([], 4)
    system = FolderSystem(str(tmp_path), lambda name: tmp_path)
    made = system.generate(suite.prompts[1], take=1, seed=0)
    assert made.mix == tmp_path / "zh-01.take1.flac"


def test_every_song_that_cannot_be_used_is_named(suite, tmp_path, sine):
    handout.write(suite, suite.prompts, 2, tmp_path)
    fill(tmp_path, sine, ["en-01.take0.flac", "extra.flac", "silent.flac", "v.flac"])
    save_flac(Audio(samples=np.zeros((1, 4800), dtype=np.float32), sample_rate=48_000), tmp_path / "silent.flac")
    (tmp_path / "broken.mp3").write_bytes(b"not audio")

    def change(row):
        match row["prompt_id"], row["take"]:
            case "en-01", "1":
                return row | {"file": "broken.mp3"}
            case "zh-01", "0":
                return row | {"file": "silent.flac", "vocals": "v.flac", "accompaniment": "gone.wav"}
            case "zh-01", "1":
                return None
        return row

    rewrite(tmp_path, change)
    troubles, usable = handout.check(tmp_path)
    found = {(trouble.message, trouble.fatal): trouble for trouble in troubles}
    assert usable == 0
    missing = found["The song of prompt en-01, take 0, is not there.", True]
    assert missing.hint == "There is en-01.take0.flac: write that into manifest.csv."
    assert any("prompt en-01, take 1, cannot be used: broken.mp3 is not an audio file" in text for text, _ in found)
    assert ("The song of prompt zh-01, take 0, is silent from beginning to end.", False) in found
    assert ("The accompaniment of prompt zh-01, take 0, is not there.", True) in found
    assert ("Prompt zh-01, take 1, has no line.", True) in found
    loose = sorted(t.place.rsplit("/", 1)[1] for t in troubles if t.message.startswith("No line of manifest.csv"))
    assert loose == ["en-01.take0.flac", "extra.flac"]


def test_lines_that_were_not_asked_for_and_a_broken_manifest(suite, tmp_path, sine):
    handout.write(suite, suite.prompts, 1, tmp_path)
    fill(tmp_path, sine, ["a.flac"])
    rewrite(tmp_path, lambda row: row | ({"prompt_id": "xx-99", "file": "a.flac"} if row["take"] == "0" else {}))
    troubles, usable = handout.check(tmp_path)
    assert usable == 0
    assert "claim prompt xx-99, take 0" in troubles[0].message
    (tmp_path / "manifest.csv").write_text("prompt_id,file\nxx-99,a.flac\n")
    troubles, _ = handout.check(tmp_path)
    assert [t.message for t in troubles if not t.fatal] == ["Prompt xx-99, take 0, was not asked for and is not used."]
    (tmp_path / handout.MARKER).write_text("{}")
    assert "was changed or damaged" in handout.check(tmp_path)[0][0].message


def test_a_second_writing_keeps_the_audio_and_refuses_another_suite(suite, tmp_path, sine):
    handout.write(suite, suite.prompts, 1, tmp_path)
    fill(tmp_path, sine, ["en-01.take0.flac"])
    handout.write(suite, suite.prompts, 2, tmp_path)
    assert (tmp_path / "en-01.take0.flac").exists()
    other = Suite(name="other", version="1", prompts=suite.prompts, licence="MIT", sha256="8" * 64)
    with pytest.raises(ConfigError, match="is for suite two 3 already"):
        handout.write(other, other.prompts, 1, tmp_path)
    own = tmp_path / "own"
    own.mkdir()
    (own / "manifest.csv").write_text("prompt_id,file\n")
    with pytest.raises(ConfigError, match=r"holds a manifest.csv of its own"):
        handout.write(suite, suite.prompts, 1, own)
    with pytest.raises(ConfigError, match="is a file"):
        handout.write(suite, suite.prompts, 1, own / "manifest.csv")


def test_the_commands(tmp_path, monkeypatch, capsys, sine):
    def evalkit(*arguments):
        monkeypatch.setattr("sys.argv", ["evalkit", *map(str, arguments)])
        return main(), capsys.readouterr().out

    out = tmp_path / "wanted"
    code, text = evalkit("template", "--suite", "smoke", "--out", out, "--takes", 2)
    assert code == 0
    assert f"evalkit validate {out}" in text
    n_songs = 2 * len(loader.load("smoke").prompts)
    assert f"{n_songs} songs wanted" in text
    code, text = evalkit("validate", out)
    assert code == 2
    assert text.count("is not there") == n_songs
    fill(out, sine, [row["file"].replace(".wav", ".flac") for row in rows_of(out)])
    rewrite(out, lambda row: row | {"file": row["file"].replace(".wav", ".flac")})
    code, text = evalkit("validate", out)
    assert (code, "is a valid folder of songs" in text) == (0, True)
    assert evalkit("template", "--suite", "smok", "--out", out)[0] == 2
