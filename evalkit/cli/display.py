"""Progress on standard error: a bar on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

PLAIN_INTERVAL_S = 10.0
"""Least time between two plain progress lines."""


class Stage(Protocol):
    """One stage under way."""

    def update(self, done: float, label: str = "") -> None:
        """Set how many items are finished; fractions count unfinished items."""
        ...

    def note(self, text: str) -> None:
        """Print a line without disturbing the bar."""
        ...


class Display:
    """Shows stages; results never go through here.

    Args:
        quiet: Show only notes.
    """

    def __init__(self, quiet: bool = False) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._quiet = quiet
        self._said: set[str] = set()

    def say(self, text: str) -> None:
        """Print one line; markup in it is text."""
        self._console.print(text, markup=False)

    def say_once(self, text: str) -> None:
        """As `say`, unless the same was said already."""
        if text not in self._said:
            self._said.add(text)
            self.say(text)

    def detail(self, text: str) -> None:
        """Print one line unless quiet."""
        if not self._quiet:
            self._console.print(text, markup=False, style="dim")

    @contextmanager
    def stage(self, title: str, total: float, unit: str = "songs") -> Iterator[Stage]:
        """A stage of ``total`` items."""
        if self._quiet:
            yield _PlainStage(self, title, total, unit, silent=True)
        elif sys.stderr.isatty():
            columns = (
                TextColumn("{task.description}"),
                BarColumn(bar_width=28),
                MofNCompleteColumn() if unit == "songs" else TextColumn("{task.percentage:>3.0f} %"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[label]}", style="dim", markup=False),
            )
            with Progress(*columns, console=self._console, transient=True) as progress:
                task = progress.add_task(title, total=total, label="")
                yield _BarStage(self, progress, task)
        else:
            yield _PlainStage(self, title, total, unit)


class _BarStage:
    def __init__(self, display: Display, progress: Progress, task: TaskID) -> None:
        self._display, self._progress, self._task = display, progress, task

    def update(self, done: float, label: str = "") -> None:
        self._progress.update(self._task, completed=done, label=label)

    def note(self, text: str) -> None:
        self._display.say(text)


class _PlainStage:
    def __init__(self, display: Display, title: str, total: float, unit: str, silent: bool = False) -> None:
        self._display, self._title, self._total, self._unit, self._silent = display, title, total, unit, silent
        self._began = self._last = time.monotonic()
        self._ended = False

    def update(self, done: float, label: str = "") -> None:
        now = time.monotonic()
        finished = done >= self._total
        if self._silent or self._ended or (now - self._last < PLAIN_INTERVAL_S and not finished):
            return
        self._last, self._ended = now, finished
        share = done / self._total if self._total else 1.0
        left = (now - self._began) * (1 - share) / share if share > 0 else 0.0
        rest = "" if finished or share == 0 else f", about {seconds(left)} left"
        count = f"{done:.0f} of {self._total:.0f} {self._unit}" if self._unit == "songs" else f"{100 * share:.0f} %"
        self._display.say(f"{self._title}: {count}{rest}")

    def note(self, text: str) -> None:
        self._display.say(text)


def seconds(value: float) -> str:
    """A duration for people: ``8 s``, ``3 min 05 s``, ``2 h 10 min``."""
    if value < 100:
        return f"{value:.0f} s"
    if value < 6000:
        return f"{int(value) // 60} min {int(value) % 60:02d} s"
    return f"{int(value) // 3600} h {int(value) % 3600 // 60:02d} min"
