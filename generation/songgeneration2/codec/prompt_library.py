"""The library of ready-made prompts by genre and language (``auto_prompt_audio_type``)."""

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from evalkit.errors import ConfigError, ModelError
from generation.songgeneration2.codec.prompt import NO_CODE, PROMPT_FRAMES

GENRES = (
    "Pop", "Latin", "Rock", "Electronic", "Metal", "Country", "R&B/Soul", "Ballad", "Jazz", "World", "Hip-Hop", "Funk",
    "Soundtrack", "Auto",
)  # fmt: skip
ANY_GENRE = "Auto"
CHINESE_SHARE = 0.2


def library_language(lyrics: str) -> str:
    """``zh`` if at least a fifth of the characters are Chinese, else ``en``; the library knows no other language."""
    chinese = sum("一" <= character <= "鿿" for character in lyrics)
    return "zh" if lyrics and chinese / len(lyrics) >= CHINESE_SHARE else "en"


class PromptLibrary:
    """Prompt codes by genre and language.

    Args:
        entries: Genre to language to codes int64 [3, frames].
        title: What messages call it.
    """

    def __init__(self, entries: Mapping[str, Mapping[str, Sequence[Tensor]]], title: str = "prompt library") -> None:
        self._entries = entries
        self._title = title

    @classmethod
    def load(cls, path: Path) -> "PromptLibrary":
        """Read the official file; only tensors in plain containers are accepted.

        Raises:
            ModelError: the file is absent, damaged, holds objects or is laid out otherwise.
        """
        if not path.is_file():
            raise ModelError(f"There is no prompt library {path}.", "Pull the generator's runtime files again.")
        try:
            loaded = torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError:
            raise ModelError(f"{path} holds Python objects, not only tensors; it was not loaded.") from None
        except (RuntimeError, EOFError, OSError, ValueError) as error:
            raise ModelError(f"{path} is truncated or damaged ({error}).") from None
        if not isinstance(loaded, dict) or not all(isinstance(languages, dict) for languages in loaded.values()):
            raise ModelError(f"{path} is not a table of genres and languages.")
        return cls(
            {
                str(genre): {
                    str(language): _entries(found, f"{path}: {genre}, {language}")
                    for language, found in languages.items()
                }
                for genre, languages in loaded.items()
            },
            str(path),
        )

    def pick(self, genre: str, lyrics: str, rng: np.random.Generator) -> Tensor:
        """Draw a prompt.

        Args:
            genre: One of `GENRES`; ``Auto`` draws from the library's own entry of that name, else from all genres.
            lyrics: Decides the language.
            rng: Source of the draw.

        Returns:
            Codes int64 [3, 250]: mixed, vocal, accompaniment; 16385 beyond a shorter one.

        Raises:
            ConfigError: the genre is not known or has nothing in this language.
        """
        language = library_language(lyrics)
        if genre == ANY_GENRE and genre not in self._entries:
            found = [entry for name in sorted(self._entries) for entry in self._entries[name].get(language, ())]
        elif genre in self._entries:
            found = list(self._entries[genre].get(language, ()))
        else:
            raise ConfigError(
                f"auto_prompt_audio_type {genre!r} is not in {self._title}.",
                f"Use one of {', '.join(sorted({*self._entries, ANY_GENRE}))}.",
            )
        if not found:
            raise ConfigError(f"{self._title} has no prompt for {genre} in language {language}.")
        entry = found[int(rng.integers(len(found)))][:, :PROMPT_FRAMES].long()
        codes = torch.full((3, PROMPT_FRAMES), NO_CODE)
        codes[:, : entry.shape[1]] = entry
        return codes


def _entries(found: Any, where: str) -> list[Tensor]:
    """The prompts below one genre and language, each [3, frames], whatever container holds them."""
    if isinstance(found, dict):
        found = [found[key] for key in sorted(found, key=str)]
    if isinstance(found, Tensor):
        # A stack of prompts, [n, 3, frames] or [n, 1, 3, frames].
        found = list(found) if found.dim() > 2 else [found]
    if not isinstance(found, list | tuple):
        raise ModelError(f"{where} holds a {type(found).__name__}, expected prompts.")
    prompts = []
    for entry in found:
        if not isinstance(entry, Tensor) or entry.is_floating_point() or entry.shape[-2:-1] != (3,):
            raise ModelError(f"{where} holds an entry that is not whole numbers [1, 3, frames].")
        prompts.append(entry.reshape(-1, 3, entry.shape[-1])[0])
    return prompts
