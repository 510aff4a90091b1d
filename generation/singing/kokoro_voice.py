"""Kokoro singing: our note times in its duration frames, our pitch in its F0."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evalkit.types import FloatArray
from generation.singing import kokoro
from generation.singing.lines import split_text
from generation.singing.phonemes import phonemise
from generation.singing.phrase import Note, Phrase, find_nuclei
from generation.singing.pitch import midi_to_hz, pitch_curve
from generation.singing.slips import Slips

VOICED_FROM_HZ = 60.0
"""Where the network predicts less, the sound is unvoiced and its own value stays."""

_VOWEL_FLOOR = 0.8
_MOSTLY = 0.4
_EDGE_HALF_FRAMES = 3
_FULL_STOP = "."
_MAX_SYMBOLS = 150
"""Longer lines are divided; the style table is only trusted up to 161."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Inside:
    encoded: kokoro.Encoded
    frames: npt.NDArray[np.int64]
    nuclei: list[tuple[int, int]]


class KokoroVoice:
    """One Kokoro voice in one language.

    Args:
        folder: Model folder.
        voice: Name of a vendored voice, e.g. ``"af_heart"``.
        language: One of `generation.singing.phonemes.LANGUAGES`.
        slips: Alters the pronunciation of each line, if given.
    """

    sample_rate = kokoro.SAMPLE_RATE

    def __init__(self, folder: Path, voice: str, language: str, slips: Slips | None = None) -> None:
        self.name = voice
        self._slips = slips
        self._model = kokoro.shared(folder)
        self._language = language

    def prepare(self, text: str) -> list[Phrase]:
        """See `generation.singing.phrase.Voice`."""
        phrases = []
        for piece in split_text(text, self._language):
            symbols = phonemise(piece, self._language, self._model.vocab)
            if self._slips is not None:
                symbols = self._slips(symbols, by_syllable=self._language == "zh")
            for part in _in_parts(symbols):
                phrase = self._phrase(piece, part)
                if phrase is not None:
                    phrases.append(phrase)
        return phrases

    def _phrase(self, text: str, symbols: tuple[str, ...]) -> Phrase | None:
        nuclei = find_nuclei(symbols, split_all=self._language == "ja")
        if not nuclei:
            return None
        # The full stop takes up the silence that the last vowel would get otherwise.
        symbols = (*symbols, _FULL_STOP)
        encoded = self._model.encode(symbols, kokoro.style_of(self.name, len(symbols)))
        # Token 0 is the silence before the first symbol; without it the first consonant is swallowed.
        nuclei = [(start + 1, end + 1) for start, end in nuclei]
        frames = np.maximum(1, np.round(encoded.natural_frames)).astype(np.int64)
        natural, floor = [], []
        ends = [*(start for start, _ in nuclei[1:]), nuclei[-1][1]]
        for (start, stop), end in zip(nuclei, ends, strict=True):
            vowel = float(encoded.natural_frames[start:stop].sum())
            consonants = float(frames[stop:end].sum())
            natural.append((vowel + consonants) * kokoro.FRAME_S)
            floor.append((_VOWEL_FLOOR * max(vowel, stop - start) + consonants) * kokoro.FRAME_S)
        return Phrase(
            text=text,
            natural_s=tuple(natural),
            floor_s=tuple(floor),
            lead_s=float(frames[: nuclei[0][0]].sum()) * kokoro.FRAME_S,
            tail_s=float(frames[nuclei[-1][1] :].sum()) * kokoro.FRAME_S,
            inside=_Inside(encoded=encoded, frames=frames, nuclei=nuclei),
        )

    def sing(self, phrase: Phrase, notes: tuple[Note, ...]) -> tuple[FloatArray, float]:
        """See `generation.singing.phrase.Voice`."""
        inside: _Inside = phrase.inside
        encoded = inside.encoded
        frames = fit_frames(inside.frames, encoded.natural_frames, inside.nuclei, notes)
        # Predicted for natural durations and then stretched: with long vowels the network takes breath inside them.
        spoken_hz, spoken_energy = self._model.prosody(encoded, inside.frames)
        source = stretch_map(inside.frames, frames)
        energy = np.interp(source, np.arange(spoken_energy.size), spoken_energy)
        kept_hz = spoken_hz[np.round(source).astype(np.int64)]

        lead_s = float(frames[: inside.nuclei[0][0]].sum()) * kokoro.FRAME_S
        times_s = (np.arange(kept_hz.size) + 0.5) * kokoro.FRAME_S / 2 - lead_s
        sung_hz = midi_to_hz(pitch_curve(notes, times_s))
        voiced = _close_gaps(kept_hz >= VOICED_FROM_HZ, frames, inside.nuclei)
        f0_hz = np.where(voiced, sung_hz, kept_hz).astype(np.float32)
        return self._model.vocode(encoded, frames, f0_hz, energy.astype(np.float32)), lead_s

    def speak(self, phrase: Phrase) -> FloatArray:
        """The line as the network would say it, audio [time]."""
        inside: _Inside = phrase.inside
        f0_hz, energy = self._model.prosody(inside.encoded, inside.frames)
        return self._model.vocode(inside.encoded, inside.frames, f0_hz, energy)


def stretch_map(natural: npt.NDArray[np.int64], sung: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Where each half frame of the sung line lies in the spoken one.

    Beginning and end of each token keep their pace and its middle is stretched, so that attacks stay attacks.

    Args:
        natural: Spoken frames of each token.
        sung: Sung frames of each token.

    Returns:
        Positions in spoken half frames [2 * sum(sung)], never falling, within the spoken line.
    """
    positions = []
    begin = 0
    for spoken_half, sung_half in zip((2 * natural).tolist(), (2 * sung).tolist(), strict=True):
        edge = min(_EDGE_HALF_FRAMES, spoken_half // 3, sung_half // 3)
        local = np.interp(
            np.arange(sung_half) + 0.5,
            [0, edge, sung_half - edge, sung_half],
            [0, edge, spoken_half - edge, spoken_half],
        )
        positions.append(begin + local - 0.5)
        begin += spoken_half
    return np.concatenate(positions).clip(0, begin - 1)


def _close_gaps(
    voiced: npt.NDArray[np.bool_], frames: npt.NDArray[np.int64], nuclei: list[tuple[int, int]]
) -> npt.NDArray[np.bool_]:
    """Voice a vowel throughout if it is mostly voiced; one that is whispered as a whole (Japanese) stays so."""
    closed = voiced.copy()
    ends = 2 * np.cumsum(frames)
    for start, stop in nuclei:
        span = slice(int(ends[start - 1]), int(ends[stop - 1]))
        if np.mean(voiced[span]) >= _MOSTLY:
            closed[span] = True
    return closed


def fit_frames(
    frames: npt.NDArray[np.int64],
    natural_frames: FloatArray,
    nuclei: list[tuple[int, int]],
    notes: tuple[Note, ...],
) -> npt.NDArray[np.int64]:
    """Token durations that put every vowel onset on its note.

    Consonants keep their frames; each vowel takes what is left until the next consonants, at least one frame a token.
    Onsets are rounded from absolute times, so that rounding never adds up.

    Args:
        frames: Natural durations, rounded, int [tokens].
        natural_frames: The same unrounded; they share out a long vowel among its tokens.
        nuclei: Token ranges of the vowels.
        notes: One for each nucleus.

    Returns:
        New durations, int [tokens].
    """
    fitted = frames.copy()
    onset = 0
    for index, ((start, stop), note) in enumerate(zip(nuclei, notes, strict=True)):
        following = nuclei[index + 1][0] if index + 1 < len(nuclei) else stop
        next_onset = round((note.start_s + note.duration_s) / kokoro.FRAME_S)
        available = next_onset - onset - int(frames[stop:following].sum())
        fitted[start:stop] = _share_out(max(available, stop - start), natural_frames[start:stop])
        onset += int(fitted[start:following].sum())
    return fitted


def _share_out(total: int, weights: FloatArray) -> npt.NDArray[np.int64]:
    """Whole numbers of at least 1 that sum to ``total``, in proportion to the weights."""
    free = total - weights.size
    ends = np.round(np.cumsum(weights) / weights.sum() * free).astype(np.int64)
    shares: npt.NDArray[np.int64] = 1 + np.diff(ends, prepend=0)
    return shares


def _in_parts(symbols: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Divide a long sequence at blanks (or anywhere, if there are none)."""
    parts = []
    while len(symbols) > _MAX_SYMBOLS:
        blanks = [index for index in range(_MAX_SYMBOLS // 2, _MAX_SYMBOLS) if symbols[index] == " "]
        cut = blanks[-1] if blanks else _MAX_SYMBOLS
        parts.append(symbols[:cut])
        symbols = symbols[cut:]
        if symbols[0] == " ":
            symbols = symbols[1:]
    return [part for part in (*parts, symbols) if part]
