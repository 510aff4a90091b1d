"""Where to cut a song for a network that hears only a few seconds: the same places every time.

Published code crops at random, so one file gives cosines between .30 and .99 with itself (LAION-AI/CLAP issue 166).
Here a song is cut into windows that touch each other. A rest that is long enough becomes a window of its own, filled
up as CLAP fills short audio (``repeatpad``); a shorter rest is dropped.
"""

from dataclasses import dataclass

import numpy as np

from evalkit.errors import AudioError
from evalkit.types import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowPlan:
    """How a song is cut; ``hop_s`` equals ``length_s``, so no window overlaps another.

    Attributes:
        length_s: Length of every window, in seconds.
        min_tail_s: A rest at least this long is one more window.
    """

    length_s: float = 10.0
    min_tail_s: float = 3.0

    @property
    def name(self) -> str:
        """For signatures.

        >>> WindowPlan().name
        'w10h10t3-repeatpad'
        """
        return f"w{self.length_s:g}h{self.length_s:g}t{self.min_tail_s:g}-repeatpad"

    def starts(self, n_samples: int, sample_rate: int) -> list[int]:
        """First sample of each window; only the last may reach beyond the end.

        >>> [len(WindowPlan().starts(round(s * 48_000), 48_000)) for s in (9.9, 10.0, 10.1, 12.9, 13.1, 215)]
        [1, 1, 1, 1, 2, 22]

        Raises:
            AudioError: there are no samples.
        """
        if n_samples < 1:
            raise AudioError("There is no audio to cut into windows (0 samples).")
        size = self.size(sample_rate)
        n_whole, rest = divmod(n_samples, size)
        n_windows = n_whole + (n_whole == 0 or rest >= max(round(self.min_tail_s * sample_rate), 1))
        return [index * size for index in range(n_windows)]

    def size(self, sample_rate: int) -> int:
        """Samples in a window."""
        return round(self.length_s * sample_rate)

    def cut(self, samples: FloatArray, sample_rate: int) -> FloatArray:
        """The windows themselves.

        Args:
            samples: One channel [time].
            sample_rate: In Hz.

        Returns:
            Copies [windows, size]; what is shorter is repeated as often as it fits whole, zeros fill the rest.
        """
        size = self.size(sample_rate)
        starts = self.starts(len(samples), sample_rate)
        windows = np.zeros((len(starts), size), dtype=np.float32)
        for window, start in zip(windows, starts, strict=True):
            piece = samples[start : start + size]
            repeated = np.tile(piece, size // len(piece))
            window[: len(repeated)] = repeated
        return windows
