"""A program outside evalkit that answers questions, for networks whose packages cannot live beside ours.

It is started once, without a shell, and spoken to in lines of JSON: one question in, one answer out. What it prints to
standard error is shown when it fails.
"""

import contextlib
import json
import queue
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from typing import IO, Any

from evalkit.errors import EvalkitError, ModelError


class OutsideProgram:
    """One running program.

    Args:
        command: Program and arguments; no shell sees them.
        name: For messages.

    Raises:
        ModelError: it cannot be started.
    """

    def __init__(self, command: Sequence[str], name: str) -> None:
        self._name = name
        self._errors: IO[str] = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        try:
            self._process = subprocess.Popen(
                list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True, bufsize=1
            )
        except OSError as error:
            raise ModelError(f"The program of {name} cannot be started: {error}.", "Check its command.") from None
        self._answers: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def ask(self, question: Mapping[str, Any], limit_s: float) -> Mapping[str, Any]:
        """One question, one answer.

        Args:
            question: Sent as a line of JSON.
            limit_s: Longest wait.

        Raises:
            EvalkitError: it died, took too long, answered with something else than an object, or reports an ``error``.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
            line = self._answers.get(timeout=limit_s)
        except (OSError, ValueError):
            line = ""
        except queue.Empty:
            self.close()
            raise EvalkitError(f"The program of {self._name} did not answer within {limit_s:g} s.") from None
        if not line:
            self.close()
            raise EvalkitError(f"The program of {self._name} ended ({self._last_words()}).")
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise EvalkitError(f"The program of {self._name} answered {line.strip()[:200]!r}, expected a JSON object.")
        if "error" in answer:
            raise EvalkitError(f"The program of {self._name} reports: {str(answer['error'])[:300]}")
        return answer

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def close(self) -> None:
        """End it."""
        with contextlib.suppress(OSError):
            self._process.kill()
        self._process.wait()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put("")

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        return lines[-1][:300] if lines else f"exit code {self._process.returncode}"
