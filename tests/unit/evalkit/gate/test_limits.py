"""Absolute limits, failed songs, sample rate, and runs that are not complete."""

import dataclasses

import numpy as np
import pytest

from evalkit.errors import ConfigError
from evalkit.gate.judge import judge
from evalkit.gate.rules import Rule, Rules
from evalkit.store import EvaluatorInfo
from evalkit.types import SetScore


def gate(new, old, *rules, **options):
    found = judge(new, old, Rules(rule=rules or (Rule(metric="per", margin=0.01),), **options), resamples=200)
    return {check.id: check for check in found.checks}, found


@pytest.fixture
def run(make_run, kinds):
    def make(values=None, **options):
        return make_run({kinds.per: np.full(20, 0.3) if values is None else values}, **options)

    return make


@pytest.mark.parametrize(("limit", "verdict"), [(0.35, "pass"), (0.3, "pass"), (0.29, "hard_fail")])
def test_the_mean_against_a_limit(run, limit, verdict):
    checks, result = gate(run(), run(), Rule(metric="per", max=limit))
    assert checks["per max"].verdict == verdict
    assert result.exit_code == (1 if verdict == "hard_fail" else 0)
    assert checks["per max"].p_value is None, "no statistics"


def test_a_lower_limit_and_every_song(run):
    values = np.r_[np.full(19, 0.3), 0.9]
    checks, _ = gate(run(values), run(), Rule(metric="per", min=0.1, max=0.5, each_song=True))
    assert checks["per min"].verdict == "pass"
    assert checks["per max"].verdict == "hard_fail"
    assert "1 of 20 songs break the limit" in checks["per max"].reason
    assert "singer/p0019.take0" in checks["per max"].reason
    checks, _ = gate(run(values), run(), Rule(metric="per", min=0.4))
    assert checks["per min"].verdict == "hard_fail"


def test_limits_hold_without_a_baseline(run):
    result = judge(run(), None, Rules(rule=(Rule(metric="per", max=0.1),)))
    assert result.exit_code == 1
    assert [check.id for check in result.checks if check.blocks] == ["baseline", "per max"]


def test_a_limit_is_no_pass_where_values_are_missing(run):
    values = np.full(20, 0.3)
    values[:2] = np.nan
    for each in (False, True):
        checks, result = gate(run(values), run(), Rule(metric="per", max=0.5, each_song=each))
        assert (checks["per max"].verdict, result.exit_code) == ("insufficient_data", 2)
        checks, _ = gate(run(values), run(), Rule(metric="per", max=0.2, each_song=each))
        assert checks["per max"].verdict == "hard_fail", "what is there breaks it already"
    checks, _ = gate(run(np.full(20, np.nan)), run(), Rule(metric="per", max=0.5))
    assert "No song of the candidate has a value of per: no number" in checks["per max"].reason


def test_failed_songs(run):
    checks, result = gate(run(failed=(3,)), run())
    assert (checks["failed_songs"].verdict, result.exit_code) == ("hard_fail", 1)
    assert (
        "1 of 20 songs failed; at most 0 may. For example singer/p0003.take0: it broke" in checks["failed_songs"].reason
    )
    checks, result = gate(run(failed=(3,)), run(), max_failed_songs=1)
    assert (checks["failed_songs"].verdict, result.exit_code) == ("pass", 0)


def test_sample_rate(run):
    checks, result = gate(run(), run(), sample_rate=48_000)
    assert (checks["sample_rate"].verdict, result.exit_code) == ("pass", 0)
    checks, result = gate(run(), run(), sample_rate=44_100)
    assert (checks["sample_rate"].verdict, result.exit_code) == ("hard_fail", 1)
    assert "singer/p0000.take0 with 48000 Hz" in checks["sample_rate"].reason
    assert gate(run(failed=range(20)), run(), sample_rate=48_000)[0]["sample_rate"].verdict == "insufficient_data"


@pytest.mark.parametrize("status", ["running", "incomplete"])
@pytest.mark.parametrize("who", ["candidate", "baseline"])
def test_half_a_run_is_exit_code_4_whatever_else_is_found(run, status, who):
    half, whole = run(np.full(20, 0.9), status=status), run()
    _, result = gate(*((half, whole) if who == "candidate" else (whole, half)))
    assert result.exit_code == 4
    assert any("evalkit run --resume" in check.reason for check in result.checks if check.verdict == "incomplete")


def test_a_run_that_lacks_songs_is_incomplete_whatever_it_says(run):
    whole = run()
    short = dataclasses.replace(whole, songs=whole.songs[:-1])
    checks, result = gate(short, whole)
    assert (checks["candidate complete"].verdict, result.exit_code) == ("incomplete", 4)
    assert "19 of 20 songs" in checks["candidate complete"].reason


def test_silent_songs(make_run, kinds):
    made = make_run({kinds.per: np.full(20, 0.1)})
    scores = [
        dataclasses.replace(score, details={**score.details, "flags": ["asr_empty"]}) if place < 2 else score
        for place, score in enumerate(made.scores)
    ]
    checks, _ = gate(dataclasses.replace(made, scores=tuple(scores)), made, Rule(metric="no_vocals_rate", max=0.02))
    assert (checks["no_vocals_rate max"].verdict, checks["no_vocals_rate max"].candidate) == ("hard_fail", 0.1)


def test_metrics_of_whole_sets_have_limits_only(run, metric):
    fad = metric("fad")
    made = run()
    info = EvaluatorInfo(name="fad", version="1", metrics=(fad,), signatures={"fad": "f1"}, scope="set")
    score = SetScore(
        system="singer", group="all", evaluator="fad", metric="fad", value=3.0, n=20, status="ok", signature="f1"
    )
    with_set = dataclasses.replace(
        made, info=dataclasses.replace(made.info, evaluators=(*made.info.evaluators, info)), set_scores=(score,)
    )
    checks, _ = gate(with_set, with_set, Rule(metric="fad", max=2.0))
    assert (checks["fad max"].verdict, checks["fad max"].candidate_signature) == ("hard_fail", "f1")
    assert gate(with_set, with_set, Rule(metric="fad", max=4.0))[0]["fad max"].verdict == "pass"
    checks, _ = gate(with_set, with_set, Rule(metric="fad", max=4.0, languages=("en",)))
    assert "no fad of the group en" in checks["fad[en] max"].reason
    few = dataclasses.replace(with_set, set_scores=(dataclasses.replace(score, n=5),))
    assert gate(few, few, Rule(metric="fad", max=4.0))[0]["fad max"].verdict == "insufficient_data"
    for rule in (Rule(metric="fad", margin=0.1), Rule(metric="fad", max=1.0, each_song=True)):
        with pytest.raises(ConfigError, match="fad"):
            gate(with_set, with_set, rule)


def test_which_system_is_meant(run):
    two = run()
    other = run(system="other")
    info = dataclasses.replace(two.info, systems=(*two.info.systems, *other.info.systems))
    both = dataclasses.replace(two, info=info, songs=two.songs + other.songs, scores=two.scores + other.scores)
    with pytest.raises(ConfigError, match=r"has 2 systems: singer, other.*--system"):
        judge(both, two)
    assert judge(both, two, candidate_system="other", resamples=200).candidate_system == "other"
    assert judge(two, both, resamples=200).baseline_system == "singer", "the one of the same name"
    reference = dataclasses.replace(
        info, systems=(info.systems[0], dataclasses.replace(info.systems[1], reference=True))
    )
    assert judge(dataclasses.replace(both, info=reference), two, resamples=200).candidate_system == "singer"
    with pytest.raises(ConfigError, match="Did you mean 'singer'"):
        judge(both, two, candidate_system="signer")


def test_two_rules_on_one_metric_have_names_of_their_own(run):
    checks, _ = gate(run(), run(), Rule(metric="per", margin=0.01), Rule(metric="per", margin=0.02, max=0.5))
    assert {"per", "per #2", "per #2 max"} <= set(checks)
