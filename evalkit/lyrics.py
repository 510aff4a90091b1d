"""The lyric grammar of SongGeneration, read and written.

Two spellings of the same thing:

* official, one line: ``[intro-short] ; [verse] First line.Second line ; [chorus] Hook.``
* by lines, for people: a label on a line of its own, then one lyric line per line.

Vocal labels (verse, chorus, bridge) need text; instrumental ones must have none. The parser never guesses: everything
that breaks the grammar is reported with its line.
"""

import difflib
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
# ASCII controls but tab and newline, C1 controls, Unicode line separators (they would break a line in two for some
# readers only) and lone surrogates (no file can hold them).
_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_TO_ASCII = str.maketrans("，。！？；：、．（）【】", ",.!?;:,.(),,")
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
    text = text.replace("\r\n", "\n")
    issues = _check_characters(text)
    if issues or not text.strip():
        return (), issues
    blocks = _blocks_by_lines(text, issues) if "\n" in text.strip() else _blocks_official(text, issues)
    sections = [section for block in blocks if (section := _make_section(*block, issues)) is not None]
    issues.sort(key=lambda issue: issue.line)
    return tuple(sections), issues


def to_official(sections: Iterable[Section]) -> str:
    """Write sections in the one-line spelling.

    Inside a line a full stop would end the sentence, so it is written as a comma; so is a semicolon. Full-width
    punctuation becomes ASCII, runs of spaces become one. A section ends with a full stop unless its last line is
    Chinese or Japanese, as SongGeneration documents.
    """
    parts = []
    for section in sections:
        lines = [line for raw in section.lines if (line := _official_line(raw))]
        part = f"[{section.label}]"
        if lines:
            part += " " + ".".join(lines) + ("" if _is_unspaced(lines[-1][-1]) else ".")
        parts.append(part)
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
        bad = _FORBIDDEN.search(line)
        if bad:
            message = f"control character U+{ord(bad.group()):04X} in {line[:40]!r}."
            issues.append(LyricIssue(line=number, message=message, hint="Remove it."))
    return issues


def _official_line(line: str) -> str:
    text = " ".join(line.translate(_TO_ASCII).split())
    return text.strip(" .;").replace(".", ",").replace(";", ",")


def _is_unspaced(char: str) -> bool:
    return "\u3040" <= char <= "\u30ff" or "\u3400" <= char <= "\u9fff"


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
            # Text beside its label is the official spelling with a line break after each separator.
            if rest and not _reject_inner_label(number, rest, issues):
                blocks[-1][2].extend(part.strip() for part in rest.split(".") if part.strip())
            continue
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
        issues.append(
            LyricIssue(line=number, message=f"unknown section label [{label[:40]}].", hint=_label_hint(label))
        )
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


def _label_hint(label: str) -> str:
    wanted = label.strip().lower()
    near = difflib.get_close_matches(_SHORT_FORMS.get(wanted, wanted)[:40], LABELS, n=1)
    return f"Did you mean [{near[0]}]?" if near else f"Use: {', '.join(LABELS)}."
