"""Puts the scores of two systems side by side, prompt by prompt, and says why if that cannot be done.

Shared by `evalkit.contrasts`, which compares everything, and `evalkit.gate`, which compares by rules.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from evalkit.baseline import prompt_digests
from evalkit.comparison import PairedComparison, as_yes_no, compare_many
from evalkit.errors import ConfigError
from evalkit.registry import suggestion
from evalkit.stats import PromptValues, average_takes, prompt_values
from evalkit.store import RunData
from evalkit.types import BINARY_UNIT, Metric, Score

Compared = Literal["value", "distance"]


class Side:
    """One system of a run, its scores by metric.

    Args:
        run: The run.
        system: Name of a system in it.

    Raises:
        ConfigError: the run has no such system, or it is a calibration system.
    """

    def __init__(self, run: RunData, system: str) -> None:
        names = contenders(run)
        if system not in names:
            raise ConfigError(f"The run {run.info.run_id} has no system {system!r}.", suggestion(system, names))
        self.run = run
        self.system = system
        self.songs = {song.id: song for song in run.songs if song.system == system}
        self.prompt_of = {song_id: song.prompt_id for song_id, song in self.songs.items()}
        self._scores: dict[str, list[Score]] = {}
        self._by_prompt: dict[str, dict[str, list[Score]]] = {}
        for score in run.scores:
            if score.song_id in self.songs:
                self._scores.setdefault(score.metric, []).append(score)
        # Every language of a metric asks these again.
        self._signatures: dict[str, tuple[str, ...]] = {}
        self._not_applicable: dict[str, frozenset[str]] = {}
        self._declared = {name: sign for made in run.info.evaluators for name, sign in made.signatures.items()}

    def scores(self, metric: str) -> Sequence[Score]:
        """Scores of a metric, of any status."""
        return self._scores.get(metric, ())

    def scores_of(self, metric: str, prompts: Collection[str]) -> list[Score]:
        """Scores of a metric on some prompts, of any status."""
        found = self._grouped(metric)
        return [score for prompt_id in sorted(found.keys() & prompts) for score in found[prompt_id]]

    def has_value(self, metric: str) -> bool:
        """Whether any song has a value of this metric."""
        return any(score.value is not None for score in self.scores(metric))

    def signatures(self, metric: str) -> tuple[str, ...]:
        """Signatures of all values of a metric; without any value, the declared one."""
        if metric not in self._signatures:
            found = sorted({score.signature for score in self.scores(metric) if score.value is not None})
            declared = (self._declared[metric],) if metric in self._declared else ()
            self._signatures[metric] = tuple(found) or declared
        return self._signatures[metric]

    def not_applicable(self, metric: str) -> frozenset[str]:
        """Prompts with scores of this metric all of which say that it does not apply."""
        if metric not in self._not_applicable:
            self._not_applicable[metric] = frozenset(
                prompt_id
                for prompt_id, found in self._grouped(metric).items()
                if all(score.status == "not_applicable" for score in found)
            )
        return self._not_applicable[metric]

    def _grouped(self, metric: str) -> Mapping[str, list[Score]]:
        if metric not in self._by_prompt:
            found: dict[str, list[Score]] = {}
            for score in self.scores(metric):
                found.setdefault(self.prompt_of[score.song_id], []).append(score)
            self._by_prompt[metric] = found
        return self._by_prompt[metric]


def system_names(run: RunData) -> list[str]:
    """Systems of a run, as declared; those that only songs name come last."""
    return list(dict.fromkeys([*(system.name for system in run.info.systems), *(song.system for song in run.songs)]))


def contenders(run: RunData) -> list[str]:
    """Systems of a run that may be compared and judged: all but its calibration systems."""
    calibration = {system.name for system in run.info.systems if system.calibration}
    return [name for name in system_names(run) if name not in calibration]


def shared_prompts(candidate: RunData, baseline: RunData, allow_mismatch: bool) -> tuple[list[str], list[str]]:
    """Prompts asked of both, in the candidate's order, and what a reader must know about them.

    Raises:
        ConfigError: the suites differ and that is not allowed, or nothing is shared.
    """
    shared = [prompt_id for prompt_id in candidate.prompts if prompt_id in baseline.prompts]
    notices = []
    ours, theirs = candidate.info.suite, baseline.info.suite
    if ours.sha256 != theirs.sha256:
        digests, other = prompt_digests(candidate), prompt_digests(baseline)
        same = [prompt_id for prompt_id in shared if digests.get(prompt_id) == other.get(prompt_id, "")]
        suites = (
            f"{ours.name} {ours.version} ({ours.sha256[:12]}) and {theirs.name} {theirs.version} ({theirs.sha256[:12]})"
        )
        if not allow_mismatch:
            raise ConfigError(
                f"The runs sang different suites: {suites}.",
                f"--allow-mismatch compares the {len(same)} prompts that have the same id and text in both."
                if same
                else "They share no prompt with the same text.",
            )
        notices.append(
            f"Different suites, {suites}: only the {len(same)} prompts with the same id and text in both are compared."
        )
        shared = same
    if not shared:
        raise ConfigError("The two runs have no prompt in common.", "Run both on the same suite.")
    for run, name in ((candidate, "candidate"), (baseline, "baseline")):
        if left := len(run.prompts) - len(shared):
            notices.append(f"{left} prompts of the {name}'s run were not asked of the other and are left out.")
    return shared, notices


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One metric on some prompts, ready to be compared; values are aligned.

    Attributes:
        metric: What it is.
        oriented: 1 if larger is worse, -1 if smaller is, 0 if neither.
        compared: What the values are.
        problem: Why the two cannot be compared; empty if they can.
        values: What is compared, candidate and baseline.
        own: The metric's own values on the same prompts.
        answers: For yes/no metrics: 0 or 1 by prompt and take, for takes both have; else None.
        hidden: Whether numbers that cannot be compared are withheld.
        n_missing: Prompts that lack a pair.
        n_not_applicable: Prompts that neither has because the metric does not apply.
    """

    metric: Metric
    language: str | None
    signatures: tuple[str, str]
    oriented: int
    compared: Compared
    problem: str
    hidden: bool
    values: tuple[PromptValues, PromptValues]
    own: tuple[PromptValues, PromptValues]
    answers: tuple[Mapping[tuple[str, int], float], Mapping[tuple[str, int], float]] | None
    n_missing: int
    n_not_applicable: int


def make_job(
    candidate: Side,
    baseline: Side,
    metric: Metric,
    prompts: Collection[str],
    language: str | None = None,
    allow_mismatch: bool = False,
    conditional: bool = False,
) -> Job:
    """Pair the values of one metric.

    Args:
        candidate: The candidate.
        baseline: The baseline.
        metric: What to compare; its direction and range decide what is worse.
        prompts: Prompts asked of both.
        language: For the label.
        allow_mismatch: Keep the numbers of what is not comparable.
        conditional: The metric is defined only on songs that meet a condition, so a prompt on which one side does not
            apply is left out instead of missing.
    """
    name = metric.name
    sides = (candidate, baseline)
    signatures = tuple(side.signatures(name) for side in sides)
    problem = _problem(sides, metric, signatures)
    apart = [side.not_applicable(name) & set(prompts) for side in sides]
    outside = apart[0] | apart[1] if conditional else apart[0] & apart[1]
    asked = set(prompts) - outside
    distance = metric.direction == "target" and metric.good is not None
    scores = [side.scores_of(name, asked) for side in sides]
    if metric.unit == BINARY_UNIT:
        scores = _matched(sides, scores)
    # Different aggregates cannot be computed alike; the candidate's declaration is used for numbers shown all the same.
    own = _paired(sides, scores, metric, asked)
    values = own
    if distance:
        assert metric.good is not None
        ours, theirs = (
            _distances(side, found, metric.good, len(asked)) for side, found in zip(sides, scores, strict=True)
        )
        values = _both(ours, theirs, len(asked))
    return Job(
        metric=metric,
        language=language,
        signatures=(" + ".join(signatures[0]), " + ".join(signatures[1])),
        oriented=orientation(metric),
        compared="distance" if distance else "value",
        problem=problem,
        hidden=bool(problem) and not allow_mismatch,
        values=values,
        own=own,
        answers=_answers(sides, scores) if metric.unit == BINARY_UNIT else None,
        n_missing=len(asked) - len(values[0].prompt_ids),
        n_not_applicable=len(outside),
    )


def compare_jobs(jobs: Sequence[Job], seed: int, resamples: int) -> list[PairedComparison | None]:
    """Compare what may be compared; the same draws serve all."""
    shown = [place for place, job in enumerate(jobs) if not job.hidden]
    found = compare_many([jobs[place].values for place in shown], seed=seed, resamples=resamples)
    out: list[PairedComparison | None] = [None] * len(jobs)
    for place, paired in zip(shown, found, strict=True):
        answers = jobs[place].answers
        out[place] = paired if answers is None else as_yes_no(paired, *answers)
    return out


def turned(low: float | None, high: float | None, sign: int) -> tuple[float | None, float | None]:
    """An interval of candidate minus baseline, turned so that positive is worse; nothing if neither side is."""
    if low is None or high is None or sign == 0:
        return None, None
    return (low, high) if sign > 0 else (-high, -low)


def orientation(metric: Metric) -> int:
    """1 if larger is worse, -1 if smaller is, 0 if neither; for targets it is the distance that is worse if larger."""
    if metric.direction == "target":
        return int(metric.good is not None)
    return {"lower": 1, "higher": -1}.get(metric.direction, 0)


def take_notices(candidate: RunData, baseline: RunData) -> list[str]:
    """What a reader must know if the two have different numbers of takes."""
    ours, theirs = candidate.info.takes, baseline.info.takes
    if ours == theirs:
        return []
    return [f"The candidate has {ours} takes for each prompt, the baseline {theirs}; takes are averaged."]


def _problem(sides: tuple[Side, Side], metric: Metric, signatures: Sequence[tuple[str, ...]]) -> str:
    for side, found, who in zip(sides, signatures, ("candidate", "baseline"), strict=True):
        if not side.scores(metric.name):
            return f"the {who}'s run has no {metric.name}"
        if not side.has_value(metric.name):
            return f"no song of the {who} has a value"
        if len(found) > 1:
            return f"the {who}'s run holds {len(found)} signatures"
    if signatures[0] != signatures[1]:
        return "the signatures differ"
    first, second = (_meaning(side.run.metrics.get(metric.name, metric)) for side in sides)
    return "" if first == second else "the two runs declare it differently"


def _meaning(metric: Metric) -> tuple[object, ...]:
    return metric.unit, metric.direction, metric.aggregate, metric.good


def _paired(
    sides: tuple[Side, Side], scores: Sequence[Sequence[Score]], metric: Metric, asked: Collection[str]
) -> tuple[PromptValues, PromptValues]:
    ours, theirs = (
        prompt_values(found, metric, side.prompt_of, asked) for side, found in zip(sides, scores, strict=True)
    )
    return _both(ours, theirs, len(asked))


def _both(ours: PromptValues, theirs: PromptValues, n_asked: int) -> tuple[PromptValues, PromptValues]:
    """The prompts on which both have a value."""
    both = sorted(set(ours.prompt_ids) & set(theirs.prompt_ids))
    return ours.take(both, n_asked - len(both)), theirs.take(both, n_asked - len(both))


def _matched(sides: tuple[Side, Side], scores: Sequence[Sequence[Score]]) -> list[list[Score]]:
    """Scores of prompts and takes on which both sides answered, so that pairs are pairs of songs; others as missing."""
    keyed = [
        {(side.prompt_of[s.song_id], side.songs[s.song_id].take): s for s in found if s.value is not None}
        for side, found in zip(sides, scores, strict=True)
    ]
    both = keyed[0].keys() & keyed[1].keys()
    return [[score for key, score in found.items() if key in both] for found in keyed]


def _answers(
    sides: tuple[Side, Side], scores: Sequence[Sequence[Score]]
) -> tuple[dict[tuple[str, int], float], dict[tuple[str, int], float]] | None:
    ours, theirs = (
        {
            (side.prompt_of[score.song_id], side.songs[score.song_id].take): score.value
            for score in found
            if score.value is not None
        }
        for side, found in zip(sides, scores, strict=True)
    )
    # A rate that is no plain yes or no has no table of four cells.
    return (ours, theirs) if all(value in (0.0, 1.0) for side in (ours, theirs) for value in side.values()) else None


def _distances(
    side: Side, scores: Sequence[Score], good: tuple[float | None, float | None], n_asked: int
) -> PromptValues:
    """How far each song lies outside the wanted range, takes averaged."""
    low, high = good
    takes: dict[str, list[tuple[float, float]]] = {}
    for score in scores:
        if score.value is not None:
            below = 0.0 if low is None else low - score.value
            above = 0.0 if high is None else score.value - high
            takes.setdefault(side.prompt_of[score.song_id], []).append((max(0.0, below, above), 1.0))
    return average_takes(takes, n_asked)
