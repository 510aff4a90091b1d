"""How the voice is sung: in tune, over what range, with what vibrato."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from evalkit.errors import ConfigError
from evalkit.evaluators._notes import find_notes, find_vibrato, long_notes, tuning_and_deviation
from evalkit.evaluators.base import ModelLocator, make_signature, ok, too_short, without_value
from evalkit.signal.f0 import F0Track, f0_track, signature_parts
from evalkit.types import Clip, Metric, Score, ScoreStatus

MIN_VOICED_S = 2.0
_SOURCE = "evalkit definition; pitch by Boersma 1993"


class PitchEvaluator:
    """Pitch of the vocal stem: one track of the fundamental frequency, and what follows from it.

    Takes no options. A song without a vocal stem has no scores: on a mix the pitch is that of whatever is loudest.
    """

    name: ClassVar[str] = "pitch"
    version: ClassVar[str] = "1"
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(
            name="voiced_share",
            title="Sung share",
            unit="",
            direction="none",
            bounds=(0.0, 1.0),
            as_percent=True,
            source=_SOURCE,
            description="Share of the song in which the voice has a pitch.",
        ),
        Metric(
            name="tuning_deviation",
            title="Deviation from the semitones",
            unit="cents",
            direction="lower",
            bounds=(0.0, 50.0),
            source=_SOURCE,
            description=(
                "Mean distance of the notes from the nearest semitone, in the tuning that suits the song best. Random "
                "pitches have about 24."
            ),
        ),
        Metric(
            name="pitch_range",
            title="Range of the voice",
            unit="semitones",
            direction="none",
            bounds=(0.0, None),
            source=_SOURCE,
            description="From the 5th to the 95th percentile of the time with a pitch.",
        ),
        Metric(
            name="vibrato_share",
            title="Long notes with vibrato",
            unit="",
            direction="none",
            bounds=(0.0, 1.0),
            as_percent=True,
            source=_SOURCE,
            description="Share of the notes of at least 0.4 s that swing regularly by 10 cents or more.",
        ),
        Metric(
            name="vibrato_rate",
            title="Vibrato rate",
            unit="Hz",
            direction="none",
            bounds=(3.5, 8.5),
            source=_SOURCE,
            description="Swings per second, median of the notes with vibrato. Trained singers have 5 to 7.",
        ),
        Metric(
            name="vibrato_extent",
            title="Vibrato extent",
            unit="cents",
            direction="none",
            bounds=(10.0, None),
            source=_SOURCE,
            description="Swing to each side, median of the notes with vibrato. Trained singers have 30 to 100.",
        ),
    )

    @classmethod
    def required_models(cls, options: Mapping[str, Any]) -> Sequence[str]:
        """None: this is arithmetic."""
        return ()

    def __init__(self, options: Mapping[str, Any], locate: ModelLocator) -> None:
        for key in options:
            raise ConfigError(f"The evaluator pitch has no option {key!r}; it takes none.")

    def signature(self, metric: str) -> str:
        """Stem, tracker and level in one line."""
        return make_signature(metric, self.version, {"stem": "native", **signature_parts()})

    def score(self, clip: Clip) -> list[Score]:
        """Six scores, in declared order."""
        if reason := too_short(clip):
            return self._all(clip, reason, "failed")
        if "vocals" not in clip.stems:
            return self._all(clip, "The system gives no vocal stem.")
        track = f0_track(clip)
        found = self._measure(track, clip)
        return [
            ok(clip, self.name, name, value, self.signature(name), **details)
            if value is not None
            else self._without(clip, name, reason)
            for name, (value, reason, details) in found.items()
        ]

    def _measure(self, track: F0Track, clip: Clip) -> dict[str, tuple[float | None, str, dict[str, Any]]]:
        """Each metric's value (None if there is none), the reason for that, and details."""
        names = [metric.name for metric in self.metrics]
        share = min(1.0, track.voiced_s / clip.mix.duration_s)
        too_little = f"Only {track.voiced_s:.1f} s of the stem have a pitch; at least {MIN_VOICED_S:g} are needed."
        found: dict[str, tuple[float | None, str, dict[str, Any]]] = dict.fromkeys(names, (None, too_little, {}))
        found["voiced_share"] = (share, "", {"median_hz": track.median_hz})
        if track.voiced_s < MIN_VOICED_S:
            return found
        semitones = track.semitones
        low, high = np.nanpercentile(semitones, [5.0, 95.0])
        found["pitch_range"] = (
            float(high - low),
            "",
            {"low_midi": round(float(low), 2), "high_midi": round(float(high), 2)},
        )
        notes = find_notes(semitones, track.frame_s)
        if notes:
            centres = np.array([note.centre for note in notes])
            tuning, deviation = tuning_and_deviation(centres, np.array([float(note.n_frames) for note in notes]))
            found["tuning_deviation"] = (deviation, "", {"tuning_cents": tuning, "n_notes": len(notes)})
        else:
            found["tuning_deviation"] = (None, "No note is held long enough to be measured.", {})
        long = long_notes(notes, track.frame_s)
        swings = [swing for note in long if (swing := find_vibrato(note, track.frame_s))]
        no_long = "No note is long enough to tell a vibrato."
        found["vibrato_share"] = (
            (len(swings) / len(long), "", {"n_long_notes": len(long)}) if long else (None, no_long, {})
        )
        none: tuple[float | None, str, dict[str, Any]] = (None, "No long note has a vibrato." if long else no_long, {})
        found["vibrato_rate"] = (float(np.median([s.rate_hz for s in swings])), "", {}) if swings else none
        found["vibrato_extent"] = (float(np.median([s.extent_cents for s in swings])), "", {}) if swings else none
        return found

    def _all(self, clip: Clip, reason: str, status: ScoreStatus = "not_applicable") -> list[Score]:
        return [self._without(clip, metric.name, reason, status) for metric in self.metrics]

    def _without(self, clip: Clip, metric: str, reason: str, status: ScoreStatus = "not_applicable") -> Score:
        return without_value(clip.song.id, self.name, metric, status, reason, self.signature(metric))


EVALUATOR = PitchEvaluator
