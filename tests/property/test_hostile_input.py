"""Whatever stands in a file: a result or one of evalkit's own errors, in bounded time and memory."""

import io
import json
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import benchmarks.loader
from evalkit import profile, runfolder
from evalkit.audio import load
from evalkit.cli.app import main
from evalkit.errors import AudioError, ConfigError, EvalkitError, StoreError, SuiteError
from evalkit.gate import rules
from evalkit.runfolder import RunWriter
from evalkit.store import RunInfo, SuiteInfo, SystemInfo
from evalkit.types import Audio, Prompt, Score, Song
from generation.systems.folder import MANIFEST, read_folder

FUZZ = settings(
    max_examples=60, deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

SUITE = (
    b'name: mine\nversion: "1"\nprompts:\n  - id: a\n    language: en\n    tags: {bpm: 90}\n    lyrics: "[verse] la"\n'
)
LINE = b'{"idx": "a", "gt_lyric": "[verse] la la ; [chorus] lo", "descriptions": "female, pop"}\n'
PROFILE = b"name: p\nevaluators:\n  technical: {}\n  lyrics: {model: whisper-base}\n"
GATES = b'policy = "warn"\n[[rule]]\nmetric = "per"\nmargin = 0.01\nlanguages = ["en"]\n'
CSV = b"prompt_id,file,take,vocals\na,a.wav,0,\nb,b.wav,1,b.vocals.wav\n"

NASTY = st.sampled_from(
    [
        b"", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"\n", b"NaN", b"Infinity", b"-1e999", b"9" * 5000,
        b"[" * 3000, b'{"a":' * 2000, b"../../x", b"/etc/passwd", b"!!python/object/apply:os.system ['touch pwned']",
        b"&a [*a,*a]", b"<<: *a", b"2001-99-99", b"\xe2\x80\xae", b"\xf0\x9f\x8e\xb5", b"<script>", b"null", b"no",
        b"0x", b"'", b'"', b"a" * 20000,
    ]
)  # fmt: skip


def mutations(good: bytes) -> st.SearchStrategy[bytes]:
    """A good file with pieces cut out, doubled, or put in."""

    @st.composite
    def build(draw: st.DrawFn) -> bytes:
        content = good
        for _ in range(draw(st.integers(1, 3))):
            start = draw(st.integers(0, len(content)))
            end = min(len(content), start + draw(st.integers(0, 12)))
            piece = draw(st.one_of(NASTY, st.binary(max_size=6), st.just(content[start:end] * 2)))
            content = content[:start] + piece + content[end:]
        return content

    return st.one_of(build(), st.binary(max_size=300))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that holds the file in question; nothing may appear beside it."""
    inside = tmp_path / "inside"
    inside.mkdir()
    monkeypatch.chdir(inside)
    yield inside
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]
    assert not list(tmp_path.rglob("pwned"))


def only(error: type[EvalkitError], call: Callable[[], Any]) -> Any:
    """The call's result, or None if it refused in a sentence."""
    message = "none"
    try:
        return call()
    except error as refusal:
        message = refusal.message
        return None
    finally:
        assert 0 < len(message.strip()) < 5000, "a sentence, not the file"


@FUZZ
@given(content=mutations(SUITE))
def test_suites(folder: Path, content: bytes) -> None:
    path = folder / "suite.yaml"
    path.write_bytes(content)
    issues = benchmarks.loader.check(str(path))
    suite = only(SuiteError, lambda: benchmarks.loader.load(str(path)))
    assert (suite is not None) == (not any(issue.severity == "error" for issue in issues))


@FUZZ
@given(content=mutations(LINE * 2))
def test_jsonl(folder: Path, content: bytes) -> None:
    path = folder / "requests.jsonl"
    path.write_bytes(content)
    issues = benchmarks.loader.check(str(path))
    suite = only(SuiteError, lambda: benchmarks.loader.load(str(path)))
    assert (suite is not None) == (not any(issue.severity == "error" for issue in issues))


@FUZZ
@given(content=mutations(PROFILE))
def test_profiles(folder: Path, content: bytes) -> None:
    (folder / "profile.yaml").write_bytes(content)
    only(ConfigError, lambda: profile.load("profile.yaml"))


@FUZZ
@given(content=mutations(GATES))
def test_gates(folder: Path, content: bytes) -> None:
    (folder / "gates.toml").write_bytes(content)
    only(ConfigError, lambda: rules.load(folder / "gates.toml"))


@FUZZ
@given(content=mutations(CSV))
def test_manifests(folder: Path, content: bytes) -> None:
    (folder / MANIFEST).write_bytes(content)
    found = only(ConfigError, lambda: read_folder(folder)) or {}
    for mix, stems in found.values():
        for path in (mix, *stems.values()):
            assert path is None or path.resolve().is_relative_to(folder.resolve()), "no file from elsewhere"


def audio_file(form: str) -> bytes:
    buffer = io.BytesIO()
    wave = 0.3 * np.sin(np.arange(3000) / 9)
    subtype = {"OGG": "VORBIS", "MP3": "MPEG_LAYER_III"}.get(form)
    soundfile.write(buffer, wave, 8000, format=form, subtype=subtype)
    return buffer.getvalue()


FILES = {form: audio_file(form) for form in ("WAV", "FLAC", "AIFF", "OGG", "MP3")}
HARMFUL = [("<I", 2**32 - 1), (">I", 2**31), ("<H", 65535), ("B", 0), ("B", 255)]


@pytest.mark.parametrize("form", FILES)
@settings(parent=FUZZ, max_examples=40)
@given(data=st.data())
def test_audio_headers(folder: Path, form: str, data: st.DataObject) -> None:
    content = bytearray(FILES[form])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, min(80, len(content) - 5)))
        kind, number = data.draw(st.sampled_from(HARMFUL))
        struct.pack_into(kind, content, place, number)
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content)))]
    path = folder / f"song.{form.lower()}"
    path.write_bytes(bytes(content))
    audio = only(AudioError, lambda: load(path))
    if audio is not None:
        assert isinstance(audio, Audio)
        assert np.isfinite(audio.samples).all()
        assert audio.samples.size <= 1_000_000, "no more than is there"


BOUNDED = """
import resource, sys
from pathlib import Path
from evalkit.audio import load
from evalkit.errors import AudioError
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[1:]:
    try:
        load(Path(path))
        print("read")
    except AudioError as error:
        print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_three_hours_are_refused_from_the_header_alone(tmp_path: Path) -> None:
    long, wide = tmp_path / "long.flac", tmp_path / "wide.wav"
    with soundfile.SoundFile(long, "w", 8000, 1, subtype="PCM_16") as file:
        for _ in range(180):
            file.write(np.zeros(60 * 8000, dtype=np.int16))
    with wide.open("wb") as file:  # two minutes of eight channels at 192 kHz, as a hole in the disk
        size = 120 * 192_000 * 8
        header = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 8, 192_000, 192_000 * 8, 8, 8, b"data", size)  # fmt: skip # noqa: E501
        file.write(header)
        file.truncate(len(header) + size)
    command = [sys.executable, "-c", BOUNDED, str(long), str(wide)]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()
    assert "180 minutes long; at most 30 are accepted" in said[0]
    assert "samples; at most" in said[1]
    assert int(said[2]) < 50, "megabytes"


def make_run(folder: Path) -> Path:
    info = RunInfo(
        run_id="r",
        created="2026-01-01T00:00:00Z",
        status="running",
        command="evalkit",
        suite=SuiteInfo(name="s", version="1", sha256="0" * 64, licence="MIT", n_prompts=1),
        systems=(SystemInfo(name="tone", spec="tone", title="t"),),
        prompts=(Prompt(id="p", language="en", lyrics="[verse] la"),),
    )
    with RunWriter(folder / "run", info) as writer:
        writer.add_song(
            Song(prompt_id="p", system="tone", take=0, seed=1, status="ok", path="audio/tone/p.flac", duration_s=6.0)
        )
        score = Score(
            song_id="tone/p.take0", evaluator="technical", metric="lufs_i", value=-14.0, status="ok", signature="s|v:1"
        )
        writer.add_scores([score, replace(score, metric="lra", details={"n": [1, 2]})])
    return folder / "run"


@pytest.mark.parametrize("name", ["run.json", "songs.jsonl", "scores.jsonl", "set_scores.jsonl"])
@FUZZ
@given(data=st.data())
def test_run_folders(folder: Path, name: str, data: st.DataObject) -> None:
    run = folder / "run" if (folder / "run").exists() else make_run(folder)
    path = run / name
    good = path.read_bytes() if path.exists() else b""
    try:
        path.write_bytes(data.draw(mutations(good)))
        found = only(StoreError, lambda: runfolder.load(run))
        if found is not None:
            for song in found.songs:
                assert song.path is None or (run / song.path).resolve().is_relative_to(run.resolve())
            json.dumps([dict(score.details) for score in found.scores], allow_nan=False)
    finally:
        path.write_bytes(good)


@pytest.mark.parametrize("way", ["../../outside.flac", "/etc/passwd", "audio/../../x.flac", "a\\..\\x", "a\0b"])
def test_a_song_whose_path_leads_out_of_the_run_is_refused(folder: Path, way: str) -> None:
    run = make_run(folder)
    row = json.loads((run / "songs.jsonl").read_text())
    for changed in ({"path": way}, {"stems": {"vocals": way}}):
        (run / "songs.jsonl").write_text(json.dumps({**row, **changed}) + "\n")
        with pytest.raises(StoreError, match="leads out of its run folder"):
            runfolder.load(run)


VALIDATED = {"suite.yaml": SUITE, "lines.jsonl": LINE, "submission.json": b'{"format": "x"}', "x": b"\x1f\x8b"}


@pytest.mark.parametrize("name", VALIDATED)
@settings(parent=FUZZ, max_examples=25)
@given(data=st.data())
def test_validate_answers_everything(folder: Path, name: str, data: st.DataObject) -> None:
    (folder / name).write_bytes(data.draw(mutations(VALIDATED[name])))
    before = sys.argv
    try:
        sys.argv = ["evalkit", "validate", f"./{name}"]
        assert main() in (0, 2)
    finally:
        sys.argv = before


def test_yaml_runs_no_code(folder: Path) -> None:
    (folder / "p.yaml").write_text('name: !!python/object/apply:os.system ["touch pwned"]\nevaluators: {}\n')
    with pytest.raises(ConfigError, match="is not YAML"):
        profile.load("p.yaml")
