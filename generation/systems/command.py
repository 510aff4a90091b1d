"""Any program that writes an audio file."""

import shlex
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from evalkit import lyrics
from evalkit.audio import load
from evalkit.errors import AudioError, ConfigError, GenerationError
from evalkit.types import Prompt
from generation.base import Generated, ModelLocator, ProgressCallback

PLACEHOLDERS = ("lyrics_file", "tags", "language", "duration", "seed", "out")
TIME_LIMIT_S = 3600.0


class CommandSystem:
    """Runs ``NAME=cmd:PROGRAM ARGS…`` once for each song.

    The command line is split once, when it is read; each argument then has its placeholders filled in. No shell is
    involved, so nothing in lyrics or tags can become a command.
    """

    title: ClassVar[str] = "A program that writes an audio file (NAME=cmd:PROGRAM ARGS)"
    notes: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def required_models(cls, variant: str) -> Sequence[str]:
        """None."""
        return ()

    def __init__(self, variant: str, locate: ModelLocator) -> None:
        """Split the command line ``variant``.

        Raises:
            ConfigError: it is empty, cannot be split, lacks ``{out}``, or has an unknown placeholder.
        """
        try:
            self._template = shlex.split(variant)
        except ValueError as error:
            raise ConfigError(f"The command {variant!r} cannot be split into arguments: {error}.") from error
        if not self._template:
            raise ConfigError("The command after cmd: is empty.", _USAGE)
        if not any("{out}" in argument for argument in self._template):
            raise ConfigError(f"The command {variant!r} has no {{out}}, so its song cannot be found.", _USAGE)

    def generate(self, prompt: Prompt, *, take: int, seed: int, progress: ProgressCallback | None = None) -> Generated:
        """Run the program and read what it wrote."""
        with tempfile.TemporaryDirectory(prefix="evalkit-cmd-") as scratch:
            lyrics_file, out = Path(scratch) / "lyrics.txt", Path(scratch) / "song.wav"
            lyrics_file.write_text(lyrics.to_lines(prompt.sections) + "\n", encoding="utf-8")
            values = {
                "lyrics_file": str(lyrics_file),
                "tags": prompt.description,
                "language": prompt.language,
                "duration": f"{prompt.duration_s:g}" if prompt.duration_s is not None else "",
                "seed": str(seed),
                "out": str(out),
            }
            arguments = [_fill(argument, values) for argument in self._template]
            _run(arguments)
            if not out.is_file():
                raise GenerationError(f"{arguments[0]} ended well but wrote no file at {{out}}.", _USAGE)
            try:
                mix = load(out)
            except AudioError as error:
                raise GenerationError(f"{arguments[0]} wrote a file that is no usable audio: {error}") from error
        return Generated(mix=mix, params={"command": self._template})

    def close(self) -> None:
        """Nothing to free."""


_USAGE = "Placeholders: " + " ".join(f"{{{name}}}" for name in PLACEHOLDERS) + "."


def _fill(argument: str, values: Mapping[str, str]) -> str:
    # One pass over the template only: a brace inside the lyrics or tags is never looked at again.
    parts, rest = [], argument
    while rest:
        found = [(position, name) for name in values if (position := rest.find(f"{{{name}}}")) >= 0]
        if not found:
            parts.append(rest)
            break
        position, name = min(found)
        parts += [rest[:position], values[name]]
        rest = rest[position + len(name) + 2 :]
    return "".join(parts)


def _run(arguments: list[str]) -> None:
    if any("\0" in argument for argument in arguments):
        raise GenerationError("The tags hold a NUL character, which no program can be given.")
    try:
        result = subprocess.run(
            arguments, capture_output=True, stdin=subprocess.DEVNULL, timeout=TIME_LIMIT_S, check=False
        )
    except FileNotFoundError:
        raise GenerationError(f"The program {arguments[0]!r} was not found.", "Check the path after cmd:.") from None
    except OSError as error:
        raise GenerationError(f"The program {arguments[0]!r} cannot be run: {error.strerror}.") from error
    except subprocess.TimeoutExpired:
        raise GenerationError(f"{arguments[0]} took longer than {TIME_LIMIT_S:g} s and was stopped.") from None
    if result.returncode != 0:
        tail = result.stderr.decode(errors="replace").strip().splitlines()[-3:]
        raise GenerationError(f"{arguments[0]} ended with exit code {result.returncode}: {' / '.join(tail)[:500]}")


SYSTEM = CommandSystem
