"""CLAP: laion-clap's own network, transformers' own processor, refusals, and the door."""

import hashlib
import json
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evalkit.derived import Derived
from evalkit.errors import ConfigError, MissingDependencyError, ModelError
from evalkit.models import clap, embedding
from evalkit.models.clap import BATCH, PLAN, ClapEmbedder
from evalkit.models.clap_engines import LaionClap, Tokenizer, TransformersClap, log_mel
from evalkit.models.clap_weights import config_of, convert, load_state
from evalkit.types import Audio, Clip, FloatArray, Prompt, SetSong, Song

DATA = Path(__file__).parents[3] / "data" / "clap"
IDS = np.array([[0, 5, 9, 33, 2, 1, 1], [0, 120, 121, 7, 8, 299, 2], [0, 44, 2, 1, 1, 1, 1]])


def seeded(name: str, shape: Sequence[int]) -> np.ndarray:
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little"))
    values = rng.standard_normal(shape)
    if name.endswith("running_var"):
        return np.abs(values) * 200 + 500
    if name.endswith("running_mean"):
        return -30 + 3 * values
    if len(shape) == 1:
        return (1.0 if name.endswith("weight") else 0.0) + 0.1 * values
    if "relative_position_bias_table" in name:
        return 0.3 * values
    if "embeddings" in name:
        return 0.5 * values
    return values / np.sqrt(np.prod(shape[1:])) * 1.2


def windows() -> FloatArray:
    rng = np.random.default_rng(3)
    time = np.arange(480_000) / 48_000
    sweep = 0.3 * np.sin(2 * np.pi * (110 * time + 40 * time**2)) + 0.02 * rng.standard_normal(480_000)
    bursts = rng.standard_normal(480_000) * 0.2 * (np.sin(2 * np.pi * 2 * time) > 0.6)
    return np.stack([sweep, bursts]).astype(np.float32)


def laion_state() -> dict[str, torch.Tensor]:
    shapes = json.loads((DATA / "laion_shapes.json").read_text())
    state = {name: torch.from_numpy(seeded(name, shape).astype(np.float32)) for name, shape in shapes.items()}
    return {**state, "logit_scale_a": torch.tensor(2.0), "logit_scale_t": torch.tensor(2.0)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint as LAION saves it, and a tokenizer of bytes."""
    place = tmp_path_factory.mktemp("clap")
    state = {f"module.{name}": value for name, value in laion_state().items()}
    torch.save({"epoch": 15, "name": "x", "state_dict": state, "best": np.float64(3.0)}, place / "checkpoint.pt")
    letters = [chr(code) for code in range(33, 127)] + ["Ġ"]
    vocabulary = {token: index for index, token in enumerate(["<s>", "<pad>", "</s>", "<unk>", *letters, "<mask>"])}
    (place / "vocab.json").write_text(json.dumps(vocabulary))
    (place / "merges.txt").write_text("#version: 0.2\n")
    return place


def unit(vectors: FloatArray) -> FloatArray:
    return embedding.unit(vectors)


def test_a_laion_checkpoint_gives_in_transformers_what_laions_own_network_gives(folder: Path) -> None:
    engine = TransformersClap(folder)
    with np.load(DATA / "golden.npz") as golden:
        np.testing.assert_allclose(unit(engine.audio(windows())), golden["audio"], atol=2e-6)
        found = unit(engine.text(IDS, (IDS != 1).astype(np.int64)))
        np.testing.assert_allclose(found, golden["text"], atol=2e-6)
        assert np.abs(golden["audio"][0] @ golden["audio"][1]) < 0.5, "the two windows must not look alike"


def test_both_engines_give_the_same_with_the_package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("laion_clap")
    import clap_module.htsat  # type: ignore[import-not-found]
    import clap_module.model  # type: ignore[import-not-found]

    def small(settings: Any, fusion: bool, kind: str) -> Any:
        return clap_module.htsat.HTSAT_Swin_Transformer(
            spec_size=256, patch_size=4, patch_stride=(4, 4), num_classes=3, embed_dim=16, depths=[1, 1, 2, 1],
            num_heads=[4, 8, 16, 32], window_size=8, config=settings, enable_fusion=fusion, fusion_type=kind,
        )  # fmt: skip

    monkeypatch.setattr(clap_module.model, "create_htsat_model", small)
    ours, theirs = TransformersClap(folder), LaionClap(folder)
    np.testing.assert_allclose(unit(ours.audio(windows())), unit(theirs.audio(windows())), atol=2e-6)


def test_the_front_end_is_transformers_and_laions() -> None:
    from transformers import ClapFeatureExtractor

    extractor = ClapFeatureExtractor(
        frequency_min=50, frequency_max=14_000, truncation="rand_trunc", padding="repeatpad"
    )
    wanted = extractor(list(windows()), sampling_rate=48_000, return_tensors="np")["input_features"]
    found = log_mel(windows()).numpy()
    assert found.shape == (2, 1, 1001, 64)
    np.testing.assert_allclose(found, wanted, atol=2e-3)  # decibels
    with np.load(DATA / "golden.npz") as golden:
        np.testing.assert_allclose(found[:, 0, ::50], golden["log_mel"], atol=2e-3)


def test_transformers_own_form_loads_too(folder: Path, tmp_path: Path) -> None:
    from transformers import ClapConfig, ClapModel

    state = load_state(folder / "checkpoint.pt")
    model = ClapModel(ClapConfig(**config_of(state)))
    model.load_state_dict(convert(state), strict=False)
    model.save_pretrained(tmp_path)
    first, second = TransformersClap(folder), TransformersClap(tmp_path)
    np.testing.assert_allclose(first.text(IDS, np.ones_like(IDS)), second.text(IDS, np.ones_like(IDS)), atol=1e-6)


def test_sizes_are_read_from_the_weights(folder: Path) -> None:
    sizes = config_of(load_state(folder / "checkpoint.pt"))
    assert sizes["projection_dim"] == 32
    assert sizes["audio_config"]["depths"] == [1, 1, 2, 1]
    assert sizes["audio_config"]["num_attention_heads"] == [4, 8, 16, 32]
    assert (sizes["audio_config"]["window_size"], sizes["audio_config"]["hidden_size"]) == (8, 128)
    assert (sizes["text_config"]["num_hidden_layers"], sizes["text_config"]["vocab_size"]) == (1, 300)


def test_a_checkpoint_that_lacks_a_weight_is_refused(tmp_path: Path) -> None:
    state = laion_state()
    del state["audio_branch.norm.weight"]
    torch.save({"state_dict": state}, tmp_path / "checkpoint.pt")
    with pytest.raises(ModelError, match=r"audio_encoder\.norm\.weight is missing"):
        TransformersClap(tmp_path)


def test_fusion_checkpoints_are_refused(tmp_path: Path) -> None:
    state = {**laion_state(), "audio_branch.patch_embed.mel_conv2d.weight": torch.zeros(1)}
    torch.save({"state_dict": state}, tmp_path / "checkpoint.pt")
    with pytest.raises(ModelError, match="do not repeat"):
        TransformersClap(tmp_path)


class _Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("code ran",))


def test_code_in_a_checkpoint_does_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"state_dict": laion_state(), "x": _Bomb()}, tmp_path / "checkpoint.pt")
    with pytest.raises(ModelError, match="other objects than weights"):
        load_state(tmp_path / "checkpoint.pt")
    assert "code ran" not in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", pickle.dumps({"state_dict": {}})])
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(content)
    with pytest.raises(ModelError, match=r"checkpoint\.pt"):
        load_state(tmp_path / "checkpoint.pt")


def test_the_laion_engine_says_what_it_needs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "laion_clap", None)
    with pytest.raises(MissingDependencyError, match=r"laion-clap.*pip install 'music-evalkit\[laion-clap\]'"):
        LaionClap(folder)


def test_a_long_text_is_known_to_be_cut(folder: Path) -> None:
    ids, mask, cut = Tokenizer(folder)(["piano", "x" * 200])
    assert ids.shape == mask.shape == (2, 77)
    assert cut == [False, True]
    assert mask.sum(axis=1).tolist() == [7, 77]


def clip(n_samples: int) -> Clip:
    samples = np.tile(windows()[0], 1 + n_samples // 480_000)[:n_samples]
    song = Song(prompt_id="p", system="s", take=0, seed=1, status="ok")
    audio = Audio(samples=samples[None], sample_rate=48_000)
    return Clip(prompt=Prompt(id="p", language="en"), song=song, mix=audio, derived=Derived())


def test_the_door(folder: Path) -> None:
    embedder = ClapEmbedder({}, lambda name: folder)
    assert embedding.get("clap") is ClapEmbedder
    assert ClapEmbedder.required_models({}) == ("clap-music", "clap-tokenizer")
    first, again = (embedder.windows(clip(620_000)) for _ in range(2))
    assert first.shape == (1, 32), "2.9 s are no window of their own"
    assert embedder.windows(clip(630_000)).shape == (2, 32)
    np.testing.assert_array_equal(first, again)
    vectors = embedder.text(["calm piano", "loud drums", "calm piano"])
    np.testing.assert_array_equal(vectors[0], vectors[2])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-6)
    assert "clap-music@" in str(embedder.signature_parts["embed"])
    assert embedder.signature_parts["windows"] == "w10h10t3-repeatpad"


class Counting:
    """Remembers how many windows the network was given each time."""

    def __init__(self, engine: TransformersClap) -> None:
        self._engine = engine
        self.sizes: list[int] = []

    def audio(self, windows: FloatArray) -> FloatArray:
        self.sizes.append(len(windows))
        return self._engine.audio(windows)


def batched(folder: Path, device: str = "cuda") -> tuple[ClapEmbedder, Counting]:
    """An embedder that batches as on another device, on the CPU."""
    embedder = ClapEmbedder({"device": device}, lambda name: folder)
    embedder._engine = engine = Counting(TransformersClap(folder))  # type: ignore[assignment]
    return embedder, engine


def noise(seed: int, n_windows: int) -> Clip:
    samples = (0.1 * np.random.default_rng(seed).standard_normal((1, n_windows * 480_000))).astype(np.float32)
    song = Song(prompt_id="p", system="s", take=seed, seed=1, status="ok")
    audio = Audio(samples=samples, sample_rate=48_000)
    return Clip(prompt=Prompt(id="p", language="en"), song=song, mix=audio, derived=Derived())


def test_a_windows_vector_does_not_depend_on_its_neighbours(folder: Path) -> None:
    embedder, engine = batched(folder)
    windows = PLAN.cut(noise(1, BATCH).mix.samples[0], 48_000)

    def vectors(order: Sequence[int]) -> list[FloatArray]:
        return [vector for _, vector in embedder._vectors((i, windows[i]) for i in order)]

    together = vectors(range(BATCH))
    for index in range(BATCH):
        assert np.array_equal(vectors([index])[0], together[index])
    for turn in range(1, BATCH):
        order = np.roll(np.arange(BATCH), turn).tolist()
        assert all(np.array_equal(vector, together[i]) for i, vector in zip(order, vectors(order), strict=True))
    assert set(engine.sizes) == {BATCH}, "what is missing is silence"


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_song_alone_is_the_song_among_others(folder: Path, device: str) -> None:
    lengths = (2, 9, 1, 5)
    alone = [batched(folder, device)[0].windows(noise(seed, n)) for seed, n in enumerate(lengths)]
    embedder, engine = batched(folder, device)
    songs = [noise(seed, n) for seed, n in enumerate(lengths)]
    embedder.prepare(songs)
    assert engine.sizes == ([1] * 17 if device == "cpu" else [BATCH] * 3)
    engine.sizes.clear()
    embedder.prepare(songs[::-1])
    found = [embedder.windows(song) for song in songs]
    assert engine.sizes == [], "nothing is computed again"
    assert all(np.array_equal(one, other) for one, other in zip(found, alone, strict=True))


def test_unopened_songs_are_opened_once_and_only_if_they_are_new(folder: Path) -> None:
    opened: list[int] = []

    def unopened(seed: int) -> SetSong:
        clip = noise(seed, 1)
        return SetSong(prompt=clip.prompt, song=clip.song, derived=Derived(), open=lambda: opened.append(seed) or clip)  # type: ignore[func-returns-value]

    embedder, _ = batched(folder)
    songs = [unopened(seed) for seed in range(3)]
    embedder.prepare(songs[:1])
    embedder.prepare(songs)
    assert opened == [0, 1, 2]
    assert np.array_equal(embedder.windows(songs[2]), embedder.windows(noise(2, 1)))
    assert opened == [0, 1, 2]


def test_the_size_of_batches_is_in_the_signature() -> None:
    sizes = [ClapEmbedder({"device": device}, Path).signature_parts["batch"] for device in ("cpu", "cuda")]
    assert sizes == [1, BATCH]


def test_a_text_tower_that_says_the_same_about_everything_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = ClapEmbedder({}, lambda name: folder)
    monkeypatch.setattr(clap, "MAX_LIKENESS", -1.0)
    for _ in range(2):
        with pytest.raises(ModelError, match=r"text tower of clap-music is broken: unrelated sentences are 0\.\d+"):
            embedder.text(["piano"])


@pytest.mark.parametrize("options", [{"revision": "x"}, {"model": "clap-speech"}, {"engine": "onnx"}])
def test_options_that_do_not_exist(options: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="clap"):
        ClapEmbedder(options, lambda name: Path(name))
