"""Is it sung in the language of the lyric: by what the voice sounds like, and by how the words heard are written."""

from collections.abc import Callable, Collection, Mapping, Sequence

from evalkit.evaluators._lyric_measures import Measured, nothing, ratio
from evalkit.models.transcript import ChunkLanguage, Segment
from evalkit.text.language_id import MIN_CHARACTERS
from evalkit.text.normalise import base_language
from evalkit.text.tokens import Token

NAME = "groups1"
"""Raised whenever a group changes; part of signatures."""

GROUPS = (("es", "gl", "pt"), ("da", "nn", "no"), ("bs", "hr", "sr"), ("id", "ms"), ("cs", "sk"), ("yue", "zh"))
"""Languages that recognisers confuse even in speech: within a group they count as one."""


class Expected:
    """Which languages are to be heard when.

    Args:
        language: Of the lyric.
        line_languages: Of each of its lines, where it switches; empty if it does not.
        heard: Words heard, with their times and the lines that the alignment gives them.
    """

    def __init__(self, language: str, line_languages: Sequence[str] = (), heard: Sequence[Token] = ()) -> None:
        self._lines = [group(base_language(tag)) for tag in line_languages]
        self._heard = heard
        self.all = frozenset(self._lines or [group(base_language(language))])

    def during(self, start_s: float, end_s: float) -> Collection[str]:
        """Groups of the lines sung in a stretch of the song; all of the lyric's if none is known to be."""
        if len(self.all) == 1:
            return self.all
        lines = {
            token.line
            for token in self._heard
            if token.start_s is not None and token.end_s is not None and token.start_s < end_s and start_s < token.end_s
        }
        return frozenset(self._lines[line] for line in lines if line < len(self._lines)) or self.all


def language_measures(chunks: Sequence[ChunkLanguage], expected: Expected) -> dict[str, Measured]:
    """Whether most of the voice is in the right language or its group (``lang_acc``), and how much (``lang_purity``).

    Args:
        chunks: At most 28 s each, with seconds of voice.
        expected: The languages of the lyric.
    """
    active_s = sum(chunk.active_s for chunk in chunks)
    if not active_s:
        return dict.fromkeys(("lang_acc", "lang_purity"), nothing("No voice was found whose language could be told."))
    wanted = "+".join(sorted(expected.all))
    seconds: dict[str, float] = {}
    for chunk in chunks:
        likeliest = group(likeliest_language(chunk.probabilities))
        found = wanted if likeliest in expected.during(chunk.start_s, chunk.end_s) else likeliest
        seconds[found] = seconds.get(found, 0.0) + chunk.active_s
    majority = max(seconds, key=lambda name: (seconds[name], name))
    heard = [
        {"start_s": chunk.start_s, "end_s": chunk.end_s, "active_s": chunk.active_s, **_top(chunk)} for chunk in chunks
    ]
    return {
        "lang_acc": Measured(value=float(majority == wanted), details={"majority": majority, "chunks": heard}),
        "lang_purity": ratio(round(seconds.get(wanted, 0.0), 3), round(active_s, 3), ""),
    }


def text_measure(segments: Sequence[Segment], expected: Expected, language_of: Callable[[str], str | None]) -> Measured:
    """Share of what was heard, by characters, that is written in the right language or its group (``lang_text``).

    Args:
        segments: Of a transcript in the language that the recogniser heard, not in the one asked for.
        expected: The languages of the lyric.
        language_of: Tells the language of a text, or None; see `evalkit.text.language_id.language_of`.
    """
    right, total, lines = 0, 0, []
    for segment in segments:
        text = segment.text.strip()
        if len(text) < MIN_CHARACTERS or (found := language_of(text)) is None:
            continue
        total += len(text)
        right += len(text) if group(found) in expected.during(segment.start_s, segment.end_s) else 0
        lines.append({"start_s": segment.start_s, "text": text, "language": found})
    reason = f"No line of {MIN_CHARACTERS} characters or more was heard whose language could be told."
    return ratio(right, total, reason, lines=lines)


def heard_language(chunks: Sequence[ChunkLanguage]) -> str | None:
    """The language most of the voice sounds like; None if nobody sings."""
    seconds: dict[str, float] = {}
    for chunk in chunks:
        language = likeliest_language(chunk.probabilities)
        seconds[language] = seconds.get(language, 0.0) + chunk.active_s
    return max(seconds, key=lambda name: (seconds[name], name)) if any(seconds.values()) else None


def group(language: str) -> str:
    """Name of a language's group: ``es/gl/pt``; a language that is in none is its own.

    >>> group("pt"), group("en")
    ('es/gl/pt', 'en')
    """
    return next(("/".join(names) for names in GROUPS if language in names), language)


def likeliest_language(probabilities: Mapping[str, float]) -> str:
    """The most probable group's most probable language."""
    groups: dict[str, float] = {}
    for language, p in probabilities.items():
        groups[group(language)] = groups.get(group(language), 0.0) + p
    best = max(groups, key=lambda name: (groups[name], name))
    return max((p, language) for language, p in probabilities.items() if group(language) == best)[1]


def _top(chunk: ChunkLanguage) -> dict[str, str | float]:
    language = likeliest_language(chunk.probabilities)
    return {"language": language, "probability": chunk.probabilities[language]}
