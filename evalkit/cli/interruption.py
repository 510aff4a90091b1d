"""Ctrl-C: the first one ends a run in order, the second at once, and both say how to go on."""

import contextlib
import os
import shlex
import signal
import sys
from pathlib import Path

EXIT_INTERRUPTED = 130

folder: Path | None = None
"""Run under way, so that an interruption can say how to go on."""


def listen() -> None:
    """Take over Ctrl-C."""
    with contextlib.suppress(ValueError):  # not in the main thread: whoever called us owns the signals
        signal.signal(signal.SIGINT, _on_interrupt)


def interrupted() -> int:
    """Say how to go on; gives the exit code."""
    with contextlib.suppress(ValueError):
        # All is put away by now; a late second Ctrl-C must not turn the exit code into a death by signal.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    print(_text(), end="", file=sys.stderr)
    return EXIT_INTERRUPTED


def _on_interrupt(number: int, frame: object) -> None:
    """Ctrl-C ends the run in order; once more ends it now. Either way nothing that was finished is lost."""
    signal.signal(signal.SIGINT, _on_second_interrupt)
    raise KeyboardInterrupt


def _on_second_interrupt(number: int, frame: object) -> None:
    # No cleaning up: workers end by themselves when this process is gone.
    os.write(2, _text().encode())
    os._exit(EXIT_INTERRUPTED)


def _text() -> str:
    text = "\nInterrupted; what was finished is kept.\n"
    if folder is not None:
        text += f"Continue with: evalkit run --resume {shlex.quote(str(folder))}\n"
    return text
