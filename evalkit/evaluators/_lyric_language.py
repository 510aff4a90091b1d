"""Is it sung in the language of the lyric, by what each chunk of the voice sounds like to the recogniser."""

from collections.abc import Mapping, Sequence

from evalkit.evaluators._lyric_measures import Measured, nothing, ratio
from evalkit.models.transcript import ChunkLanguage

NAME = "groups1"
"""Raised whenever a group changes; part of signatures."""

GROUPS = (("es", "gl", "pt"), ("da", "nn", "no"), ("bs", "hr", "sr"), ("id", "ms"), ("cs", "sk"), ("yue", "zh"))
"""Languages that recognisers confuse even in speech: within a group they count as one."""


def language_measures(chunks: Sequence[ChunkLanguage], language: str) -> dict[str, Measured]:
    """Whether most of the voice is in a language or its group (``lang_acc``), and how much of it (``lang_purity``).

    Args:
        chunks: At most 28 s each, with seconds of voice.
        language: Of the lyric.
    """
    active_s = sum(chunk.active_s for chunk in chunks)
    if not active_s:
        return dict.fromkeys(("lang_acc", "lang_purity"), nothing("No voice was found whose language could be told."))
    seconds: dict[str, float] = {}
    for chunk in chunks:
        likeliest = group(_likeliest(chunk.probabilities))
        seconds[likeliest] = seconds.get(likeliest, 0.0) + chunk.active_s
    wanted = group(language)
    majority = max(seconds, key=lambda name: (seconds[name], name))
    heard = [
        {"start_s": chunk.start_s, "end_s": chunk.end_s, "active_s": chunk.active_s, **_top(chunk)} for chunk in chunks
    ]
    return {
        "lang_acc": Measured(value=float(majority == wanted), details={"majority": majority, "chunks": heard}),
        "lang_purity": ratio(round(seconds.get(wanted, 0.0), 3), round(active_s, 3), ""),
    }


def group(language: str) -> str:
    """Name of a language's group: ``es/gl/pt``; a language that is in none is its own.

    >>> group("pt"), group("en")
    ('es/gl/pt', 'en')
    """
    return next(("/".join(names) for names in GROUPS if language in names), language)


def _likeliest(probabilities: Mapping[str, float]) -> str:
    """The most probable group's most probable language."""
    groups: dict[str, float] = {}
    for language, p in probabilities.items():
        groups[group(language)] = groups.get(group(language), 0.0) + p
    best = max(groups, key=lambda name: (groups[name], name))
    return max((p, language) for language, p in probabilities.items() if group(language) == best)[1]


def _top(chunk: ChunkLanguage) -> dict[str, str | float]:
    language = _likeliest(chunk.probabilities)
    return {"language": language, "probability": chunk.probabilities[language]}
