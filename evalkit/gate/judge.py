"""Puts a gate together: the two runs, their shared songs, the demands, and one result."""

from pathlib import Path

from evalkit import runfolder
from evalkit.baseline import load_run_or_baseline
from evalkit.errors import ConfigError, EvalkitError
from evalkit.gate import limits
from evalkit.gate import rules as rule_files
from evalkit.gate.demands import demands
from evalkit.gate.differences import difference_checks
from evalkit.gate.quantities import with_quantities
from evalkit.gate.result import Check, GateResult, Verdict
from evalkit.gate.rules import DEFAULT_RULES, Rules
from evalkit.pairing import Side, contenders, shared_prompts, take_notices
from evalkit.resampling import RESAMPLES
from evalkit.store import RunData

DEFAULT = "default rules"


def judge(
    candidate: RunData,
    baseline: RunData | None,
    rules: Rules | None = None,
    *,
    candidate_system: str | None = None,
    baseline_system: str | None = None,
    allow_mismatch: bool = False,
    rules_from: str = DEFAULT,
    baseline_problem: str = "",
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> GateResult:
    """Judge a candidate.

    Args:
        candidate: Its run.
        baseline: What it has to hold its own against; None if there is none, which is never a pass.
        rules: None takes `DEFAULT_RULES`, of which those about metrics that neither run has are passed over.
        candidate_system: Name of the system; needed if the run has several.
        baseline_system: As above; by default the one named like the candidate, or the only one.
        allow_mismatch: Runs of different suites are judged on the prompts with identical text. Scores with different
            signatures are shown, but never judged.
        rules_from: Where the rules came from, for the record.
        baseline_problem: Why there is no baseline.
        seed: Of resampling and exchanges.
        resamples: Bootstrap resamples and random exchanges.

    Raises:
        ConfigError: a system is not to be found, or a rule asks what its metric cannot answer.
    """
    asked = rules or DEFAULT_RULES
    candidate = with_quantities(candidate)
    ours = Side(candidate, candidate_system or _only_system(candidate, "candidate", "--system"))
    checks = [*limits.run_checks(ours, asked, "candidate")]
    notices: list[str] = [] if rules else ["No rules file was given: the default rules hold."]
    baseline_run = baseline_name = ""
    if baseline is None:
        problem = baseline_problem or "There is no baseline."
        checks.append(_verdict_of_run("baseline", "Baseline", "insufficient_data", problem))
        checks += limits.limit_checks(ours, demands(ours, None, asked, [], notices, optional=rules is None))
    else:
        baseline = with_quantities(baseline)
        theirs = Side(baseline, baseline_system or _other_system(baseline, ours.system))
        baseline_run, baseline_name = baseline.info.run_id, theirs.system
        checks += limits.incomplete(theirs, "baseline")
        try:
            shared, said = shared_prompts(candidate, baseline, allow_mismatch)
        except ConfigError as error:  # a pipeline wants a result it can show, so this is one
            checks.append(_verdict_of_run("suite", "Same suite", "insufficient_data", str(error)))
            shared, said = [], []
        notices += [*said, *take_notices(candidate, baseline)]
        found = demands(ours, theirs, asked, shared, notices, optional=rules is None)
        checks += difference_checks(ours, theirs, found, allow_mismatch, seed, resamples)
        checks += limits.limit_checks(ours, found)
        if not any(check.kind in ("difference", "threshold") for check in checks) and rules is None:
            missing = "Neither run has any of the metrics that the default rules compare."
            checks.append(_verdict_of_run("metrics", "Metrics", "insufficient_data", missing))
    suite = candidate.info.suite
    return GateResult(
        candidate_run=candidate.info.run_id,
        candidate_system=ours.system,
        baseline_run=baseline_run,
        baseline_system=baseline_name,
        suite=f"{suite.name} {suite.version}",
        rules=rules_from,
        seed=seed,
        notices=tuple(notices),
        checks=tuple(checks),
    )


def judge_files(
    candidate: Path,
    baseline: Path,
    rules: Path | None = None,
    *,
    candidate_system: str | None = None,
    baseline_system: str | None = None,
    allow_mismatch: bool = False,
) -> GateResult:
    """`judge` for paths; a baseline that is missing or damaged is a result, not an error.

    Args:
        candidate: Run folder.
        baseline: Run folder or baseline file.
        rules: ``gates.toml``; None takes the default rules.
        candidate_system: See `judge`.
        baseline_system: See `judge`.
        allow_mismatch: See `judge`.

    Raises:
        ConfigError: see `judge`; or the rules are wrong.
        StoreError: the candidate's run cannot be read.
    """
    asked = None if rules is None else rule_files.load(rules)
    run = runfolder.load(candidate)
    known, problem = None, ""
    try:
        known = load_run_or_baseline(baseline)
    except EvalkitError as error:
        problem = str(error)
    return judge(
        run,
        known,
        asked,
        candidate_system=candidate_system,
        baseline_system=baseline_system,
        allow_mismatch=allow_mismatch,
        rules_from=DEFAULT if rules is None else str(rules),
        baseline_problem=problem,
    )


def _only_system(run: RunData, who: str, option: str) -> str:
    references = {system.name for system in run.info.systems if system.reference}
    names = contenders(run)
    own = [name for name in names if name not in references] or names
    if len(own) != 1:
        raise ConfigError(
            f"The {who}'s run {run.info.run_id} has {len(own)} systems: {', '.join(own)}.", f"Name one with {option}."
        )
    return own[0]


def _other_system(baseline: RunData, like: str) -> str:
    return like if like in contenders(baseline) else _only_system(baseline, "baseline", "--baseline-system")


def _verdict_of_run(check_id: str, title: str, verdict: Verdict, reason: str) -> Check:
    return Check(id=check_id, kind="run", title=title, verdict=verdict, reason=reason)
