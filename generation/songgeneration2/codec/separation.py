"""Vocals of a prompt, kept by content; only the beginning that is used is separated, with some context behind it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from evalkit.audio import decoded_sha256
from evalkit.models.separation import Separator
from evalkit.types import Audio
from generation.songgeneration2.codec.prompt import PROMPT_S, EncodedPrompt, PromptEncoder
from generation.songgeneration2.codec.renderer import Part
from generation.songgeneration2.codec.stages import Stages

CONTEXT_S = 10
"""Seconds beyond the prompt that the separator also hears; its own window is 7.8 s."""


def prompt_excerpt(mix: Audio) -> Audio:
    """The beginning of a song that a prompt and its separation need."""
    return Audio(samples=mix.samples[:, : (PROMPT_S + CONTEXT_S) * mix.sample_rate], sample_rate=mix.sample_rate)


def prompt_vocals(mix: Audio, separator: Separator, cache: Path | None = None) -> Audio:
    """Vocals of the beginning of a song.

    Args:
        mix: The song.
        separator: Used if the cache has nothing for this sound and this separator.
        cache: Folder of earlier results; None for no cache. Files are named by content, so two songs of one name never
            share their vocals.

    Returns:
        Vocals of `prompt_excerpt`, aligned with it.
    """
    excerpt = prompt_excerpt(mix)
    if cache is None:
        return separator.vocals(excerpt)
    path = cache / f"{decoded_sha256(excerpt)}.{separator.name}.npy"
    if path.is_file():
        try:
            return Audio(samples=np.load(path, allow_pickle=False), sample_rate=excerpt.sample_rate)
        except (ValueError, EOFError, OSError):
            path.unlink(missing_ok=True)
    vocals = separator.vocals(excerpt)
    cache.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.save(file, vocals.samples, allow_pickle=False)
    partial.replace(path)
    return vocals


def encode_prompt(
    mix: Audio,
    stages: Stages,
    separator: Separator,
    *,
    parts: Sequence[Part] = ("mixed",),
    cache: Path | None = None,
    seed: int | None = None,
) -> EncodedPrompt:
    """From a song to everything its continuation needs.

    Args:
        mix: The song; its first 10 s become the prompt.
        stages: The codec.
        separator: Finds the vocals.
        parts: As in `PromptEncoder.encode`.
        cache: As in `prompt_vocals`.
        seed: As in `PromptEncoder.encode`.

    Returns:
        Codes int64 [3, 250] for the language model, and codes and latents for the renderer.
    """
    vocals = prompt_vocals(mix, separator, cache)
    return PromptEncoder(stages).encode(prompt_excerpt(mix), vocals, parts=parts, seed=seed)
