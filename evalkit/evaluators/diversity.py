"""Does a system make different songs of different prompts and takes, or songs that were there before?"""

import itertools
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from evalkit.errors import AudioError, ConfigError
from evalkit.evaluators import _similar
from evalkit.evaluators._diversity_metrics import METRICS
from evalkit.evaluators._reference import ReferenceSet, reference_song
from evalkit.evaluators._similar import Listener, Sound
from evalkit.evaluators._spread import Spread, of_prompts, of_rate, pairwise
from evalkit.evaluators.base import ModelLocator, make_signature
from evalkit.files import file_sha256
from evalkit.models import embedding
from evalkit.models.embedding import Embedder
from evalkit.registry import suggestion
from evalkit.signal.frames import NotMeasurable
from evalkit.types import Metric, SetScore, SetSong

log = logging.getLogger(__name__)

SEED = 20_262
MIN_COSINE = 0.95
N_CANDIDATES = 3
_OPTIONS = ("embedding", "embedding_options", "catalogue", "min_cosine")
_MAX_TOLD = 50

Sounds = Mapping[str, Sequence[tuple[SetSong, Sound]]]
"""Prompt to its takes."""


class DiversityEvaluator:
    """Distances between takes and between prompts, and similar segments in prompt audio and in a catalogue.

    Args:
        options: ``embedding`` (``musicnn`` by default), ``embedding_options``, ``catalogue`` (a folder of songs that
            may have been trained on), ``min_cosine`` (from where on two windows of ten seconds count as alike; 0.95 by
            default, right for musicnn).
        locate: Finds model folders.
        embedder: Used instead of the named one, for tests.
    """

    name: ClassVar[str] = "diversity"
    version: ClassVar[str] = "1"
    metrics: ClassVar[tuple[Metric, ...]] = METRICS

    @classmethod
    def required_models(cls, options: Mapping[str, Any]) -> Sequence[str]:
        """Those of the embedding."""
        return embedding.get(_embedding(options)).required_models(_embedding_options(options))

    def __init__(self, options: Mapping[str, Any], locate: ModelLocator, embedder: Embedder | None = None) -> None:
        for key in options:
            if key not in _OPTIONS:
                raise ConfigError(f"The evaluator diversity has no option {key!r}.", suggestion(key, list(_OPTIONS)))
        limit = options.get("min_cosine", MIN_COSINE)
        if isinstance(limit, bool) or not isinstance(limit, int | float) or not -1.0 <= limit <= 1.0:
            raise ConfigError(f"The option min_cosine of diversity needs a number from -1 to 1, not {limit!r}.")
        self._min_cosine = float(limit)
        catalogue = options.get("catalogue")
        self._catalogue = ReferenceSet(Path(str(catalogue))) if catalogue else None
        name, own = _embedding(options), _embedding_options(options)
        self._make: Callable[[], Embedder] = lambda: embedder or embedding.get(name)(own, locate)

    @cached_property
    def _embedder(self) -> Embedder:
        return self._make()

    @cached_property
    def _listener(self) -> Listener:
        return Listener(self._embedder, self._min_cosine)

    def signature(self, metric: str) -> str:
        """Embedding, rule of similar segments, and the catalogue by content."""
        parts: dict[str, str | int | float] = dict(self._embedder.signature_parts)
        if metric in ("prompt_copy", "catalogue_copy"):
            parts["similar"] = f"cos{self._min_cosine:g}w{_similar.WINDOW_S:g}+{_similar.NAME}"
        if metric in ("nn_train", "catalogue_copy"):
            parts["catalogue"] = self._catalogue.signature if self._catalogue else "none"
        parts["interval"] = "bootstrap" if metric.startswith("div") or metric == "nn_train" else "wilson"
        return make_signature(metric, self.version, parts)

    def score_set(self, songs: Sequence[SetSong]) -> list[SetScore]:
        """Scores of the whole set; diversity also of each language."""
        lost: list[str] = []
        has_audio = any(song.prompt.prompt_audio_path for song in songs)
        ours = self._hear(songs, lost, closely=has_audio or self._catalogue is not None)
        catalogue = self._heard_catalogue(songs, lost)
        scores = []
        for group, prompts in _groups(ours).items():
            scores.append(self._score(group, "div_intra", prompts, lost, lambda: _intra(prompts)))  # noqa: B023
            scores.append(self._score(group, "div_inter", prompts, lost, lambda: _inter(prompts, catalogue)))  # noqa: B023
        scores.append(self._score("all", "prompt_copy", ours, lost, lambda: self._prompt_copies(ours, lost)))
        scores.append(self._score("all", "nn_train", ours, lost, lambda: _nearest(ours, catalogue)))
        scores.append(self._score("all", "catalogue_copy", ours, lost, lambda: self._catalogue_copies(ours, catalogue)))
        return scores

    def _hear(self, songs: Sequence[SetSong], lost: list[str], *, closely: bool) -> Sounds:
        found: dict[str, list[tuple[SetSong, Sound]]] = {}
        for song in songs:
            try:
                sound = self._listener.hear(song, closely=closely)
            except AudioError as error:
                log.warning("%s is left out of diversity: %s", song.song.id, error)
                lost.append(f"{song.song.id}: {error}")
                continue
            found.setdefault(song.prompt.id, []).append((song, sound))
        return found

    def _heard_catalogue(self, songs: Sequence[SetSong], lost: list[str]) -> list[tuple[SetSong, Sound]]:
        if self._catalogue is None or not songs:
            return []
        heard = self._hear(self._catalogue.songs(songs[0].derived), lost, closely=True)
        return [take for takes in heard.values() for take in takes]

    def _prompt_copies(self, ours: Sounds, lost: list[str]) -> Spread:
        flags: dict[str, list[bool]] = {}
        told: list[dict[str, Any]] = []
        for prompt_id, takes in ours.items():
            place = takes[0][0].prompt.prompt_audio_path
            if not place:
                continue
            if not Path(place).is_file():
                lost.append(f"prompt audio of {prompt_id}: there is no file {place}")
                continue
            path = Path(place)
            try:
                given = self._listener.hear(reference_song(path, file_sha256(path), takes[0][0].derived), closely=True)
            except AudioError as error:
                lost.append(f"prompt audio of {prompt_id}: {error}")
                continue
            for song, sound in takes:
                evidence = self._listener.compare(sound, given)
                flags.setdefault(prompt_id, []).append(evidence.is_similar)
                told.append({"song": song.song.id, "similar_segment": evidence.is_similar, **evidence.told()})
        if not flags:
            raise NotMeasurable("No prompt has audio to compare with.")
        return of_rate(flags, songs=_worst_first(told))

    def _catalogue_copies(self, ours: Sounds, catalogue: Sequence[tuple[SetSong, Sound]]) -> Spread:
        if not catalogue:
            raise NotMeasurable(_NO_CATALOGUE)
        sounds = [sound for _, sound in catalogue]
        flags: dict[str, list[bool]] = {}
        told: list[dict[str, Any]] = []
        for prompt_id, takes in ours.items():
            for song, sound in takes:
                near = _similar.nearest(sound, sounds, N_CANDIDATES)
                printed = _similar.most_printed(sound, sounds)
                found = [(self._listener.compare(sound, sounds[i]), i) for i in dict.fromkeys([*near, printed])]
                evidence, place = max(found, key=lambda one: (len(one[0].agreeing), one[0].prints.hits, one[0].cosine))
                flags.setdefault(prompt_id, []).append(evidence.is_similar)
                of = {"song": song.song.id, "catalogue": catalogue[place][0].song.path}
                told.append({**of, "similar_segment": evidence.is_similar, **evidence.told()})
        return of_rate(flags, songs=_worst_first(told))

    def _score(
        self, group: str, metric: str, prompts: Sounds, lost: Sequence[str], measure: Callable[[], Spread]
    ) -> SetScore:
        common: dict[str, Any] = {"system": "", "group": group, "evaluator": self.name, "metric": metric}
        common["signature"] = self.signature(metric)
        try:
            found = measure()
        except NotMeasurable as reason:
            return SetScore(**common, value=None, n=len(prompts), status="not_applicable", reason=str(reason))
        details = {**found.details, "n_songs": sum(map(len, prompts.values()))}
        details |= {"unreadable": list(lost[:20]), "n_unreadable": len(lost)}
        low, high = found.interval or (None, None)
        return SetScore(**common, value=found.value, ci_low=low, ci_high=high, n=found.n, status="ok", details=details)


_NO_CATALOGUE = "The profile names no catalogue (option catalogue of diversity)."


def _groups(ours: Sounds) -> dict[str, Sounds]:
    """All prompts, and those of each language if there are several."""
    languages: dict[str, dict[str, Sequence[tuple[SetSong, Sound]]]] = {}
    for prompt_id, takes in ours.items():
        languages.setdefault(takes[0][0].prompt.language, {})[prompt_id] = takes
    return {"all": ours, **(dict(sorted(languages.items())) if len(languages) > 1 else {})}


def _vectors(takes: Sequence[tuple[SetSong, Sound]]) -> np.ndarray:
    return np.stack([sound.song for _, sound in takes]).astype(np.float64)


def _intra(ours: Sounds) -> Spread:
    values = {}
    for prompt_id, takes in ours.items():
        pairs = list(itertools.combinations(_vectors(takes), 2))
        if pairs:
            values[prompt_id] = 1.0 - float(np.mean([one @ other for one, other in pairs]))
    if not values:
        raise NotMeasurable("No prompt has two takes (option --takes of evalkit run).")
    least = sorted(values, key=lambda name: (values[name], name))[:_MAX_TOLD]
    return of_prompts(values, SEED, least_diverse={name: round(values[name], 4) for name in least})


def _inter(ours: Sounds, catalogue: Sequence[tuple[SetSong, Sound]]) -> Spread:
    if len(ours) < 2:
        raise NotMeasurable("There are songs of fewer than two prompts.")
    # The mean over pairs of takes is the product of the prompts' mean vectors.
    means = np.stack([_vectors(takes).mean(axis=0) for takes in ours.values()])
    details: dict[str, Any] = {}
    if len(catalogue) > 1:
        vectors = _vectors(catalogue)
        details["catalogue_div_inter"] = round(pairwise(1.0 - vectors @ vectors.T, SEED).value, 4)
    return pairwise(1.0 - means @ means.T, SEED, **details)


def _nearest(ours: Sounds, catalogue: Sequence[tuple[SetSong, Sound]]) -> Spread:
    if not catalogue:
        raise NotMeasurable(_NO_CATALOGUE)
    theirs = _vectors(catalogue)
    values: dict[str, float] = {}
    told: list[dict[str, Any]] = []
    for prompt_id, takes in ours.items():
        cosines = _vectors(takes) @ theirs.T
        values[prompt_id] = float(cosines.max(axis=1).mean())
        for (song, _), row in zip(takes, cosines, strict=True):
            nearest = catalogue[int(np.argmax(row))][0].song.path
            told.append({"song": song.song.id, "catalogue": nearest, "cosine": round(float(row.max()), 4)})
    details: dict[str, Any] = {"n_catalogue": len(catalogue)}
    if len(theirs) > 1:
        among = theirs @ theirs.T
        np.fill_diagonal(among, -1.0)
        own = among.max(axis=1)
        details["catalogue_nn"] = round(float(own.mean()), 4)
        details["catalogue_nn_p95"] = round(float(np.percentile(own, 95.0)), 4)
    told.sort(key=lambda one: (-one["cosine"], one["song"]))
    return of_prompts(values, SEED, songs=told[:_MAX_TOLD], **details)


def _worst_first(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(told, key=lambda one: (-len(one["agreeing"]), -one["fingerprint_hits"], one["song"]))[:_MAX_TOLD]


def _embedding(options: Mapping[str, Any]) -> str:
    return str(options.get("embedding", "musicnn"))


def _embedding_options(options: Mapping[str, Any]) -> Mapping[str, Any]:
    found = options.get("embedding_options", {})
    if not isinstance(found, Mapping):
        raise ConfigError(f"The option embedding_options of diversity needs options by name, not {found!r}.")
    return found


EVALUATOR = DiversityEvaluator
