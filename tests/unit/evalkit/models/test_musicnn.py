"""musicnn: against a plain NumPy forward, TensorFlow's own output, and librosa's front end."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from evalkit.derived import Derived
from evalkit.errors import ConfigError, ModelError
from evalkit.models import embedding, musicnn
from evalkit.models.musicnn import MusicnnEmbedder, Network, Training, log_mel, patches
from evalkit.types import Audio, Clip, FloatArray, Prompt, Song

GOLDEN = Path(__file__).parents[3] / "data" / "musicnn" / "golden.npz"


def make_patches() -> FloatArray:
    rng = np.random.default_rng(20261126)
    x = rng.gamma(2.0, 0.7, size=(4, 187, 96)).astype(np.float32)
    x[1] *= np.linspace(1.6, 0.2, 96, dtype=np.float32)
    x[2] *= (np.arange(187) % 23 < 4)[:, None] * 1.5 + 0.1
    x[3] = 0
    return np.minimum(x, 6).astype(np.float32)


def make_sweep() -> FloatArray:
    time = np.arange(32_000) / 16_000
    noise = np.random.default_rng(7).standard_normal(32_000)
    return (0.3 * np.sin(2 * np.pi * (200 * time + 900 * time**2)) + 0.05 * noise).astype(np.float32)


def random_tensors() -> dict[str, FloatArray]:
    """A checkpoint of the real shapes with seeded numbers that keep activations in a usual range."""
    rng = np.random.default_rng(5)
    tensors: dict[str, FloatArray] = {}

    def put(name: str, shape: tuple[int, ...], scale: float = 1.0, centre: float = 0.0) -> None:
        tensors[name] = (centre + scale * rng.standard_normal(shape)).astype(np.float32)

    kernels = [(7, 38, 1, 204), (7, 67, 1, 204), (128, 1, 1, 51), (64, 1, 1, 51), (32, 1, 1, 51)]
    kernels += [(7, 561, 1, 64), (7, 64, 1, 64), (7, 64, 1, 64)]
    for index, shape in enumerate(kernels):
        name = f"conv2d_{index}" if index else "conv2d"
        put(f"{name}/kernel", shape, 1 / np.sqrt(np.prod(shape[:3])))
        put(f"{name}/bias", shape[3:], 0.1)
    for index, size in enumerate([1, 204, 204, 51, 51, 51, 64, 64, 64, 1506, 200]):
        name = f"batch_normalization_{index}" if index else "batch_normalization"
        put(f"{name}/gamma", (size,), 0.3, 1.0)
        put(f"{name}/beta", (size,), 0.1)
        put(f"{name}/moving_mean", (size,), 0.2)
        tensors[f"{name}/moving_variance"] = rng.uniform(0.5, 1.5, size).astype(np.float32)
    for name, shape in (("dense", (1506, 200)), ("dense_1", (200, 50))):
        put(f"{name}/kernel", shape, 1 / np.sqrt(shape[0]))
        put(f"{name}/bias", shape[1:], 0.1)
    return tensors


def plain_forward(tensors: Mapping[str, FloatArray], plane: FloatArray) -> tuple[np.ndarray, np.ndarray]:
    """The published graph, layer by layer, for one patch [frames, 96], in TensorFlow's order of axes."""

    def layer(name: str, index: int, part: str) -> np.ndarray:
        return tensors[(f"{name}_{index}" if index else name) + "/" + part].astype(np.float64)

    def norm(x: np.ndarray, index: int) -> np.ndarray:
        gamma, beta, mean, variance = (
            layer("batch_normalization", index, part) for part in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        return gamma * (x - mean) / np.sqrt(variance + 1e-3) + beta

    def conv(x: np.ndarray, index: int) -> np.ndarray:
        """Valid convolution of [time, frequency] to [time, frequency, filters]."""
        kernel = layer("conv2d", index, "kernel")[:, :, 0]
        windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2])
        return np.tensordot(windows, kernel, axes=([2, 3], [0, 1])) + layer("conv2d", index, "bias")

    def relu(x: np.ndarray) -> np.ndarray:
        return np.maximum(x, 0)

    x = norm(plane[:, :, None].astype(np.float64), 0)[:, :, 0]
    front = []
    for index in range(5):
        height = layer("conv2d", index, "kernel").shape[0]
        pad = (3, 3) if index < 2 else ((height - 1) // 2, height - 1 - (height - 1) // 2)
        front.append(norm(relu(conv(np.pad(x, (pad, (0, 0))), index)), index + 1).max(axis=1))
    features = [np.concatenate(front, axis=1)]
    below = features[0]
    for index in (5, 6, 7):
        found = norm(relu(conv(np.pad(below, ((3, 3), (0, 0))), index)), index + 1)[:, 0]
        below = found if index == 5 else found + below
        features.append(below)
    every = np.concatenate(features, axis=1)
    pooled = np.stack([every.max(axis=0), every.mean(axis=0)], axis=1).reshape(-1)
    hidden = relu(norm(pooled, 9) @ layer("dense", 0, "kernel") + layer("dense", 0, "bias"))
    hidden = norm(hidden, 10)
    return hidden, 1 / (1 + np.exp(-(hidden @ layer("dense", 1, "kernel") + layer("dense", 1, "bias"))))


def clip(samples: FloatArray, sample_rate: int = 16_000) -> Clip:
    song = Song(prompt_id="p", system="s", take=0, seed=1, status="ok")
    audio = Audio(samples=samples[None], sample_rate=sample_rate)
    return Clip(prompt=Prompt(id="p", language="en"), song=song, mix=audio, derived=Derived())


def test_the_network_computes_what_a_plain_forward_computes() -> None:
    tensors = random_tensors()
    network = Network(tensors)
    planes = make_patches()[:2, :40]
    hidden = network.penultimate(planes)
    tags = network.tags(hidden)
    for plane, found, said in zip(planes, hidden, tags, strict=True):
        wanted, probabilities = plain_forward(tensors, plane)
        np.testing.assert_allclose(found, wanted, atol=2e-4)
        np.testing.assert_allclose(said, probabilities, atol=2e-5)
    assert hidden.std(axis=0).max() > 0.1, "the patches must not all look alike to the network"


@pytest.mark.models
@pytest.mark.parametrize("training", musicnn.TRAININGS)
def test_the_published_weights_give_what_tensorflow_gives(training: Training, model_dir: Callable[[str], Path]) -> None:
    network = Network.load(model_dir("musicnn"), training)
    with np.load(GOLDEN) as golden:
        hidden = network.penultimate(make_patches())
        np.testing.assert_allclose(hidden, golden[f"{training}_penultimate"], atol=5e-5)
        np.testing.assert_allclose(network.tags(hidden), golden[f"{training}_tags"], atol=5e-6)


def test_the_front_end_is_librosas() -> None:
    found = log_mel(make_sweep())
    assert found.shape == (126, 96)
    with np.load(GOLDEN) as golden:
        np.testing.assert_allclose(found[::9], golden["log_mel"], atol=5e-5)


def test_patches_touch_and_the_rest_is_dropped() -> None:
    plane = np.arange(400 * 96, dtype=np.float32).reshape(400, 96)
    found = patches(plane)
    assert found.shape == (2, 187, 96)
    np.testing.assert_array_equal(found.reshape(-1, 96), plane[:374])


def test_a_short_song_is_repeated() -> None:
    found = patches(np.arange(100 * 96, dtype=np.float32).reshape(100, 96))
    assert found.shape == (1, 187, 96)
    np.testing.assert_array_equal(found[0, 100:], found[0, :87])


@pytest.mark.parametrize("n_samples", [1, 100, 257, 600])
def test_a_blip_has_a_spectrogram(n_samples: int) -> None:
    assert np.isfinite(log_mel(np.full(n_samples, 0.1, np.float32))).all()


def test_each_training_has_fifty_tags() -> None:
    for tags in musicnn.TAGS.values():
        assert len(tags) == len(set(tags)) == 50


def test_another_checkpoint_is_refused() -> None:
    tensors = random_tensors()
    del tensors["dense/bias"]
    with pytest.raises(ModelError, match="it has no 'dense/bias'"):
        Network(tensors)


@pytest.mark.models
def test_the_embedder_hears_a_copy_at_another_level_alike(model_dir: Callable[[str], Path]) -> None:
    make = embedding.get("musicnn")
    assert make is MusicnnEmbedder
    samples = np.tile(make_sweep(), 4)
    found = [MusicnnEmbedder({}, model_dir).windows(clip(samples * gain)) for gain in (0.5, 1.0)]
    assert found[0].shape == (2, 200)
    # A window's vector is about 13 long; the level is matched to 0.01 dB.
    np.testing.assert_allclose(found[0], found[1], atol=0.1)
    assert np.linalg.norm(found[1]) > 10


def test_unknown_options_are_refused() -> None:
    with pytest.raises(ConfigError, match="no option 'model'"):
        MusicnnEmbedder({"model": "x"}, lambda name: Path(name))
    with pytest.raises(ConfigError, match=r"Unknown training 'mst'.*msd"):
        MusicnnEmbedder({"training": "mst"}, lambda name: Path(name))


def test_the_signature_tells_trainings_apart() -> None:
    said = [MusicnnEmbedder({"training": name}, lambda x: Path(x)).signature_parts["embed"] for name in ("msd", "mtt")]
    assert said[0] != said[1]
    assert str(said[0]).startswith("musicnn-msd@")


def test_patches_are_heard_alone_and_together_alike() -> None:
    network, planes = Network(random_tensors()), make_patches()[:3, :40]
    alone = np.concatenate([network.penultimate(plane[None]) for plane in planes])
    np.testing.assert_allclose(network.penultimate(planes), alone, atol=1e-4)


def test_surprise_counts_from_what_a_network_usually_says() -> None:
    tensors = random_tensors()
    network = Network(tensors)
    # Activations drawn as batch normalisation leaves them: each with its own mean and spread.
    draws = np.random.default_rng(0).standard_normal((4000, 200))
    hidden = draws * tensors["batch_normalization_10/gamma"] + tensors["batch_normalization_10/beta"]
    found = np.array([network.surprise(tags) for tags in network.tags(hidden.astype(np.float32))])
    np.testing.assert_allclose(found.mean(axis=0), 0.0, atol=0.06)
    np.testing.assert_allclose(found.std(axis=0), 1.0, atol=0.06)
