"""From the raw fields of one prompt to a `Prompt`; what both suite formats share."""

import difflib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import vocabulary
from benchmarks.issues import Severity, quote
from evalkit.lyrics import LyricIssue, parse_with_issues
from evalkit.types import Section, Tags

Report = Callable[[tuple[str | int, ...], str, str, Severity], None]
"""Called with the path of the field inside the prompt, message, hint, severity."""


def check_relations(raw: Mapping[str, Any], folder: Path, report: Report) -> None:
    """Check what no single field shows: a conflict of the two reference fields, a reference that is not there."""
    audio = raw.get("prompt_audio_path")
    if audio and raw.get("auto_prompt_audio_type"):
        message = "'prompt_audio_path' and 'auto_prompt_audio_type' exclude each other."
        report(("auto_prompt_audio_type",), message, "Keep one of them.", "error")
    if isinstance(audio, str) and audio.strip() and not os.path.exists(reference_audio(audio, folder)):
        message = f"there is no file {quote(audio)}, neither beside the suite nor in the working folder."
        report(("prompt_audio_path",), message, "Systems that take a reference will fail.", "warning")


def reference_audio(path: str, folder: Path) -> str:
    """The path of a reference file; a relative one is looked for beside the suite first."""
    beside = os.path.join(folder, path)
    return os.path.abspath(beside) if not os.path.isabs(path) and os.path.exists(beside) else path


def check_line_languages(languages: Sequence[str], sections: Sequence[Section], report: Report) -> bool:
    """Whether there is one language for each sung line, or none at all; unknown ones are warned about."""
    n_lines = sum(len(section.lines) for section in sections)
    if languages and len(languages) != n_lines:
        message = f"there are {len(languages)} languages for {n_lines} sung lines."
        report(("line_languages",), message, "Give one for each line of the lyric, in order, or leave it out.", "error")
        return False
    for language in dict.fromkeys(languages):
        check_language(language, "line_languages", report)
    return True


def check_language(language: str, field: str, report: Report) -> None:
    """Warn about a well-formed language code that nothing here knows."""
    if language.split("-")[0].lower() not in vocabulary.LANGUAGES:
        message = f"the language {quote(language)} is unknown; words may not be recognised or measured."
        report((field,), message, f"Well supported: {', '.join(vocabulary.CORE_LANGUAGES)}.", "warning")


def check_tags(tags: Tags, report: Report) -> None:
    """Warn about tag values outside the vocabulary; they are passed on as they are."""
    for dimension, known in vocabulary.TAG_VALUES.items():
        found = getattr(tags, dimension)
        for value in (found,) if isinstance(found, str) else found or ():
            if value not in known:
                near = difflib.get_close_matches(value, known, n=1)
                hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known[:12])}."
                report(("tags", dimension), f"unknown {dimension} {quote(value)}.", hint, "warning")


def read_lyrics(text: str, report: Callable[[LyricIssue], None]) -> tuple[Section, ...]:
    """Parse a lyric, telling every violation of the grammar."""
    sections, issues = parse_with_issues(text)
    for issue in issues:
        report(issue)
    return sections
