"""Two systems, metric by metric and language by language: better, worse, or not to be told apart.

Both sides are runs in memory (`evalkit.runfolder.load`, `evalkit.baseline.load_run_or_baseline`); one run with two
systems may be both. Songs are paired by prompt id, takes are averaged inside the prompt, and nothing is compared whose
signature differs. Which way is worse comes from `Metric.direction`:

* ``lower``, ``higher``: the value itself.
* ``target``: how far a song lies outside the wanted range, 0 inside it; so a value that only moves within the range is
  no news. A target without a range is treated as ``none``.
* ``none``: the value itself; it can differ but not be worse.

Holm's correction knows two families. The first is what was asked before anybody looked: the metrics named by the
caller, or the headline metrics, over all songs. The second is everything else: other metrics, and single languages. In
one family they would ask hundreds of questions, and ten songs that are all far better would answer none of them.

Metrics with the unit ``0/1`` are compared by prompt and take (`evalkit.comparison.as_yes_no`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from evalkit.comparison import MIN_PAIRS, PairedComparison
from evalkit.errors import ConfigError
from evalkit.pairing import (
    Compared,
    Job,
    Side,
    compare_jobs,
    make_job,
    orientation,
    shared_prompts,
    take_notices,
    turned,
)
from evalkit.registry import suggestion
from evalkit.resampling import RESAMPLES, Array
from evalkit.significance import holm
from evalkit.stats import PromptValues
from evalkit.store import RunData
from evalkit.types import Metric

MIN_LANGUAGE_PROMPTS = 20
"""With fewer songs no claim is made about one language."""

ALPHA = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptDifference:
    """One song that both sang: the values that were compared, takes averaged, and candidate minus baseline."""

    prompt_id: str
    candidate: float
    baseline: float
    difference: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """One metric in one language, or over all songs.

    Attributes:
        metric: As the candidate's run declares it.
        language: BCP-47 tag; None for all songs.
        candidate_signature: How the candidate's numbers came about; several are joined by ``" + "``.
        baseline_signature: The same for the baseline.
        comparable: Whether both have one signature and it is the same one.
        compared: ``value``, or ``distance`` outside the wanted range for metrics that have one.
        paired: The comparison of what is compared, in the metric's unit; None if not comparable, unless mismatches
            were asked for.
        candidate: Aggregate of the candidate's own values on the pairs (not of the distances).
        baseline: The same for the baseline.
        worse: Difference turned so that positive is worse; None if no direction is better.
        worse_low: Lower end of its 95 % interval.
        worse_high: Upper end.
        p_adjusted: Holm-adjusted over the rows of its family on which a claim could be made; None where none could.
        verdict: ``better``, ``worse``, ``different`` (only for metrics without a better side), ``no difference
            shown``, ``too few songs`` or ``not comparable: …``.
        sample_size: Songs that would show a difference as large as the one found, with 80 % power.
        n: Pairs.
        n_missing: Prompts that were asked of both and have no pair.
        n_not_applicable: Prompts to which the metric applies on neither side; they are not missing.
        candidate_values: What was compared, by prompt.
        baseline_values: The same for the baseline, in the same order.
    """

    metric: Metric
    language: str | None
    candidate_signature: str
    baseline_signature: str
    comparable: bool
    compared: Compared
    paired: PairedComparison | None
    candidate: float | None
    baseline: float | None
    worse: float | None
    worse_low: float | None
    worse_high: float | None
    p_adjusted: float | None
    verdict: str
    sample_size: int | None
    n: int
    n_missing: int
    n_not_applicable: int
    candidate_values: PromptValues = field(repr=False, compare=False)
    baseline_values: PromptValues = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrasts:
    """All rows of a comparison.

    Attributes:
        candidate_run: Id of the run.
        baseline_run: Id of the run.
        prompt_ids: Songs asked of both, in suite order.
        languages: Of these, in suite order.
        rows: Metrics in declared order; for each first all songs, then the languages.
        notices: Sentences a reader must see: other suite, other number of takes, prompts only one run has.
    """

    candidate_run: str
    candidate_system: str
    baseline_run: str
    baseline_system: str
    prompt_ids: tuple[str, ...]
    languages: tuple[str, ...]
    rows: tuple[Contrast, ...]
    notices: tuple[str, ...] = ()

    def row(self, metric: str, language: str | None = None) -> Contrast:
        """The row of a metric, over all songs or in one language.

        Raises:
            KeyError: there is none.
        """
        for row in self.rows:
            if row.metric.name == metric and row.language == language:
                return row
        raise KeyError((metric, language))


def contrast(
    candidate: RunData,
    candidate_system: str,
    baseline: RunData,
    baseline_system: str,
    *,
    metrics: Sequence[str] | None = None,
    by_language: bool = True,
    seed: int = 0,
    allow_mismatch: bool = False,
    resamples: int = RESAMPLES,
) -> Contrasts:
    """Compare two systems.

    Args:
        candidate: The run of the system in question.
        candidate_system: Its name in that run.
        baseline: The run to compare with; may be the same one.
        baseline_system: The other system's name in that run.
        metrics: Names, in the order wanted; by default all that either run declares.
        by_language: Also one row for each language, if there are several.
        seed: Of resampling and exchanges.
        allow_mismatch: Compare runs of different suites on the prompts that both have with identical text, and show
            numbers with different signatures side by side. They are marked and lead to no verdict either way.
        resamples: Bootstrap resamples and random exchanges.

    Raises:
        ConfigError: unknown system or metric, different suites, or no shared prompt.
    """
    sides = (Side(candidate, candidate_system), Side(baseline, baseline_system))
    shared, notices = shared_prompts(candidate, baseline, allow_mismatch)
    notices += take_notices(candidate, baseline)
    declared = {**baseline.metrics, **candidate.metrics}
    for name in metrics or ():
        if name not in declared:
            raise ConfigError(f"Neither run has a metric {name!r}.", suggestion(name, list(declared)))
    languages = tuple(dict.fromkeys(candidate.prompts[prompt_id].language for prompt_id in shared))
    groups: dict[str | None, frozenset[str]] = {None: frozenset(shared)}
    if by_language and len(languages) > 1:
        for language in languages:
            groups[language] = frozenset(p for p in shared if candidate.prompts[p].language == language)
    jobs = [
        make_job(*sides, declared[name], prompts, language, allow_mismatch)
        for name in (declared if metrics is None else dict.fromkeys(metrics))
        for language, prompts in groups.items()
    ]
    compared = compare_jobs(jobs, seed, resamples)
    claims = [
        place
        for place, (job, paired) in enumerate(zip(jobs, compared, strict=True))
        if paired is not None and paired.p_value is not None and not job.problem and not _too_few(job)
    ]
    asked = frozenset(metrics or (name for name, metric in declared.items() if metric.headline))
    adjusted: dict[int, float] = {}
    for primary in (True, False):
        family = [c for c in claims if (jobs[c].language is None and jobs[c].metric.name in asked) is primary]
        adjusted.update(zip(family, holm([_p_value(compared[place]) for place in family]), strict=True))
    return Contrasts(
        candidate_run=candidate.info.run_id,
        candidate_system=candidate_system,
        baseline_run=baseline.info.run_id,
        baseline_system=baseline_system,
        prompt_ids=tuple(shared),
        languages=languages,
        rows=tuple(_row(job, compared[place], adjusted.get(place)) for place, job in enumerate(jobs)),
        notices=tuple(notices),
    )


def wins(row: Contrast) -> tuple[PromptDifference, ...]:
    """Songs on which the candidate is better, largest difference first; none for metrics without a better side."""
    return _ordered(row, -1)


def losses(row: Contrast) -> tuple[PromptDifference, ...]:
    """Songs on which the candidate is worse, largest difference first; none for metrics without a better side."""
    return _ordered(row, 1)


def _row(job: Job, paired: PairedComparison | None, p_adjusted: float | None) -> Contrast:
    low, high = (None, None) if paired is None else turned(paired.ci_low, paired.ci_high, job.oriented)
    difference = None if paired is None else paired.difference
    return Contrast(
        metric=job.metric,
        language=job.language,
        candidate_signature=job.signatures[0],
        baseline_signature=job.signatures[1],
        comparable=not job.problem,
        compared=job.compared,
        paired=paired,
        candidate=job.own[0].estimate,
        baseline=job.own[1].estimate,
        worse=None if difference is None or job.oriented == 0 else difference * job.oriented,
        worse_low=low,
        worse_high=high,
        p_adjusted=p_adjusted,
        verdict=_verdict(job, paired, p_adjusted),
        sample_size=None if paired is None or difference is None else paired.settled_by(difference),
        n=len(job.values[0].prompt_ids),
        n_missing=job.n_missing,
        n_not_applicable=job.n_not_applicable,
        candidate_values=job.values[0],
        baseline_values=job.values[1],
    )


def _verdict(job: Job, paired: PairedComparison | None, p_adjusted: float | None) -> str:
    if job.problem:
        return f"not comparable: {job.problem}"
    if paired is None or _too_few(job):
        return "too few songs"
    difference, low, high = paired.difference, paired.ci_low, paired.ci_high
    if p_adjusted is None or p_adjusted > ALPHA or difference is None or low is None or high is None:
        return "no difference shown"
    if low <= 0.0 <= high:
        return "no difference shown"
    if job.oriented == 0:
        return "different"
    return "worse" if difference * job.oriented > 0 else "better"


def _too_few(job: Job) -> bool:
    return len(job.values[0].prompt_ids) < (MIN_PAIRS if job.language is None else MIN_LANGUAGE_PROMPTS)


def _p_value(paired: PairedComparison | None) -> float:
    assert paired is not None
    assert paired.p_value is not None
    return paired.p_value


def _ordered(row: Contrast, sign: int) -> tuple[PromptDifference, ...]:
    if row.worse is None:
        return ()
    ours, theirs = row.candidate_values, row.baseline_values
    found = [
        PromptDifference(prompt_id=prompt_id, candidate=a, baseline=b, difference=a - b)
        for prompt_id, a, b in zip(ours.prompt_ids, _rates(ours), _rates(theirs), strict=True)
        if a is not None and b is not None and (a - b) * orientation(row.metric) * sign > 0
    ]
    return tuple(sorted(found, key=lambda pair: (-abs(pair.difference), pair.prompt_id)))


def _rates(values: PromptValues) -> list[float | None]:
    def rate(numerator: float, denominator: float) -> float | None:
        return numerator / denominator if denominator > 0 else None

    columns: tuple[Array, Array] = (values.numerators, values.denominators)
    return [rate(float(above), float(below)) for above, below in zip(*columns, strict=True)]
