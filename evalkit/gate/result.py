"""The one object a gate ends in. Exit code, JUnit, Markdown, annotations and the table are all read from it."""

import json
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter

from evalkit.gate.rules import Policy

SCHEMA_VERSION = 1

Verdict = Literal["improved", "pass", "inconclusive", "fail", "insufficient_data", "hard_fail", "incomplete"]
Kind = Literal["difference", "threshold", "limit", "run"]

EXIT_PASS = 0
EXIT_FAIL = 1
EXIT_CONFIGURATION = 2
EXIT_INCONCLUSIVE = 3
EXIT_INCOMPLETE = 4

PRECEDENCE = (EXIT_INCOMPLETE, EXIT_FAIL, EXIT_CONFIGURATION, EXIT_INCONCLUSIVE, EXIT_PASS)
"""Which exit code counts if checks differ: of half a run nothing else is worth saying; then what is proven."""


DUST = 1e-12
"""Relative; a number this near to what is allowed is what is allowed."""


def exceeds(value: float, allowed: float, size: float = 0.0) -> bool:
    """Whether a value lies above what is allowed by more than rounding.

    Args:
        value: The number.
        allowed: The margin or limit.
        size: Largest number that went into the value.
    """
    return value - allowed > DUST * max(abs(value), abs(allowed), size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One demand and what became of it.

    Attributes:
        id: Unique in its result, e.g. ``per``, ``per[en]``, ``clip_rate max``.
        kind: ``difference`` is the statistical one; ``threshold`` compares means alone; ``limit`` looks at the
            candidate alone; ``run`` is about the runs themselves.
        title: For people.
        metric: Name of the metric; empty for checks of the run.
        language: BCP-47 tag, or None for all songs.
        unit: Of all numbers here, as stored.
        as_percent: Whether people read them times 100.
        verdict: As in ``docs/gates.md``.
        policy: What happens if the verdict is ``inconclusive``.
        reason: One sentence for people.
        candidate: Mean (or pooled rate) of the candidate.
        baseline: The same of the baseline.
        compared: ``value``, or ``distance`` outside the wanted range; the differences are of this.
        difference: Positive is worse.
        low: Lower end of its 95 % interval.
        high: Upper end.
        margin: Acceptable loss.
        adjusted_low: Lower end at ``adjusted_level``; None if it was not needed.
        adjusted_level: Level to which Holm's method widens the interval for this check.
        p_value: Two-sided, of a difference equal to the margin; 1 if the difference does not exceed it.
        p_adjusted: The same, Holm-adjusted over all statistical checks.
        mde: Smallest true loss that this very gate fails with 80 % power: margin and number of checks are in it.
        n: Pairs, or prompts of the candidate for limits.
        n_missing: Prompts that lack one.
        songs_to_settle: Songs that would settle an inconclusive check with 80 % power.
        takes_wanted: The same in takes of the songs there are.
        limit: The absolute limit.
        method: How the interval and the p-value were found.
        candidate_signature: How the candidate's numbers came about.
        baseline_signature: The same for the baseline.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)

    id: str
    kind: Kind
    title: str
    verdict: Verdict
    reason: str
    policy: Policy = "warn"
    metric: str = ""
    language: str | None = None
    unit: str = ""
    as_percent: bool = False
    candidate: float | None = None
    baseline: float | None = None
    compared: Literal["value", "distance"] = "value"
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    margin: float | None = None
    adjusted_low: float | None = None
    adjusted_level: float | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    mde: float | None = None
    n: int | None = None
    n_missing: int | None = None
    songs_to_settle: int | None = None
    takes_wanted: int | None = None
    limit: float | None = None
    method: str = ""
    candidate_signature: str = ""
    baseline_signature: str = ""

    @property
    def exit_code(self) -> int:
        """What this check alone would end in."""
        if self.verdict == "inconclusive":
            return EXIT_PASS if self.policy == "warn" else EXIT_INCONCLUSIVE
        return _EXIT_CODES[self.verdict]

    @property
    def blocks(self) -> bool:
        """Whether it stops the candidate."""
        return self.exit_code != EXIT_PASS

    @property
    def warns(self) -> bool:
        """Whether it lets the candidate through without having shown that it may."""
        return self.verdict == "inconclusive" and not self.blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """What a gate found.

    Attributes:
        candidate_run: Id of the run.
        candidate_system: The system that was judged.
        baseline_run: Id of the other run; empty if there is none.
        baseline_system: The system it was compared with.
        suite: Name and version.
        rules: Where the rules came from: a path, or ``default rules``.
        seed: Of resampling and exchanges.
        notices: What a reader must know.
        checks: At least one.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    schema_version: int = SCHEMA_VERSION
    candidate_run: str
    candidate_system: str
    baseline_run: str
    baseline_system: str
    suite: str
    rules: str
    seed: int
    notices: tuple[str, ...]
    checks: tuple[Check, ...]

    def __post_init__(self) -> None:
        if not self.checks:
            raise ValueError("A gate without a check would pass everything.")

    @property
    def exit_code(self) -> int:
        """0 pass, 1 regression or broken limit, 2 not to be judged, 3 inconclusive, 4 a run is incomplete."""
        found = {check.exit_code for check in self.checks}
        return next(code for code in PRECEDENCE if code in found)

    @property
    def passed(self) -> bool:
        """Whether the candidate may go on."""
        return self.exit_code == EXIT_PASS

    @property
    def conclusion(self) -> str:
        """The result in one sentence."""
        blocking = [check for check in self.checks if check.blocks]
        warned = sum(check.warns for check in self.checks)
        total = f"{len(self.checks)} check{'s' if len(self.checks) > 1 else ''}"
        if not blocking:
            rest = f", {warned} inconclusive" if warned else ""
            return f"PASS: {total}{rest}."
        words = {
            EXIT_INCOMPLETE: "INCOMPLETE",
            EXIT_FAIL: "FAIL",
            EXIT_CONFIGURATION: "NOT JUDGED",
            EXIT_INCONCLUSIVE: "INCONCLUSIVE",
        }
        names = ", ".join(check.id for check in blocking[:5]) + (" …" if len(blocking) > 5 else "")
        return f"{words[self.exit_code]}: {len(blocking)} of {total} block: {names}."

    def to_dict(self) -> dict[str, Any]:
        """The whole result for JSON, with the exit code and the effect of each check written out."""
        found: dict[str, Any] = _adapter.dump_python(self, mode="json")
        found |= {"exit_code": self.exit_code, "passed": self.passed, "conclusion": self.conclusion}
        for row, check in zip(found["checks"], self.checks, strict=True):
            row["blocks"] = check.blocks
        return found

    def to_json(self) -> str:
        """`to_dict` as one line of JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False)


def from_dict(raw: dict[str, Any]) -> GateResult:
    """Read what `GateResult.to_dict` gave; what follows from the rest is computed again."""
    own = {key: value for key, value in raw.items() if key not in ("exit_code", "passed", "conclusion")}
    own["checks"] = [{key: value for key, value in row.items() if key != "blocks"} for row in raw["checks"]]
    return _adapter.validate_python(own)


_EXIT_CODES: dict[Verdict, int] = {
    "improved": EXIT_PASS,
    "pass": EXIT_PASS,
    "fail": EXIT_FAIL,
    "hard_fail": EXIT_FAIL,
    "insufficient_data": EXIT_CONFIGURATION,
    "incomplete": EXIT_INCOMPLETE,
}
_adapter = TypeAdapter(GateResult)
