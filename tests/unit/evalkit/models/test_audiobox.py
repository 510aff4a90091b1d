"""Audiobox Aesthetics: a small checkpoint of the published layout gives what the published code gives."""

import json
import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from evalkit.errors import ConfigError, ModelError
from evalkit.evaluators.audiobox import AudioboxEvaluator
from evalkit.models import registry
from evalkit.models.audiobox import AXES, MODEL, WEIGHTS, Audiobox, windows_of
from evalkit.types import Audio, Clip, Prompt, Song

GOLDEN = Path(__file__).parents[3] / "golden" / "audiobox"


@pytest.fixture(scope="module")
def network():
    return Audiobox.load(GOLDEN)


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(GOLDEN / "regenerate.py"))


def test_agrees_with_the_published_code(network, script):
    expected = json.loads((GOLDEN / "expected.json").read_text())
    found = network.predict(script["windows"](), np.array(script["LENGTHS"]))
    assert found == pytest.approx(np.array([expected[axis] for axis in AXES]).T, abs=1e-5)


def test_windows_in_a_batch_and_alone_are_rated_alike(network, script):
    windows, lengths = script["windows"](), np.array(script["LENGTHS"])
    together = network.predict(windows, lengths)
    alone = np.concatenate([network.predict(windows[i : i + 1], lengths[i : i + 1]) for i in range(2)])
    assert alone == pytest.approx(together, abs=1e-5)
    assert np.array_equal(network.predict(windows, lengths), together)


def test_windows_touch_and_the_last_is_filled_with_zeros():
    windows, lengths = windows_of(np.ones(25, np.float32), 10)
    assert windows.shape == (3, 10)
    assert lengths.tolist() == [10, 10, 5]
    assert windows.sum() == 25.0
    assert windows[2, 5:].sum() == 0.0
    assert windows_of(np.ones(10, np.float32), 10)[1].tolist() == [10]


def clip(duration_s, seed=0):
    samples = (0.1 * np.random.default_rng(seed).standard_normal((2, round(duration_s * 16_000)))).astype(np.float32)
    return Clip(
        prompt=Prompt(id="p", language="en"),
        song=Song(prompt_id="p", system="s", take=0, seed=1, status="ok"),
        mix=Audio(samples=samples, sample_rate=16_000),
    )


def test_a_song_is_the_mean_of_its_windows_by_the_audio_they_hold():
    found = AudioboxEvaluator({}, lambda name: GOLDEN).score(clip(12.5))
    assert [score.metric for score in found] == ["abx_ce", "abx_cu", "abx_pc", "abx_pq"]
    for score in found:
        first, second = score.details["windows"]
        assert score.value == pytest.approx((10.0 * first + 2.5 * second) / 12.5, abs=1e-3)
    short = AudioboxEvaluator({}, lambda name: GOLDEN).score(clip(3.0))
    assert {score.status for score in short} == {"failed"}


def test_gain_changes_nothing():
    evaluator = AudioboxEvaluator({}, lambda name: GOLDEN)
    loud = clip(6.0)
    soft = Clip(
        prompt=loud.prompt,
        song=loud.song,
        mix=Audio(samples=loud.mix.samples * np.float32(0.5), sample_rate=16_000),
    )
    for one, other in zip(evaluator.score(loud), evaluator.score(soft), strict=True):
        assert one.value == pytest.approx(other.value, abs=0.01)


def test_what_does_not_fit_is_refused(tmp_path, network):
    tensors, config = load_file(GOLDEN / WEIGHTS), json.loads((GOLDEN / "config.json").read_text())
    with pytest.raises(ModelError, match="has no 'target_transform'"):
        Audiobox(tensors, {})
    without = {name: tensor for name, tensor in tensors.items() if "fc2" not in name}
    with pytest.raises(ModelError, match="does not fit"):
        Audiobox(without, config)
    with pytest.raises(ModelError, match="place for surprise"):
        Audiobox({**tensors, "wavlm_model.surprise": tensors["layer_weights.CE"]}, config)
    with pytest.raises(ModelError, match=r"has no 'proj_layer\.CE"):
        Audiobox({name: tensor for name, tensor in tensors.items() if "proj_layer.CE" not in name}, config)
    shutil.copy(GOLDEN / "config.json", tmp_path)
    save_file(tensors, tmp_path / WEIGHTS)
    data = (tmp_path / WEIGHTS).read_bytes()
    (tmp_path / WEIGHTS).write_bytes(data[: len(data) // 2])
    with pytest.raises(ModelError, match="damaged"):
        Audiobox.load(tmp_path)


def test_it_is_registered_with_its_pins_and_never_fetched_unasked():
    spec = registry.load().get(MODEL)
    assert not spec.is_automatic
    assert all(len(file.sha256) == 64 for file in spec.files.values())
    assert AudioboxEvaluator.required_models({}) == (MODEL,)
    with pytest.raises(ConfigError, match="device"):
        AudioboxEvaluator({"devise": "cpu"}, lambda name: GOLDEN)
