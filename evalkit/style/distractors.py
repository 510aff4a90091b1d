"""Other styles than the one a prompt asks for: a fixed list, and a choice from it that depends on the prompt alone."""

import functools
import hashlib
import importlib.resources
from collections.abc import Sequence
from dataclasses import dataclass

import yaml

from evalkit.style import classes
from evalkit.types import Tags


@dataclass(frozen=True, slots=True)
class Distractors:
    """Styles with the genre class of each; ``version`` goes into signatures."""

    version: str
    styles: tuple[tuple[str, Tags], ...]


@functools.cache
def load() -> Distractors:
    """The styles shipped with evalkit.

    Raises:
        ValueError: a style's genre means no class.
    """
    text = importlib.resources.files("evalkit.style").joinpath("distractors.yaml").read_text(encoding="utf-8")
    raw = yaml.safe_load(text)
    genre = classes.load().dimensions["genre"]
    styles = []
    for entry in raw["styles"]:
        tags = Tags(**{**entry, "instruments": tuple(entry["instruments"])})
        name = genre.classify(entry["genre"])
        if name is None:
            raise ValueError(f"the genre {entry['genre']!r} of a distractor means no class")
        styles.append((name, tags))
    return Distractors(raw["version"], tuple(styles))


def choose(prompt_id: str, tags: Tags, n: int = 9) -> Sequence[Tags]:
    """Other styles for a prompt: never of its genre, no genre twice, and specified where the prompt is.

    Args:
        prompt_id: Decides the choice; another system's song for the same prompt meets the same styles.
        tags: The prompt's; its genre must mean a class.
        n: How many.

    Returns:
        ``n`` styles, none if the genre means no class. Dimensions the prompt leaves open are open in them too, or the
        length of the sentence would give the prompt away.
    """
    own = classes.wanted(tags, "genre").classes
    if not own:
        return []

    def rank(index: int) -> str:
        return hashlib.sha256(f"{prompt_id}\n{index}".encode()).hexdigest()

    styles = load().styles
    chosen: dict[str, Tags] = {}
    for index in sorted(range(len(styles)), key=rank):
        name, style = styles[index]
        if name not in own and len(chosen) < n:
            chosen.setdefault(name, style)
    return [
        Tags(
            gender=style.gender if tags.gender else None,
            genre=style.genre,
            emotion=style.emotion if tags.emotion else None,
            instruments=style.instruments if tags.instruments else (),
        )
        for style in chosen.values()
    ]
