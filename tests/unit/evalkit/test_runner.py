"""The runner: every declared metric of every song gets exactly one score, whatever an evaluator does."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from evalkit import runner
from evalkit.audio import save_flac
from evalkit.errors import GenerationError, ModelError
from evalkit.evaluators.base import ok
from evalkit.files import file_sha256
from evalkit.profile import Profile
from evalkit.scoring import Scorer
from evalkit.store import EvaluatorInfo
from evalkit.types import Audio, Clip, Metric, Prompt, Score, Song

METRICS = tuple(Metric(name=name, title=name, unit="", direction="lower", source="test") for name in ("a", "b"))
PROMPT = Prompt(id="p", language="en")


class FakeEvaluator:
    """Gives ``a`` and ``b``, or misbehaves on request."""

    def __init__(self, name: str, behaviour: Callable[[Clip], list[Score]]) -> None:
        self.name, self._behaviour = name, behaviour

    def score(self, clip: Clip) -> list[Score]:
        return self._behaviour(clip)


def info(name: str) -> EvaluatorInfo:
    return EvaluatorInfo(name=name, version="1", metrics=METRICS, signatures={"a": f"a|{name}", "b": f"b|{name}"})


def both(name: str) -> Callable[[Clip], list[Score]]:
    return lambda clip: [ok(clip, name, metric.name, 1.0, f"{metric.name}|{name}") for metric in METRICS]


@pytest.fixture
def song(tmp_path: Path, make_sine: Callable[..., Audio]) -> Song:
    save_flac(make_sine(duration_s=6), tmp_path / "audio/s/p.take0.flac")
    path = "audio/s/p.take0.flac"
    return Song(
        prompt_id="p",
        system="s",
        take=0,
        seed=1,
        status="ok",
        path=path,
        sha256=file_sha256(tmp_path / path),
        duration_s=6,
    )


def score_song(
    folder: Path, song: Song, evaluators: Mapping[str, Callable[[Clip], list[Score]]]
) -> dict[tuple[str, str], Score]:
    task = runner.Task(song=song, prompt=PROMPT, evaluators=tuple(evaluators))
    loaded: Any = {name: FakeEvaluator(name, behaviour) for name, behaviour in evaluators.items()}
    reports: list[Any] = []
    Scorer(folder, [info(name) for name in evaluators], models={}, loaded=loaded)((task,), reports.append)
    result = reports[-1]
    assert len(result.scores) == 2 * len(evaluators)
    return {(score.evaluator, score.metric): score for score in result.scores}


def failing(error: Exception) -> Callable[[Clip], list[Score]]:
    def behave(clip: Clip) -> list[Score]:
        raise error

    return behave


def test_one_evaluator_failing_costs_only_its_own_scores(tmp_path: Path, song: Song) -> None:
    found = score_song(
        tmp_path,
        song,
        {
            "good": both("good"),
            "bug": failing(ZeroDivisionError("oops")),
            "model": failing(ModelError("No weights.", "Pull them.")),
            "said": failing(GenerationError("Cannot be measured.")),
            "partial": lambda clip: both("partial")(clip)[:1],
        },
    )
    assert found["good", "a"].value == 1.0
    assert (found["bug", "a"].status, found["bug", "a"].reason) == ("failed", "bug broke: ZeroDivisionError: oops")
    assert (found["model", "b"].status, found["model", "b"].reason) == ("missing_model", "No weights. Pull them.")
    assert (found["said", "b"].status, found["said", "b"].reason) == ("failed", "Cannot be measured.")
    assert found["partial", "a"].status == "ok"
    assert found["partial", "b"].reason == "partial returned no b."
    assert found["bug", "b"].signature == "b|bug"
    assert (tmp_path / "audio/s/p.take0.overview.json").is_file()


def test_order_of_evaluators_changes_nothing(tmp_path: Path, song: Song) -> None:
    one = {"x": both("x"), "y": both("y")}
    assert score_song(tmp_path, song, one) == score_song(tmp_path, song, dict(reversed(one.items())))


def test_a_changed_or_vanished_file_is_never_scored(
    tmp_path: Path, song: Song, make_sine: Callable[..., Audio]
) -> None:
    path = tmp_path / str(song.path)
    save_flac(make_sine(441.0, 6), path)
    found = score_song(tmp_path, song, {"x": both("x")})["x", "a"]
    assert found.status == "failed"
    assert "was changed after it was made" in found.reason
    path.unlink()
    found = score_song(tmp_path, song, {"x": both("x")})["x", "a"]
    assert (found.status, found.reason) == ("missing_audio", "The file audio/s/p.take0.flac is gone.")


def test_a_failed_song_keeps_its_reason(tmp_path: Path) -> None:
    song = Song(prompt_id="p", system="s", take=0, seed=1, status="failed", reason="The singer is ill.")
    found = score_song(tmp_path, song, {"x": both("x")})["x", "b"]
    assert (found.status, found.reason) == ("missing_audio", "The song was not made: The singer is ill.")


def test_pending_knows_what_is_settled(song: Song) -> None:
    infos = [info("x"), info("y")]

    def scores(status: str, signature: str = "x") -> list[Score]:
        value = 1.0 if status == "ok" else None
        return [
            Score(
                song_id=song.id,
                evaluator="x",
                metric=metric.name,
                value=value,
                status=status,  # type: ignore[arg-type]
                reason="" if status == "ok" else "r",
                signature=f"{metric.name}|{signature}",
            )
            for metric in METRICS
        ]

    def pending(found: list[Score]) -> tuple[str, ...]:
        tasks = runner.pending([song], {"p": PROMPT}, found, infos)
        return tasks[0].evaluators if tasks else ()

    everything = ("x", "y")
    assert pending([]) == everything
    assert pending(scores("ok")) == ("y",)
    assert pending(scores("ok")[:1]) == everything, "one metric is missing"
    assert pending(scores("ok", "another signature")) == everything
    assert pending(scores("missing_model")) == everything, "the model may be there by now"
    known = runner.pending([song], {"p": PROMPT}, scores("missing_model"), infos, {"x"})
    assert [task.evaluators for task in known] == [("y",)], "it is known to be missing still"
    assert pending(scores("failed")) == ("y",), "the same bytes fail the same way"
    assert pending(scores("missing_audio")) == everything, "the song was made after all"
    failed = Song(prompt_id="p", system="s", take=0, seed=1, status="failed", reason="r")
    assert runner.pending([failed], {"p": PROMPT}, scores("missing_audio"), infos[:1]) == [], "still no song"


def test_describe_loads_no_model() -> None:
    def locate(name: str) -> Path:
        raise ModelError("not here")

    found = runner.describe(Profile(name="p", evaluators={"lyrics": {}, "technical": {}}), locate)
    assert [info.name for info in found] == ["lyrics", "technical"]
    for one in found:
        assert set(one.signatures) == {metric.name for metric in one.metrics}
        assert len(set(one.signatures.values())) == len(one.metrics)
