"""How far the songs of a system are from a set of reference songs: FAD, FAD with infinitely many songs, and KAD."""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from evalkit.errors import AudioError, ConfigError
from evalkit.evaluators._frechet import (
    Moments,
    extrapolate,
    frechet_distance,
    jackknife_groups,
    jackknife_interval,
    moments,
    random_orders,
)
from evalkit.evaluators._kernel import bootstrap_interval, kernel_sums
from evalkit.evaluators._reference import ReferenceSet
from evalkit.evaluators.base import ModelLocator, make_signature
from evalkit.models import embedding
from evalkit.models.embedding import Embedder
from evalkit.registry import suggestion
from evalkit.types import FloatArray, Metric, SetScore, SetSong

log = logging.getLogger(__name__)

MIN_SONGS = {"fad": 200, "fad_inf": 200, "kad": 50}
"""Below, the number says more about its sample than about the songs."""
SEED = 20_261
_OPTIONS = ("reference", "embedding", "embedding_options")
_LICENCE = "that of the embedding (musicnn: ISC)"

Vectors = Mapping[str, Sequence[FloatArray]]
"""Prompt to the windows of its takes."""


class DistanceEvaluator:
    """Compares the embeddings of a system's songs with those of a folder of reference songs.

    Takes of one prompt belong together: they are drawn and left out as one. A set that is too small is refused rather
    than measured: FAD needs 200 songs on both sides, KAD 50.

    Args:
        options: ``reference`` (a folder of audio; without it nothing is measured), ``embedding`` (``musicnn`` by
            default, or ``clap`` …), ``embedding_options`` (what that embedding understands).
        locate: Finds model folders.
        embedder: Used instead of the named one, for tests.
    """

    name: ClassVar[str] = "distance"
    version: ClassVar[str] = "1"
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(
            name="fad",
            title="Fréchet audio distance",
            unit="",
            direction="lower",
            bounds=(0.0, None),
            source="Kilgour et al. 2019",
            licence=_LICENCE,
            description=(
                "Distance of two Gaussians fitted to the embeddings. Large for small sets even if nothing differs: "
                "compare only equal numbers of songs."
            ),
        ),
        Metric(
            name="fad_inf",
            title="Fréchet audio distance, extrapolated",
            unit="",
            direction="lower",
            source="Gui et al. 2024; rule by evalkit",
            licence=_LICENCE,
            description="What the distance would be with infinitely many songs; may fall a little below 0.",
        ),
        Metric(
            name="kad",
            title="Kernel audio distance",
            unit="",
            direction="lower",
            source="Chung et al. 2025 (arXiv 2502.15602)",
            licence=_LICENCE,
            description="Unbiased distance, 0 on average if nothing differs. The one to read below 1,000 songs.",
        ),
    )

    @classmethod
    def required_models(cls, options: Mapping[str, Any]) -> Sequence[str]:
        """Those of the embedding; none without a reference folder."""
        if not options.get("reference"):
            return ()
        return embedding.get(_embedding(options)).required_models(_embedding_options(options))

    def __init__(self, options: Mapping[str, Any], locate: ModelLocator, embedder: Embedder | None = None) -> None:
        for key in options:
            if key not in _OPTIONS:
                raise ConfigError(f"The evaluator distance has no option {key!r}.", suggestion(key, list(_OPTIONS)))
        reference = options.get("reference")
        self._reference = ReferenceSet(Path(str(reference))) if reference else None
        name, own = _embedding(options), _embedding_options(options)
        self._make: Callable[[], Embedder] = lambda: embedder or embedding.get(name)(own, locate)

    @cached_property
    def _embedder(self) -> Embedder:
        return self._make()

    def signature(self, metric: str) -> str:
        """Embedding, reference set by content, and how songs are drawn."""
        parts: dict[str, str | int | float] = {"reference": "none"}
        if self._reference:
            drawn = {
                "fad": "jackknife20",
                "fad_inf": f"1/n-15sizes-4orders-{SEED}-jackknife20",
                "kad": f"gaussian-median-other-prompts-bootstrap1000-{SEED}",
            }
            parts = {"reference": self._reference.signature, **self._embedder.signature_parts, "rule": drawn[metric]}
        return make_signature(metric, self.version, parts)

    def score_set(self, songs: Sequence[SetSong]) -> list[SetScore]:
        """Three scores of the whole set."""
        if self._reference is None:
            return self._all(songs, "The profile names no reference folder (option reference of distance).")
        least = min(MIN_SONGS.values())
        theirs = self._reference.songs(songs[0].derived) if songs else []
        if min(len(songs), len(theirs)) < least:
            return self._all(songs, self._too_few("kad", len(songs), len(theirs)), metrics=("kad",)) + self._all(
                songs, self._too_few("fad", len(songs), len(theirs)), metrics=("fad", "fad_inf")
            )
        lost: list[str] = []
        ours, reference = self._vectors(songs, lost), self._vectors(theirs, lost)
        n_ours, n_theirs = (sum(len(takes) for takes in vectors.values()) for vectors in (ours, reference))
        common = {
            "n_songs": n_ours,
            "n_reference": n_theirs,
            "seconds": round(sum(song.song.duration_s or 0.0 for song in songs), 1),
            "unreadable": lost[:20],
            "n_unreadable": len(lost),
        }
        scores = []
        for metric, measure in (("fad", self._fad), ("fad_inf", self._fad_inf), ("kad", self._kad)):
            if min(n_ours, n_theirs) < MIN_SONGS[metric]:
                scores += self._all(songs, self._too_few(metric, n_ours, n_theirs), metrics=(metric,))
            else:
                scores.append(measure(ours, list(reference.values()), common))
        return scores

    def _fad(self, ours: Vectors, reference: Sequence[Sequence[FloatArray]], common: Mapping[str, Any]) -> SetScore:
        theirs = moments(_flat(reference))

        def distance(part: Vectors) -> tuple[float, Moments]:
            mine = moments(_flat(part.values()))
            return frechet_distance(theirs, mine), mine

        value, mine = distance(ours)
        interval = jackknife_interval(value, [distance(part)[0] for part in _without_each(ours)])
        details: dict[str, Any] = {"n_windows": mine.n, "n_reference_windows": theirs.n}
        if deficit := max(mine.rank_deficit, theirs.rank_deficit):
            details["warning"] = (
                f"The windows span {deficit} directions fewer than the {len(mine.mean)} of the embedding; "
                "with more songs the distance would be another."
            )
        return self._ok("fad", value, (max(0.0, interval[0]), interval[1]), ours, {**common, **details})

    def _fad_inf(self, ours: Vectors, reference: Sequence[Sequence[FloatArray]], common: Mapping[str, Any]) -> SetScore:
        theirs = [_joined(takes) for takes in reference]

        def fit(part: Vectors, n_orders: int | None = None) -> Any:
            units = [_joined(takes) for takes in part.values()]
            return extrapolate(theirs, units, random_orders(len(theirs), len(units), SEED)[:n_orders])

        found = fit(ours)
        # One order is enough for the spread: the same songs are drawn, less those left out.
        interval = jackknife_interval(found.value, [fit(part, 1).value for part in _without_each(ours)])
        details = {"r2": found.r2, "sizes": list(found.sizes), "distances": list(found.distances)}
        return self._ok("fad_inf", found.value, interval, ours, {**common, **details})

    def _kad(self, ours: Vectors, reference: Sequence[Sequence[FloatArray]], common: Mapping[str, Any]) -> SetScore:
        sums = kernel_sums([_joined(takes) for takes in reference], [_joined(takes) for takes in ours.values()])
        value = float(sums.distance()[0])
        return self._ok("kad", value, bootstrap_interval(sums, SEED), ours, common)

    def _vectors(self, songs: Sequence[SetSong], lost: list[str]) -> Vectors:
        found: dict[str, list[FloatArray]] = {}
        for song in songs:
            try:
                windows = self._embedder.windows(song)
            except AudioError as error:
                log.warning("%s is left out of the distance: %s", song.song.id, error)
                lost.append(f"{song.song.id}: {error}")
                continue
            found.setdefault(song.prompt.id, []).append(windows)
        return found

    def _ok(
        self, metric: str, value: float, interval: tuple[float, float], ours: Vectors, details: Mapping[str, Any]
    ) -> SetScore:
        return SetScore(
            system="",
            group="all",
            evaluator=self.name,
            metric=metric,
            value=value,
            ci_low=interval[0],
            ci_high=interval[1],
            n=len(ours),
            status="ok",
            signature=self.signature(metric),
            details=details,
        )

    def _all(self, songs: Sequence[SetSong], reason: str, metrics: Sequence[str] | None = None) -> list[SetScore]:
        return [
            SetScore(
                system="",
                group="all",
                evaluator=self.name,
                metric=metric.name,
                value=None,
                n=len({song.prompt.id for song in songs}),
                status="not_applicable",
                reason=reason,
                signature=self.signature(metric.name),
            )
            for metric in self.metrics
            if metrics is None or metric.name in metrics
        ]

    def _too_few(self, metric: str, n_songs: int, n_reference: int) -> str:
        least = MIN_SONGS[metric]
        return (
            f"{metric} needs at least {least} songs on both sides; there are {n_songs} here and {n_reference} in the "
            "reference folder."
        )


def _embedding(options: Mapping[str, Any]) -> str:
    return str(options.get("embedding", "musicnn"))


def _embedding_options(options: Mapping[str, Any]) -> Mapping[str, Any]:
    found = options.get("embedding_options", {})
    if not isinstance(found, Mapping):
        raise ConfigError(f"The option embedding_options of distance needs options by name, not {found!r}.")
    return found


def _joined(takes: Sequence[FloatArray]) -> FloatArray:
    import numpy as np

    return np.concatenate(takes)


def _flat(prompts: Any) -> list[FloatArray]:
    return [take for takes in prompts for take in takes]


def _without_each(ours: Vectors) -> list[Vectors]:
    groups = jackknife_groups(list(ours), SEED)
    return [{name: takes for name, takes in ours.items() if name not in group} for group in groups]


EVALUATOR = DistanceEvaluator
