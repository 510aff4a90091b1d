import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.errors import StoreError
from evalkit.stats import prompt_values, summarise, summarise_many, wilson
from evalkit.types import Metric, Score


def make_metric(name="loudness", **options):
    return Metric(name=name, title=name, unit=options.pop("unit", "dB"), direction="none", source="test", **options)


MEAN = make_metric()
RATIO = make_metric("wer", aggregate="ratio", unit="")


def score(song_id, value, metric=MEAN, **details):
    return Score(
        song_id=song_id,
        evaluator="e",
        metric=metric.name,
        value=value,
        status="failed" if value is None else "ok",
        reason="broken" if value is None else "",
        signature="s",
        details=details,
    )


def song(values, metric=MEAN):
    """One take a prompt."""
    return [score(f"s{i}", value, metric) for i, value in enumerate(values)], {
        f"s{i}": f"p{i}" for i in range(len(values))
    }


def counted(errors, words):
    scores = [
        score(f"s{i}", e / w, RATIO, numerator=e, denominator=w)
        for i, (e, w) in enumerate(zip(errors, words, strict=True))
    ]
    return scores, {f"s{i}": f"p{i}" for i in range(len(scores))}


def test_takes_are_averaged_inside_the_prompt():
    prompt_of = {"a1": "a", "a2": "a", "a3": "a", "b1": "b"}
    found = summarise([score("a1", 1.0), score("a2", 2.0), score("a3", 3.0), score("b1", 10.0)], MEAN, prompt_of)
    assert (found.n, found.n_missing, found.estimate) == (2, 0, 6.0)


def test_missing_takes_and_prompts():
    prompt_of = {"a1": "a", "a2": "a", "b1": "b", "c1": "c"}
    scores = [score("a1", 1.0), score("a2", None), score("b1", None), score("c1", 3.0)]
    found = summarise(scores, MEAN, prompt_of)
    assert (found.n, found.n_missing, found.estimate) == (2, 1, 2.0)
    asked = summarise(scores, MEAN, prompt_of, prompts=["a", "b", "d", "e"])
    assert (asked.n, asked.n_missing, asked.estimate) == (1, 3, 1.0)


def test_nothing_gives_nothing():
    found = summarise([], MEAN, {})
    assert (found.n, found.n_missing, found.estimate, found.ci_low, found.ci_high) == (0, 0, None, None, None)
    failed = summarise([score("s", None)], MEAN, {"s": "p"})
    assert (failed.n, failed.n_missing, failed.estimate, failed.method) == (0, 1, None, "no values")


def test_one_prompt_has_no_interval_and_says_so():
    found = summarise([score("s", 4.0)], MEAN, {"s": "p"})
    assert (found.estimate, found.ci_low, found.ci_high) == (4.0, None, None)
    assert "no interval" in found.method


def test_ratio_is_a_ratio_of_sums_of_take_means():
    scores = [
        score("a1", 0.5, RATIO, numerator=1, denominator=2),
        score("a2", 0.25, RATIO, numerator=1, denominator=4),
        score("b1", 0.1, RATIO, numerator=10, denominator=100),
    ]
    found = summarise(scores, RATIO, {"a1": "a", "a2": "a", "b1": "b"})
    assert found.estimate == pytest.approx((1 + 10) / (3 + 100), rel=1e-12)


def test_ratio_without_counts_is_refused():
    with pytest.raises(StoreError, match=r"wer of s0 .* no numerator"):
        summarise([score("s0", 0.5, RATIO)], RATIO, {"s0": "p"})


def test_ratio_with_nothing_to_divide_by():
    scores = [score(f"s{i}", 0.0, RATIO, numerator=0, denominator=0) for i in range(3)]
    found = summarise(scores, RATIO, {f"s{i}": f"p{i}" for i in range(3)})
    assert (found.n, found.estimate, found.ci_low, found.method) == (3, None, None, "nothing to divide by")


def test_score_of_an_unknown_song_is_refused():
    with pytest.raises(StoreError, match="'s', which is not a song"):
        summarise([score("s", 1.0)], MEAN, {})


def test_equal_values_have_a_width_of_zero():
    found = summarise(*_swap(song([0.1] * 7)))
    assert found.estimate == found.ci_low == found.ci_high == pytest.approx(0.1, abs=1e-15)


def _swap(pair, metric=MEAN):
    return pair[0], metric, pair[1]


def test_percentile_interval_agrees_with_scipy():
    values = np.random.default_rng(3).gamma(2.0, 5.0, 80)
    found = summarise(*_swap(song(values)))
    theirs = scipy.stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=40_000, rng=1
    ).confidence_interval
    assert found.method.startswith("percentile")
    assert found.ci_low == pytest.approx(theirs.low, abs=0.06)
    assert found.ci_high == pytest.approx(theirs.high, abs=0.06)


def test_bca_interval_agrees_with_scipy():
    values = np.random.default_rng(4).gamma(1.0, 5.0, 20)
    found = summarise(*_swap(song(values)))
    theirs = scipy.stats.bootstrap((values,), np.mean, method="BCa", n_resamples=100_000, rng=1).confidence_interval
    plain = scipy.stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=100_000, rng=1
    ).confidence_interval
    assert found.method.startswith("BCa")
    assert found.ci_low == pytest.approx(theirs.low, abs=0.1)
    assert found.ci_high == pytest.approx(theirs.high, abs=0.1)
    assert theirs.high - plain.high > 0.2, "the correction must be large enough to be seen by this test"


def test_ratio_interval_agrees_with_scipy():
    rng = np.random.default_rng(5)
    words = rng.integers(20, 300, 60)
    errors = rng.binomial(words, 0.15)
    found = summarise(*_swap(counted(errors, words), RATIO))
    theirs = scipy.stats.bootstrap(
        (errors, words),
        lambda e, w, axis: e.sum(axis=axis) / w.sum(axis=axis),
        paired=True,
        vectorized=True,
        method="percentile",
        n_resamples=20_000,
        rng=1,
    ).confidence_interval
    assert found.estimate == pytest.approx(errors.sum() / words.sum(), rel=1e-12)
    assert found.ci_low == pytest.approx(theirs.low, abs=1e-3)
    assert found.ci_high == pytest.approx(theirs.high, abs=1e-3)


def test_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(6)
    hits = 0
    for _ in range(200):
        found = summarise(*_swap(song(rng.normal(1.0, 2.0, 40))), resamples=1000)
        hits += found.ci_low <= 1.0 <= found.ci_high
    assert 180 <= hits <= 198


def test_interval_shrinks_with_the_root_of_n():
    rng = np.random.default_rng(7)
    widths = []
    for n in (100, 400):
        found = summarise(*_swap(song(rng.normal(0, 1, n))))
        widths.append(found.ci_high - found.ci_low)
    assert widths[0] / widths[1] == pytest.approx(2.0, rel=0.15)


def test_repeats_with_the_seed_and_ignores_the_order():
    values = np.random.default_rng(8).normal(0, 1, 45)
    scores, prompt_of = song(values)
    first = summarise(scores, MEAN, prompt_of, seed=1)
    assert summarise(scores[::-1], MEAN, dict(reversed(prompt_of.items())), seed=1) == first
    assert summarise(scores, MEAN, prompt_of, seed=2).ci_low != first.ci_low


def test_many_equals_one_by_one():
    rng = np.random.default_rng(9)
    metrics = [make_metric(f"m{i}") for i in range(4)] + [RATIO]
    scores, prompt_of = counted(rng.integers(0, 9, 40), rng.integers(10, 99, 40))
    for i, metric in enumerate(metrics[:-1]):
        scores += [score(f"s{j}", None if j < 3 * i else float(rng.normal()), metric) for j in range(40)]
    many = summarise_many(scores, metrics, prompt_of)
    assert list(many) == [metric.name for metric in metrics]
    for metric in metrics:
        assert many[metric.name] == summarise(scores, metric, prompt_of)


def test_binary_metric_gets_wilson():
    metric = make_metric(unit="0/1")
    found = summarise(*_swap(song([1.0] * 8 + [0.0] * 2, metric), metric))
    assert (found.ci_low, found.ci_high) == wilson(8, 10)
    assert "Wilson" in found.method


@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (0, 20), (8, 10), (50, 100), (20, 20), (3, 1000)])
def test_wilson_agrees_with_scipy(k, n):
    theirs = scipy.stats.binomtest(k, n).proportion_ci(method="wilson")
    assert wilson(k, n) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_wilson_refuses_nonsense():
    with pytest.raises(ValueError, match="at least one trial"):
        wilson(0, 0)
    with pytest.raises(ValueError, match="got 3 of 2"):
        wilson(3, 2)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40))
@settings(max_examples=30, deadline=None)
def test_interval_stays_inside_the_values(values):
    found = summarise(*_swap(song(values)), resamples=300)
    slack = 1e-9 * (1 + max(abs(v) for v in values))
    assert min(values) - slack <= found.ci_low <= found.ci_high <= max(values) + slack
    assert found.estimate == pytest.approx(math.fsum(values) / len(values), abs=slack)


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=20), st.floats(-50, 50))
@settings(max_examples=20, deadline=None)
def test_a_shift_moves_everything_by_the_shift(values, shift):
    plain = summarise(*_swap(song(values)), resamples=200)
    moved = summarise(*_swap(song([v + shift for v in values])), resamples=200)
    assert moved.estimate - plain.estimate == pytest.approx(shift, abs=1e-9)
    if np.ptp(values) > 1e-6:
        assert moved.ci_low - plain.ci_low == pytest.approx(shift, abs=np.ptp(values) * 0.02 + 1e-9)


def test_prompt_values_come_sorted():
    found = prompt_values([score("x", 2.0), score("y", 1.0)], MEAN, {"x": "z", "y": "a"})
    assert found.prompt_ids == ("a", "z")
    assert list(found.numerators) == [1.0, 2.0]
