"""The statistical check, and its plain sister that only looks at means.

Semantics of the statistical check, with the difference turned so that positive is worse, a margin m and the two-sided
95 % interval [L, U] of the paired difference:

* ``improved`` if U < 0, ``pass`` if U <= m (not worse than the margin). All checks must pass, so no correction is due.
* ``fail`` if a loss beyond m is shown: the exchange test of "the loss is m" is significant after Holm's correction over
  all statistical checks of the gate, and the interval still lies above m when widened to the level that the correction
  asks for. The second alone would be too quick below about 20 songs, where resampling knows too few different values.
* ``inconclusive`` otherwise.
* ``insufficient_data`` before all this: fewer than 6 pairs, more than 5 % of the pairs missing, or unequal signatures.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from evalkit.comparison import (
    MIN_PAIRS,
    PairedComparison,
    as_yes_no,
    detectable_difference,
    difference_intervals,
    exchange_p_many,
)
from evalkit.contrasts import ALPHA, MIN_LANGUAGE_PROMPTS
from evalkit.gate import wording
from evalkit.gate.demands import Demand
from evalkit.gate.limits import MAX_MISSING
from evalkit.gate.quantities import CONDITIONAL
from evalkit.gate.result import Check, Verdict, exceeds
from evalkit.pairing import Job, Side, compare_jobs, make_job, turned
from evalkit.significance import holm
from evalkit.stats import PromptValues
from evalkit.types import BINARY_UNIT

POWER, MOST_POWER = 0.8, 0.95
MAX_TAKES = 64
"""More takes than this are no advice."""


def difference_checks(
    ours: Side, theirs: Side, found: Sequence[Demand], allow_mismatch: bool, seed: int, resamples: int
) -> list[Check]:
    """One check for each margin and each threshold; the margins are one family for Holm's correction.

    Args:
        ours: The candidate.
        theirs: The baseline.
        found: All demands of the gate.
        allow_mismatch: Show the numbers of what is not comparable; it is not judged either way.
        seed: Of resampling and exchanges.
        resamples: Bootstrap resamples and random exchanges.
    """
    wanted = [demand for demand in found if demand.margin is not None or demand.threshold is not None]
    jobs = [
        make_job(
            ours,
            theirs,
            demand.metric,
            demand.prompts,
            demand.language,
            allow_mismatch,
            conditional=demand.metric.name in CONDITIONAL,
        )
        for demand in wanted
    ]
    cases = [
        _Case(demand=demand, job=job, paired=paired, problem=_problem(demand, job, paired))
        for demand, job, paired in zip(wanted, jobs, compare_jobs(jobs, seed, resamples), strict=True)
    ]
    tested = [case for case in cases if case.demand.margin is not None and not case.problem]
    p_values = _p_values(tested, seed, resamples)
    adjusted = holm(p_values)
    # Step down: the smallest p-value meets the strictest level.
    order = sorted(range(len(tested)), key=lambda place: p_values[place])
    level = {place: 1 - ALPHA / (len(tested) - rank) for rank, place in enumerate(order)}
    judged = {
        id(case): replace(
            _judge(case, p_values[place], adjusted[place], level[place], seed, resamples),
            mde=_found_by(case, len(tested)),
        )
        for place, case in enumerate(tested)
    }
    checks = []
    for case in cases:
        if case.demand.margin is not None:
            checks.append(judged.get(id(case)) or _insufficient(case))
        if case.demand.threshold is not None:
            checks.append(_threshold(case))
    return checks


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """A demand on a difference, its pairs, and what keeps it from being judged."""

    demand: Demand
    job: Job
    paired: PairedComparison | None
    problem: str

    @property
    def worse(self) -> float | None:
        """The difference, positive if worse."""
        if self.paired is None or self.paired.difference is None:
            return None
        return self.paired.difference * self.job.oriented + 0.0  # no -0.0

    @property
    def size(self) -> float:
        """The largest of the numbers that were subtracted."""
        return max((abs(found) for found in (values.estimate for values in self.job.values) if found), default=0.0)

    @property
    def margin(self) -> float:
        """Of a statistical demand."""
        assert self.demand.margin is not None
        return self.demand.margin


def _found_by(case: _Case, n_tested: int) -> float | None:
    """The loss that this gate fails with 80 % power: beyond the margin, at the level of the first of Holm's steps."""
    alpha = ALPHA / n_tested
    if case.job.answers is not None and case.paired is not None:
        return as_yes_no(case.paired, *case.job.answers, 1 - alpha, case.margin).mde
    # Interval and exchange test have to agree, which costs some power where there are few songs.
    power = min(MOST_POWER, POWER + 1 / len(case.job.values[0].prompt_ids))
    beyond = detectable_difference(case.job.values, alpha, power)
    return None if beyond is None else case.margin + beyond


def _p_values(cases: Sequence[_Case], seed: int, resamples: int) -> list[float]:
    """Two-sided p-values of "the loss is the margin", for losses beyond it; 1 for all others [cases]."""
    losses = [
        place
        for place, case in enumerate(cases)
        if case.worse is not None and exceeds(case.worse, case.margin, case.size)
    ]
    out = [1.0] * len(cases)
    # Where the margin is 0 the comparison has tested it already, and exactly so for yes/no metrics.
    shifted = [place for place in losses if cases[place].margin > 0]
    for place in losses:
        paired = cases[place].paired
        if paired is not None and paired.p_value is not None:
            out[place] = paired.p_value
    found = exchange_p_many([_shifted(cases[place]) for place in shifted], seed=seed, permutations=resamples)
    for place, p_value in zip(shifted, found, strict=True):
        out[place] = p_value
    return out


def _shifted(case: _Case) -> tuple[PromptValues, PromptValues]:
    """The pair with the candidate made better by the margin."""
    ours, theirs = case.job.values
    shift = -case.job.oriented * case.margin
    return replace(ours, numerators=ours.numerators + shift * ours.denominators), theirs


def _judge(case: _Case, p_value: float, p_adjusted: float, level: float, seed: int, resamples: int) -> Check:
    assert case.paired is not None
    worse, margin = case.worse, case.margin
    low, high = turned(case.paired.ci_low, case.paired.ci_high, case.job.oriented)
    assert worse is not None
    assert low is not None
    assert high is not None
    adjusted_low = None
    verdict: Verdict = "inconclusive"
    if high < 0:
        verdict = "improved"
    elif not exceeds(high, margin, case.size):
        verdict = "pass"
    elif exceeds(low, margin, case.size):
        adjusted_low = _lower_end(case, level, seed, resamples)
        if exceeds(adjusted_low, margin, case.size) and p_adjusted <= ALPHA:
            verdict = "fail"
    check = replace(
        _base(case),
        verdict=verdict,
        low=low,
        high=high,
        adjusted_low=adjusted_low,
        adjusted_level=None if adjusted_low is None else level,
        p_value=p_value,
        p_adjusted=p_adjusted,
    )
    if verdict == "inconclusive":
        check = _with_advice(check, case)
    return replace(check, reason=_reason(check))


def _lower_end(case: _Case, level: float, seed: int, resamples: int) -> float:
    if case.job.answers is not None and case.paired is not None:
        widened = as_yes_no(case.paired, *case.job.answers, level)
        low, high = turned(widened.ci_low, widened.ci_high, case.job.oriented)
    else:
        ends = difference_intervals([case.job.values], level=level, seed=seed, resamples=resamples)[0]
        low, high = turned(ends[0], ends[1], case.job.oriented)
    assert low is not None
    assert high is not None
    return low


def _with_advice(check: Check, case: _Case) -> Check:
    """How many songs, or takes of these, would settle it: half the interval must fit beside the margin."""
    assert case.paired is not None
    assert case.worse is not None
    songs = case.paired.settled_by(case.margin - case.worse)
    if songs is None:
        return check
    songs = max(songs, case.paired.n + 1)
    # A take is worth about as much as a prompt, since the prompt's difficulty cancels in pairs.
    takes = -(-songs * case.demand.takes // case.paired.n)
    return replace(check, songs_to_settle=songs, takes_wanted=takes if takes <= MAX_TAKES else None)


def _reason(check: Check) -> str:
    ends, margin = f"95 % interval {wording.interval(check)}", wording.width(check, check.margin)
    if check.verdict == "improved":
        text = f"Better: {ends}."
    elif check.verdict == "pass":
        worse = "; significantly worse, within the margin" if check.low is not None and check.low > 0 else ""
        text = f"Not worse than the margin of {margin}: {ends}{worse}."
    elif check.verdict == "fail":
        text = f"Worse by more than {margin}: {ends}, p = {check.p_adjusted:.2g} after Holm's correction."
    elif check.adjusted_low is not None:
        text = f"Looks worse than the margin of {margin} ({ends}), but not after correcting for the number of checks."
    else:
        text = f"The margin of {margin} lies inside the {ends}."
    if check.songs_to_settle is not None:
        takes = f", or {check.takes_wanted} takes of these" if check.takes_wanted is not None else ""
        verb = "Run again with" if check.policy == "extend" else "Would be settled by"
        text += f" {verb} about {check.songs_to_settle} songs{takes}."
    if check.language is not None and check.n is not None and check.n < MIN_LANGUAGE_PROMPTS:
        text += f" Fewer than {MIN_LANGUAGE_PROMPTS} songs: claim nothing about the language."
    return text


def _problem(demand: Demand, job: Job, paired: PairedComparison | None) -> str:
    if job.problem:
        return f"Not comparable: {job.problem}."
    n = len(job.values[0].prompt_ids)
    if n < MIN_PAIRS:
        return f"{n} pairs of songs; at least {MIN_PAIRS} are needed."
    if job.n_missing > MAX_MISSING * (n + job.n_missing):
        return f"{job.n_missing} of {n + job.n_missing} pairs are missing; at most {100 * MAX_MISSING:g} % may be."
    if paired is None or paired.difference is None or paired.ci_low is None:
        return "The songs give nothing to divide by."
    return ""


def _insufficient(case: _Case) -> Check:
    return replace(_base(case), verdict="insufficient_data", reason=case.problem)


def _threshold(case: _Case) -> Check:
    allowed = case.demand.threshold
    assert allowed is not None
    base = replace(_base(case), kind="threshold", id=f"{case.demand.id} threshold", margin=None, limit=allowed)
    worse = case.worse
    if case.problem or worse is None:
        return replace(base, verdict="insufficient_data", reason=case.problem or "There is no difference.")
    broken = exceeds(worse, allowed, case.size)
    words = f"The mean is {wording.width(base, worse)} {'worse' if worse > 0 else 'or better'}"
    if worse <= 0:
        words = "The mean is not worse"
    text = f"{words}; at most {wording.width(base, allowed)} is allowed. Not a statistical test: chance can do this."
    return replace(base, verdict="fail" if broken else "pass", reason=text)


def _base(case: _Case) -> Check:
    job, paired = case.job, case.paired
    return Check(
        id=case.demand.id,
        kind="difference",
        title=case.demand.title,
        verdict="insufficient_data",
        reason="",
        policy=case.demand.policy,
        metric=job.metric.name,
        language=job.language,
        unit="" if job.metric.unit == BINARY_UNIT else job.metric.unit,
        as_percent=job.metric.as_percent,
        candidate=job.own[0].estimate,
        baseline=job.own[1].estimate,
        compared=job.compared,
        difference=case.worse,
        low=None if paired is None else turned(paired.ci_low, paired.ci_high, job.oriented)[0],
        high=None if paired is None else turned(paired.ci_low, paired.ci_high, job.oriented)[1],
        margin=case.demand.margin,
        n=len(job.values[0].prompt_ids),
        n_missing=job.n_missing,
        method="" if paired is None else paired.method,
        candidate_signature=job.signatures[0],
        baseline_signature=job.signatures[1],
    )
