"""Ten thousand resamples of a thousand prompts for fifty metrics, against the plain way of drawing for each metric.

Run with: pytest -m perf -s tests/perf/test_stats_speed.py
"""

import time

import numpy as np
import pytest

from evalkit.comparison import compare_many
from evalkit.stats import PromptValues, summarise_values
from evalkit.types import Metric

pytestmark = pytest.mark.perf

PROMPTS, METRICS, RESAMPLES = 1_000, 50, 10_000


def columns(seed, ratio):
    """Rates of heavy-tailed error counts by word counts, or plain means."""
    generator = np.random.default_rng(seed)
    below = generator.integers(20, 80, PROMPTS).astype(float) if ratio else np.ones(PROMPTS)
    above = below * generator.gamma(0.5, 0.2, PROMPTS)
    ids = tuple(f"p{k:04d}" for k in range(PROMPTS))
    return PromptValues(prompt_ids=ids, numerators=above, denominators=below, n_missing=0)


def seconds(work, repeats=3):
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def plain_bootstrap(values, resamples):
    """What one would write first: one index draw for each resample."""
    generator = np.random.default_rng(0)
    out = np.empty(resamples)
    for k in range(resamples):
        rows = generator.integers(0, PROMPTS, PROMPTS)
        out[k] = values.numerators[rows].sum() / values.denominators[rows].sum()
    return np.percentile(out, [2.5, 97.5])


def test_intervals_and_comparisons_of_fifty_metrics(capsys):
    sides = [[columns(2 * k + side, ratio=k % 2 == 0) for side in (0, 1)] for k in range(METRICS)]
    metric = Metric(name="m", title="M", unit="", direction="lower", source="x")
    items = [(metric, ours) for ours, _ in sides]
    ours_s = seconds(lambda: summarise_values(items, 0, RESAMPLES))
    both_s = seconds(lambda: compare_many([tuple(pair) for pair in sides], resamples=RESAMPLES), repeats=1)
    part = RESAMPLES // 20
    plain_s = 20 * METRICS * seconds(lambda: plain_bootstrap(sides[0][0], part))
    summary = summarise_values(items, 0, RESAMPLES)[0]
    assert np.allclose([summary.ci_low, summary.ci_high], plain_bootstrap(sides[0][0], 2_000), rtol=0.05)
    with capsys.disabled():
        print(
            f"\n{RESAMPLES:,} resamples x {PROMPTS:,} prompts x {METRICS} metrics: intervals {ours_s:.2f} s; paired "
            f"differences with intervals, exchange p and effect sizes {both_s:.2f} s; plain loop of the intervals "
            f"{plain_s:.1f} s, {plain_s / ours_s:.0f} times as long"
        )
