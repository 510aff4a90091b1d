"""The arithmetic of FAD and KAD: known answers, independent implementations, properties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg

from evalkit.errors import ShapeError
from evalkit.evaluators import _frechet, _kernel
from evalkit.evaluators._frechet import extrapolate, frechet_distance, jackknife_interval, moments, random_orders
from evalkit.evaluators._kernel import bootstrap_interval, kernel_sums, median_distance


def gaussian(n, dim=128, seed=0, shift=0.0, scale=1.0):
    return (shift + scale * np.random.default_rng([seed, n]).standard_normal((n, dim))).astype(np.float32)


def as_songs(vectors, windows=1):
    return np.split(vectors, len(vectors) // windows)


def plain_fad(first, second):
    """The textbook formula with scipy's matrix square root."""
    c1, c2 = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    root = linalg.sqrtm(c1 @ c2)
    gap = first.mean(axis=0) - second.mean(axis=0)
    return float(gap @ gap + np.trace(c1 + c2 - 2.0 * np.real(root)))


def plain_kad(reference, songs):
    """Double loops over pairs, one window a song."""
    width = np.median([np.linalg.norm(a - b) for i, a in enumerate(reference) for b in reference[:i]])

    def kernel(a, b):
        return np.exp(-np.sum((a - b) ** 2) / (2 * width**2))

    def inside(rows):
        return np.mean([kernel(a, b) for i, a in enumerate(rows) for j, b in enumerate(rows) if i != j])

    cross = np.mean([kernel(a, b) for a in songs for b in reference])
    return 100 * (inside(reference) + inside(songs) - 2 * cross)


@pytest.fixture(scope="module")
def population():
    """A reference so large that what is left of the distance comes from the other side."""
    return moments([gaussian(20_000, seed=9)])


@pytest.mark.parametrize(("n", "expected"), [(150, 32.9), (600, 7.5), (2400, 2.0), (5000, 1.1)])
def test_the_bias_of_small_samples_is_the_known_one(population, n, expected):
    found = [frechet_distance(population, moments([gaussian(n, seed=seed)])) for seed in range(3)]
    assert np.mean(found) == pytest.approx(expected, rel=0.05)


def test_known_gaussians():
    def with_moments(mean, covariance):
        return _frechet.Moments(mean=np.array(mean), covariance=np.array(covariance), n=10)

    one = with_moments([0.0, 0.0], np.diag([1.0, 4.0]))
    assert frechet_distance(one, with_moments([3.0, 4.0], np.diag([1.0, 4.0]))) == pytest.approx(25.0)
    # Commuting covariances: the squared distance of their roots.
    assert frechet_distance(one, with_moments([0.0, 0.0], np.diag([9.0, 1.0]))) == pytest.approx(4.0 + 1.0)
    turned = np.array([[0.6, -0.8], [0.8, 0.6]])
    other = with_moments([0.0, 0.0], turned @ np.diag([1.0, 4.0]) @ turned.T)
    # tr (S1 S2)^(1/2) of 2 x 2 matrices: sqrt(tr(S1 S2) + 2 sqrt(det(S1 S2))).
    product = one.covariance @ other.covariance
    expected = 10.0 - 2.0 * np.sqrt(np.trace(product) + 2.0 * np.sqrt(np.linalg.det(product)))
    assert frechet_distance(one, other) == pytest.approx(expected)


@pytest.mark.parametrize(("n", "dim"), [(500, 20), (300, 64), (60, 40)])
def test_agrees_with_the_matrix_root_of_scipy(n, dim):
    first, second = gaussian(n, dim, 1, scale=2.0), gaussian(n + 10, dim, 2, shift=0.3)
    first[:, 0] += 3.0 * first[:, 1]
    ours = frechet_distance(moments([first]), moments([second]))
    assert ours == pytest.approx(plain_fad(first.astype(np.float64), second.astype(np.float64)), rel=1e-9)


def test_equal_sets_are_at_zero_even_without_full_rank():
    few = moments([gaussian(30, 64)])
    assert few.rank_deficit == 64 - 29
    assert moments([gaussian(500, 64)]).rank_deficit == 0
    assert frechet_distance(few, few) == pytest.approx(0.0, abs=1e-5)
    assert frechet_distance(moments([gaussian(30, 64)]), moments([gaussian(30, 64, 1)])) > 10.0


@given(shift=st.floats(0.0, 5.0), scale=st.floats(0.2, 3.0), seed=st.integers(0, 100))
@settings(max_examples=25, deadline=None)
def test_frechet_is_a_distance(shift, scale, seed):
    first, second = moments([gaussian(80, 6, seed)]), moments([gaussian(90, 6, seed + 1, shift, scale)])
    there, back = frechet_distance(first, second), frechet_distance(second, first)
    assert there == pytest.approx(back, rel=1e-7, abs=1e-9)
    assert there >= 0.0


def test_a_constant_shift_is_measured_exactly():
    first = gaussian(400, 10)
    found = frechet_distance(moments([first]), moments([first + np.float32(0.5)]))
    assert found == pytest.approx(10 * 0.25, rel=1e-5)


@pytest.mark.parametrize("n", [600, 1200])
def test_with_infinitely_many_songs_equal_distributions_do_not_differ(n):
    reference, songs = as_songs(gaussian(n, 64, 1)), as_songs(gaussian(n, 64, 2))
    plain = frechet_distance(moments(reference), moments(songs))
    found = extrapolate(reference, songs, random_orders(n, n, 0))
    assert len(found.sizes) >= 15
    assert found.sizes[-1] == n
    assert found.distances[-1] == pytest.approx(plain)
    assert abs(found.value) < 0.08 * plain
    assert found.r2 > 0.98


def test_a_real_difference_is_still_there_with_infinitely_many():
    reference, songs = as_songs(gaussian(800, 32, 1)), as_songs(gaussian(600, 32, 2, shift=0.5))
    found = extrapolate(reference, songs, random_orders(800, 600, 0))
    assert found.sizes[-1] == 600, "both sets are cut to the smaller one"
    assert found.value == pytest.approx(32 * 0.25, rel=0.1)
    again = extrapolate(reference, songs, random_orders(800, 600, 0))
    assert again == found
    assert extrapolate(reference, songs, random_orders(800, 600, 1)).value != found.value


def test_songs_are_drawn_once():
    for theirs, ours in random_orders(300, 250, 5):
        assert sorted(theirs) == list(range(300))
        assert sorted(ours) == list(range(250))


def test_the_jackknife_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(0).normal(3.0, 1.0, 20)
    replicates = [np.delete(values, index).mean() for index in range(20)]
    low, high = jackknife_interval(values.mean(), replicates)
    half = 2.093 * values.std(ddof=1) / np.sqrt(20)
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half))


def test_groups_hold_each_prompt_once():
    groups = _frechet.jackknife_groups([f"p{index % 57}" for index in range(200)], 0)
    assert len(groups) == 20
    assert sorted(name for group in groups for name in group) == sorted(f"p{index}" for index in range(57))
    assert _frechet.jackknife_groups(["b", "a", "b"], 0) in ([{"a"}, {"b"}], [{"b"}, {"a"}])


@pytest.mark.parametrize(("n", "within"), [(150, 0.1), (600, 0.03), (2400, 0.02)])
def test_kernel_distance_of_equal_distributions_is_nothing_on_average(n, within):
    found = [
        kernel_sums(as_songs(gaussian(n, seed=seed)), as_songs(gaussian(n, seed=seed + 50))).distance()[0]
        for seed in range(1 if n > 1000 else 8)
    ]
    assert abs(np.mean(found)) < within
    if n < 1000:
        assert min(found) < 0.0 < max(found), "an unbiased estimate falls on both sides"


def test_kernel_distance_agrees_with_loops_over_pairs():
    reference, songs = gaussian(40, 5, 1), gaussian(30, 5, 2, shift=0.7)
    sums = kernel_sums(as_songs(reference), as_songs(songs))
    assert sums.distance() == pytest.approx([plain_kad(reference.astype(float), songs.astype(float))], rel=1e-9)


def test_windows_of_one_song_are_no_independent_songs():
    rng = np.random.default_rng(0)
    found, naive = [], []
    for _ in range(12):
        sets = []
        for _ in range(2):
            centres = rng.standard_normal((60, 1, 8))
            sets.append(list((centres + 0.1 * rng.standard_normal((60, 6, 8))).astype(np.float32)))
        found.append(kernel_sums(*sets).distance()[0])
        naive.append(kernel_sums(*[as_songs(np.concatenate(songs)) for songs in sets]).distance()[0])
    assert abs(np.mean(found)) < 2.5 * np.std(found) / np.sqrt(12)
    assert np.mean(naive) > 5 * np.std(naive) / np.sqrt(12), "counting windows as songs is biased"


def test_kernel_distance_grows_with_the_difference_and_ignores_scale():
    reference = as_songs(gaussian(200, 16, 1))
    shifted = [kernel_sums(reference, as_songs(gaussian(200, 16, 2, s))).distance()[0] for s in (0.0, 0.3, 0.6, 1.2)]
    assert shifted == sorted(shifted)
    bigger = kernel_sums([10 * song for song in reference], [10 * song for song in as_songs(gaussian(200, 16, 2, 0.6))])
    assert bigger.distance()[0] == pytest.approx(shifted[2], rel=1e-4)


def test_blocks_and_order_of_songs_do_not_matter(monkeypatch):
    reference, songs = as_songs(gaussian(60, 4, 1), 3), as_songs(gaussian(60, 4, 2, 0.5), 2)
    whole = kernel_sums(reference, songs).distance()
    monkeypatch.setattr(_kernel, "_BLOCK", 7)
    assert kernel_sums(reference, songs).distance() == pytest.approx(whole, rel=1e-12)
    assert kernel_sums(reference[::-1], songs[::-1]).distance() == pytest.approx(whole, rel=1e-12)


def test_resampled_songs_are_the_songs_written_out():
    songs = as_songs(gaussian(12, 4, 2, 0.5), 2)
    sums = kernel_sums(as_songs(gaussian(20, 4, 1)), songs)
    weights = np.array([[2.0, 0.0, 1.0, 1.0, 1.0, 1.0]])
    # Copies of a song form no pair, so song 0 taken twice is song 0 with each window twice.
    copied = kernel_sums(as_songs(gaussian(20, 4, 1)), [np.concatenate([songs[0]] * 2), *songs[2:]])
    assert sums.distance(weights) == pytest.approx(copied.distance(), rel=1e-12)
    low, high = bootstrap_interval(sums, 3)
    assert low < sums.distance()[0] < high
    assert bootstrap_interval(sums, 3) == (low, high)


def test_the_interval_of_the_kernel_distance_covers():
    reference = as_songs(gaussian(300, 4, 99))
    truth = kernel_sums(reference, as_songs(gaussian(3000, 4, 98, 0.4))).distance()[0]
    hits = 0
    for seed in range(40):
        low, high = bootstrap_interval(kernel_sums(reference, as_songs(gaussian(80, 4, seed, 0.4))), seed, 300)
        hits += low <= truth <= high
    assert hits >= 34


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ShapeError, match="dimensions"):
        frechet_distance(moments([gaussian(9, 3)]), moments([gaussian(9, 4)]))
    with pytest.raises(ShapeError, match="two vectors"):
        moments([gaussian(1, 3)])
    with pytest.raises(ShapeError, match="dimensions"):
        kernel_sums(as_songs(gaussian(9, 3)), as_songs(gaussian(9, 4)))
    with pytest.raises(ShapeError, match="two songs"):
        kernel_sums(as_songs(gaussian(9, 3)), as_songs(gaussian(1, 3)))
    with pytest.raises(ShapeError, match="all equal"):
        median_distance([np.ones((5, 3), np.float32)])


def test_the_median_of_many_windows_is_taken_from_evenly_spaced_ones():
    many = gaussian(6000, 8)
    assert median_distance([many]) == pytest.approx(median_distance([many[::4]]), rel=0.02)
