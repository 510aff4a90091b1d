"""Sentences for text encoders, made of a prompt's tags."""

from evalkit.style.classes import tags_of
from evalkit.types import Tags

NAME = "sentence1"
"""Name of the template, for signatures."""


def sentence(tags: Tags) -> str:
    """The tags as one sentence; what is not specified is left out; empty if nothing is.

    >>> sentence(Tags(gender="female", genre="electronic", emotion="calm", instruments=("piano", "drums", "bass")))
    'An electronic song, calm, sung by a female voice, with piano, drums and bass.'
    >>> sentence(Tags(gender="male"))
    'A song, sung by a male voice.'
    """
    if not any((tags.gender, tags.genre, tags.emotion, tags.instruments)):
        return ""
    head = f"{tags.genre} song" if tags.genre else "song"
    parts = [f"{_article(head)} {head}"]
    if tags.emotion:
        parts.append(tags.emotion)
    if tags.gender:
        parts.append(f"sung by {_article(tags.gender).lower()} {tags.gender} voice")
    if instruments := tags_of(tags, "instrument"):
        parts.append("with " + " and ".join(filter(None, (", ".join(instruments[:-1]), instruments[-1]))))
    return ", ".join(parts) + "."


def _article(text: str) -> str:
    return "An" if text[0].lower() in "aeiou" else "A"
