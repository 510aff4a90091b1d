"""A run put in order: songs in suite order, scores by system and measure, summaries with their intervals."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from evalkit import stats
from evalkit.resampling import RESAMPLES
from evalkit.store import EvaluatorInfo, RunData, SystemInfo
from evalkit.types import Metric, Prompt, Score, Song, Summary
from reports import numbers
from reports.report import Measure

SEED = 0
"""Of the resampling; fixed, so that the same run gives the same page."""

UNKNOWN = "und"
OWN_LICENCE = "MIT"

_RESAMPLED_CELLS = 20_000_000

ARROWS = {"higher": "↑", "lower": "↓", "target": "◎", "none": ""}
BETTER = {"higher": "higher is better", "lower": "lower is better", "none": "describes only"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """Everything the views look up.

    Attributes:
        systems: As declared; then those that only songs name, then calibration systems.
        measures: Metric and signature pairs in declared order.
        metrics: The metric of each measure.
        songs: By suite order, system, take.
        scores: Song id to measure index to score.
        pools: (system name, measure index) to scores.
    """

    run: RunData
    systems: tuple[SystemInfo, ...]
    measures: tuple[Measure, ...]
    metrics: tuple[Metric, ...]
    songs: tuple[Song, ...]
    scores: Mapping[str, Mapping[int, Score]]
    pools: Mapping[tuple[str, int], Sequence[Score]]
    prompt_of: Mapping[str, str]
    groups: Mapping[tuple[str, str | None], Sequence[Song]]
    """(system name, language or None for all) to songs."""

    @property
    def contenders(self) -> tuple[SystemInfo, ...]:
        """The first of `systems`: all but calibration systems."""
        return tuple(system for system in self.systems if not system.calibration)

    def prompt(self, song: Song) -> Prompt | None:
        """The prompt of a song, if the run still knows it."""
        return self.run.prompts.get(song.prompt_id)

    def language(self, song: Song) -> str:
        """Language of a song's prompt; ``und`` if unknown."""
        prompt = self.prompt(song)
        return prompt.language if prompt else UNKNOWN

    @property
    def languages(self) -> list[str]:
        """Languages in suite order."""
        found = dict.fromkeys(prompt.language for prompt in self.run.prompts.values())
        return list(found | dict.fromkeys(self.language(song) for song in self.songs))

    def shown(self, measure: int, value: float) -> float:
        """A stored value as it is printed: scaled, not rounded."""
        return value * self.measures[measure].scale

    def summaries(self, wanted: Sequence[tuple[str, int, Collection[str] | None]]) -> list[Summary]:
        """Summaries of (system name, measure, prompts or None for all), resamples drawn once for all of them."""
        items = [
            (
                self.metrics[measure],
                stats.prompt_values(
                    self.pool(system, measure, prompts), self.metrics[measure], self.prompt_of, prompts
                ),
            )
            for system, measure, prompts in wanted
        ]
        largest = max((len(values.prompt_ids) for _, values in items), default=1)
        # 10,000 resamples of 10,000 prompts would take minutes; the interval of so many is narrow anyway.
        resamples = max(1_000, min(RESAMPLES, _RESAMPLED_CELLS // max(1, largest)))
        return stats.summarise_values(items, SEED, resamples)

    def pool(self, system: str, measure: int, prompts: Collection[str] | None = None) -> Sequence[Score]:
        """Scores of a system and measure, of any status."""
        found = self.pools.get((system, measure), ())
        return found if prompts is None else [score for score in found if self.prompt_of[score.song_id] in prompts]


def make_index(run: RunData) -> Index:
    """Put a run in order; scores of songs the run does not know are left out."""
    known = {song.id: song for song in run.songs}
    scores = [score for score in run.scores if score.song_id in known]
    metrics, signatures = _signatures(run, scores)
    keys = [(name, signature) for name in metrics for signature in signatures[name]]
    position = {key: index for index, key in enumerate(keys)}
    by_song: dict[str, dict[int, Score]] = {}
    for score in scores:
        # What has no value is no number to compare, so it may be counted beside the first signature.
        key = (score.metric, score.signature)
        index = position.get(key, position[score.metric, signatures[score.metric][0]])
        by_song.setdefault(score.song_id, {})[index] = score
    order = {prompt_id: place for place, prompt_id in enumerate(run.prompts)}
    systems = _systems(run)
    rank = {system.name: place for place, system in enumerate(systems)}
    songs = sorted(run.songs, key=lambda s: (order.get(s.prompt_id, len(order)), s.prompt_id, rank[s.system], s.take))
    pools: dict[tuple[str, int], list[Score]] = {}
    for song in songs:
        for index, score in by_song.get(song.id, {}).items():
            pools.setdefault((song.system, index), []).append(score)
    groups: dict[tuple[str, str | None], list[Song]] = {}
    for song in songs:
        prompt = run.prompts.get(song.prompt_id)
        for language in (None, prompt.language if prompt else UNKNOWN):
            groups.setdefault((song.system, language), []).append(song)
    owner = {metric.name: evaluator for evaluator in run.info.evaluators for metric in evaluator.metrics}
    return Index(
        run=run,
        systems=systems,
        measures=tuple(
            _measure(index, metrics[name], signature, owner.get(name), signatures[name], by_song)
            for index, (name, signature) in enumerate(keys)
        ),
        metrics=tuple(metrics[name] for name, _ in keys),
        songs=tuple(songs),
        scores=by_song,
        pools=pools,
        prompt_of={song.id: song.prompt_id for song in songs},
        groups=groups,
    )


def _systems(run: RunData) -> tuple[SystemInfo, ...]:
    declared = {system.name: system for system in run.info.systems}
    extra = sorted({song.system for song in run.songs} - set(declared))
    found = [*declared.values(), *(SystemInfo(name=name, spec=name, title=name) for name in extra)]
    return tuple(sorted(found, key=lambda system: bool(system.calibration)))


def _signatures(run: RunData, scores: Sequence[Score]) -> tuple[dict[str, Metric], dict[str, list[str]]]:
    metrics = dict(run.metrics)
    for name in sorted({score.metric for score in scores} - set(metrics)):
        metrics[name] = Metric(name=name, title=name, unit="", direction="none", source="not declared in this run")
    with_value: dict[str, set[str]] = {name: set() for name in metrics}
    for score in scores:
        if score.value is not None:
            with_value[score.metric].add(score.signature)
    declared = {name: sign for evaluator in run.info.evaluators for name, sign in evaluator.signatures.items()}
    found: dict[str, list[str]] = {}
    for name in metrics:
        first = (
            [declared[name]]
            if name in declared and (declared[name] in with_value[name] or not with_value[name])
            else []
        )
        found[name] = first + sorted(with_value[name] - set(first)) or [""]
    return metrics, found


def _measure(
    index: int,
    metric: Metric,
    signature: str,
    evaluator: EvaluatorInfo | None,
    signatures: Sequence[str],
    by_song: Mapping[str, Mapping[int, Score]],
) -> Measure:
    found = (row.get(index) for row in by_song.values())
    values = [score.value for score in found if score is not None and score.value is not None]
    which = f" (signature {signatures.index(signature) + 1} of {len(signatures)})" if len(signatures) > 1 else ""
    return make_measure(index, metric, signature, evaluator.name if evaluator else "", values, which)


def make_measure(
    index: int, metric: Metric, signature: str, evaluator: str, values: Sequence[float], which: str = ""
) -> Measure:
    """A metric with one signature, as it is shown.

    Args:
        index: Its place among the report's measures.
        metric: Its declaration.
        signature: How its values came about.
        evaluator: Who measured it; empty if unknown.
        values: As stored; they decide the decimals.
        which: Added to the title.
    """
    scale = 100.0 if metric.as_percent else 1.0
    shown = [value * scale for value in values]
    good = None if metric.good is None else (_scaled(metric.good[0], scale), _scaled(metric.good[1], scale))
    suffix = numbers.suffix_of(metric.unit, metric.as_percent)
    return Measure(
        index=index,
        evaluator=evaluator,
        name=metric.name,
        title=metric.title + which,
        unit=metric.unit,
        suffix=suffix,
        scale=scale,
        digits=numbers.digits_for(shown, percent=metric.as_percent, unit=metric.unit),
        direction=metric.direction,
        better=BETTER.get(metric.direction) or _wanted(good, suffix),
        arrow=ARROWS[metric.direction],
        headline=metric.headline,
        description=metric.description,
        source=metric.source,
        licence=metric.licence,
        remark="" if metric.licence == OWN_LICENCE else metric.licence,
        signature=signature,
        good=good,
    )


def _scaled(value: float | None, scale: float) -> float | None:
    return None if value is None else value * scale


def _wanted(good: tuple[float | None, float | None] | None, suffix: str) -> str:
    if good is None or good == (None, None):
        return "a range is wanted"
    low, high = good
    digits = max(numbers.axis_digits(end, end) for end in good if end is not None)
    if low is None or high is None:
        end = high if low is None else low
        assert end is not None
        return f"{'at most' if low is None else 'at least'} {numbers.number(end, digits)}{suffix} wanted"
    return f"{numbers.interval(low, high, digits)}{suffix} wanted"
