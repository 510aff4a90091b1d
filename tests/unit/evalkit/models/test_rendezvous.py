"""Jobs that meet: who is served with whom, who waits, and what becomes of errors."""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from evalkit.models.rendezvous import Answers, Rendezvous

pytestmark = pytest.mark.timeout(20)


class Doubling:
    """Answers with twice the number; keeps a log of what met."""

    def __init__(self, n_places: int = 4, *, n_at_once: int | None = None) -> None:
        self.rendezvous: Rendezvous[int] = Rendezvous(self._serve, n_places)
        self.met: list[list[int]] = []
        self._n_at_once = n_at_once

    def _serve(self, requests: Sequence[int]) -> Answers:
        self.met.append(list(requests))
        answers: list[tuple[int, Any]] = [(number, 2 * request) for number, request in enumerate(requests)]
        return answers[: self._n_at_once]

    def job(self, *requests: int) -> Callable[[], list[int]]:
        return lambda: [self.rendezvous.ask(request) for request in requests]


def test_results_come_in_the_order_of_the_jobs() -> None:
    doubling = Doubling()
    found = doubling.rendezvous.run([doubling.job(1, 2, 3), doubling.job(), doubling.job(10), doubling.job(20, 21)])
    assert found == [[2, 4, 6], [], [20], [40, 42]]


def test_what_waits_at_the_same_time_is_served_together_and_always_the_same() -> None:
    logs = []
    for delay in (0.0, 0.02):
        doubling = Doubling()

        def slow(delay: float = delay, doubling: Doubling = doubling) -> list[int]:
            time.sleep(delay)
            return doubling.job(1, 2)()

        doubling.rendezvous.run([slow, doubling.job(10), doubling.job(20, 21, 22)])
        logs.append(doubling.met)
    assert logs[0] == logs[1] == [[1, 10, 20], [2, 21], [22]]


def test_places_are_few_and_whoever_ends_makes_room() -> None:
    doubling = Doubling(2)
    found = doubling.rendezvous.run([doubling.job(1), doubling.job(10, 11, 12), doubling.job(20), doubling.job(30)])
    assert found == [[2], [20, 22, 24], [40], [60]]
    assert doubling.met == [[1, 10], [11, 20], [12, 30]]


def test_who_is_not_answered_yet_goes_on_waiting() -> None:
    doubling = Doubling(n_at_once=1)
    assert doubling.rendezvous.run([doubling.job(1), doubling.job(10)]) == [[2], [20]]
    assert doubling.met == [[1, 10], [10]]


def test_never_two_threads_compute_at_once() -> None:
    computing: list[str] = []

    def compute(name: str) -> None:
        assert not computing, f"{name} computes beside {computing}"
        computing.append(name)
        time.sleep(0.003)  # others would have time to begin
        computing.remove(name)

    def serve(requests: Sequence[str]) -> Answers:
        compute("serving")
        return [(number, None) for number in range(len(requests))]

    rendezvous: Rendezvous[str] = Rendezvous(serve, 3)

    def job() -> None:
        for _ in range(3):
            compute("a job")
            rendezvous.ask("x")
        compute("a job that is about to end")

    rendezvous.run([job] * 5)


def test_never_more_jobs_than_places_are_under_way() -> None:
    doubling, under_way, most = Doubling(3), 0, 0

    def job() -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        doubling.job(1, 2)()
        under_way -= 1

    doubling.rendezvous.run([job] * 8)
    assert most == 3


def test_outside_of_a_job_a_request_is_served_alone() -> None:
    doubling = Doubling()
    assert doubling.rendezvous.ask(4) == 8
    assert doubling.met == [[4]]


@pytest.mark.parametrize("in_a_job", [True, False])
def test_an_answer_that_is_an_error_is_raised_where_it_was_asked_for(in_a_job: bool) -> None:
    rendezvous: Rendezvous[int] = Rendezvous(lambda requests: [(0, KeyError("no"))], 2)

    def job() -> str:
        with pytest.raises(KeyError):
            rendezvous.ask(1)
        return "went on"

    assert (rendezvous.run([job]) if in_a_job else [job()]) == ["went on"]


def test_the_first_error_of_a_job_is_raised_when_those_under_way_are_finished() -> None:
    doubling, ended = Doubling(2), []

    def wrong(text: str) -> Callable[[], Any]:
        def job() -> Any:
            doubling.rendezvous.ask(1)
            raise ValueError(text)

        return job

    def right() -> None:
        for number in range(4):
            doubling.rendezvous.ask(number)
        ended.append("right")

    with pytest.raises(ValueError, match="first"):
        doubling.rendezvous.run([wrong("first"), right, lambda: ended.append("never begun")])
    assert ended == ["right"]


def test_the_error_raised_is_that_of_the_first_job_not_of_the_first_to_fail() -> None:
    doubling = Doubling()

    def wrong(text: str, *requests: int) -> Callable[[], Any]:
        def job() -> Any:
            doubling.job(*requests)()
            raise ValueError(text)

        return job

    with pytest.raises(ValueError, match="late"):
        doubling.rendezvous.run([doubling.job(1), wrong("late", 1, 2, 3), wrong("early", 1)])
    assert doubling.met == [[1, 1, 1], [2], [3]]


def test_after_an_error_no_other_job_is_begun() -> None:
    begun: list[int] = []

    def wrong() -> None:
        raise ValueError("at once")

    with pytest.raises(ValueError, match="at once"):
        Doubling().rendezvous.run([wrong, lambda: begun.append(1), lambda: begun.append(2)])
    assert not begun


def test_a_job_that_leaves_its_thread_does_not_hold_up_the_others() -> None:
    doubling, ended = Doubling(), []

    def leave() -> None:
        raise SystemExit("leaves")

    with pytest.raises(SystemExit, match="leaves"):
        doubling.rendezvous.run([lambda: ended.append(doubling.job(1)()), leave])
    assert ended == [[2]]


def assert_threads_end(n_before: int) -> None:
    deadline = time.monotonic() + 5
    while threading.active_count() > n_before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == n_before


@pytest.mark.parametrize("n_tries", [1, 3])
def test_where_serving_fails_nobody_waits_for_ever(n_tries: int) -> None:
    def serve(requests: Sequence[int]) -> Answers:
        raise OSError("the network is gone")

    rendezvous: Rendezvous[int] = Rendezvous(serve, 3)

    def job() -> None:
        for _ in range(n_tries):
            with contextlib.suppress(RuntimeError):
                rendezvous.ask(1)

    before = threading.active_count()
    with pytest.raises(OSError, match="gone"):
        rendezvous.run([job] * 5)
    assert_threads_end(before)


def test_after_serving_failed_jobs_can_be_run_again() -> None:
    is_broken = True

    def serve(requests: Sequence[int]) -> Answers:
        if is_broken:
            raise OSError("gone")
        return [(number, request) for number, request in enumerate(requests)]

    rendezvous: Rendezvous[int] = Rendezvous(serve, 2)
    with pytest.raises(OSError, match="gone"):
        rendezvous.run([lambda: rendezvous.ask(1)] * 3)
    is_broken = False
    assert rendezvous.run([lambda: rendezvous.ask(7)] * 3) == [7, 7, 7]


def test_no_jobs_give_no_results() -> None:
    assert Doubling().rendezvous.run([]) == []


def test_jobs_that_ask_nothing_are_run_all_the_same() -> None:
    doubling = Doubling(2)
    assert doubling.rendezvous.run([doubling.job()] * 5) == [[]] * 5
    assert doubling.met == []
