import math

import pytest
import torch
from safetensors.torch import save_file

from evalkit.errors import ConfigError, ModelError
from generation.songgeneration2.checkpoint import Checkpoint, open_checkpoint
from generation.songgeneration2.lelm.config import KNOWN, LelmConfig, read_config, tiny_config
from generation.songgeneration2.lelm.load import load_lelm, make_tiny_lelm
from generation.songgeneration2.lelm.random_weights import random_weights
from generation.songgeneration2.lelm.weights import LelmCheckpoint, unused_shapes, used_shapes


def official(dim=2048, inter=11008, layers=(36, 12), style_rows=151652):
    """Names and shapes of an official file, written down from the published tables, on the meta device."""
    c = "condition_provider.conditioners."
    shapes = {
        "emb.0.weight": (16386, dim),
        **{f"layer2_emb.{i}.weight": (16386, dim) for i in range(3)},
        "transformer.model.embed_tokens.weight": (16385, dim),
        "transformer2.model.embed_tokens.weight": (16385, dim),
        "transformer.model.norm.weight": (dim,),
        "transformer2.model.norm.weight": (dim,),
        "transformer.lm_head.weight": (16385, dim),
        "transformer2.lm_head.weight": (16385, dim),
        "mlp.0.weight": (dim, 2 * dim),
        "mlp.0.bias": (dim,),
        "mlp.2.weight": (dim, dim),
        "mlp.2.bias": (dim,),
        "linears.0.weight": (16385, dim),
        "linears.1.weight": (16385, dim),
        "out_norm.weight": (dim,),
        "out_norm.bias": (dim,),
        f"{c}prompt_audio.EOT_emb": (1, dim),
        f"{c}prompt_audio.layer2_EOT_emb": (1, dim),
        **{f"{c}prompt_audio.emb.{i}.weight": (16386, dim) for i in range(3)},
        f"{c}description.output_proj.weight": (151659, dim),
        f"{c}description.structure_emb.weight": (200, dim),
        f"{c}type_info.output_proj.weight": (style_rows, dim),
    }
    for tower, count in zip(("transformer", "transformer2"), layers, strict=True):
        for i in range(count):
            stem = f"{tower}.model.layers.{i}."
            for name in "qkvo":
                shapes[f"{stem}self_attn.{name}_proj.weight"] = (dim, dim)
            shapes[f"{stem}mlp.gate_proj.weight"] = (inter, dim)
            shapes[f"{stem}mlp.up_proj.weight"] = (inter, dim)
            shapes[f"{stem}mlp.down_proj.weight"] = (dim, inter)
            shapes[f"{stem}input_layernorm.weight"] = (dim,)
            shapes[f"{stem}post_attention_layernorm.weight"] = (dim,)
    return {f"audiolm.{name}": torch.empty(shape, device="meta") for name, shape in shapes.items()}


@pytest.mark.parametrize(
    ("variant", "version", "count", "parameters", "state"),
    [
        ("v2-large", "v2", 458, 5_122_332_672, official()),
        ("large", "v1", 458, 5_122_320_384, official(style_rows=151646)),
        ("v2-medium", "v2", 386, 2_829_586_944, official(1536, 8960, (28, 12))),
        ("base", "v1", 386, 2_829_577_728, official(1536, 8960, (28, 12), 151646)),
    ],
)
def test_official_names_and_shapes_are_accepted(variant, version, count, parameters, state):
    assert len(state) == count
    assert sum(tensor.numel() for tensor in state.values()) == parameters
    checkpoint = LelmCheckpoint(Checkpoint.from_tensors(state, "model.pt"), KNOWN[variant])
    assert checkpoint.version == version
    shapes = used_shapes(KNOWN[variant], version) | unused_shapes(KNOWN[variant])
    assert {f"audiolm.{name}": shape for name, shape in shapes.items()} == {k: tuple(v.shape) for k, v in state.items()}


def test_names_outside_the_prefix_and_unused_ones_do_not_matter():
    state = official() | {"other.module": torch.empty(3, device="meta")}
    for name in ("out_norm.weight", "out_norm.bias", "transformer2.lm_head.weight"):
        del state[f"audiolm.{name}"]
    LelmCheckpoint(Checkpoint.from_tensors(state), KNOWN["v2-large"])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda s: s.pop("audiolm.linears.1.weight"), "1 missing: audiolm.linears.1.weight"),
        (lambda s: s.update({"audiolm.linears.2.weight": torch.empty(1)}), "1 not known: audiolm.linears.2.weight"),
        (
            lambda s: s.update({"audiolm.mlp.2.weight": torch.empty(2048, 1, device="meta")}),
            r"audiolm.mlp.2.weight is \[2048, 1\], expected \[2048, 2048\]",
        ),
        (lambda s: s.pop("audiolm.condition_provider.conditioners.type_info.output_proj.weight"), "no SongGeneration"),
        (
            lambda s: s.update(
                {"audiolm.condition_provider.conditioners.type_info.output_proj.weight": torch.empty(7, 2048)}
            ),
            r"7 rows, expected 151,646 \(v1\) or 151,652 \(v2\)",
        ),
    ],
    ids=["missing", "extra", "misshapen", "foreign", "unknown version"],
)
def test_what_does_not_fit_is_refused(change, sentence):
    state = official()
    change(state)
    with pytest.raises(ModelError, match=sentence):
        LelmCheckpoint(Checkpoint.from_tensors(state, "model.pt"), KNOWN["v2-large"])


def test_wrong_variant_is_refused():
    with pytest.raises(ModelError, match="of the wrong shape"):
        LelmCheckpoint(Checkpoint.from_tensors(official()), KNOWN["v2-medium"])


CONFIG = """
max_dur: 150
prompt_len: 10
audio_tokenizer_frame_rate: 25
lm:
  dim: 36
  intermediate_size: 68
  num_heads: 3
  num_layers: 3
  num_layers_sub: 2
  max_position_embeddings: 8196
  rope_theta: 1e5
  rope_theta_sub: 500000.0
  activation: gelu
codebooks_pattern:
  modeling: delay
  delay:
    delays: [0, 250, 250]
conditioners:
  prompt_audio:
    model: qt_embedding
    qt_embedding:
      max_len: "${eval:${prompt_len}*${audio_tokenizer_frame_rate}+2}"
  description:
    model: QwTokenizer
    QwTokenizer:
      max_len: 300
      add_token_list: "${load_yaml:conf/vocab.yaml}"
  type_info:
    model: QwTextTokenizer
    QwTextTokenizer:
      max_len: ${style_len}
style_len: 50
"""


def test_config_with_its_own_resolvers(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    assert read_config(path) == LelmConfig(
        dim=36,
        inter_dim=68,
        n_heads=3,
        n_layers1=3,
        n_layers2=2,
        rope_theta1=1e5,
        rope_theta2=5e5,
        lyric_len=300,
        style_len=50,
        max_frames=3750,
    )
    assert read_config(path).prefix_len == 602


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("  dim: 36\n", "", "has no 'dim' in 'lm'"),
        ("dim: 36", "dim: wide", "dim is 'wide', expected a number"),
        ("num_heads: 3", "num_heads: 5", "does not divide into 5 heads"),
        ("[0, 250, 250]", "[0, 1, 2]", "expected .0, n, n."),
        ("style_len: 50", "style: 50", "refers to 'style_len'"),
        ("*${audio", "**${audio", "cannot calculate"),
        ("frame_rate: 25", "frame_rate: 50", "frame rate 50"),
        ("lm:", "lm: [", "not YAML"),
    ],
)
def test_broken_configs_are_refused(tmp_path, old, new, sentence):
    path = tmp_path / "config.yaml"
    assert old in CONFIG
    path.write_text(CONFIG.replace(old, new))
    with pytest.raises(ModelError, match=sentence):
        read_config(path)


def test_prefix_lengths_of_the_published_variants():
    assert {name: config.prefix_len for name, config in KNOWN.items()} == {
        "base": 602,
        "base-new": 602,
        "base-full": 952,
        "large": 952,
        "v2-medium": 952,
        "v2-large": 952,
    }
    assert all(config.head_dim == 128 for config in KNOWN.values())


@pytest.fixture
def folder(tmp_path, compact):
    (tmp_path / "config.yaml").write_text(CONFIG)
    # Mixed dtypes, the official prefix, and a key of another module: as the published files are.
    state = {f"audiolm.{name}": values for name, values in compact.weights.items()}
    state["audiolm.emb.0.weight"] = state["audiolm.emb.0.weight"].bfloat16()
    torch.save(state | {"discriminator.weight": torch.ones(2)}, tmp_path / "model.pt")
    return tmp_path


def test_folder_in_the_official_layout(folder, compact):
    model = load_lelm(folder)
    assert model.version == "v2"
    assert model.config == LelmConfig(
        **{f: getattr(compact.config, f) for f in compact.config.__slots__ if f != "max_frames"}, max_frames=3750
    )
    with model.first_stage() as first:
        assert first.table.dtype == torch.float32
    with pytest.raises(ConfigError, match="Precision 'int8'"):
        load_lelm(folder, precision="int8")


def test_damaged_folders_are_refused(folder):
    file = folder / "model.pt"
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])
    with pytest.raises(ModelError, match="truncated"):
        load_lelm(folder)
    file.unlink()
    with pytest.raises(ModelError, match=r"none of model.safetensors, model.pt"):
        load_lelm(folder)


def test_random_weights_are_seeded_and_complete(tmp_path):
    config = tiny_config()
    weights = random_weights(config, "v2", seed=3)
    assert {name: tuple(values.shape) for name, values in weights.items()} == used_shapes(config, "v2")
    again, other = random_weights(config, "v2", seed=3), random_weights(config, "v2", seed=4)
    assert all(torch.equal(values, again[name]) for name, values in weights.items())
    assert not torch.equal(weights["emb.0.weight"], other["emb.0.weight"])
    assert math.isclose(float(weights["linears.0.weight"].std()) * math.sqrt(config.dim), 3.0, rel_tol=0.02)
    save_file(weights, tmp_path / "model.safetensors")
    LelmCheckpoint(open_checkpoint(tmp_path / "model.safetensors"), config)
    assert make_tiny_lelm().version == "v2"
