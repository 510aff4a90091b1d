"""In which language a text is written, by lingua; for lines of a transcript, not for single words."""

import importlib.metadata
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from evalkit.text.normalise import OWN_RULES

MIN_CHARACTERS = 12
"""Shorter texts are too short to tell."""

_NORWEGIAN = "nb"  # lingua knows its two written forms, the rest of the world one language


def name() -> str:
    """Version and candidates, for signatures."""
    return f"lingua{importlib.metadata.version('lingua-language-detector')}-{len(_candidates())}"


def language_of(text: str) -> str | None:
    """Likeliest language of a text by ISO 639-1 code; None if it is too short or could be several.

    Candidates are the languages with text rules of their own (`evalkit.text.normalise.OWN_RULES`) and a few that are
    easily taken for one of them; about 400 MB are loaded at the first call, which takes seconds.

    >>> language_of("la luna brilla sobre el mar esta noche")
    'es'
    """
    if len(text.strip()) < MIN_CHARACTERS:
        return None
    found = _detector().detect_language_of(text)
    if found is None:
        return None
    code = str(found.iso_code_639_1.name).lower()
    return "no" if code == _NORWEGIAN else code


@lru_cache(maxsize=1)
def _candidates() -> Sequence[str]:
    # Cantonese is written as Chinese, and no library tells them apart.
    return tuple(sorted((OWN_RULES - {"yue"}) | {_NORWEGIAN, "da", "fi", "cs", "hu", "el"}))


@lru_cache(maxsize=1)
def _detector() -> Any:
    from lingua import IsoCode639_1, LanguageDetectorBuilder

    codes = [getattr(IsoCode639_1, code.upper()) for code in _candidates()]
    return LanguageDetectorBuilder.from_iso_codes_639_1(*codes).build()
