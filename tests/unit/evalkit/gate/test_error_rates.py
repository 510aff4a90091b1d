"""How often the whole gate is wrong: equal systems that are failed, and regressions that are let through.

The songs are made up, with the heavy tails of real singers; the table of docs/validity.md holds what this finds.
"""

from pathlib import Path

import numpy as np
import pytest

from evalkit.gate.judge import judge
from evalkit.gate.rules import Rule, Rules

REPEATS = 200
DOCS = Path(__file__).parents[4] / "docs" / "validity.md"
RULES = Rules(
    rule=(
        Rule(metric="per"),
        Rule(metric="per", languages="each"),
        Rule(metric="collapse_rate"),
        Rule(metric="per_noncollapsed"),
        Rule(metric="loudness"),
    )
)
"""Nothing may get worse at all: with a margin, false alarms would be rarer still."""

DESIGNS = [(20, 1, 0.02), (40, 1, 0.02), (60, 2, 0.02)]


@pytest.fixture(scope="module")
def gate(make_run, kinds):
    def judged(old, new, phones, rng, rules=RULES):
        runs = []
        for values in (old, new):
            loudness = -14 + rng.standard_t(3, values.shape)
            table = {kinds.per: values, kinds.loudness: loudness}
            runs.append(make_run(table, counts=phones, languages=("en", "zh")))
        return judge(runs[1], runs[0], rules, resamples=1000)

    return judged


def verdict(result, name):
    return next(check for check in result.checks if check.id == name)


def documented(name):
    """Numbers of a row of the table, by its first cells."""
    rows = [line.strip("| \n").split("|") for line in DOCS.read_text("utf-8").splitlines() if line.startswith("| ")]
    found = {tuple(cell.strip() for cell in row[:4]): [cell.strip() for cell in row[4:]] for row in rows}
    return found.get(name)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("design", DESIGNS, ids=str)
def test_equal_systems_are_rarely_failed_and_promised_regressions_found(gate, sung, design):
    n, takes, collapse = design
    alarms = per_found = rate_found = promised = 0
    for repeat in range(REPEATS):
        rng = np.random.default_rng([repeat, *design[:2], 7])
        options = {"collapse": collapse}
        (old, phones), (new, _), (other, _) = (
            sung((repeat, n, takes), n, takes, system_seed=seed, **options) for seed in range(3)
        )
        equal = gate(old, new, phones, rng)
        alarms += equal.exit_code == 1
        assert equal.exit_code in (0, 1)
        # A third system, which really is worse by what the comparison of the first two promised to find.
        per = verdict(equal, "per").mde
        per_found += verdict(gate(old, other + per, phones, rng), "per").verdict == "fail"
        rate = verdict(equal, "collapse_rate").mde
        if rate is not None and collapse + rate < 1:
            promised += 1
            worse, _ = sung((repeat, n, takes), n, takes, system_seed=3, collapse=collapse + rate)
            rate_found += verdict(gate(old, worse, phones, rng), "collapse_rate").verdict == "fail"
    shown = [f"{100 * found / total:.1f} %" for found, total in (
        (alarms, REPEATS), (per_found, REPEATS), (rate_found, promised),
    )]  # fmt: skip
    row = (str(n), str(takes), f"{100 * collapse:g} %", str(REPEATS))
    print("|", " | ".join([*row, *shown]), "|")
    assert alarms / REPEATS <= 0.05
    assert per_found / REPEATS >= 0.8
    assert promised >= 0.9 * REPEATS
    assert rate_found / promised >= 0.8
    assert documented(row) == shown, "docs/validity.md tells what this test finds"


def test_a_gate_finds_the_regression_that_it_promises_to_find(gate, sung):
    """The fast sister of the test above."""
    alarms = found = 0
    for repeat in range(25):
        rng = np.random.default_rng([repeat, 11])
        (old, phones), (new, _) = (sung((repeat, 11), 30, system_seed=seed) for seed in (0, 1))
        equal = gate(old, new, phones, rng)
        alarms += equal.exit_code == 1
        found += verdict(gate(old, new + verdict(equal, "per").mde, phones, rng), "per").verdict == "fail"
    assert alarms <= 2
    assert found >= 18


def test_the_same_songs_under_another_name_never_alarm(gate, sung):
    for repeat in range(20):
        old, phones = sung((repeat,), 30)

        result = gate(
            old,
            old,
            phones,
            np.random.default_rng(1),
            Rules(rule=tuple(rule for rule in RULES.rules if rule.metric != "loudness")),
        )
        assert result.exit_code == 0
        assert {check.verdict for check in result.checks if check.kind == "difference"} <= {"pass", "inconclusive"}
