"""Songs in the making: what one asks for, and what several keep while they are sung together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from generation.songgeneration2.lelm.official_draws import OfficialDraws
from generation.songgeneration2.lelm.pattern import EOS, SPECIAL
from generation.songgeneration2.lelm.sampling import SamplingParams
from generation.songgeneration2.lelm.tower import KvCache
from generation.songgeneration2.text.wording import EncodedText


@dataclass(kw_only=True)
class Song:
    """One song from its request to its codes.

    Attributes:
        text: Encoded lyric and style.
        prompt: Prompt codes [3, prompt_frames], special where there is none.
        max_frames: Longest result.
        params: Sampling parameters.
        uniforms: Numbers for its draws, float64 [3, max_frames]; its own, so that company changes nothing.
        official: Official draws instead, where the parameters ask for them.
        mixed: Codes of the mixed stream, once they are sung [frames].
        states: First tower's states, conditional and unconditional [2, positions, dim].
        codes: The result [3, frames].
    """

    text: EncodedText
    prompt: Tensor
    max_frames: int
    params: SamplingParams
    uniforms: Tensor
    official: OfficialDraws | None = None
    mixed: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))
    states: Tensor | None = None
    codes: Tensor = field(default_factory=lambda: torch.empty(3, 0, dtype=torch.int64))


def make_song(
    text: EncodedText, prompt: Tensor, max_frames: int, seed: int, params: SamplingParams, *, delay: int = 250
) -> Song:
    """Prepare a song; everything random about it follows from the seed."""
    generator = torch.Generator().manual_seed(seed)
    return Song(
        text=text,
        prompt=prompt,
        max_frames=max_frames,
        params=params,
        uniforms=torch.rand(3, max_frames, generator=generator, dtype=torch.float64),
        official=OfficialDraws(seed, max_frames + delay) if params.draws == "official" else None,
    )


class Choir:
    """The songs that are still sung, row by row, with their latest codes.

    A finished song leaves; the last one takes its row, so that the rows in use stay together. In the cache and among
    the states a song has two rows, the conditional and the unconditional.

    Args:
        songs: The songs, in the order of their rows.
        n_streams: Streams sung at once.
        frames: Longest song of this stage.
        cache: Key-value cache with two rows a song.
        device: Where codes are kept.
    """

    def __init__(
        self, songs: Sequence[Song], n_streams: int, frames: int, cache: KvCache, device: torch.device
    ) -> None:
        self.songs = list(songs)
        self.places = torch.arange(len(songs), device=device)
        self.cache = cache
        self._margin = max((song.params.record_window for song in songs), default=0)
        self._codes = torch.full((len(songs), n_streams, self._margin + frames), SPECIAL, device=device)

    def window(self, frame: int) -> Tensor:
        """Codes before a frame, special before the first [songs, streams, window]."""
        return self._codes[: len(self.songs), :, frame : frame + self._margin]

    def cells(self, frame: int) -> tuple[Tensor, int]:
        """All codes [songs or more, streams, columns], and the column of a frame; its window lies before it."""
        return self._codes, self._margin + frame

    def write(self, frame: int, codes: Tensor) -> None:
        """Keep the codes of a frame [songs, streams]."""
        self._codes[: len(self.songs), :, self._margin + frame] = codes

    def latest(self, frame: int) -> Tensor:
        """Codes of a frame [songs, streams]."""
        return self._codes[: len(self.songs), :, self._margin + frame]

    def read(self, row: int, frames: int) -> Tensor:
        """Codes of a song up to a frame [streams, frames]."""
        return self._codes[row, :, self._margin : self._margin + frames].clone()

    def ended(self, first: int, stop: int) -> list[int | None]:
        """First frame among ``first`` to ``stop`` in which a song's stream ends, per row."""
        ends = (self._codes[: len(self.songs), :, self._margin + first : self._margin + stop] == EOS).any(dim=1)
        where = torch.where(ends.any(dim=1), ends.int().argmax(dim=1), -1).tolist()
        return [None if frame < 0 else first + int(frame) for frame in where]

    def dismiss(self, row: int, positions: int) -> None:
        """Let a song go; the last row's song moves into its place with its first cache positions."""
        last = len(self.songs) - 1
        if row != last:
            self.songs[row] = self.songs[last]
            self.places[row] = self.places[last]
            self._codes[row] = self._codes[last]
            for side in (0, 1):
                self.cache.copy_row(self.cache, 2 * last + side, 2 * row + side, positions)
        self.songs.pop()

    def groups(self) -> Iterator[tuple[SamplingParams, slice | list[int], list[Song]]]:
        """Rows that share sampling parameters, with their songs; usually one slice of all."""
        groups: dict[SamplingParams, list[int]] = {}
        for row, song in enumerate(self.songs):
            groups.setdefault(song.params, []).append(row)
        for params, rows in groups.items():
            yield params, slice(None) if len(groups) == 1 else rows, [self.songs[row] for row in rows]
