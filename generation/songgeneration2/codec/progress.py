"""How far a batch of songs is rendered."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from generation.base import ProgressCallback

FLOW_SHARE = 0.8
"""Part of the progress that solving takes; decoding takes the rest."""


class RenderProgress:
    """Turns finished windows and sounds into shares, of the batch and of each song.

    Args:
        windows: How many windows each song has, all its parts together.
        parts: How many parts each song has.
        batch: Called with the finished share of all.
        song: Called with a song and its finished share.
    """

    def __init__(
        self,
        windows: Mapping[int, int],
        parts: Mapping[int, int],
        batch: ProgressCallback | None,
        song: Callable[[int, float], None] | None,
    ) -> None:
        self._batch, self._song = batch, song
        self._windows, self._parts = Counter(windows), Counter(parts)
        self._solved: Counter[int] = Counter()
        self._decoded: Counter[int] = Counter()

    def solved(self, songs: Sequence[int]) -> None:
        """A window of each of these songs is solved; a song counts as often as it is named."""
        self._solved.update(songs)
        self._tell(set(songs))

    def decoded(self, song: int) -> None:
        """A part of this song is sound."""
        self._decoded[song] += 1
        self._tell({song})

    def _tell(self, songs: Iterable[int]) -> None:
        if self._batch is not None:
            solved = self._solved.total() / self._windows.total()
            decoded = self._decoded.total() / self._parts.total()
            self._batch(FLOW_SHARE * solved + (1 - FLOW_SHARE) * decoded)
        if self._song is not None:
            for song in sorted(songs):
                solved, decoded = self._solved[song] / self._windows[song], self._decoded[song] / self._parts[song]
                self._song(song, FLOW_SHARE * solved + (1 - FLOW_SHARE) * decoded)
