"""Choosing prompts, and the final status of a run."""

from pathlib import Path

from evalkit.cli.display import seconds
from evalkit.cli.pipeline import Result, select
from evalkit.types import Prompt


def make_prompts(languages: str) -> list[Prompt]:
    return [Prompt(id=f"{language}{index}", language=language) for index, language in enumerate(languages)]


def test_a_limit_takes_all_languages_in_turn_and_keeps_suite_order() -> None:
    prompts = make_prompts("aaabbbc")
    assert [prompt.id for prompt in select(prompts, 3)] == ["a0", "b3", "c6"]
    assert [prompt.id for prompt in select(prompts, 4)] == ["a0", "a1", "b3", "c6"]
    assert select(prompts, None) == tuple(prompts)
    assert select(prompts, 99) == tuple(prompts)


def test_exit_codes() -> None:
    def code(status: str, failed_songs: int = 0, failed_scores: int = 0) -> int:
        return Result(
            folder=Path(), status=status, n_songs=1, n_failed_songs=failed_songs, n_failed_scores=failed_scores
        ).exit_code

    assert [code("complete"), code("complete", 1), code("complete", 0, 1), code("incomplete", 1)] == [0, 1, 1, 4]


def test_durations_for_people() -> None:
    assert [seconds(value) for value in (8.4, 185, 7800)] == ["8 s", "3 min 05 s", "2 h 10 min"]
