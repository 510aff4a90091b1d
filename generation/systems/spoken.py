"""The lyrics spoken, without music: how well words can be recognised at all, by the voices of the embedded singer."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np

from evalkit.errors import ConfigError, GenerationError
from evalkit.types import Prompt
from generation.base import Calibration, Generated, ModelLocator, ProgressCallback
from generation.singing.phonemes import LANGUAGES
from generation.singing.phrase import Voice
from generation.singing.speech import speak
from generation.singing.style import choose_style
from generation.singing.voices import choose_voice


class Spoken(Calibration):
    """Kokoro speaks (``spoken``), or espeak-ng does (``spoken/espeak``); see `generation.base.System`."""

    title: ClassVar[str] = "Calibration: the lyrics spoken, without music"
    notes: ClassVar[Mapping[str, str]] = {
        "*": "Speech without music: what the recogniser makes of clearly spoken words, not what a song is worth."
    }
    role: ClassVar[Literal["ceiling", "floor"]] = "ceiling"

    @classmethod
    def required_models(cls, variant: str) -> Sequence[str]:
        """Kokoro, unless espeak-ng speaks."""
        if variant not in ("", "espeak"):
            raise ConfigError(f"The system spoken has no variant {variant!r}.", "Use 'spoken' or 'spoken/espeak'.")
        return () if variant == "espeak" else ("kokoro",)

    def __init__(self, variant: str, locate: ModelLocator) -> None:
        self.required_models(variant)
        self._variant = variant
        self._locate = locate

    def generate(self, prompt: Prompt, *, take: int, seed: int, progress: ProgressCallback | None = None) -> Generated:
        """Speak one lyric; the same voice as the singer's for the same prompt and seed."""
        language = prompt.language.replace("_", "-").split("-")[0].lower()
        if language not in LANGUAGES:
            raise GenerationError(
                f"The embedded voices do not know the language {prompt.language!r} of prompt {prompt.id}.",
                f"They speak {', '.join(LANGUAGES)}.",
            )
        style = choose_style(prompt.tags, np.random.default_rng([seed, 0]))
        voice = self._voice(language, is_male=style.is_male)
        mix, skipped = speak(voice, prompt.sections, progress=progress)
        return Generated(mix=mix, stems={"vocals": mix}, params={"voice": voice.name, "skipped_lines": skipped})

    def close(self) -> None:
        """Nothing to free: the network is shared by the process."""

    def _voice(self, language: str, *, is_male: bool) -> Voice:
        if self._variant == "espeak":
            from generation.singing.espeak_voice import EspeakVoice

            return EspeakVoice(language)
        from generation.singing.kokoro_voice import KokoroVoice

        return KokoroVoice(self._locate("kokoro"), choose_voice(language, is_male=is_male), language)


SYSTEM = Spoken
