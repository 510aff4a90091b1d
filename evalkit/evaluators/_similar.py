"""Whether two recordings share a segment, by three independent kinds of evidence of which two must agree.

What is found is called a similar segment. That somebody copied cannot be measured: chance, a common source and a common
style sound alike too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from evalkit.audio import RESAMPLER
from evalkit.evaluators import _passages
from evalkit.evaluators.base import make_signature
from evalkit.models.embedding import Embedder, unit
from evalkit.signal import alikeness, fingerprint
from evalkit.signal.fingerprint import IntArray, Match
from evalkit.signal.harmony import unit_rows
from evalkit.signal.heard import heard
from evalkit.signal.spectra import Array
from evalkit.types import FloatArray, SetSong

WINDOW_S = 10.0
MIN_PASSAGE_S = 8.0
MIN_HITS = 20
MIN_SHARE = 0.08
MIN_AGREEING = 2

NAME = f"{alikeness.NAME}-{MIN_PASSAGE_S:g}s+{fingerprint.NAME}-{MIN_HITS}h{MIN_SHARE:g}+2of3"
"""Of the rule with its numbers, without the embedding's limit, for signatures."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sound:
    """What is compared of a recording.

    Attributes:
        song: Its direction in the embedding, length 1 [dim].
        windows: The same of ten seconds each, from every window of the embedding on [windows, dim].
        harmony: Pitch classes twice a second, less their mean [frames, 12]; None if it was not asked for.
        prints: The fingerprint; None if it was not asked for.
    """

    song: FloatArray
    windows: FloatArray
    harmony: Array | None = None
    prints: IntArray | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What speaks for a similar segment.

    Attributes:
        cosine: Largest cosine of two windows of ten seconds.
        passage_s: Length of the longest passage with the same harmony.
        prints: The best agreement of the fingerprints.
        min_cosine: From where on the cosine counts.
    """

    cosine: float
    passage_s: float
    prints: Match
    min_cosine: float

    @property
    def agreeing(self) -> list[str]:
        """Which kinds say that there is one."""
        kinds = {
            "embedding": self.cosine >= self.min_cosine,
            "harmony": self.passage_s >= MIN_PASSAGE_S,
            "fingerprint": self.prints.hits >= MIN_HITS and self.prints.share >= MIN_SHARE,
        }
        return [kind for kind, says in kinds.items() if says]

    @property
    def is_similar(self) -> bool:
        """Whether at least two kinds agree."""
        return len(self.agreeing) >= MIN_AGREEING

    def told(self) -> dict[str, Any]:
        """For the details of a score."""
        found: dict[str, Any] = {
            "agreeing": self.agreeing,
            "cosine": round(self.cosine, 4),
            "passage_s": self.passage_s,
            "fingerprint_hits": self.prints.hits,
        }
        if "fingerprint" in self.agreeing:
            found |= {"start_s": round(self.prints.start_s, 2), "other_start_s": round(self.prints.other_start_s, 2)}
        return found


class Listener:
    """Gets what is compared of each recording, from the cache where it is there.

    Args:
        embedder: Gives the vectors.
        min_cosine: From where on two windows of ten seconds count as alike.
    """

    def __init__(self, embedder: Embedder, min_cosine: float) -> None:
        self._embedder = embedder
        self._min_cosine = min_cosine

    def hear(self, song: SetSong, *, closely: bool) -> Sound:
        """One recording, decoded at most once.

        Args:
            song: The recording.
            closely: Also harmony and fingerprint, for `compare`.

        Raises:
            AudioError: it cannot be read.
        """
        song = SetSong(prompt=song.prompt, song=song.song, derived=song.derived, open=lru_cache(maxsize=1)(song.open))
        vectors = unit(self._embedder.windows(song))
        windows = _ten_seconds(vectors, self._duration_s(song))
        whole = unit(vectors.mean(axis=0))
        if not closely:
            return Sound(song=whole, windows=windows)
        classes = np.asarray(_passages.features(song)["cens"], dtype=np.float64)
        harmony = unit_rows(classes - classes.mean(axis=1, keepdims=True))
        return Sound(song=whole, windows=windows, harmony=harmony, prints=_prints(song))

    def compare(self, one: Sound, other: Sound) -> Evidence:
        """Weigh two recordings that were heard closely."""
        assert one.harmony is not None
        assert other.harmony is not None
        assert one.prints is not None
        assert other.prints is not None
        passage = alikeness.longest_passage(one.harmony, other.harmony)
        return Evidence(
            cosine=float((one.windows @ other.windows.T).max()),
            passage_s=passage.length * _passages.FRAME_S,
            prints=fingerprint.match(one.prints, other.prints),
            min_cosine=self._min_cosine,
        )

    @staticmethod
    def _duration_s(song: SetSong) -> float:
        return song.song.duration_s or song.open().mix.duration_s


def nearest(one: Sound, others: Sequence[Sound], n: int) -> list[int]:
    """The ``n`` recordings with the most alike windows of ten seconds, best first."""
    cosines = np.array([float((one.windows @ other.windows.T).max()) for other in others])
    return [int(index) for index in np.argsort(-cosines, kind="stable")[:n]]


def most_printed(one: Sound, others: Sequence[Sound]) -> int:
    """The recording whose fingerprint agrees best, the first of equally good ones."""
    assert one.prints is not None
    hits = [fingerprint.match(one.prints, other.prints).hits for other in others if other.prints is not None]
    return int(np.argmax(hits))


def _ten_seconds(vectors: FloatArray, duration_s: float) -> FloatArray:
    """Mean direction of each ten seconds; one for the whole of a shorter recording."""
    size = max(1, min(len(vectors), round(WINDOW_S * len(vectors) / max(duration_s, 1e-3))))
    sums = np.cumsum(np.concatenate([np.zeros((1, vectors.shape[1])), vectors]), axis=0)
    return unit(((sums[size:] - sums[:-size]) / size).astype(np.float32))


def _prints(song: SetSong) -> IntArray:
    def make() -> dict[str, Any]:
        samples = heard(song.open(), "mix", fingerprint.SAMPLE_RATE, levelled=False).samples[0]
        return {"pairs": fingerprint.pairs_of_peaks(samples)}

    record = song.derived.stored("mix", make_signature(fingerprint.NAME, "1", {"resample": RESAMPLER}), make)
    return np.asarray(record["pairs"], dtype=np.int64).reshape(-1, 2)
