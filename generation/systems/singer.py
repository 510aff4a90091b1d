"""The embedded baseline: a real, if plain, song for every prompt, without a GPU and without a model hub.

It exists so that every part of the toolkit has something true to measure. Sung by Kokoro with our notes
(``singer``), or by espeak-ng with WORLD (``singer/espeak``), over a General MIDI band. ``singer/mispronounced`` is the
first with every sixth word mispronounced: a regression of known size, to try a gate with.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from evalkit.errors import ConfigError, GenerationError
from evalkit.types import Audio, Prompt
from generation.base import Generated, ModelLocator, ProgressCallback
from generation.singing.mix import mix_stems
from generation.singing.phonemes import LANGUAGES
from generation.singing.phrase import Phrase, Voice
from generation.singing.score import Score, write_score
from generation.singing.slips import Slips
from generation.singing.style import choose_style
from generation.singing.voice import sing
from generation.singing.voices import choose_voice

_VARIANTS = ("", "espeak", "mispronounced")
_SOUNDFONT = "TimGM6mb.sf2"
_MAX_LINES = 200
"""About ten minutes of song; more would take the computer longer than anybody wants to wait for a baseline."""


class Singer:
    """Plans a song from the prompt, sings it and has the band play along; see `generation.base.System`."""

    title: ClassVar[str] = "Embedded baseline: neural singer over a General MIDI band"
    notes: ClassVar[Mapping[str, str]] = {
        "*": "This system is a plain baseline and a test signal, not a competitor.",
        "ko": "Whisper base hardly understands the embedded singer in Korean: "
        "word and character errors there measure the recogniser more than the song.",
        "ru": "An Italian voice sings Russian, and Whisper base is weak in it: "
        "word and character errors there measure the recogniser and the accent more than the song.",
        "de": "French and English voices sing German, with an accent that costs word errors.",
    }

    @classmethod
    def required_models(cls, variant: str) -> Sequence[str]:
        """The band's soundfont, and Kokoro unless espeak-ng sings."""
        _check_variant(variant)
        return ("gm-soundfont",) if variant == "espeak" else ("kokoro", "gm-soundfont")

    def __init__(self, variant: str, locate: ModelLocator) -> None:
        _check_variant(variant)
        self._variant = variant
        self._locate = locate

    def generate(self, prompt: Prompt, *, take: int, seed: int, progress: ProgressCallback | None = None) -> Generated:
        """Make one song; the seed decides everything random, the take only counts."""
        language = prompt.language.replace("_", "-").split("-")[0].lower()
        if prompt.is_sung and language not in LANGUAGES:
            raise GenerationError(
                f"The embedded singer does not know the language {prompt.language!r} of prompt {prompt.id}.",
                f"It sings {', '.join(LANGUAGES)}.",
            )
        report = progress or _ignore
        style = choose_style(prompt.tags, np.random.default_rng([seed, 0]))
        voice = self._make_voice(language, is_male=style.is_male) if prompt.is_sung else None
        phrases, skipped = _prepare(prompt, voice)
        report(0.1)
        score = write_score(
            prompt.sections,
            phrases,
            style,
            language=language,
            duration_s=prompt.duration_s,
            instruments=tuple(name.lower() for name in prompt.tags.instruments),
            seed=seed,
        )
        accompaniment = self._play(score, seed)
        report(0.2)
        vocals = Audio(samples=np.zeros((2, 1), dtype=np.float32), sample_rate=accompaniment.sample_rate)
        if voice is not None and score.lines:
            vocals = sing(
                voice, score.lines, accompaniment.duration_s, progress=lambda share: report(0.2 + 0.75 * share)
            )
        mix, vocals, accompaniment = mix_stems(vocals, accompaniment)
        report(1.0)
        params = _describe(score, voice if score.lines else None, self._variant)
        params |= {"take": take, "ignored_tags": list(style.ignored_tags), "skipped_lines": skipped}
        return Generated(mix=mix, stems={"vocals": vocals, "accompaniment": accompaniment}, params=params)

    def close(self) -> None:
        """Nothing to free: the network is shared by the process."""

    def _make_voice(self, language: str, *, is_male: bool) -> Voice:
        if self._variant == "espeak":
            from generation.singing.espeak_voice import EspeakVoice

            return EspeakVoice(language)
        from generation.singing.kokoro_voice import KokoroVoice

        slips = Slips() if self._variant == "mispronounced" else None
        return KokoroVoice(self._locate("kokoro"), choose_voice(language, is_male=is_male), language, slips)

    def _play(self, score: Score, seed: int) -> Audio:
        from generation.band import render

        return render(score.plan, seed=seed, soundfont=self._locate("gm-soundfont") / _SOUNDFONT)


SYSTEM = Singer


def _check_variant(variant: str) -> None:
    if variant not in _VARIANTS:
        raise ConfigError(
            f"The system singer has no variant {variant!r}.", "Use 'singer', 'singer/espeak' or 'singer/mispronounced'."
        )


def _ignore(share: float) -> None:
    """Progress nobody asked for."""


def _prepare(prompt: Prompt, voice: Voice | None) -> tuple[list[list[Phrase]], list[str]]:
    """Phrases of each section, and the lines that have nothing to pronounce."""
    phrases: list[list[Phrase]] = [[] for _ in prompt.sections]
    skipped: list[str] = []
    if voice is None:
        return phrases, skipped
    for section, own in zip(prompt.sections, phrases, strict=True):
        for line in section.lines:
            prepared = voice.prepare(line)
            own.extend(prepared)
            if not prepared:
                skipped.append(line)
            if sum(map(len, phrases)) > _MAX_LINES:
                raise GenerationError(
                    f"The lyrics of prompt {prompt.id} are too long for the embedded singer: "
                    f"more than {_MAX_LINES} sung lines.",
                    "Split them into several prompts.",
                )
    return phrases, skipped


def _describe(score: Score, voice: Voice | None, variant: str) -> dict[str, Any]:
    """What the record keeps about the song; JSON values only."""
    pitches = [note.pitch for line in score.lines for note in line.notes]
    return {
        "model": "espeak-ng + WORLD" if variant == "espeak" else "Kokoro-82M v1.0 int8",
        "voice": voice.name if voice is not None else None,
        "bpm": score.plan.bpm,
        "key": score.plan.key,
        "mode": score.plan.mode,
        "genre": score.plan.genre,
        "n_bars": len(score.plan.bars),
        "grid_s": round(score.grid.unit_s, 4),
        "pitch_range_midi": [min(pitches), max(pitches)] if pitches else None,
        "lines": [
            {"text": line.phrase.text, "start_s": round(line.start_s, 3), "end_s": round(line.end_s, 3)}
            for line in score.lines
        ],
    }
