import doctest
import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit import comparison
from evalkit.comparison import (
    align,
    cohen_dz,
    compare_paired,
    detectable_rate,
    exchange_p,
    exchange_p_many,
    holm,
    mcnemar_p,
    minimum_detectable_effect,
    minimum_p,
    newcombe,
    rank_biserial,
    sample_size,
    win_rate,
)
from evalkit.stats import PromptValues


def values(numbers, denominators=None, names=None, n_missing=0):
    numbers = np.asarray(numbers, dtype=np.float64)
    return PromptValues(
        prompt_ids=tuple(names or (f"p{i:04d}" for i in range(len(numbers)))),
        numerators=numbers,
        denominators=np.ones(len(numbers)) if denominators is None else np.asarray(denominators, dtype=np.float64),
        n_missing=n_missing,
    )


def sign_flip(differences, **options):
    return exchange_p(values(differences), values(np.zeros(len(differences))), **options)


def test_examples_in_the_docstrings():
    assert doctest.testmod(comparison).failed == 0


def test_only_shared_prompts_are_compared():
    ours, theirs = align(values([1, 2, 3], names="abc"), values([9, 8, 7], names="bcd", n_missing=1))
    assert ours.prompt_ids == theirs.prompt_ids == ("b", "c")
    assert list(ours.numerators - theirs.numerators) == [2 - 9, 3 - 8]
    assert ours.n_missing == 2, "a and d; the one that theirs misses is a"
    ours, _ = align(values([1, 2], names="ab", n_missing=1), values([1, 2, 3], names="abc"))
    assert ours.n_missing == 1, "c is lost once, not twice"


@pytest.mark.parametrize(("n", "expected"), [(5, 0.0625), (6, 0.03125), (8, 0.0078125)])
def test_smallest_p_is_reached_when_all_agree(n, expected):
    assert minimum_p(n) == expected
    assert sign_flip(np.arange(1.0, n + 1)) == expected


@pytest.mark.parametrize("seed", range(5))
def test_exact_p_agrees_with_scipy(seed):
    found = np.random.default_rng(seed).normal(0.4, 1.0, 10)
    theirs = scipy.stats.permutation_test((found,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip(found) == pytest.approx(theirs.pvalue, abs=1e-12)


def test_random_p_agrees_with_the_t_test_and_repeats():
    found = np.random.default_rng(1).normal(0.25, 1.0, 100)
    p_value = sign_flip(found, seed=3)
    assert p_value == pytest.approx(scipy.stats.ttest_1samp(found, 0).pvalue, abs=0.01)
    assert p_value == sign_flip(found, seed=3)
    assert sign_flip(np.full(100, 1.0), permutations=999) == 1 / 1000


def test_no_difference_has_p_one():
    assert sign_flip(np.zeros(8)) == 1.0
    assert sign_flip(np.zeros(50)) == 1.0


def test_p_values_of_no_effect_are_uniform():
    rng = np.random.default_rng(2)
    found = [sign_flip(rng.normal(0, 1, 20), permutations=500, seed=i) for i in range(300)]
    assert np.mean(np.array(found) <= 0.05) == pytest.approx(0.05, abs=0.035)
    assert np.mean(found) == pytest.approx(0.5, abs=0.06)


def test_exchange_of_ratios_is_an_exchange_of_counts():
    ours, theirs = values([1, 0, 2, 1], [10, 20, 30, 10]), values([3, 4, 9, 2], [10, 20, 30, 12])
    observed = abs(4 / 70 - 18 / 72)
    hits = 0
    for pattern in range(16):
        swap = [bool(pattern >> i & 1) for i in range(4)]
        pairs = [
            [(b, a) if flip else (a, b) for a, b, flip in zip(first, second, swap, strict=True)]
            for first, second in ((ours.numerators, theirs.numerators), (ours.denominators, theirs.denominators))
        ]
        (n1, n2), (d1, d2) = ([sum(column) for column in zip(*pair, strict=True)] for pair in pairs)
        hits += abs(n1 / d1 - n2 / d2) >= observed - 1e-12
    assert exchange_p(ours, theirs) == hits / 16


def test_many_pairs_at_once_give_the_values_of_single_pairs():
    rng = np.random.default_rng(3)
    ratios = [values(rng.poisson(5, n), rng.poisson(30, n) + 1) for n in (1, 6, 13, 14, 40) for _ in range(40)]
    means = [values(rng.normal(size=n)) for n in (6, 40) for _ in range(4)]
    pairs = [(a, b) for a, b in itertools.pairwise(ratios) if len(a.prompt_ids) == len(b.prompt_ids)]
    pairs += [(means[0], means[1]), (means[4], means[5])]
    together = exchange_p_many(pairs, permutations=500)
    assert together == [exchange_p(a, b, permutations=500) for a, b in pairs]
    assert len(set(together)) > 50
    assert exchange_p_many(pairs[::-1], permutations=500) == together[::-1]
    with pytest.raises(ValueError, match="at least one pair"):
        exchange_p_many([(values([]), values([]))])


@pytest.mark.parametrize(("b", "c"), [(0, 0), (1, 0), (0, 6), (3, 9), (12, 12), (30, 11)])
def test_mcnemar_agrees_with_the_binomial_test(b, c):
    expected = scipy.stats.binomtest(b, b + c, 0.5).pvalue if b + c else 1.0
    assert mcnemar_p(b, c) == pytest.approx(expected, abs=1e-12)
    assert mcnemar_p(b, c) == mcnemar_p(c, b)


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_lies_between_the_plain_and_the_bonferroni_values(p_values):
    adjusted = holm(p_values)
    for plain, found in zip(p_values, adjusted, strict=True):
        assert plain <= found <= min(1.0, len(p_values) * plain) or found == pytest.approx(
            max(a for p, a in zip(p_values, adjusted, strict=True) if p <= plain)
        )
    order = np.argsort(p_values, kind="stable")
    assert all(np.diff(np.array(adjusted)[order]) >= 0)


def test_holm_of_a_worked_example():
    assert holm([0.01, 0.02, 0.03, 0.005]) == pytest.approx([0.03, 0.04, 0.04, 0.02])
    assert holm([]) == []


def test_effect_sizes_of_known_differences():
    each = np.array([1.0, 2.0, 3.0, -1.0, 0.0])
    assert cohen_dz(each) == pytest.approx(1.0 / np.std(each, ddof=1))
    assert win_rate(each) == pytest.approx(0.7)
    # Ranks of 1, 2, 3, -1 are 1.5, 3, 4, 1.5.
    assert rank_biserial(each) == pytest.approx((8.5 - 1.5) / 10)
    assert cohen_dz(np.full(5, 0.1)) is None
    assert rank_biserial(np.zeros(3)) is None


def test_rank_biserial_agrees_with_wilcoxon():
    each = np.random.default_rng(4).normal(0.3, 1, 25)
    smaller = scipy.stats.wilcoxon(each).statistic
    total = 25 * 26 / 2
    assert abs(rank_biserial(each)) == pytest.approx((total - 2 * smaller) / total)


SIZES = {
    1: [126, 197, 283, 503, 785, 1131, 1766],
    2: [32, 50, 71, 126, 197, 283, 442],
    3: [14, 22, 32, 56, 88, 126, 197],
}


@pytest.mark.parametrize("effect", [1, 2, 3])
def test_sample_sizes(effect):
    assert [sample_size(sd, effect) for sd in (4, 5, 6, 8, 10, 12, 15)] == SIZES[effect]


def test_sample_sizes_for_90_percent_power():
    assert [sample_size(sd, 1, power=0.9) for sd in (4, 6, 8, 10)] == [169, 379, 673, 1051]


def test_detectable_effect_is_the_inverse_of_the_sample_size():
    assert sample_size(6.0, minimum_detectable_effect(6.0, 283) + 1e-9) == 283
    with pytest.raises(ValueError, match="positive"):
        sample_size(1.0, 0.0)


def test_detectable_effect_is_detected_as_often_as_promised():
    rng = np.random.default_rng(5)
    effect = minimum_detectable_effect(2.0, 40)
    hits = [sign_flip(rng.normal(effect, 2.0, 40), permutations=400, seed=i) < 0.05 for i in range(250)]
    assert np.mean(hits) == pytest.approx(0.8, abs=0.08)


def test_comparison_of_two_systems():
    rng = np.random.default_rng(6)
    difficulty = rng.normal(20, 10, 60)
    found = compare_paired(values(difficulty + rng.normal(-1, 1, 60)), values(difficulty))
    assert found.n == 60
    assert found.difference == pytest.approx(found.candidate - found.baseline)
    assert found.ci_low < -1.0 < found.ci_high < 0
    assert found.ci_high - found.ci_low < 1.0, "difficulty cancels in pairs"
    assert found.p_value < 0.001
    assert found.win_rate < 0.5
    assert found.se == pytest.approx(found.sd / math.sqrt(60))
    assert 1.0 < found.mde / (2.8016 * found.se) < 1.06, "the plain formula and a little for what 60 songs leave open"


def test_interval_agrees_with_scipy():
    rng = np.random.default_rng(7)
    ours, theirs = rng.gamma(2, 3, 18), rng.gamma(2, 3, 18)
    found = compare_paired(values(ours), values(theirs))
    expected = scipy.stats.bootstrap((ours - theirs,), np.mean, method="BCa", n_resamples=50_000, rng=1)
    assert found.method.startswith("BCa")
    assert found.ci_low == pytest.approx(expected.confidence_interval.low, abs=0.15)
    assert found.ci_high == pytest.approx(expected.confidence_interval.high, abs=0.15)


def test_too_few_pairs_make_no_claim():
    found = compare_paired(values([1, 2, 3, 4, 5]), values([0, 0, 0, 0, 0]))
    assert (found.n, found.difference, found.ci_low, found.p_value) == (5, 3.0, None, None)
    assert "fewer than 6 pairs" in found.method
    nothing = compare_paired(values([1.0], names="a"), values([1.0], names="b"))
    assert (nothing.n, nothing.n_unpaired, nothing.difference, nothing.method) == (0, 2, None, "no pairs")


@given(st.lists(st.tuples(st.floats(-100, 100), st.floats(-100, 100)), min_size=6, max_size=16))
@settings(max_examples=20, deadline=None)
def test_swapping_the_systems_turns_the_sign(pairs):
    ours, theirs = (values(column) for column in zip(*pairs, strict=True))
    there = compare_paired(ours, theirs, resamples=200)
    back = compare_paired(theirs, ours, resamples=200)
    assert there.difference == pytest.approx(-back.difference, abs=1e-9)
    assert there.p_value == pytest.approx(back.p_value, abs=0.1 if len(pairs) > 13 else 1e-12)
    assert there.win_rate == pytest.approx(1 - back.win_rate)


@pytest.mark.parametrize("n", [3, 8, 40])
def test_same_outputs_never_differ(n):
    same = values(np.random.default_rng(8).normal(0, 1, n))
    found = compare_paired(same, same)
    assert found.difference == 0.0
    assert found.p_value in (None, 1.0)
    assert found.win_rate == 0.5


@pytest.mark.parametrize(
    ("n", "takes", "background", "margin", "alpha"),
    [(60, 1, 0.01, 0.0, 0.05), (100, 1, 0.03, 0.0, 0.01), (200, 2, 0.02, 0.05, 0.05), (40, 1, 0.0, 0.0, 0.05)],
)
def test_a_detectable_rate_is_detected(n, takes, background, margin, alpha):
    """Songs that fail by chance on either side, and the candidate more often by what was promised."""
    rng = np.random.default_rng(20261126)
    pairs = n * takes
    found = detectable_rate(0.0, 2 * background * n, n, takes, margin=margin, alpha=alpha)
    shown = 0
    for _ in range(400):
        ours, theirs = rng.binomial(pairs, background + found), rng.binomial(pairs, background)
        rest = pairs - ours - theirs
        low, _ = newcombe(0, ours / takes, theirs / takes, rest / takes, 1 - alpha)
        significant = scipy.stats.binomtest(ours, ours + theirs).pvalue <= alpha if ours + theirs else False
        shown += low > margin and (significant or margin > 0)
    assert 0.78 <= shown / 400 <= 0.97, "the promise is kept and not by much"
    assert found > margin


def test_no_rate_is_detectable_with_too_few_songs():
    assert detectable_rate(0.0, 0.0, 5) is None
    assert detectable_rate(0.0, 0.0, 6) > 0.8, "all six would have to fail"
    sizes = [detectable_rate(0.0, 0.0, n) for n in (10, 20, 50, 200, 1000)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < 0.015
