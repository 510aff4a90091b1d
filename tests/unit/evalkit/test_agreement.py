"""Ours against scipy and statsmodels, where they have the same test, and against printed results of R."""

import numpy as np
import pytest
import scipy.stats

from evalkit.comparison import compare_paired, exchange_p
from evalkit.significance import holm, mcnemar_p
from evalkit.stats import PromptValues


def values(above, below=None):
    above = np.asarray(above, dtype=float)
    ids = tuple(f"p{k:03d}" for k in range(len(above)))
    below = np.ones(len(above)) if below is None else np.asarray(below, dtype=float)
    return PromptValues(prompt_ids=ids, numerators=above, denominators=below, n_missing=0)


def test_random_exchanges_agree_with_scipys_permutation_test():
    rng = np.random.default_rng(3)
    ours, theirs = rng.gamma(0.7, 0.3, 60), rng.gamma(0.7, 0.25, 60)
    expected = scipy.stats.permutation_test(
        (ours, theirs), lambda a, b: np.mean(a) - np.mean(b), permutation_type="samples", n_resamples=40_000, rng=1
    )
    # Both are random: three standard errors of the two together.
    error = 3 * np.sqrt(expected.pvalue * (1 - expected.pvalue) * (1 / 10_000 + 1 / 40_000))
    assert exchange_p(values(ours), values(theirs)) == pytest.approx(expected.pvalue, abs=error)


def test_exact_exchange_of_ratios_agrees_with_scipy():
    rng = np.random.default_rng(4)
    words = rng.integers(5, 40, 9).astype(float)
    other = rng.integers(5, 40, 9).astype(float)
    ours, theirs = rng.poisson(0.3 * words).astype(float), rng.poisson(0.15 * other).astype(float)

    def difference(a, b):
        a, b = a.astype(int), b.astype(int)  # places: both counts of a prompt move together
        above, below = np.concatenate([ours, theirs]), np.concatenate([words, other])
        return above[a].sum() / below[a].sum() - above[b].sum() / below[b].sum()

    expected = scipy.stats.permutation_test(
        (np.arange(9.0), np.arange(9.0, 18.0)), difference, permutation_type="samples", n_resamples=np.inf,
        vectorized=False,
    )  # fmt: skip
    assert exchange_p(values(ours, words), values(theirs, other)) == pytest.approx(expected.pvalue, abs=1e-12)


def test_interval_of_a_difference_of_ratios_agrees_with_scipy():
    rng = np.random.default_rng(5)
    words = rng.integers(10, 80, 120).astype(float)
    ours, theirs = rng.poisson(0.12 * words), rng.poisson(0.2 * words)
    found = compare_paired(values(ours, words), values(theirs, words))

    def difference(ours, theirs, words, axis=-1):
        return (ours.sum(axis=axis) - theirs.sum(axis=axis)) / words.sum(axis=axis)

    expected = scipy.stats.bootstrap(
        (ours, theirs, words), difference, paired=True, method="percentile", n_resamples=30_000, rng=2
    ).confidence_interval
    width = expected.high - expected.low
    assert found.ci_low == pytest.approx(expected.low, abs=0.03 * width)
    assert found.ci_high == pytest.approx(expected.high, abs=0.03 * width)


def test_rank_biserial_has_the_sign_and_the_significance_of_wilcoxon():
    rng = np.random.default_rng(6)
    ours, theirs = rng.normal(0.6, 1, 40), rng.normal(0, 1, 40)
    found = compare_paired(values(ours), values(theirs))
    test = scipy.stats.wilcoxon(ours, theirs)
    total = 40 * 41 / 2
    assert found.rank_biserial == pytest.approx((total - 2 * test.statistic) / total)
    assert (found.p_value < 0.05) == (test.pvalue < 0.05)


@pytest.mark.parametrize(
    ("p_values", "expected"),
    [  # R 4.3: p.adjust(p, "holm")
        ([0.01, 0.02, 0.03, 0.04, 0.05], [0.05, 0.08, 0.09, 0.09, 0.09]),
        ([0.001, 0.8, 0.012, 0.012, 0.5], [0.005, 1.0, 0.048, 0.048, 1.0]),
        ([0.9, 0.9], [1.0, 1.0]),
    ],
)
def test_holm_agrees_with_r(p_values, expected):
    assert holm(p_values) == pytest.approx(expected)


def test_holm_and_mcnemar_agree_with_statsmodels():
    tables = pytest.importorskip("statsmodels.stats.contingency_tables", reason="statsmodels is not installed")
    from statsmodels.stats.multitest import multipletests

    rng = np.random.default_rng(8)
    for size in (1, 2, 7, 40):
        p_values = rng.beta(0.5, 4, size).tolist()
        assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1].tolist())
    for both, ours, theirs, neither in ((10, 3, 9, 20), (0, 0, 6, 3), (5, 5, 5, 5), (40, 1, 0, 0)):
        expected = tables.mcnemar([[both, ours], [theirs, neither]], exact=True).pvalue
        assert mcnemar_p(ours, theirs) == pytest.approx(expected)
