"""Jobs that meet at one costly thing: what several of them ask for at the same time is answered together.

Each job runs in a thread of its own, but threads only take turns: one goes on until it asks for something or ends, then
the next does, and when all wait they are served in the order of the jobs. So it is always the same requests that meet,
whatever the machine is doing, and never more than one thread computes.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

Request = TypeVar("Request")
T = TypeVar("T")

Answers = Sequence[tuple[int, Any]]
"""Number of a request among those that wait, and its answer; an exception is raised where it was asked for."""


class Rendezvous(Generic[Request]):
    """Runs jobs and answers their requests.

    Args:
        serve: Given all requests that wait, answers at least one of them.
        n_places: Jobs that are under way at the same time.
    """

    def __init__(self, serve: Callable[[Sequence[Request]], Answers], n_places: int) -> None:
        self._serve, self._n_places = serve, n_places
        self._here = threading.local()

    def ask(self, request: Request) -> Any:
        """The answer to a request; asked outside of a job, it is served alone and at once."""
        seat: _Seat | None = getattr(self._here, "seat", None)
        if seat is None:
            ((_, answer),) = self._serve([request])
            return _given(answer)
        return seat.ask(request)

    def run(self, jobs: Sequence[Callable[[], T]]) -> list[T]:
        """Results of jobs, in their order.

        Raises:
            BaseException: what the first of the jobs that failed raised; all others are finished or were never begun.
        """
        waiting = [_Seat(job, self._here) for job in reversed(jobs)]
        seats, present = waiting[::-1], list[_Seat]()
        try:
            while waiting or present:
                while waiting and len(present) < self._n_places and not any(seat.error for seat in seats):
                    present.append(waiting.pop())
                    present[-1].start()
                present = [seat for seat in present if not seat.has_ended]
                if any(seat.error for seat in seats):
                    waiting.clear()
                if present and not (waiting and len(present) < self._n_places):
                    for number, answer in self._serve([seat.request for seat in present]):
                        present[number].answer(answer)
        finally:
            for seat in present:  # only where serving itself failed, or was interrupted
                seat.dismiss()
        for seat in seats:
            if seat.error is not None:
                raise seat.error
        return [seat.result for seat in seats]


class _Seat:
    """One job: its thread, and what it waits for."""

    def __init__(self, job: Callable[[], Any], here: threading.local) -> None:
        self._job, self._here = job, here
        self._turn = threading.Condition()  # its own: one for all would wake all of them at each turn
        self.is_running = self.has_ended = self._is_dismissed = False
        self.request: Any = None
        self.result: Any = None
        self.error: BaseException | None = None
        self._answer: Any = None

    def start(self) -> None:
        """Let the job run until it asks or ends."""
        self.is_running = True
        threading.Thread(target=self._run, daemon=True).start()
        self._wait()

    def ask(self, request: Any) -> Any:
        with self._turn:
            self.request, self.is_running = request, False
            self._turn.notify_all()
            self._turn.wait_for(lambda: self.is_running or self._is_dismissed)
            if self._is_dismissed:
                raise RuntimeError("What would have answered has ended.")
            answer, self._answer = self._answer, None
        return _given(answer)

    def answer(self, answer: Any) -> None:
        """Let the job run until it asks again or ends."""
        with self._turn:
            self._answer, self.is_running = answer, True
            self._turn.notify_all()
        self._wait()

    def dismiss(self) -> None:
        """Nothing is answered any more."""
        with self._turn:
            self._is_dismissed = True
            self._turn.notify_all()

    def _wait(self) -> None:
        with self._turn:
            self._turn.wait_for(lambda: not self.is_running)

    def _run(self) -> None:
        self._here.seat = self
        try:
            self.result = self._job()
        except BaseException as error:  # whatever it is, the others wait for this one to end
            self.error = error
        with self._turn:
            self.is_running, self.has_ended = False, True
            self._turn.notify_all()


def _given(answer: Any) -> Any:
    if isinstance(answer, Exception):
        raise answer
    return answer
