"""DNSMOS and DistillMOS: windows, loading, agreement with the published packages."""

import json
import pickle
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

from evalkit.errors import ModelError
from evalkit.models import distillmos, dnsmos

GOLDEN = Path(__file__).parents[3] / "golden" / "voice_quality"


@pytest.fixture(scope="module")
def signals():
    return runpy.run_path(str(GOLDEN / "regenerate.py"))["signals"]()


@pytest.fixture(scope="module")
def expected():
    return json.loads((GOLDEN / "expected.json").read_text())


@pytest.mark.models
@pytest.mark.parametrize("name", [pytest.param("noisy", marks=pytest.mark.slow), "short"])
def test_dnsmos_agrees_with_its_package(model_dir, signals, expected, name):
    network = dnsmos.Dnsmos(model_dir("dnsmos"))
    samples = dnsmos.lengthened(signals[name])
    starts = dnsmos.window_starts(len(samples))
    found = network.predict(np.stack([samples[start : start + dnsmos.WINDOW_SAMPLES] for start in starts])).mean(axis=0)
    assert found == pytest.approx([expected[name][f"dnsmos_{key}"] for key in dnsmos.OUTPUTS], abs=1e-4)


@pytest.mark.models
@pytest.mark.parametrize("name", [pytest.param("clean", marks=pytest.mark.slow), "short"])
def test_distillmos_agrees_with_its_package(model_dir, signals, expected, name):
    network = distillmos.DistillMos.load(model_dir("distillmos"))
    samples = np.pad(signals[name], (0, max(0, distillmos.WINDOW_SAMPLES - len(signals[name]))))
    starts = distillmos.window_starts(len(samples))
    windows = np.stack([samples[start : start + distillmos.WINDOW_SAMPLES] for start in starts])
    found = network.predict(windows)
    assert found.mean() == pytest.approx(expected[name]["distillmos"], abs=1e-4)
    assert network.predict(windows[:1] * np.float32(0.1)) == pytest.approx(found[:1], abs=1e-4), "level is taken out"


def test_dnsmos_has_a_window_each_second_as_published():
    rate = dnsmos.SAMPLE_RATE
    assert dnsmos.window_starts(dnsmos.WINDOW_SAMPLES) == [0]
    assert dnsmos.window_starts(10 * rate) == [0]
    assert dnsmos.window_starts(round(14.3 * rate)) == [0, rate, 2 * rate, 3 * rate, 4 * rate]
    for seconds in (9.01, 9.5, 10.0, 10.02, 11.0, 60.3):
        starts = dnsmos.window_starts(round(seconds * rate))
        assert starts[-1] + dnsmos.WINDOW_SAMPLES <= round(seconds * rate)


def test_short_voices_are_doubled():
    samples = np.arange(50_000, dtype=np.float32)
    found = dnsmos.lengthened(samples)
    assert len(found) == 200_000
    assert np.array_equal(found[50_000:100_000], samples)
    assert len(dnsmos.lengthened(np.zeros(144_160, np.float32))) == 144_160


@pytest.mark.parametrize("seconds", [1.0, 7.68, 7.7, 8.68, 30.0, 61.234])
def test_distillmos_windows_reach_from_end_to_end(seconds):
    n = round(seconds * distillmos.SAMPLE_RATE)
    starts = distillmos.window_starts(n)
    assert starts[0] == 0
    assert starts[-1] + distillmos.WINDOW_SAMPLES == max(n, distillmos.WINDOW_SAMPLES)
    assert np.all(np.diff(starts) <= distillmos.MAX_HOP_SAMPLES)


def tiny_tensors(seed=0, channels=(4, 8), dim=16, n_layers=2):
    """A checkpoint of the published layout, in small."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return 0.2 * torch.randn(*shape, generator=generator)

    found, inputs, n_bins = {}, 2, 161
    for index, outputs in enumerate(channels):
        found[f"cnn.cnn.{2 * index}.weight"], found[f"cnn.cnn.{2 * index}.bias"] = (
            normal(outputs, inputs, 3, 3),
            normal(outputs),
        )
        inputs, n_bins = outputs, (n_bins - 3) // (2 if index else 1) + 1
    body, inner = "transformer_pool_attn.", "transformer_pool_attn.transformer."
    for name, size in (
        (body + "norm_input", inputs * n_bins),
        (inner + "norm", inputs * n_bins),
        (body + "norm_trans", dim),
    ):
        found |= {f"{name}.weight": normal(size), f"{name}.bias": normal(size), f"{name}.running_mean": normal(size)}
        found[f"{name}.running_var"] = normal(size).abs() + 0.5
    n_frames = 384
    found[inner + "position_encoding.pe"] = normal(1, n_frames, dim)
    linear = {inner + "linear_proj": (dim, inputs * n_bins)}
    for index in range(n_layers):
        layer = f"{inner}transformer_encoder.layers.{index}."
        found |= {
            layer + "self_attn.in_proj_weight": normal(3 * dim, dim),
            layer + "self_attn.in_proj_bias": normal(3 * dim),
        }
        linear |= {
            layer + "self_attn.out_proj": (dim, dim),
            layer + "linear1": (2 * dim, dim),
            layer + "linear2": (dim, 2 * dim),
        }
        for norm in ("norm1", "norm2"):
            found |= {f"{layer}{norm}.weight": normal(dim), f"{layer}{norm}.bias": normal(dim)}
    linear |= {
        body + "pool.linear1": (2 * dim, dim),
        body + "pool.linear2": (1, 2 * dim),
        body + "pool.linear3": (1, dim),
    }
    for name, shape in linear.items():
        found |= {f"{name}.weight": normal(*shape), f"{name}.bias": normal(shape[0])}
    return found


@pytest.fixture
def small_windows(monkeypatch):
    """DistillMOS's windows, in which frames are what the tiny checkpoint has."""
    return (0.1 * np.random.default_rng(1).standard_normal((3, distillmos.WINDOW_SAMPLES))).astype(np.float32)


def test_a_small_seeded_checkpoint_loads_and_repeats(tmp_path, small_windows):
    torch.save({"model": tiny_tensors(), "step": 1}, tmp_path / distillmos.FILE)
    network = distillmos.DistillMos.load(tmp_path)
    found = network.predict(small_windows)
    assert found.shape == (3, 1)
    assert np.all((found > 1.0) & (found < 5.0))
    assert np.array_equal(network.predict(small_windows), found)
    one_by_one = np.concatenate([network.predict(window[None]) for window in small_windows])
    assert one_by_one == pytest.approx(found, abs=1e-5)


def test_attention_agrees_with_torchs_own_layer():
    tensors = tiny_tensors()
    name = "transformer_pool_attn.transformer.transformer_encoder.layers.0."
    theirs = torch.nn.TransformerEncoderLayer(16, 8, 32, dropout=0.0, batch_first=True).eval()
    theirs.load_state_dict({key.removeprefix(name): value for key, value in tensors.items() if key.startswith(name)})
    hidden = torch.randn(2, 50, 16, generator=torch.Generator().manual_seed(3))
    network = distillmos.DistillMos(tensors)
    with torch.no_grad():
        assert torch.allclose(network._layer(hidden, name), theirs(hidden), atol=1e-5)


def test_what_is_no_checkpoint_is_refused(tmp_path):
    path = tmp_path / distillmos.FILE
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(ModelError, match="damaged or no checkpoint"):
        distillmos.DistillMos.load(tmp_path)
    torch.save({"weights": {}}, path)
    with pytest.raises(ModelError, match="no 'model'"):
        distillmos.DistillMos.load(tmp_path)
    tensors = tiny_tensors()
    del tensors["transformer_pool_attn.pool.linear3.bias"]
    with pytest.raises(ModelError, match=r"has no 'transformer_pool_attn\.pool\.linear3\.bias'"):
        distillmos.DistillMos(tensors)
    tensors = tiny_tensors() | {"transformer_pool_attn.pool.linear3.weight": torch.zeros(1, 3)}
    with pytest.raises(ModelError, match="not DistillMOS's"):
        distillmos.DistillMos(tensors)


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    with (tmp_path / distillmos.FILE).open("wb") as file:
        pickle.dump({"model": Evil()}, file, protocol=2)
    with pytest.raises(ModelError):
        distillmos.DistillMos.load(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_a_broken_graph_is_refused(tmp_path):
    (tmp_path / dnsmos.FILE).write_bytes(b"no graph")
    with pytest.raises(ModelError, match=r"cannot be loaded.*evalkit models pull dnsmos"):
        dnsmos.Dnsmos(tmp_path)
