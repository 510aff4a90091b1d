"""The lyric grammar of SongGeneration, read and written.

Two spellings of the same thing:

* official, one line: ``[intro-short] ; [verse] First line.Second line ; [chorus] Hook.``
* by lines, for people: a label on a line of its own, then one lyric line per line.

Vocal labels (verse, chorus, bridge) need text; instrumental ones must have none. The parser never guesses: everything
that breaks the grammar is reported with its line.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from evalkit.errors import SuiteError
from evalkit.types import Section

VOCAL_LABELS = ("verse", "chorus", "bridge")
INSTRUMENTAL_LABELS = (
    "intro-short",
    "intro-medium",
    "intro-long",
    "outro-short",
    "outro-medium",
    "outro-long",
    "inst-short",
    "inst-medium",
    "inst-long",
    "silence",
)
LABELS = VOCAL_LABELS + INSTRUMENTAL_LABELS

MAX_CHARACTERS = 20_000
"""Longest lyric accepted; a four-minute song has about 2,000."""

_LABEL = re.compile(r"\[([^\[\]]*)\]")
_SHORT_FORMS = {"intro": "intro-short", "inst": "inst-short", "outro": "outro-short"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LyricIssue:
    """One violation of the grammar; ``line`` counts from 1 (sections, in the one-line spelling)."""

    line: int
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


def parse(text: str) -> tuple[Section, ...]:
    """Parse a lyric in either spelling.

    Args:
        text: The lyric; empty text gives no sections.

    Returns:
        The sections in order.

    Raises:
        SuiteError: the grammar is broken; the message names the first issue and counts the others.
    """
    sections, issues = parse_with_issues(text)
    if issues:
        more = f" ({len(issues) - 1} more)" if len(issues) > 1 else ""
        raise SuiteError(f"Lyrics, line {issues[0].line}: {issues[0].message}{more}", issues[0].hint)
    return sections


def parse_with_issues(text: str) -> tuple[tuple[Section, ...], list[LyricIssue]]:
    """Parse a lyric and report every violation instead of stopping at the first.

    Args:
        text: The lyric in either spelling.

    Returns:
        The sections that could be read, and all issues in order of their line.
    """
    issues = _check_characters(text)
    if issues or not text.strip():
        return (), issues
    blocks = _blocks_by_lines(text, issues) if "\n" in text.strip() else _blocks_official(text, issues)
    sections = [section for block in blocks if (section := _make_section(*block, issues)) is not None]
    issues.sort(key=lambda issue: issue.line)
    return tuple(sections), issues


def to_official(sections: Iterable[Section]) -> str:
    """Write sections in the one-line spelling.

    Inside a line a full stop would end the sentence, so it is written as a comma; so is a semicolon.
    """
    parts = []
    for section in sections:
        lines = [line.rstrip(" .").replace(".", ",").replace(";", ",") for line in section.lines]
        parts.append(f"[{section.label}]" + (" " + ".".join(lines) + "." if lines else ""))
    return " ; ".join(parts)


def to_lines(sections: Iterable[Section]) -> str:
    """Write sections in the spelling for people: label, lines, blank line."""
    return "\n\n".join("\n".join((f"[{section.label}]", *section.lines)) for section in sections)


def _check_characters(text: str) -> list[LyricIssue]:
    if len(text) > MAX_CHARACTERS:
        message = f"the lyric has {len(text):,} characters; at most {MAX_CHARACTERS:,} are accepted."
        return [LyricIssue(line=1, message=message, hint="Split it into several prompts.")]
    issues = []
    for number, line in enumerate(text.split("\n"), start=1):
        bad = next((char for char in line if (ord(char) < 32 and char not in "\t\r") or 127 <= ord(char) < 160), None)
        if bad is not None:
            message = f"control character U+{ord(bad):04X} in {line[:40]!r}."
            issues.append(LyricIssue(line=number, message=message, hint="Remove it."))
    return issues


_Block = tuple[int, str, list[str]]  # line of the label, label, lyric lines


def _blocks_by_lines(text: str, issues: list[LyricIssue]) -> list[_Block]:
    blocks: list[_Block] = []
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.strip()
        # A stray separator is what remains when official lyrics are broken into lines.
        line = line.strip(";").strip()
        if not line:
            continue
        match = _LABEL.match(line)
        if match:
            blocks.append((number, match.group(1), []))
            rest = line[match.end() :].strip()
            if not rest:
                continue
            line = rest
        if not blocks:
            issues.append(_missing_label(number, line))
            blocks.append((number, "verse", []))
        if not _reject_inner_label(number, line, issues):
            blocks[-1][2].append(line)
    return blocks


def _blocks_official(text: str, issues: list[LyricIssue]) -> list[_Block]:
    blocks: list[_Block] = []
    for number, raw in enumerate(text.strip().split(";"), start=1):
        part = raw.strip()
        if not part:
            continue
        match = _LABEL.match(part)
        if not match:
            issues.append(_missing_label(number, part))
            continue
        rest = part[match.end() :].strip()
        if _reject_inner_label(number, rest, issues):
            continue
        blocks.append((number, match.group(1), [line.strip() for line in rest.split(".") if line.strip()]))
    return blocks


def _missing_label(number: int, line: str) -> LyricIssue:
    return LyricIssue(
        line=number,
        message=f"{line[:40]!r} stands before any section label.",
        hint="Begin with a label such as [verse].",
    )


def _reject_inner_label(number: int, line: str, issues: list[LyricIssue]) -> bool:
    match = _LABEL.search(line)
    if not match:
        return False
    issues.append(
        LyricIssue(
            line=number,
            message=f"label {match.group(0)!r} stands inside the text.",
            hint="Separate sections by ' ; ', or put the label on a line of its own.",
        )
    )
    return True


def _make_section(number: int, label: str, lines: Sequence[str], issues: list[LyricIssue]) -> Section | None:
    label = _SHORT_FORMS.get(label, label)
    if label not in LABELS:
        near = label.strip().lower()
        known = near if near in LABELS else ", ".join(LABELS)
        issues.append(LyricIssue(line=number, message=f"unknown section label [{label}].", hint=f"Use: {known}."))
        return None
    if label in VOCAL_LABELS and not any(_has_word(line) for line in lines):
        issues.append(LyricIssue(line=number, message=f"[{label}] has no words.", hint="Add lyric lines or remove it."))
        return None
    if label in INSTRUMENTAL_LABELS and lines:
        message = f"[{label}] is instrumental but has the words {lines[0][:40]!r}."
        hint = "Move the words into [verse], [chorus] or [bridge]."
        issues.append(LyricIssue(line=number, message=message, hint=hint))
        return None
    return Section(label=label, lines=tuple(lines))


def _has_word(line: str) -> bool:
    return any(char.isalnum() for char in line)
