"""Tiers: groups whose members cannot be told apart."""

import doctest
import itertools

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evalkit.comparison import compare_paired, exchange_p, holm
from evalkit.stats import PromptValues
from reports.leaderboard import tiers
from reports.leaderboard.tiers import bound_p, groups_of, make_tiers


def values(numbers: object) -> PromptValues:
    found = np.asarray(numbers, dtype=np.float64)
    names = tuple(f"p{place:03d}" for place in range(len(found)))
    return PromptValues(prompt_ids=names, numerators=found, denominators=np.ones(len(found)), n_missing=0)


def shares(found: tiers.Tiers, one: int, other: int) -> bool:
    return bool(set(found.of[one]) & set(found.of[other]))


def test_examples_in_the_docstrings() -> None:
    assert doctest.testmod(tiers).failed == 0


@pytest.mark.parametrize(
    ("n", "separable", "expected"),
    [
        (3, [], [(0, 1, 2)]),
        (3, [(0, 1), (0, 2), (1, 2)], [(0,), (1,), (2,)]),
        (3, [(0, 2)], [(0, 1), (1, 2)]),
        (4, [(0, 2), (0, 3), (1, 2), (1, 3)], [(0, 1), (2, 3)]),
        (3, [(0, 1)], [(0, 2), (1, 2)]),
    ],
)
def test_groups_of_known_separations(n: int, separable: list[tuple[int, int]], expected: list[tuple[int, ...]]) -> None:
    assert groups_of(n, separable) == expected


@given(st.integers(2, 7).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.sampled_from(
    list(itertools.combinations(range(n), 2)))))))  # fmt: skip
def test_two_share_a_group_exactly_if_they_are_not_separable(case: tuple[int, set[tuple[int, int]]]) -> None:
    n, separable = case
    groups = groups_of(n, separable)
    for pair in itertools.combinations(range(n), 2):
        together = any(set(pair) <= set(group) for group in groups)
        assert together == (pair not in separable), (pair, groups)
    assert not any(set(a) < set(b) for a in groups for b in groups), "no group lies inside another"


@given(st.integers(41, 45).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.sampled_from(
    list(itertools.combinations(range(n), 2))), max_size=300))))  # fmt: skip
def test_many_systems_never_get_more_claims(case: tuple[int, set[tuple[int, int]]]) -> None:
    n, separable = case
    groups = groups_of(n, separable)
    apart = {p for p in itertools.combinations(range(n), 2) if not any(set(p) <= set(group) for group in groups)}
    assert apart <= separable
    assert {place for group in groups for place in group} == set(range(n))


def test_better_systems_come_first_whatever_better_means() -> None:
    rng = np.random.default_rng(0)
    hard = rng.normal(size=40)
    systems = [values(hard + shift + rng.normal(scale=0.2, size=40)) for shift in (2.0, 0.0, 1.0)]
    assert make_tiers(systems, "lower").of == ((3,), (1,), (2,))
    assert make_tiers(systems, "higher").of == ((1,), (3,), (2,))
    assert make_tiers(systems, "none").of == make_tiers(systems, "target").of == ((), (), ())


def test_pairing_separates_what_intervals_alone_do_not() -> None:
    rng = np.random.default_rng(1)
    hard = rng.normal(scale=5.0, size=40)
    ours, theirs = (values(hard + shift + rng.normal(scale=0.2, size=40)) for shift in (0.0, 0.4))
    assert make_tiers([ours, theirs], "lower").of == ((1,), (2,))


def test_separations_are_those_of_single_comparisons_after_holm() -> None:
    rng = np.random.default_rng(2)
    hard = rng.normal(size=30)
    systems = [values(hard + shift + rng.normal(scale=0.6, size=30)) for shift in (0.0, 0.2, 0.4, 0.6, 0.8)]
    found = make_tiers(systems, "lower")
    pairs = list(itertools.combinations(range(5), 2))
    p_values = [compare_paired(systems[i], systems[j]).p_value for i, j in pairs]
    expected = {pair for pair, p in zip(pairs, holm([p for p in p_values if p is not None]), strict=True) if p <= 0.05}
    assert found.separable == expected
    assert 0 < len(expected) < len(pairs)
    for i, j in pairs:
        assert shares(found, i, j) == ((i, j) not in expected)


def test_copies_of_one_system_stand_in_one_tier() -> None:
    """Equal systems with noise: a false separation in at most 5 % of boards (the family-wise level)."""
    wrong = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        hard = rng.normal(size=30)
        found = make_tiers([values(hard + rng.normal(size=30)) for _ in range(5)], "lower")
        wrong += bool(found.separable)
    assert wrong <= 11, "5 of 100 are expected; 12 or more have a chance below 1 %"


def test_few_prompts_and_missing_systems_get_no_tier() -> None:
    rng = np.random.default_rng(3)
    good, bad = values(rng.normal(size=40)), values(rng.normal(size=40) + 5)
    found = make_tiers([good, None, values([0.0] * 19), bad], "lower")
    assert found.of == ((1,), (), (), (2,))
    assert found.n_pairs == 1
    assert make_tiers([good, None], "lower").of == ((), ())
    assert "at least 20 prompts" in make_tiers([good, None], "lower").method


def test_a_system_with_noise_is_in_several_tiers() -> None:
    rng = np.random.default_rng(4)
    hard = rng.normal(size=40)
    noisy = values(hard + 0.5 + rng.normal(scale=6, size=40))
    found = make_tiers([values(hard), noisy, values(hard + 1 + rng.normal(scale=0.1, size=40))], "lower")
    assert found.of == ((1,), (1, 2), (2,))


def test_more_systems_get_more_exchanges() -> None:
    """With n (n - 1) / 2 pairs the smallest p must stay below 0.05 after Holm, or nothing could ever be separated."""
    rng = np.random.default_rng(5)
    hard = rng.normal(size=24)
    systems = [values(hard + 3.0 * k + rng.normal(scale=0.1, size=24)) for k in range(40)]
    found = make_tiers(systems, "lower")
    assert found.n_pairs == 780
    assert [of[0] for of in found.of] == list(range(1, 41))


# Differences of rates: below 1e-9 they are rounding, which the exact test takes for none.
@given(st.lists(st.floats(-10, 10, allow_nan=False).map(lambda x: round(x, 9)), min_size=6, max_size=12))
@example(each=[0.0, 0.0, 0.0, 0.0, 1e-9, 1e-9])
def test_the_bound_is_never_below_the_exact_p(each: list[float]) -> None:
    ours, theirs = values(each), values([0.0] * len(each))
    assert bound_p(ours, theirs) >= exchange_p(ours, theirs) - 1e-9


def test_two_hundred_systems_are_told_apart_in_seconds() -> None:
    rng = np.random.default_rng(6)
    hard = rng.normal(size=40)
    systems = [values(hard + (5.0 if k % 2 else 0.0) + rng.normal(scale=0.3, size=40)) for k in range(200)]
    found = make_tiers(systems, "lower")
    assert found.n_pairs == 19_900
    assert set(found.of[::2]) == {(1,)}
    assert set(found.of[1::2]) == {(2,)}
    assert "Hoeffding" in found.method
