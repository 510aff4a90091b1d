"""A suite in YAML."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from benchmarks import nodes, prompts
from benchmarks.issues import Issue, Severity, quote
from benchmarks.schema import PromptModel, SuiteModel, explain
from evalkit.lyrics import LyricIssue, parse, to_official
from evalkit.types import Prompt, Suite, Tags

# Read as written: `version: 1.10` is "1.10" and not 1.1.
_AS_WRITTEN = ("name", "version", "licence")


def read(text: str, file: str, folder: Path, sha256: str) -> tuple[Suite | None, list[Issue]]:
    """Read a YAML suite and collect every problem.

    Args:
        text: The file's text.
        file: Its name, for messages.
        folder: Where relative reference audio is looked for.
        sha256: Digest of the file's bytes.

    Returns:
        The suite, None if there are errors; and all issues, errors and warnings.
    """
    reader = _Reader(file, folder)
    suite = reader.suite(text, sha256)
    issues = sorted(reader.issues, key=lambda issue: issue.line)
    return (None if any(issue.severity == "error" for issue in issues) else suite), issues


class _Reader:
    def __init__(self, file: str, folder: Path) -> None:
        self.issues: list[Issue] = []
        self._file, self._folder = file, folder
        self._document = nodes.Document()

    def suite(self, text: str, sha256: str) -> Suite | None:
        document = nodes.parse(text, lambda line, field, message, hint: self._add(line, field, message, hint))
        if document is None:
            return None
        self._document = document
        raw = document.value
        if not isinstance(raw, dict):
            hint = "Begin with 'name:', 'version:' and 'prompts:'; see docs/suites.md."
            self._add(1, "", f"found {quote(raw)}, expected a mapping of fields.", hint)
            return None
        for name in _AS_WRITTEN:
            if (name,) in document.scalars and raw.get(name) is not None:
                raw[name] = document.scalars[(name,)].text
        try:
            model = SuiteModel.model_validate(raw)
        except ValidationError as error:
            model = None
            for location, message, hint in explain(error, SuiteModel):
                self._at(location, message, hint)
        made = self._prompts(raw.get("prompts"))
        if model is None:
            return None
        return Suite(
            name=model.name,
            version=model.version,
            prompts=tuple(made),
            licence=model.licence,
            sha256=sha256,
            description=model.description or "",
        )

    def _prompts(self, items: Any) -> list[Prompt]:
        made: list[Prompt] = []
        first_use: dict[str, int] = {}
        for index, raw in enumerate(items if isinstance(items, list) else ()):
            prompt = self._prompt(raw, index)
            if prompt is not None:
                made.append(prompt)
            identifier = raw.get("id") if isinstance(raw, dict) else None
            if isinstance(identifier, str):
                path = ("prompts", index, "id")
                # Two ids that differ in case only would share one file on many disks.
                first = first_use.setdefault(identifier.lower(), index)
                if first != index:
                    line = self._document.line(("prompts", first, "id"))
                    self._at(path, f"the id {quote(identifier)} is already used in line {line}.", "Rename one.")
        return made

    def _prompt(self, raw: Any, index: int) -> Prompt | None:
        base = ("prompts", index)
        n_before = len(self.issues)
        model = None
        try:
            model = PromptModel.model_validate(raw)
        except ValidationError as error:
            for location, message, hint in explain(error, PromptModel):
                self._at((*base, *location), message, hint)
        if not isinstance(raw, dict):
            return None

        def report(path: tuple[str | int, ...], message: str, hint: str, severity: Severity) -> None:
            self._at((*base, *path), message, hint, severity)

        prompts.check_relations(raw, self._folder, report)
        lyrics = raw.get("lyrics")
        if isinstance(lyrics, str):
            path = (*base, "lyrics")
            prompts.read_lyrics(lyrics, lambda issue: self._lyric_issue(path, lyrics, issue))
        if model is None or any(issue.severity == "error" for issue in self.issues[n_before:]):
            return None
        tags = Tags(
            gender=model.tags.gender,
            genre=model.tags.genre,
            emotion=model.tags.emotion,
            instruments=tuple(model.tags.instruments),
            bpm=model.tags.bpm,
            other=tuple(model.tags.other),
        )
        prompts.check_tags(tags, report)
        prompts.check_language(model.language, "language", report)
        official = to_official(parse(model.lyrics))
        sections = parse(official)
        if not prompts.check_line_languages(model.line_languages, sections, report):
            return None
        audio = model.prompt_audio_path
        return Prompt(
            id=model.id,
            language=model.language,
            lyrics=official,
            sections=sections,
            tags=tags,
            description=model.description or tags.description,
            duration_s=model.duration_s,
            prompt_audio_path=prompts.reference_audio(audio, self._folder) if audio else None,
            auto_prompt_audio_type=model.auto_prompt_audio_type,
            line_languages=tuple(model.line_languages),
        )

    def _lyric_issue(self, path: nodes.Path, lyrics: str, issue: LyricIssue) -> None:
        line, field = self._document.line(path), nodes.dotted(path)
        scalar = self._document.scalars.get(path)
        by_lines = "\n" in lyrics.strip()
        if scalar is not None:
            line = scalar.line
        if scalar is not None and scalar.style == "|":
            # The text of a block begins below its `|`; the one-line spelling counts sections, not lines.
            blank = len(lyrics) - len(lyrics.lstrip())
            line += issue.line if by_lines else 1 + lyrics.count("\n", 0, blank)
        if not by_lines:
            field += f", section {issue.line}"
        self._add(line, field, issue.message, issue.hint)

    def _at(self, path: nodes.Path, message: str, hint: str, severity: Severity = "error") -> None:
        self._add(self._document.line(path), nodes.dotted(path), message, hint, severity)

    def _add(self, line: int, field: str, message: str, hint: str, severity: Severity = "error") -> None:
        self.issues.append(
            Issue(file=self._file, line=line, field=field, message=message, hint=hint, severity=severity)
        )
