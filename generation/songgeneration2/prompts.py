"""What a request wants continued: a recording, or something from the library of ready-made prompts."""

from pathlib import Path

import numpy as np
from torch import Tensor

from evalkit.audio import decoded_sha256
from evalkit.audio import load as load_audio
from evalkit.cache import cache_dir
from evalkit.errors import ConfigError, ModelError
from evalkit.models.separation import HTDemucsSeparator, Separator
from evalkit.types import Prompt
from generation.songgeneration2.codec.prompt import EncodedPrompt
from generation.songgeneration2.codec.prompt_library import PromptLibrary
from generation.songgeneration2.codec.renderer import MODE_PARTS
from generation.songgeneration2.codec.separation import encode_prompt, prompt_excerpt
from generation.songgeneration2.codec.stages import Stages
from generation.songgeneration2.codec.tiny import TinySeparator, tiny_library
from generation.songgeneration2.folders import LIBRARY_FILE, SEPARATOR_FILE
from generation.songgeneration2.options import TINY, Options


class Prompts:
    """Finds the codes of prompts; a recording is encoded once, whatever its name.

    Args:
        codec: Encodes recordings.
        root: Weights folder in the official layout; None if there is none.
        options: Variant and mode.
        seed: Of the stand-ins that ``tiny-random`` has for library and separator.
    """

    def __init__(self, codec: Stages, root: Path | None, options: Options, seed: int) -> None:
        self._codec = codec
        self._root = root
        self._options = options
        self._seed = seed
        self._encoded: dict[str, EncodedPrompt] = {}

    def of(self, prompt: Prompt, seed: int) -> tuple[Tensor | None, EncodedPrompt | None]:
        """Codes of a request's prompt for the language model, and what the renderer continues if it is a recording.

        Args:
            prompt: The request.
            seed: Draws from the library.

        Raises:
            ConfigError: two prompts at once, or a genre that is not there.
            ModelError: library or separator are absent.
            AudioError: the recording cannot be used.
        """
        if prompt.prompt_audio_path and prompt.auto_prompt_audio_type:
            raise ConfigError("prompt_audio_path and auto_prompt_audio_type exclude each other.", "Give one of them.")
        if prompt.auto_prompt_audio_type:
            genre, rng = prompt.auto_prompt_audio_type, np.random.default_rng(seed)
            return self._library().pick(genre, prompt.lyrics, rng), None
        if prompt.prompt_audio_path:
            encoded = self._encode(Path(prompt.prompt_audio_path))
            return encoded.codes, encoded
        return None, None

    def _encode(self, path: Path) -> EncodedPrompt:
        audio = prompt_excerpt(load_audio(path))
        key = decoded_sha256(audio)
        if key not in self._encoded:
            parts = MODE_PARTS[self._options.mode]
            self._encoded[key] = encode_prompt(
                audio, self._codec, self._separator(), parts=parts, cache=cache_dir() / "prompts"
            )
        return self._encoded[key]

    def _library(self) -> PromptLibrary:
        if self._options.variant == TINY:
            return tiny_library(self._seed)
        return PromptLibrary.load(self._local(LIBRARY_FILE, "auto_prompt_audio_type"))

    def _separator(self) -> Separator:
        if self._options.variant == TINY:
            return TinySeparator()
        return HTDemucsSeparator(self._local(SEPARATOR_FILE, "prompt_audio_path"), device=str(self._codec.device))

    def _local(self, path: str, wish: str) -> Path:
        if self._root is None:
            raise ModelError(
                f"{wish} needs {path} of the official release, which only a weights folder has.",
                "Run with --weights DIR, the folder in the official layout.",
            )
        return self._root / path
