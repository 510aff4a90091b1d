"""DNSMOS and DistillMOS as evaluators: only on a stem, only where somebody sings, repeatable."""

from dataclasses import replace

import numpy as np
import pytest

from evalkit.derived import Derived
from evalkit.errors import ConfigError, ModelError
from evalkit.evaluators.distillmos import DistillMosEvaluator
from evalkit.evaluators.dnsmos import DnsmosEvaluator
from evalkit.types import Audio, Clip, Prompt, Song

RATE = 48_000


class Loud:
    """A network whose score is the level of a window."""

    batch = 2

    def __init__(self, n_outputs):
        self.n_outputs = n_outputs
        self.n_windows = 0

    def predict(self, windows):
        self.n_windows += len(windows)
        level = np.sqrt(np.mean(windows**2, axis=1, dtype=np.float64))
        return np.stack([level + index for index in range(self.n_outputs)], axis=1).astype(np.float32)


def voice(duration_s, seed=0):
    t = np.arange(round(duration_s * RATE)) / RATE
    return (0.2 * np.sin(2 * np.pi * 300 * t) + 0.01 * np.random.default_rng(seed).standard_normal(len(t))).astype(
        np.float32
    )


def clip(stem, store=None):
    audio = Audio(samples=np.atleast_2d(stem), sample_rate=RATE)
    return Clip(
        prompt=Prompt(id="p", language="en"),
        song=Song(prompt_id="p", system="s", take=0, seed=1, status="ok"),
        mix=audio,
        stems={"vocals": audio},
        derived=Derived({"vocals": "abc"}, store),
    )


@pytest.fixture(params=[DnsmosEvaluator, DistillMosEvaluator])
def evaluator(request, monkeypatch):
    made = request.param({}, lambda name: pytest.fail(name))
    made._network = Loud(len(made.metrics))
    return made


def test_a_voice_throughout_is_scored_on_all_windows(evaluator):
    found = evaluator.score(clip(voice(12.0)))
    assert [score.metric for score in found] == [metric.name for metric in evaluator.metrics]
    assert {score.status for score in found} == {"ok"}
    details = found[0].details
    assert details["n_windows"] == details["n_all_windows"] >= 3
    assert [score.value - index for index, score in enumerate(found)] == pytest.approx([found[0].value] * len(found))
    assert found[0].signature == evaluator.signature(found[0].metric)
    assert evaluator.score(clip(voice(12.0))) == found


def test_windows_without_voice_do_not_count_and_are_not_computed(evaluator):
    samples = np.concatenate([voice(12.0), np.zeros(30 * RATE, np.float32)])
    found = evaluator.score(clip(samples))[0]
    assert found.status == "ok"
    assert 0 < found.details["n_windows"] < found.details["n_all_windows"] / 2
    assert evaluator.network.n_windows == found.details["n_windows"]
    whole = evaluator.score(clip(voice(12.0)))[0]
    assert found.value > 0.5 * whole.value


def test_a_stem_without_voice_has_no_score(evaluator):
    samples = np.zeros(20 * RATE, np.float32)
    samples[: 2 * RATE] = voice(2.0)
    found = evaluator.score(clip(samples))
    assert {score.status for score in found} == {"not_applicable"}
    assert "No window of the stem has a voice in half of it" in found[0].reason
    silent = evaluator.score(clip(np.zeros(20 * RATE, np.float32)))
    assert {score.status for score in silent} == {"not_applicable"}
    assert evaluator.network.n_windows == 0


def test_a_mix_alone_is_not_scored(evaluator):
    found = evaluator.score(replace(clip(voice(12.0)), stems={}))
    assert {score.status for score in found} == {"not_applicable"}
    assert "only meaningful on a voice alone. The system gives no vocal stem." in found[0].reason


def test_short_songs(evaluator):
    assert {score.status for score in evaluator.score(clip(voice(3.0)))} == {"failed"}
    assert evaluator.score(clip(voice(5.5)))[0].details["n_windows"] >= 1


def test_gain_changes_nothing(evaluator):
    loud, soft = evaluator.score(clip(voice(12.0)))[0], evaluator.score(clip(voice(12.0) * np.float32(0.5)))[0]
    assert soft.value == pytest.approx(loud.value, abs=1e-3)


def test_windows_are_found_again_by_content(evaluator):
    class Memory(dict):
        def get(self, key):
            return dict.get(self, key)

        def put(self, key, record):
            self[key] = record

    store = Memory()
    first = evaluator.score(clip(voice(12.0), store))
    n_windows = evaluator.network.n_windows
    assert evaluator.score(clip(voice(12.0), store)) == first
    assert evaluator.network.n_windows == n_windows


def test_options_and_models(evaluator):
    cls = type(evaluator)
    assert cls.required_models({}) == (cls.model,)
    assert cls.required_models({"separation": "htdemucs"}) == (cls.model, "htdemucs")
    with pytest.raises(ConfigError, match="separation"):
        cls({"separate": 1}, lambda name: None)
    with pytest.raises(ConfigError, match="needs a separation"):
        cls({"separation": "none"}, lambda name: None)

    def absent(name):
        raise ModelError(f"The model {name} is not there.")

    with pytest.raises(ModelError, match=cls.model):
        cls({}, absent).score(clip(voice(12.0)))


@pytest.mark.models
@pytest.mark.slow
@pytest.mark.parametrize("cls", [DnsmosEvaluator, DistillMosEvaluator])
def test_the_real_network_likes_noise_less(model_dir, cls):
    evaluator = cls({}, model_dir)
    clean = voice(10.0)
    noisy = clean + 0.1 * np.random.default_rng(5).standard_normal(len(clean)).astype(np.float32)
    name = evaluator.metrics[-1].name
    values = [{s.metric: s.value for s in evaluator.score(clip(samples))}[name] for samples in (clean, noisy)]
    assert values[0] > values[1]
