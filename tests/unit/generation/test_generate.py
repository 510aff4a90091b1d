"""The generation loop: every song is recorded once, failures with their reason."""

from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from evalkit.audio import load as load_audio
from evalkit.audio import save_flac
from evalkit.executors.local import LocalExecutor
from evalkit.files import file_sha256
from evalkit.runfolder import RunWriter, load
from evalkit.store import RunInfo, SuiteInfo
from evalkit.types import Audio, Prompt
from generation.generate import generate, plan, song_seed
from generation.spec import parse

PROMPTS = tuple(Prompt(id=f"p{number}", language="en", duration_s=0.3) for number in range(3))


def begin(folder: Path) -> RunWriter:
    suite = SuiteInfo(name="s", version="1", sha256="0" * 64, licence="MIT", n_prompts=3)
    info = RunInfo(
        run_id="r",
        created="2026-01-01T00:00:00Z",
        status="running",
        command="",
        suite=suite,
        systems=(),
        prompts=PROMPTS,
    )
    return RunWriter(folder, info)


def test_plan_and_seeds() -> None:
    jobs = plan([parse("tone")], PROMPTS, takes=2, seed=5)
    assert [job.song_id for job in jobs][:3] == ["tone/p0.take0", "tone/p0.take1", "tone/p1.take0"]
    assert len({job.seed for job in jobs}) == 6
    assert all(0 <= job.seed < 2**63 for job in jobs)
    # Pinned: an old run must be repeatable for ever.
    assert song_seed(0, "en-01", 0) == 4866773364197013990
    assert song_seed(1, "en-01", 0) == 462117491396207141
    assert song_seed(0, "en-01", 1) == 7994883811531675616


def test_songs_are_written_and_recorded(tmp_path: Path) -> None:
    seen: list[str] = []
    with begin(tmp_path) as writer:
        jobs = plan([parse("tone")], PROMPTS, takes=1, seed=5)
        totals = generate(
            jobs,
            writer,
            models={},
            executor=LocalExecutor(2),
            watch=lambda song_id, share, text, song: seen.append(song_id),
        )
    run = load(tmp_path)
    assert sorted(song.prompt_id for song in run.songs) == ["p0", "p1", "p2"]
    for song in run.songs:
        assert song.status == "ok"
        path = tmp_path / str(song.path)
        assert file_sha256(path) == song.sha256
        assert load_audio(path).duration_s == pytest.approx(0.3)
        assert soundfile.info(str(path)).subtype == "PCM_24"
    assert (totals.n_songs, totals.n_failed) == (3, 0)
    assert totals.audio_s == pytest.approx(0.9)
    assert not list(tmp_path.rglob("*.partial"))
    assert set(seen) == {song.id for song in run.songs}


def test_the_same_seed_gives_the_same_bytes_with_any_number_of_workers(tmp_path: Path) -> None:
    digests = []
    for number, workers in enumerate((1, 3)):
        with begin(tmp_path / str(number)) as writer:
            generate(
                plan([parse("tone")], PROMPTS, takes=1, seed=5), writer, models={}, executor=LocalExecutor(workers)
            )
        digests.append({song.id: song.sha256 for song in load(tmp_path / str(number)).songs})
    assert digests[0] == digests[1]
    assert len(set(digests[0].values())) == 3


def test_files_are_copied_byte_for_byte_and_missing_ones_fail_alone(
    tmp_path: Path, make_sine: Callable[..., Audio]
) -> None:
    source = tmp_path / "songs"
    source.mkdir()
    save_flac(make_sine(duration_s=0.2), source / "p0.flac")
    (source / "p1.wav").write_bytes(b"RIFF nonsense")
    with begin(tmp_path / "run") as writer:
        spec = parse(f"suno={source}")
        generate(plan([spec], PROMPTS, takes=1, seed=5), writer, models={}, executor=LocalExecutor(1))
    songs = {song.prompt_id: song for song in load(tmp_path / "run").songs}
    assert songs["p0"].sha256 == file_sha256(source / "p0.flac")
    assert songs["p0"].path == "audio/suno/p0.take0.flac"
    assert songs["p1"].status == "failed"
    assert "not an audio file" in songs["p1"].reason
    assert "No song for prompt p2" in songs["p2"].reason


def test_a_missing_model_fails_the_song_with_the_command(tmp_path: Path) -> None:
    with begin(tmp_path) as writer:
        generate(plan([parse("singer")], PROMPTS[:1], takes=1, seed=5), writer, models={}, executor=LocalExecutor(1))
    assert "evalkit models pull" in load(tmp_path).songs[0].reason
