"""The errors evalkit raises on purpose.

Every error is a sentence that names the item, what was found and what was expected; `hint` is the next thing to do.
The command line prints both and no traceback. Anything else that escapes is a bug of ours.
"""

MAX_CHARACTERS = 4000
"""Longest message; what is beyond is cut."""


class EvalkitError(Exception):
    """Base of all errors meant for the user.

    Args:
        message: One or two sentences: what, which item, found and expected.
        hint: What to do next, usually a command; empty if the message says it already.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        # What a file holds is quoted; a file that was made to do harm can hold a lot.
        message = message if len(message) <= MAX_CHARACTERS else f"{message[:MAX_CHARACTERS]} …"
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        # Exceptions with a second argument do not survive a process boundary otherwise.
        return type(self), (self.message, self.hint)


class ConfigError(EvalkitError):
    """An option, a profile or a combination of them is wrong."""


class SuiteError(EvalkitError):
    """A suite, a prompt or its lyrics break the format."""


class AudioError(EvalkitError):
    """An audio file cannot be read or cannot be measured."""


class ShapeError(EvalkitError, ValueError):
    """An array has the wrong shape."""


class MissingDependencyError(EvalkitError):
    """An optional package is not installed."""


class ModelError(EvalkitError):
    """A model file is missing, truncated or altered, or a checkpoint does not fit."""


class GenerationError(EvalkitError):
    """A system could not make a song."""


class StoreError(EvalkitError):
    """A run folder cannot be read or written."""


def missing_package(feature: str, package: str, extra: str | None = None) -> MissingDependencyError:
    """Make the one message all absent optional packages share.

    Args:
        feature: What the user asked for, e.g. ``"engine openai-whisper"``.
        package: The distribution that is absent.
        extra: The extra of music-evalkit that brings it, if there is one.

    Returns:
        An error ready to raise.
    """
    target = f"'music-evalkit[{extra}]'" if extra else package
    return MissingDependencyError(f"{feature} needs {package}, which is not installed.", f"Try: pip install {target}")
