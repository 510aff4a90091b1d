"""The statistical check: every verdict from differences whose answer is known, and what a verdict may never be."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.errors import ConfigError
from evalkit.gate.judge import judge
from evalkit.gate.rules import Rule, Rules

FEW = 400
"""Resamples where the verdict does not hang on them."""


def rules(*found, **options):
    return Rules(rule=tuple(found), **options)


@pytest.fixture
def verdict(make_run, kinds):
    """The check of one metric: differences are given, positive is a larger value."""

    def find(differences, rule, *, kind="per", level=0.3, resamples=FEW, **options):
        base = np.full(np.shape(differences), level)
        metric = getattr(kinds, kind)
        result = judge(
            make_run({metric: base + np.asarray(differences)}, name="new"),
            make_run({metric: base}, name="old"),
            rules(rule),
            resamples=resamples,
            **options,
        )
        (check,) = [check for check in result.checks if check.kind in ("difference", "threshold")]
        return check, result

    return find


def same(n, size):
    return np.full(n, size)


@pytest.mark.parametrize(
    ("differences", "margin", "expected", "code"),
    [
        (same(20, -0.02), 0.01, "improved", 0),
        (same(20, 0.0), 0.0, "pass", 0),  # U <= m, with both zero
        (same(20, 0.005), 0.01, "pass", 0),
        (same(20, 0.01), 0.01, "pass", 0),  # exactly the margin is still allowed
        (same(20, 0.02), 0.01, "fail", 1),
        (same(20, 0.001), 0.0, "fail", 1),
        (np.tile([0.05, -0.05], 10), 0.01, "inconclusive", 0),
        (np.r_[same(10, 0.0), same(10, 0.04)], 0.02, "inconclusive", 0),
        (same(5, 0.2), 0.01, "insufficient_data", 2),
        (same(6, 0.2), 0.01, "fail", 1),  # p = 2 / 2^6 = 0.031
    ],
)
def test_verdicts_with_known_answers(verdict, differences, margin, expected, code):
    check, result = verdict(differences, Rule(metric="per", margin=margin))
    assert (check.verdict, result.exit_code) == (expected, code)


def test_worse_within_the_margin_passes_and_says_so(verdict):
    check, _ = verdict(same(20, 0.005), Rule(metric="per", margin=0.01))
    assert check.low > 0
    assert "significantly worse, within the margin" in check.reason


@pytest.mark.parametrize(("policy", "code"), [("warn", 0), ("fail", 3), ("extend", 3)])
def test_what_inconclusive_does_is_the_policy(verdict, policy, code):
    check, result = verdict(np.tile([0.05, -0.05], 10), Rule(metric="per", margin=0.01, policy=policy))
    assert (check.verdict, result.exit_code) == ("inconclusive", code)
    assert check.songs_to_settle > 20
    assert check.takes_wanted >= 2
    assert f"about {check.songs_to_settle} songs" in check.reason
    assert ("Run again with" in check.reason) == (policy == "extend")


def test_the_policy_of_the_file_holds_where_a_rule_has_none(make_run, kinds):
    old = make_run({kinds.per: same(20, 0.3), kinds.loudness: same(20, -14.0)})
    wobble = np.tile([0.05, -0.05], 10)
    new = make_run({kinds.per: 0.3 + wobble, kinds.loudness: -14 + wobble})
    asked = rules(Rule(metric="per", margin=0.01), Rule(metric="loudness", margin=0.01, policy="warn"), policy="fail")
    assert [check.blocks for check in judge(new, old, asked, resamples=FEW).checks] == [False, True, False]


def test_which_way_is_worse(verdict):
    assert verdict(same(20, -0.1), Rule(metric="quality", margin=0.05), kind="quality")[0].verdict == "fail"
    assert verdict(same(20, 0.1), Rule(metric="quality", margin=0.05), kind="quality")[0].verdict == "improved"
    up, down = (Rule(metric="width", direction=way) for way in ("higher", "lower"))
    assert verdict(same(20, 0.1), up, kind="width")[0].verdict == "improved"
    assert verdict(same(20, 0.1), down, kind="width")[0].verdict == "fail"
    assert verdict(same(20, 0.1), Rule(metric="loudness", direction="higher"), kind="loudness")[0].verdict == "improved"


def test_of_a_wanted_range_the_distance_outside_counts(verdict):
    rule = Rule(metric="peak", margin=0.1)
    inside, _ = verdict(same(20, 1.0), rule, kind="peak", level=-5.0)
    assert (inside.verdict, inside.compared, inside.difference) == ("pass", "distance", 0.0)
    outside, _ = verdict(same(20, 1.0), rule, kind="peak", level=-1.5)
    assert (outside.verdict, outside.difference) == ("fail", pytest.approx(0.5))
    assert outside.candidate == pytest.approx(-0.5), "the page shows the value, not the distance"
    own = Rule(metric="peak", good=(-8.0, -4.0), margin=0.1)
    assert verdict(same(20, 1.0), own, kind="peak", level=-4.5)[0].difference == pytest.approx(0.5)


def test_a_metric_without_a_better_side_is_no_rule(verdict):
    with pytest.raises(ConfigError, match=r"Rule 1 \(width\).*only describes"):
        verdict(same(20, 0.1), Rule(metric="width", margin=0.1), kind="width")


@pytest.mark.parametrize("field", ["margin", "threshold"])
def test_a_margin_that_allows_everything_is_refused(verdict, field):
    with pytest.raises(ConfigError, match=rf"a {field} of 1 would allow a loss of 100 points.*{field} = 0.01"):
        verdict(same(20, 0.1), Rule(metric="per", **{field: 1.0}))


def test_holm_widens_what_fails_but_not_what_passes(make_run, kinds):
    """Six pairs show p = 0.031 at best: enough for one check, not for the worse of two."""
    old = {kinds.per: same(6, 0.3), kinds.loudness: same(6, 10.0), kinds.quality: same(6, 0.5)}
    new = {kinds.per: same(6, 0.4), kinds.loudness: same(6, 11.0), kinds.quality: same(6, 0.5)}

    def verdicts(*names):
        found = judge(
            make_run(new), make_run(old), rules(*(Rule(metric=name) for name in names)), resamples=FEW
        ).checks[1:]
        return [check.verdict for check in found], found

    assert verdicts("per")[0] == ["fail"]
    both, found = verdicts("per", "loudness")
    assert both == ["inconclusive", "inconclusive"]
    assert [check.p_adjusted for check in found] == [0.0625, 0.0625]
    assert all("not after correcting for the number of checks" in check.reason for check in found)
    # A check that passes is in the family too (it could have failed), and is itself not widened.
    assert verdicts("per", "quality")[0] == ["inconclusive", "pass"]


def test_levels_step_down(make_run, kinds):
    rng = np.random.default_rng(5)
    base = rng.uniform(0.2, 0.4, 60)
    old = {kinds.per: base, kinds.loudness: base * 10, kinds.quality: base}
    new = {
        kinds.per: base + rng.normal(0.10, 0.05, 60),
        kinds.loudness: base * 10 + rng.normal(0.5, 0.5, 60),
        kinds.quality: base + rng.normal(0.0, 0.05, 60),
    }
    asked = rules(*(Rule(metric=name) for name in ("per", "loudness", "quality")))
    found = {check.id: check for check in judge(make_run(new), make_run(old), asked, resamples=2000).checks}
    assert found["per"].verdict == found["loudness"].verdict == "fail"
    assert {found[name].adjusted_level for name in ("per", "loudness")} == {1 - 0.05 / 3, 1 - 0.05 / 2}
    assert all(found[name].adjusted_low < found[name].low for name in ("per", "loudness"))
    assert found["quality"].adjusted_level is None


def test_missing_pairs(make_run, kinds):
    def check(n_missing, n=40):
        values = same(n, 0.3)
        values[:n_missing] = np.nan
        old, new = make_run({kinds.per: same(n, 0.3)}), make_run({kinds.per: values})
        return judge(new, old, rules(Rule(metric="per", margin=0.01)), resamples=FEW).checks[-1]

    assert check(2).verdict == "pass", "5 % may be missing"
    assert check(3).verdict == "insufficient_data"
    assert "3 of 40 pairs are missing" in check(3).reason
    assert check(40).verdict == "insufficient_data"


def test_songs_to_which_a_metric_does_not_apply_are_not_missing(make_run, kinds):
    values = same(40, 0.3)
    values[:20] = np.inf
    run = make_run({kinds.per: values})
    check = judge(run, run, rules(Rule(metric="per", margin=0.01)), resamples=FEW).checks[-1]
    assert (check.verdict, check.n, check.n_missing) == ("pass", 20, 0)


def test_unequal_signatures_are_never_judged(make_run, kinds):
    old = make_run({kinds.per: same(20, 0.3)}, signature="whisper-base")
    new = make_run({kinds.per: same(20, 0.1)}, signature="whisper-large")
    for allow in (False, True):
        result = judge(new, old, rules(Rule(metric="per", margin=0.01)), allow_mismatch=allow, resamples=FEW)
        check = result.checks[-1]
        assert (check.verdict, result.exit_code) == ("insufficient_data", 2)
        assert "the signatures differ" in check.reason
        assert (check.difference is None) == (not allow), "shown side by side only when asked for"
    assert (check.candidate_signature, check.baseline_signature) == ("whisper-large", "whisper-base")


def test_unequal_suites_give_a_result_that_is_not_judged(make_run, kinds):
    old = make_run({kinds.per: same(20, 0.3)})
    new = make_run({kinds.per: same(20, 0.3)}, sha256="6" * 64)
    asked = rules(Rule(metric="per", margin=0.01))
    result = judge(new, old, asked, resamples=FEW)
    assert result.exit_code == 2
    assert "different suites" in next(check.reason for check in result.checks if check.id == "suite")
    shared = judge(new, old, asked, allow_mismatch=True, resamples=FEW)
    assert shared.exit_code == 0, "the lyrics are the same"
    assert any("Different suites" in notice for notice in shared.notices)
    other = make_run({kinds.per: same(20, 0.3)}, sha256="6" * 64, lyrics="other words")
    assert judge(other, old, asked, allow_mismatch=True, resamples=FEW).exit_code == 2


def test_no_baseline_is_no_pass(make_run, kinds):
    result = judge(make_run({kinds.per: same(20, 0.0)}), None, baseline_problem="There is no file baseline.evalkit.")
    assert (result.exit_code, result.passed) == (2, False)
    assert "There is no file" in result.checks[1].reason


def test_runs_without_any_metric_of_the_default_rules_are_no_pass(make_run, kinds):
    run = make_run({kinds.width: same(20, 0.0)})
    result = judge(run, run, None, resamples=FEW)
    assert result.exit_code == 2
    assert "Neither run has any of the metrics" in result.checks[-1].reason
    assert any("passed over" in notice for notice in result.notices)


def test_a_missing_model_on_both_sides_is_passed_over_and_on_one_side_is_no_pass(make_run, kinds):
    """Only by the default rules: who writes a rule wants it answered."""

    def lacking(run):
        scores = [
            dataclasses.replace(score, value=None, status="missing_model", reason="not there")
            if score.metric == "clap_ta"
            else score
            for score in run.scores
        ]
        return dataclasses.replace(run, scores=tuple(scores))

    clap = dataclasses.replace(kinds.quality, name="clap_ta")
    whole = make_run({kinds.per: same(20, 0.3), clap: same(20, 0.4)})
    neither = judge(lacking(whole), lacking(whole), None, resamples=FEW)
    assert neither.exit_code == 0
    assert "clap_ta" not in {check.id for check in neither.checks}
    assert any("clap_ta" in notice for notice in neither.notices)
    assert judge(lacking(whole), whole, None, resamples=FEW).exit_code == 2
    assert judge(whole, lacking(whole), None, resamples=FEW).exit_code == 2
    asked = rules(Rule(metric="clap_ta", margin=0.02))
    assert judge(lacking(whole), lacking(whole), asked, resamples=FEW).exit_code == 2


def test_a_rule_about_an_unknown_metric_is_not_met(make_run, kinds):
    run = make_run({kinds.per: same(20, 0.0)})
    result = judge(run, run, rules(Rule(metric="pre", margin=0.01)), resamples=FEW)
    assert (result.checks[-1].verdict, result.exit_code) == ("insufficient_data", 2)
    assert any("Did you mean 'per'?" in notice for notice in result.notices)


def test_languages_and_slices(make_run, kinds):
    languages = ("en", "zh")
    differences = np.where(np.arange(40) % 2 == 0, 0.0, 0.1)  # Chinese got worse
    old = make_run({kinds.per: same(40, 0.3)}, languages=languages)
    new = make_run({kinds.per: 0.3 + differences}, languages=languages)

    def found(**options):
        return {c.id: c.verdict for c in judge(new, old, rules(Rule(metric="per", **options)), resamples=FEW).checks}

    assert found(margin=0.01, languages="each") == {"failed_songs": "pass", "per[en]": "pass", "per[zh]": "fail"}
    assert found(margin=0.01, languages=("zh",))["per[zh]"] == "fail"
    assert found(margin=0.01, prompts=("p00?0", "p00?2", "p00?4"))["per"] == "pass"
    assert found(margin=0.01, prompts=("p00?[13579]",))["per"] == "fail"
    assert found(margin=0.01, languages=("xx",))["per[xx]"] == "insufficient_data"
    assert found(margin=0.01, prompts=("nothing-*",))["per"] == "insufficient_data"


def test_a_language_with_few_songs_is_marked(make_run, kinds):
    run = make_run({kinds.per: same(20, 0.3)}, languages=("en", "zh"))
    check = judge(run, run, rules(Rule(metric="per", languages="each")), resamples=FEW).checks[-1]
    assert "claim nothing about the language" in check.reason


def test_a_threshold_looks_at_the_mean_alone_and_says_so(verdict):
    wobble = np.r_[same(19, 0.0), 0.5]
    check, result = verdict(wobble, Rule(metric="per", threshold=0.02))
    assert (check.kind, check.verdict, result.exit_code) == ("threshold", "fail", 1)
    assert "Not a statistical test" in check.reason
    assert check.p_value is None
    assert verdict(wobble, Rule(metric="per", threshold=0.03))[0].verdict == "pass"
    assert verdict(same(5, 0.0), Rule(metric="per", threshold=0.03))[0].verdict == "insufficient_data"
    assert verdict(wobble, Rule(metric="per", margin=0.02))[0].verdict == "inconclusive", "one song is no proof"


def test_yes_no_metrics_are_tested_as_such(verdict):
    """Eight songs broke that did not break before: exact McNemar p = 2 / 2^8."""
    broke = np.r_[np.ones(8), np.zeros(32)]
    check, _ = verdict(broke, Rule(metric="clipped"), kind="clipped", level=0.0)
    assert (check.verdict, check.p_value) == ("fail", 2 / 2**8)
    assert "McNemar" in check.method
    rare, _ = verdict(np.r_[1.0, np.zeros(39)], Rule(metric="clipped"), kind="clipped", level=0.0)
    assert rare.verdict == "inconclusive"


def test_collapse_and_the_rest_are_judged_apart(make_run, kinds):
    base = np.full(60, 0.1)
    worse = base.copy()
    worse[:15] = 0.9
    asked = rules(Rule(metric="collapse_rate", margin=0.05), Rule(metric="per_noncollapsed", margin=0.01))
    result = judge(make_run({kinds.per: worse}), make_run({kinds.per: base}), asked, resamples=FEW)
    found = {check.id: check for check in result.checks}
    assert (found["collapse_rate"].verdict, found["collapse_rate"].candidate) == ("fail", 0.25)
    assert found["per_noncollapsed"].verdict == "pass"
    assert (found["per_noncollapsed"].n, found["per_noncollapsed"].n_missing) == (45, 0), "collapsed is not missing"
    assert "of:v1|collapsed:0.4" in found["collapse_rate"].candidate_signature


def test_takes_are_averaged_inside_the_song(make_run, kinds):
    old = make_run({kinds.per: np.full((10, 2), 0.3)})
    new = make_run({kinds.per: np.tile([0.2, 0.4], (10, 1))})
    check = judge(new, old, rules(Rule(metric="per")), resamples=FEW).checks[-1]
    assert (check.verdict, check.n, check.difference) == ("pass", 10, pytest.approx(0.0, abs=1e-12))


def test_the_order_of_rules_and_songs_changes_nothing(make_run, kinds, sung):
    (old, phones), (new, _) = (sung((1,), 40, 2, system_seed=seed) for seed in (0, 1))
    runs = [make_run({kinds.per: v, kinds.loudness: v * 10}, counts=phones) for v in (new, old)]
    names = ("per", "loudness", "collapse_rate")
    first = judge(*runs, rules(*(Rule(metric=name) for name in names)), resamples=FEW)
    mixed = [dataclasses.replace(run, songs=run.songs[::-1], scores=run.scores[::-1]) for run in runs]
    second = judge(*mixed, rules(*(Rule(metric=name) for name in reversed(names))), resamples=FEW)
    assert sorted(map(repr, first.checks)) == sorted(map(repr, second.checks))


def test_the_same_run_against_itself_passes(make_run, kinds, sung):
    values, phones = sung((2,), 30, 2)
    run = make_run({kinds.per: values}, counts=phones)
    result = judge(run, run, None)
    assert result.exit_code == 0, result.conclusion
    assert not any(check.warns for check in result.checks if check.metric == "per")


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(),
    n=st.integers(6, 30),
    spread=st.sampled_from([0.0, 0.01, 0.1]),
    shift=st.sampled_from([-0.05, 0.0, 0.01, 0.05]),
    margin=st.sampled_from([0.0, 0.01, 0.05]),
)
def test_verdict_follows_from_the_numbers_of_its_check(make_run, kinds, data, n, spread, shift, margin):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    base = rng.uniform(0.1, 0.5, n)
    new = base + shift + spread * rng.standard_normal(n)
    asked = rules(Rule(metric="loudness", margin=margin), Rule(metric="quality", margin=margin))
    result = judge(
        make_run({kinds.loudness: new, kinds.quality: new}),
        make_run({kinds.loudness: base, kinds.quality: base}),
        asked,
        resamples=200,
    )
    for check in result.checks[1:]:
        assert check.low <= check.high
        assert 0 < check.p_value <= check.p_adjusted <= 1
        allowed = margin + 1e-12
        shown = check.adjusted_low is not None and check.adjusted_low > allowed and check.p_adjusted <= 0.05
        if check.high < 0:
            expected = "improved"
        elif check.high <= allowed:
            expected = "pass"
        else:
            expected = "fail" if check.low > allowed and shown else "inconclusive"
        assert check.verdict == expected
    # A larger margin is never harder to meet.
    order = ["fail", "inconclusive", "pass", "improved"]
    margins = [
        judge(
            make_run({kinds.loudness: new}),
            make_run({kinds.loudness: base}),
            rules(Rule(metric="loudness", margin=size)),
            resamples=200,
        )
        .checks[1]
        .verdict
        for size in (0.0, 0.02, 0.1, 1.0)
    ]
    assert all(order.index(a) <= order.index(b) for a, b in pairwise(margins))
