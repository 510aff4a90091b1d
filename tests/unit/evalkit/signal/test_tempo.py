"""Tempo and beats: known answers on clicks, then mir_eval's beat and tempo measures."""

import numpy as np
import pytest

from evalkit.signal.frames import NotMeasurable
from evalkit.signal.tempo import SAMPLE_RATE, Beats, find_beats
from evalkit.types import FloatArray


def clicks(times_s: np.ndarray, duration_s: float, *, noise: float = 1e-4, seed: int = 0) -> FloatArray:
    samples = noise * np.random.default_rng(seed).standard_normal(round(duration_s * SAMPLE_RATE))
    time = np.arange(800) / SAMPLE_RATE
    click = 0.5 * np.sin(2 * np.pi * 1000 * time) * np.exp(-80 * time)
    for number, moment in enumerate(times_s):
        start = round(moment * SAMPLE_RATE)
        piece = click[: len(samples) - start]
        samples[start : start + len(piece)] += piece * (1.3 if number % 4 == 0 else 1.0)
    return samples.astype(np.float32)


def steady(bpm: float, duration_s: float = 20.0) -> np.ndarray:
    return np.arange(0.3, duration_s - 0.1, 60.0 / bpm)


@pytest.mark.parametrize("bpm", range(60, 181, 8))
def test_the_tempo_of_clicks(bpm: int) -> None:
    beats = find_beats(clicks(steady(bpm), 20.0))
    assert beats.bpm == pytest.approx(bpm, rel=0.005)
    assert beats.stability < 0.01
    assert beats.clarity > 0.7


@pytest.mark.parametrize("bpm", [188, 196, 200])
def test_very_quick_clicks_are_heard_at_this_tempo_or_half_of_it(bpm: int) -> None:
    found = find_beats(clicks(steady(bpm), 20.0)).bpm
    assert min(abs(found * by - bpm) for by in (1, 2)) < 0.005 * bpm


@pytest.mark.parametrize("bpm", [72, 100, 133, 168])
def test_beats_are_where_mir_eval_wants_them(bpm: int) -> None:
    mir_eval = pytest.importorskip("mir_eval")
    reference = steady(bpm, 30.0)
    beats = find_beats(clicks(reference, 30.0))
    assert mir_eval.beat.f_measure(reference, beats.times_s) > 0.95
    found = mir_eval.tempo.detection(np.array([bpm / 2, bpm]), 0.5, np.array([bpm / 2, beats.bpm]))
    assert found == (1.0, True, True)


def test_eighths_between_the_beats_do_not_double_the_tempo() -> None:
    quarters = steady(96)
    samples = clicks(quarters, 20.0) + 0.5 * clicks(quarters[:-1] + 0.5 * 60 / 96, 20.0, seed=1)
    assert find_beats(samples).bpm == pytest.approx(96, rel=0.01)


def test_a_drifting_tempo_is_less_stable_the_more_it_drifts() -> None:
    found = []
    for drift in (0.0, 0.03, 0.06, 0.1):
        steps = 0.5 * (1 + drift * np.sin(np.linspace(0, 2 * np.pi, 56)))
        found.append(find_beats(clicks(0.3 + np.cumsum(steps), 30.0)).stability)
    assert found == sorted(found)
    assert found[0] < 0.01
    assert found[-1] > 0.05


def test_level_does_not_matter() -> None:
    samples = clicks(steady(120), 20.0)
    loud, soft = find_beats(samples), find_beats(0.5 * samples)
    assert soft.bpm == pytest.approx(loud.bpm, rel=1e-3)


@pytest.mark.parametrize("samples", [np.zeros(160_000, np.float32), np.full(160_000, 0.3, np.float32)])
def test_silence_has_no_beat(samples: FloatArray) -> None:
    with pytest.raises(NotMeasurable, match="beat"):
        find_beats(samples)


def test_a_second_is_too_short() -> None:
    with pytest.raises(NotMeasurable, match="four seconds"):
        find_beats(clicks(np.array([0.1, 0.6]), 1.0))


def test_the_same_samples_give_the_same_beats() -> None:
    samples = clicks(steady(111), 20.0, noise=0.01)
    first, second = find_beats(samples), find_beats(samples.copy())
    assert isinstance(first, Beats)
    np.testing.assert_array_equal(first.times_s, second.times_s)
