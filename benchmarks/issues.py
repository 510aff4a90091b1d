"""What is wrong with a suite: one `Issue` for each problem, with its file, line and field."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from evalkit.errors import SuiteError

Severity = Literal["error", "warning"]

SHOWN_CHARACTERS = 60
"""Longest piece of a user's text quoted in a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One problem of a suite file.

    Attributes:
        file: Path as the user gave it, or the suite's name.
        line: Line in that file, counted from 1; 0 if the file as a whole is meant.
        field: Dotted path such as ``prompts[3].tags.bpm``; empty if no field is meant.
        message: What was found and what was expected.
        hint: What to do about it; may be empty.
        severity: An ``error`` stops a run, a ``warning`` does not.
    """

    file: str
    line: int
    field: str
    message: str
    hint: str = ""
    severity: Severity = "error"

    @property
    def where(self) -> str:
        """File, line and field, as far as known."""
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}, {self.field}" if self.field else place

    def __str__(self) -> str:
        return f"{self.where}: {self.severity}: {self.message} {self.hint}".rstrip()


def raise_first(issues: Sequence[Issue]) -> None:
    """Raise the first error among the issues, if there is any.

    Raises:
        SuiteError: names file, line and field of the first error and counts the others.
    """
    errors = [issue for issue in issues if issue.severity == "error"]
    if not errors:
        return
    first, others = errors[0], len(errors) - 1
    more = f" ({others} more {'problem' if others == 1 else 'problems'})" if others else ""
    see_all = f"All of them: evalkit validate {first.file}" if others else ""
    raise SuiteError(f"{first.where}: {first.message}{more}", f"{first.hint} {see_all}".strip())


def quote(value: object) -> str:
    """A user's value for a message: like ``repr``, shortened."""
    if isinstance(value, str):
        cut = value[:SHOWN_CHARACTERS]
        return repr(cut) + ("..." if len(value) > SHOWN_CHARACTERS else "")
    if isinstance(value, (dict, list)):
        return f"a {'mapping' if isinstance(value, dict) else 'list'} of {len(value)}"
    if value is None:
        return "nothing"
    text = repr(value) if not isinstance(value, int) or value.bit_length() < 200 else "a huge number"
    return text[:SHOWN_CHARACTERS]
