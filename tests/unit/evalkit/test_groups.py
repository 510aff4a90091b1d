"""An evaluation of songs in groups, with real workers: what dies or hangs costs its own song and nothing twice."""

import os
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from evalkit import runner
from evalkit.audio import save_flac
from evalkit.executors.base import Outcome, Progress
from evalkit.executors.local import LocalExecutor
from evalkit.executors.loop import run
from evalkit.files import file_sha256
from evalkit.profile import Profile
from evalkit.runfolder import RunWriter, load
from evalkit.store import EvaluatorInfo, RunInfo, SuiteInfo
from evalkit.tasks import Result, Task
from evalkit.types import Audio, Prompt, Score, Song

N_SONGS = 5
PROMPT = Prompt(id="p", language="en")

# An evaluator of another distribution, as its workers find it.
_EVALUATOR = textwrap.dedent("""
    import os, signal, time
    from pathlib import Path
    from evalkit.evaluators.base import ok
    from evalkit.types import Metric

    class Fragile:
        name = "fragile"
        version = "1"
        metrics = (Metric(name="length", title="Length", unit="s", direction="none", source="test"),)

        @classmethod
        def required_models(cls, options):
            return ()

        def __init__(self, options, locate):
            self.folder, self.place, self.fault = Path(options["folder"]), options["place"], options["fault"]

        def signature(self, metric):
            return "length|v:1"

        def prepare(self, clips):
            for clip in clips:
                clip.derived.once("length", lambda: self.listen(clip))
                self.stumble(clip, "prepare")

        def score(self, clip):
            with (self.folder / "scored").open("a") as file:
                file.write(f"{clip.song.take}\\n")
            value = clip.derived.once("length", lambda: self.listen(clip))
            self.stumble(clip, "score")
            return [ok(clip, self.name, "length", value, self.signature("length"))]

        def listen(self, clip):
            return clip.mix.duration_s

        def stumble(self, clip, place):
            if clip.song.take != 2 or place != self.place:
                return
            mark = self.folder / "stumbled"
            if self.fault == "hangs":
                time.sleep(600)
            if self.fault == "dies" or (self.fault == "dies once" and not mark.exists()):
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            if self.fault == "no memory":
                raise MemoryError
""")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    package = tmp_path / "site"
    (package / "fragile-1.0.dist-info").mkdir(parents=True)
    (package / "fragile_evaluator.py").write_text(_EVALUATOR)
    (package / "fragile-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: fragile\nVersion: 1.0\n")
    points = "[evalkit.evaluators]\nfragile = fragile_evaluator:Fragile\n"
    (package / "fragile-1.0.dist-info" / "entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(str(package))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(package), *filter(None, [os.environ.get("PYTHONPATH")])]))
    yield tmp_path
    sys.modules.pop("fragile_evaluator", None)


class Desk:
    """A run folder with songs, and an evaluation of them."""

    def __init__(self, place: Path, fault: str = "none", where: str = "score", *, n_songs: int = N_SONGS) -> None:
        self.folder = place / "run"
        options = {"folder": str(place), "fault": fault, "place": where}
        self.infos = runner.describe(Profile(name="p", evaluators={"fragile": options}), lambda name: place)
        suite = SuiteInfo(name="s", version="1", sha256="0" * 64, licence="MIT", n_prompts=1)
        info = RunInfo(
            run_id="r", created="2026-01-01T00:00:00Z", status="running", command="", suite=suite, systems=(),
            prompts=(PROMPT,), evaluators=tuple(self.infos),
        )  # fmt: skip
        self.writer = RunWriter(self.folder, info)
        self.songs = [self.song(take) for take in range(n_songs)]
        self.told: list[tuple[str, float, Sequence[Score] | None]] = []

    def song(self, take: int) -> Song:
        path = f"audio/s/p.take{take}.flac"
        audio = self.make_sine(duration_s=6.0 + take)
        save_flac(audio, self.folder / path)
        digest = file_sha256(self.folder / path)
        song = Song(
            prompt_id="p", system="s", take=take, seed=1, status="ok", path=path, sha256=digest,
            duration_s=audio.duration_s,
        )  # fmt: skip
        self.writer.add_song(song)
        return song

    make_sine: Callable[..., Audio]

    def tasks(self) -> list[Task]:
        return runner.pending(self.songs, {"p": PROMPT}, (), self.infos)

    def evaluation(self, tasks: Sequence[Task] | None = None, **options: Any) -> runner.Evaluation:
        return runner.Evaluation(
            self.tasks() if tasks is None else tasks, self.writer, self.infos, models={},
            watch=lambda *event: self.told.append(event), **options,
        )  # fmt: skip

    def work(self, evaluation: runner.Evaluation) -> runner.EvaluationTotals:
        for event in run(LocalExecutor(1), [evaluation.pool]):
            evaluation.handle(event)
        return evaluation.totals

    def values(self) -> dict[int, tuple[float | None, str]]:
        run = load(self.folder)
        found = {int(score.song_id[-1]): (score.value, score.reason) for score in run.scores}
        assert len(run.scores) == len(found), "each score once"
        return found


@pytest.fixture
def desk(place: Path, make_sine: Callable[..., Audio]) -> Callable[..., Desk]:
    Desk.make_sine = staticmethod(make_sine)
    return lambda *arguments, **options: Desk(place, *arguments, **options)


LENGTHS = {take: (6.0 + take, "") for take in range(N_SONGS)}


def test_songs_are_measured_in_groups_and_counted_once(desk: Callable[..., Desk], place: Path) -> None:
    subject = desk()
    evaluation = subject.evaluation(most_together=3)
    assert [len(group) for group in evaluation.pool.tasks] == [3, 2]
    totals = subject.work(evaluation)
    assert subject.values() == LENGTHS
    assert (totals.n_songs, totals.audio_s) == (N_SONGS, sum(length for length, _ in LENGTHS.values()))
    assert totals.audio_by_evaluator == {"fragile": totals.audio_s}
    assert 0.0 <= totals.seconds_by_evaluator["fragile"] <= totals.busy_s
    assert totals.peak_memory_mb > 1
    assert [event[:2] for event in subject.told if event[2] is not None] == [
        (f"s/p.take{take}", 1.0) for take in range(N_SONGS)
    ]
    assert {share for _, share, scores in subject.told if scores is None} == {0.5, 1.0}


@pytest.mark.parametrize("where", ["prepare", "score"])
def test_a_worker_that_is_killed_in_the_middle_loses_nothing(
    desk: Callable[..., Desk], place: Path, where: str
) -> None:
    subject = desk("dies once", where)
    totals = subject.work(subject.evaluation())
    assert (place / "stumbled").exists()
    assert subject.values() == LENGTHS
    assert totals.n_songs == N_SONGS
    assert totals.audio_by_evaluator == {"fragile": totals.audio_s}
    finished = [song_id for song_id, _, scores in subject.told if scores is not None]
    assert sorted(finished) == sorted(song.id for song in subject.songs)
    last = {song_id: scores for song_id, _, scores in subject.told}
    assert None not in last.values(), "a finished song is never under way again"


@pytest.mark.parametrize("where", ["prepare", "score"])
def test_a_song_that_kills_its_worker_costs_only_itself(desk: Callable[..., Desk], place: Path, where: str) -> None:
    subject = desk("dies", where)
    totals = subject.work(subject.evaluation())
    found = subject.values()
    value, reason = found.pop(2)
    assert value is None
    assert "died twice (signal 9)" in reason
    assert found == {take: each for take, each in LENGTHS.items() if take != 2}
    assert totals.n_songs == N_SONGS
    (lost,) = (score for score in load(subject.folder).scores if score.value is None)
    assert lost.details == {runner.LOST: True}
    scored = [int(line) for line in (place / "scored").read_text().split()]
    if where == "score":
        assert scored.count(0) == scored.count(1) == 2, "finished before the worker died, and only tried again with it"
    assert scored.count(4) == 1


def test_a_song_that_hangs_costs_only_itself(desk: Callable[..., Desk]) -> None:
    subject = desk("hangs", n_songs=4)
    subject.work(subject.evaluation(time_limit_s=1.5))
    found = subject.values()
    assert found.pop(2) == (None, "It took longer than 1.5 s and was stopped.")
    assert found == {take: LENGTHS[take] for take in (0, 1, 3)}


def test_a_song_without_memory_fails_alone(desk: Callable[..., Desk]) -> None:
    subject = desk("no memory")
    subject.work(subject.evaluation())
    found = subject.values()
    assert "Memory ran out in fragile" in found.pop(2)[1]
    assert len(found) == N_SONGS - 1


def test_added_songs_wait_for_their_group(desk: Callable[..., Desk]) -> None:
    subject = desk()
    evaluation = subject.evaluation((), most_together=2)
    waiting = []
    for song in subject.songs:
        evaluation.add(song, PROMPT)
        waiting.append([len(group) for group in evaluation.pool.tasks])
    assert waiting == [[], [2], [2], [2, 2], [2, 2]]
    evaluation.flush()
    assert [[task.song.take for task in group] for group in evaluation.pool.tasks] == [[0, 1], [2, 3], [4]]
    evaluation.flush()
    assert len(evaluation.pool.tasks) == 3


def test_without_an_evaluator_that_gains_songs_are_alone(desk: Callable[..., Desk]) -> None:
    subject = desk()
    infos = runner.describe(Profile(name="p", evaluators={"technical": {}}), lambda name: subject.folder)
    evaluation = runner.Evaluation((), subject.writer, infos, models={})
    evaluation.add(subject.songs[0], PROMPT)
    assert [len(group) for group in evaluation.pool.tasks] == [1]


def test_what_comes_twice_is_recorded_once_and_what_is_left_is_done_alone(desk: Callable[..., Desk]) -> None:
    subject = desk(n_songs=3)
    evaluation = subject.evaluation()
    group = evaluation.pool.tasks.popleft()
    evaluation.pool.tasks.append(("another",))  # type: ignore[arg-type]

    def result(take: int) -> Progress[Any]:
        task, (info,) = group[take], subject.infos
        score = _score(task, info, float(take))
        return Progress(task=group, message=Result(song_id=task.song_id, scores=(score,), seconds={"fragile": 1.0}))

    for take in (1, 1, 0, 1):
        evaluation.handle(result(take))
    evaluation.handle(Outcome(task=group, error="The worker process died twice (signal 9).", cpu_s=3.0))
    assert [*evaluation.pool.tasks] == [(group[2],), ("another",)]
    totals = evaluation.totals
    assert (totals.n_songs, totals.busy_s, totals.seconds_by_evaluator) == (2, 3.0, {"fragile": 2.0})
    assert subject.values() == {0: (0.0, ""), 1: (1.0, "")}
    evaluation.handle(Outcome(task=(group[2],), cpu_s=1.0))
    assert subject.values()[2] == (None, "The worker ended without scoring this song.")


def _score(task: Task, info: EvaluatorInfo, value: float) -> Score:
    return Score(
        song_id=task.song_id, evaluator=info.name, metric="length", value=value, status="ok",
        signature=info.signatures["length"],
    )  # fmt: skip
