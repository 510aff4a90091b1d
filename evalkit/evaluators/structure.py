"""Does the song have the sections that were asked for, do its choruses come back, and does it end?"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from evalkit.errors import ConfigError
from evalkit.evaluators import _annotations, _endings, _passages, _places
from evalkit.evaluators._ears import Ears, check_options
from evalkit.evaluators._places import Place
from evalkit.evaluators._structure_metrics import ANNOTATED, METRICS
from evalkit.evaluators.base import ModelLocator, make_signature, ok, too_short, without_value
from evalkit.models import activity
from evalkit.models.separation import Separator
from evalkit.models.transcript import Transcriber
from evalkit.signal.frames import NotMeasurable, cell_sums
from evalkit.text import normalise
from evalkit.types import Clip, Metric, Score

Measured = tuple[float, dict[str, Any]]

_BY_WORDS = frozenset({"sung_section_time", "inst_dur_ok", "chorus_sim", "ssm_contrast", *ANNOTATED})
_BY_SOUND = frozenset({"chorus_sim", "ssm_contrast"})
_MIN_SOUND_S = 2.0
"""A section shorter than this is too short to be compared."""


class StructureEvaluator:
    """Finds the sections by their words, in the transcript it shares with `lyrics`, and compares what they sound like.

    Args:
        options: Those of `evalkit.evaluators._ears.Ears`, and ``annotations``: a folder with marked structure, one file
            ``SYSTEM/PROMPT.takeK.lab`` a song, with ``start end label`` in each line. Without it a song's own
            ``params["sections"]`` is used, where its system wrote one.
        locate: Finds model folders.
        transcriber: Used instead of Whisper, for tests and other recognisers.
        separator: Used instead of HTDemucs.
    """

    name: ClassVar[str] = "structure"
    version: ClassVar[str] = "1"
    metrics: ClassVar[tuple[Metric, ...]] = METRICS

    @classmethod
    def required_models(cls, options: Mapping[str, Any]) -> Sequence[str]:
        """What the ears need."""
        return Ears.required_models(options)

    def __init__(
        self,
        options: Mapping[str, Any],
        locate: ModelLocator,
        transcriber: Transcriber | None = None,
        separator: Separator | None = None,
    ) -> None:
        check_options(self.name, options, ("annotations",))
        folder = options.get("annotations")
        if folder is not None and not Path(folder).is_dir():
            raise ConfigError(f"Option annotations of evaluator structure names {folder!r}, which is not a folder.")
        self._annotations = Path(folder) if folder is not None else None
        self._ears = Ears(options, locate, transcriber, separator)

    def signature(self, metric: str) -> str:
        """Recogniser, rules and features in one line."""
        parts: dict[str, str | int | float] = {}
        if metric in _BY_WORDS:
            source = self._ears.primary
            parts |= {**self._ears.signature_parts(source), "norm": normalise.NAME, "places": _places.NAME}
        if metric in _BY_SOUND:
            parts["sound"] = _passages.NAME
        if metric == "ending_cut":
            parts |= {"rule": _endings.NAME, **self._ears.signature_parts(self._ears.primary)}
        if metric == "intro_vocal_time":
            parts["voice"] = f"{self._ears.separation_name('vocals')}+{activity.NAME}"
        if metric in ANNOTATED:
            parts["annotation"] = "folder" if self._annotations else "song"
        return make_signature(metric, self.version, parts)

    def prepare(self, clips: Sequence[Clip]) -> None:
        """Have the recogniser listen to several songs at once, where `lyrics` has not had it yet."""
        sung = [clip for clip in clips if not too_short(clip) and self._ears.reference(clip)]
        self._ears.prepare((clip, self._ears.primary, None) for clip in sung)

    def score(self, clip: Clip) -> list[Score]:
        """One score for each metric, in declared order."""
        reason = too_short(clip)
        look = _Look(self._ears, clip, self._annotations)
        scores = []
        for metric in self.metrics:
            signature = self.signature(metric.name)
            common = (clip.song.id, self.name, metric.name)
            if reason:
                scores.append(without_value(*common, "failed", reason, signature))
                continue
            try:
                value, details = _MEASURES[metric.name](look)
            except NotMeasurable as why:
                scores.append(without_value(*common, "not_applicable", str(why), signature))
                continue
            scores.append(ok(clip, self.name, metric.name, value, signature, **details))
        return scores


class _Look:
    """One song: where its sections are, and what is said about it elsewhere."""

    def __init__(self, ears: Ears, clip: Clip, annotations: Path | None) -> None:
        self.ears = ears
        self.clip = clip
        self._annotations = annotations
        self._places: list[Place] | None = None

    @property
    def places(self) -> list[Place]:
        """The sung sections that were found.

        Raises:
            NotMeasurable: there is nothing to find, or nothing was found.
        """
        if self._places is None:
            self._places = self._find()
        if not self._places:
            raise NotMeasurable("No section of the lyric was heard.")
        return self._places

    @property
    def marks(self) -> list[_annotations.Mark]:
        """The annotation.

        Raises:
            NotMeasurable: there is none.
        """
        song = self.clip.song
        if self._annotations is not None:
            path = self._annotations / f"{song.id}.lab"
            if not path.is_file():
                raise NotMeasurable(f"There is no annotation {song.id}.lab.")
            return _annotations.load(path)
        own = song.params.get("sections")
        if not own:
            raise NotMeasurable("The structure of the song is not annotated.")
        return [(float(start_s), float(end_s), str(label)) for start_s, end_s, label in own]

    def sections_by_label(self) -> dict[str, list[Place]]:
        """Sections long enough to be compared, by the kind of their label."""
        found: dict[str, list[Place]] = {}
        for place in self.places:
            if place.end_s - place.start_s >= _MIN_SOUND_S:
                found.setdefault(_annotations.base_label(place.label), []).append(place)
        return found

    def last_word_s(self) -> float | None:
        """When the last word that was heard ends, be it in the lyric or not."""
        words = self._words()
        ends = [token.end_s for token in words.hypothesis if token.end_s is not None] if words else []
        return max(ends, default=None)

    def _words(self) -> Any:
        return self.ears.words(self.clip, self.ears.primary) if self.ears.reference(self.clip) else None

    def _find(self) -> list[Place]:
        if not self.ears.reference(self.clip):
            raise NotMeasurable("The prompt has no words to sing.")
        words = self._words()
        if words is None:
            language = normalise.base_language(self.clip.prompt.language)
            raise NotMeasurable(f"Whisper does not know the language {language!r}.")
        return _places.find_places(self.clip.prompt.sections, words)


def _sung_time(look: _Look) -> Measured:
    places = look.places
    sections = [
        {"index": p.index, "label": p.label, "start_s": round(p.start_s, 2), "end_s": round(p.end_s, 2), "hits": p.hits}
        for p in places
    ]
    return sum(p.end_s - p.start_s for p in places) / len(places), {"sections": sections}


def _instrumentals(look: _Look) -> Measured:
    sections = look.clip.prompt.sections
    if not any(not section.is_sung for section in sections):
        raise NotMeasurable("The prompt has no instrumental section.")
    gaps = _places.find_gaps(sections, look.places, look.clip.mix.duration_s)
    if not gaps:
        raise NotMeasurable("No instrumental section could be placed between sung words.")
    fitting = sum(gap.fits for gap in gaps)
    told = [
        {
            "labels": list(gap.labels),
            "start_s": round(gap.start_s, 2),
            "end_s": round(gap.end_s, 2),
            "longest_s": gap.wanted_s[1] if gap.wanted_s[1] < float("inf") else None,
            "shortest_s": gap.wanted_s[0],
            "fits": gap.fits,
        }
        for gap in gaps
    ]
    return fitting / len(gaps), {"numerator": fitting, "denominator": len(gaps), "gaps": told}


def _chorus(look: _Look) -> Measured:
    kinds = look.sections_by_label()
    choruses, verses = kinds.get("chorus", []), kinds.get("verse", [])
    if len(choruses) < 2:
        raise NotMeasurable(f"Fewer than two choruses were found ({len(choruses)}).")
    if not verses:
        raise NotMeasurable("No verse was found to compare the choruses with.")
    track = _passages.track(look.clip)
    vectors = {place.index: track.passage(place.start_s, place.end_s) for place in (*choruses, *verses)}

    def mean(pairs: Sequence[tuple[Place, Place]]) -> float:
        return float(sum(vectors[one.index] @ vectors[other.index] for one, other in pairs) / len(pairs))

    same = mean(list(itertools.combinations(choruses, 2)))
    different = mean(list(itertools.product(verses, choruses)))
    details = {
        "choruses": len(choruses),
        "verses": len(verses),
        "same": round(same, 4),
        "different": round(different, 4),
    }
    return same - different, details


def _contrast(look: _Look) -> Measured:
    labelled = [(kind, place) for kind, places in look.sections_by_label().items() for place in places]
    pairs = list(itertools.combinations(labelled, 2))
    if not any(a == b for (a, _), (b, _) in pairs):
        raise NotMeasurable("No label of a section that was found comes twice.")
    if not any(a != b for (a, _), (b, _) in pairs):
        raise NotMeasurable("All sections that were found have the same label.")
    track = _passages.track(look.clip)
    matrix = track.similarity
    rows = {place.index: track.frames(place.start_s, place.end_s) for _, place in labelled}
    means: dict[bool, list[float]] = {True: [], False: []}
    for (a, one), (b, other) in pairs:
        means[a == b].append(float(matrix[rows[one.index], rows[other.index]].mean()))
    same, different = (sum(found) / len(found) for found in (means[True], means[False]))
    return same - different, {"same": round(same, 4), "different": round(different, 4)}


def _ending(look: _Look) -> Measured:
    ending = _endings.find_ending(cell_sums(look.clip.mix).powers, look.last_word_s())
    flags = ["reached_max_frames"] if look.clip.song.params.get("reached_max_frames") else []
    details = {
        "kind": ending.kind,
        "drop_db": round(ending.drop_db, 2),
        "tail_db": round(ending.tail_db, 2),
        "end_s": ending.end_s,
        "flags": flags,
    }
    return float(ending.kind == "cut"), details


def _intro(look: _Look) -> Measured:
    voice = look.ears.voice(look.clip)
    if voice is None:
        raise NotMeasurable(look.ears.why_not("vocals"))
    if not voice:
        raise NotMeasurable("Nobody sings.")
    return voice[0][0], {}


def _agreement(field: str) -> Callable[[_Look], Measured]:
    def measure(look: _Look) -> Measured:
        marks = look.marks
        duration_s = look.clip.mix.duration_s
        found = [(place.start_s, place.end_s, place.label) for place in look.places]
        gaps = _places.find_gaps(look.clip.prompt.sections, look.places, duration_s)
        found += [(gap.start_s, gap.end_s, gap.labels[0]) for gap in gaps]
        return float(getattr(_annotations.compare(sorted(found), marks, duration_s), field)), {}

    return measure


def _sequence(look: _Look) -> Measured:
    marks = look.marks
    errors, n_wanted = _annotations.label_errors(marks, [section.label for section in look.clip.prompt.sections])
    if not n_wanted:
        raise NotMeasurable("The prompt has no sections.")
    return errors / n_wanted, {"numerator": errors, "denominator": n_wanted}


_MEASURES: Mapping[str, Callable[[_Look], Measured]] = {
    "sung_section_time": _sung_time,
    "inst_dur_ok": _instrumentals,
    "chorus_sim": _chorus,
    "ssm_contrast": _contrast,
    "ending_cut": _ending,
    "intro_vocal_time": _intro,
    "label_f1": _agreement("label_f1"),
    "boundary_hr_05": _agreement("boundary_hr_05"),
    "boundary_hr_3": _agreement("boundary_hr_3"),
    "label_seq_er": _sequence,
}

EVALUATOR = StructureEvaluator
