"""A suite in SongGeneration's JSONL: one request per line."""

import difflib
import json
import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from benchmarks import prompts, vocabulary
from benchmarks.issues import Issue, Severity, quote
from benchmarks.schema import OfficialModel, explain
from evalkit.lyrics import LyricIssue, to_official
from evalkit.types import Prompt, Section, Suite

VERSION = "jsonl-1"


def read(text: str, file: str, path: Path, sha256: str) -> tuple[Suite | None, list[Issue]]:
    """Read a JSONL suite and collect every problem; blank lines are skipped.

    Args:
        text: The file's text.
        file: Its name, for messages.
        path: The file; its stem becomes the suite's name.
        sha256: Digest of the file's bytes.

    Returns:
        The suite, None if there are errors; and all issues in order of their line.
    """
    issues: list[Issue] = []
    made: list[Prompt] = []
    seen: dict[str, int] = {}
    # Only "\n" ends a JSONL line: strings may hold other line separators.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            prompt = _Line(file, number, path.parent, issues).prompt(line, seen)
            if prompt is not None:
                made.append(prompt)
    if not made and not issues:
        issues.append(Issue(file=file, line=0, field="", message="the file holds no prompts."))
    if any(issue.severity == "error" for issue in issues):
        return None, issues
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-._")[:100] or "suite"
    return (
        Suite(name=name, version=VERSION, prompts=tuple(made), licence="unspecified", sha256=sha256),
        issues,
    )


class _Line:
    def __init__(self, file: str, number: int, folder: Path, issues: list[Issue]) -> None:
        self._file, self._number, self._folder, self._issues = file, number, folder, issues

    def prompt(self, line: str, seen: dict[str, int]) -> Prompt | None:
        n_before = len(self._issues)
        raw = self._object(line)
        if raw is None:
            return None
        self._unknown(raw)
        known = {key: value for key, value in raw.items() if key in OfficialModel.model_fields}
        model = None
        try:
            model = OfficialModel.model_validate(known)
        except ValidationError as error:
            for location, message, hint in explain(error, OfficialModel):
                self._report(location, message, hint)
        prompts.check_relations(known, self._folder, self._report)
        sections: tuple[Section, ...] = ()
        lyric = known.get("gt_lyric")
        if isinstance(lyric, str):
            sections = prompts.read_lyrics(lyric, lambda issue: self._lyric_issue(lyric, issue))
            if not lyric.strip():
                self._report(("gt_lyric",), "the lyric is empty; the song is taken as instrumental.", "", "warning")
        self._unique(known.get("idx"), seen)
        if model is None or any(issue.severity == "error" for issue in self._issues[n_before:]):
            return None
        lyrics = model.gt_lyric
        if "\n" in lyrics.strip():
            message = "the lyric is written by lines; it is rewritten in the official one-line form."
            self._report(("gt_lyric",), message, "", "warning")
            lyrics = to_official(sections)
        language = model.language or vocabulary.detect_language(lyrics)
        prompts.check_language(language, "language", self._report)
        if not prompts.check_line_languages(model.line_languages, sections, self._report):
            return None
        audio = model.prompt_audio_path
        # The model strips; the system must get the style line as it was written, but for line breaks around it.
        description = raw["descriptions"].strip("\r\n\t") if model.descriptions else ""
        return Prompt(
            id=model.idx,
            language=language,
            lyrics=lyrics,
            sections=sections,
            tags=vocabulary.parse_description(description),
            description=description,
            duration_s=model.duration_s,
            prompt_audio_path=prompts.reference_audio(audio, self._folder) if audio else None,
            auto_prompt_audio_type=model.auto_prompt_audio_type,
            line_languages=tuple(model.line_languages),
        )

    def _object(self, line: str) -> dict[str, Any] | None:
        twice: list[str] = []

        def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
            result: dict[str, Any] = {}
            for key, value in items:
                if key in result:
                    twice.append(key)
                result[key] = value
            return result

        try:
            raw = json.loads(line, object_pairs_hook=pairs)
        except json.JSONDecodeError as error:
            self._report(
                (), f"this is not JSON: {error.msg} at column {error.colno}.", "One object stands on each line."
            )
            return None
        except (ValueError, RecursionError):
            self._report((), "this JSON is nested too deeply or holds a huge number.", "")
            return None
        if not isinstance(raw, dict):
            self._report((), f"found {quote(raw)}, expected an object with 'idx' and 'gt_lyric'.", "")
            return None
        for key in twice:
            self._report((key,), f"the field {quote(key)} stands twice.", "Remove one.")
        return raw

    def _unknown(self, raw: dict[str, Any]) -> None:
        known = list(OfficialModel.model_fields)
        for key in raw:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}."
                self._report((key,), f"unknown field {quote(key)}, ignored.", hint, "warning")

    def _unique(self, identifier: Any, seen: dict[str, int]) -> None:
        if not isinstance(identifier, (str, int)):
            return
        first = seen.setdefault(str(identifier).lower()[:200], self._number)
        if first != self._number:
            self._report(("idx",), f"{quote(identifier)} is already used in line {first}.", "Rename one.")

    def _lyric_issue(self, lyric: str, issue: LyricIssue) -> None:
        unit = "line" if "\n" in lyric.strip() else "section"
        self._report((f"gt_lyric, {unit} {issue.line}",), issue.message, issue.hint)

    def _report(self, path: tuple[str | int, ...], message: str, hint: str, severity: Severity = "error") -> None:
        field = ".".join(str(part)[:40] for part in path)
        self._issues.append(
            Issue(file=self._file, line=self._number, field=field, message=message, hint=hint, severity=severity)
        )
