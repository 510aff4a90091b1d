"""Run folders survive kills, refuse strangers, and come back equal."""

import contextlib
import json
import multiprocessing
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.errors import StoreError
from evalkit.runfolder import RunWriter, load, load_info
from evalkit.store import EvaluatorInfo, RunInfo, StageTiming, SuiteInfo, SystemInfo
from evalkit.types import Metric, Prompt, Score, Section, Song, Tags

PROMPT = Prompt(
    id="en-01",
    language="en",
    lyrics="[verse] Hello there.",
    sections=(Section(label="verse", lines=("Hello there",)),),
    tags=Tags(gender="female", instruments=("piano", "bass"), bpm=96),
    duration_s=12.5,
)
METRIC = Metric(name="wer", title="WER", unit="", direction="lower", source="evalkit", aggregate="ratio")
INFO = RunInfo(
    run_id="smoke-tone-1",
    created="2026-01-01T00:00:00Z",
    status="running",
    command="evalkit run",
    suite=SuiteInfo(name="smoke", version="1", sha256="0" * 64, licence="MIT", n_prompts=1),
    systems=(SystemInfo(name="tone", spec="tone", title="Tones", notes={"*": "a note"}),),
    prompts=(PROMPT,),
    evaluators=(EvaluatorInfo(name="lyrics", version="1", metrics=(METRIC,), signatures={"wer": "wer|v:1"}),),
    timings={"generate": StageTiming(wall_s=1.5, busy_s=2.0, audio_s=12.0, n_songs=1)},
)
SONG = Song(prompt_id="en-01", system="tone", take=0, seed=7, status="ok", path="audio/tone/en-01.take0.flac")


def make_score(value: float = 0.25, metric: str = "wer") -> Score:
    return Score(
        song_id=SONG.id,
        evaluator="lyrics",
        metric=metric,
        value=value,
        status="ok",
        signature="wer|v:1",
        details={"numerator": 1, "alignment": [{"op": "hit", "ref": "Zoë ☃"}]},
    )


def test_round_trip_is_equal(tmp_path: Path) -> None:
    with RunWriter(tmp_path / "run", INFO) as writer:
        writer.add_song(SONG)
        writer.add_scores([make_score()])
        writer.update(status="complete")
    run = load(tmp_path / "run")
    assert run.info == replace(INFO, status="complete")
    assert run.songs == (SONG,)
    assert run.scores == (make_score(),)
    assert run.prompts == {"en-01": PROMPT}
    assert run.metrics == {"wer": METRIC}
    assert run.notices == ()


@pytest.mark.parametrize("cut", [1, 20, 150])
def test_a_torn_last_line_is_dropped_with_a_notice_and_can_be_continued(tmp_path: Path, cut: int) -> None:
    with RunWriter(tmp_path, INFO) as writer:
        writer.add_song(SONG)
        writer.add_scores([make_score(), make_score(metric="cer")])
    path = tmp_path / "scores.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    run = load(tmp_path)
    assert [score.metric for score in run.scores] == ["wer"]
    assert "scores.jsonl" in run.notices[0]
    with RunWriter(tmp_path) as writer:
        writer.add_scores([make_score(0.5, "cer")])
    again = load(tmp_path)
    assert [(score.metric, score.value) for score in again.scores] == [("wer", 0.25), ("cer", 0.5)]
    assert again.notices == ()


def test_the_latest_score_counts(tmp_path: Path) -> None:
    with RunWriter(tmp_path, INFO) as writer:
        writer.add_song(SONG)
        writer.add_scores([make_score(0.1)])
        writer.add_scores([make_score(0.2)])
    assert [score.value for score in load(tmp_path).scores] == [0.2]


def test_two_writers_of_one_folder_are_refused(tmp_path: Path) -> None:
    with RunWriter(tmp_path, INFO), pytest.raises(StoreError, match="Another evalkit process is writing"):
        RunWriter(tmp_path)
    RunWriter(tmp_path).close()


def _hold_and_die(folder: str) -> None:
    RunWriter(Path(folder))
    os.kill(os.getpid(), 9)


def test_the_lock_of_a_killed_process_is_gone(tmp_path: Path) -> None:
    RunWriter(tmp_path, INFO).close()
    process = multiprocessing.get_context("fork").Process(target=_hold_and_die, args=(str(tmp_path),))
    process.start()
    process.join()
    assert process.exitcode == -9
    RunWriter(tmp_path).close()


def test_a_new_run_does_not_overwrite_an_old_one(tmp_path: Path) -> None:
    RunWriter(tmp_path, INFO).close()
    with pytest.raises(StoreError, match=r"already holds a run.*--resume"):
        RunWriter(tmp_path, INFO)


def test_no_run_folder(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is not a run folder"):
        load(tmp_path / "nowhere")
    with pytest.raises(StoreError, match="is not a run folder"):
        RunWriter(tmp_path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "line 1: not JSON"),
        ("[]", "no schema_version"),
        ('{"schema_version": 99}', "reads up to 1.*pip install --upgrade"),
        ('{"schema_version": 1}', "field run_id"),
        ('{"schema_version": "1"}', "no schema_version"),
    ],
)
def test_a_damaged_run_json_is_explained(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(StoreError, match=sentence):
        load_info(tmp_path)


def test_a_typo_in_a_field_and_nan_are_refused(tmp_path: Path) -> None:
    with RunWriter(tmp_path, INFO) as writer:
        writer.add_song(SONG)
        writer.add_scores([make_score()])
    path = tmp_path / "scores.jsonl"
    row = json.loads(path.read_text())
    for change, sentence in (
        ({"vlaue": 1}, "vlaue"),
        ({"value": float("nan")}, "line 1: NaN is no number"),
        ({"value": None}, "status 'ok'|is 'ok'"),
    ):
        path.write_text(json.dumps({**row, **change}) + "\n")
        with pytest.raises(StoreError, match=sentence):
            load(tmp_path)


def test_a_read_only_folder_gives_a_sentence(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        # Root may write anywhere; a file where a folder should be fails for everybody.
        (tmp_path / "file").write_text("")
        folder = tmp_path / "file" / "run"
    else:
        folder = tmp_path / "locked"
        folder.mkdir(mode=0o500)
    with pytest.raises(StoreError, match=r"cannot be written.*--out"):
        RunWriter(folder, INFO)


def _fill_the_disk(folder: str, answer: str) -> None:
    import resource
    import signal

    writer = RunWriter(Path(folder), INFO)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(
        resource.RLIMIT_FSIZE, (1500, 1500)
    )  # no file may grow beyond this: as a full disk would have it
    try:
        with writer:
            for take in range(20):
                writer.add_song(replace(SONG, take=take))
    except StoreError as error:
        Path(answer).write_text(str(error))


def test_a_full_disk_is_one_sentence_and_what_was_finished_is_kept(tmp_path: Path) -> None:
    arguments = (str(tmp_path / "run"), str(tmp_path / "answer"))
    process = multiprocessing.get_context("fork").Process(target=_fill_the_disk, args=arguments)
    process.start()
    process.join()
    assert process.exitcode == 0
    assert "cannot be written" in (tmp_path / "answer").read_text()
    assert "what was finished is kept" in (tmp_path / "answer").read_text()
    kept = len(load(tmp_path / "run").songs)
    assert 0 < kept < 20
    with RunWriter(tmp_path / "run") as writer:
        writer.add_song(replace(SONG, take=19))
    assert len(load(tmp_path / "run").songs) == kept + 1


@settings(max_examples=60, deadline=None)
@given(junk=st.binary(max_size=200))
def test_garbage_never_gives_anything_but_a_sentence(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    folder = tmp_path_factory.mktemp("run")
    RunWriter(folder, INFO).close()
    for name in ("run.json", "songs.jsonl", "scores.jsonl"):
        before = (folder / name).read_bytes()
        (folder / name).write_bytes(junk + b"\n")
        # Anything but a StoreError escapes and fails the test.
        with contextlib.suppress(StoreError):
            load(folder)
        (folder / name).write_bytes(before)
