import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from evalkit.errors import ModelError
from generation.songgeneration2.checkpoint import Checkpoint
from generation.songgeneration2.codec.config import OFFICIAL, TINY
from generation.songgeneration2.codec.renderer import Renderer
from generation.songgeneration2.codec.stages import STAGES, empty_stage
from generation.songgeneration2.codec.tiny import tiny_codec, tiny_source
from generation.songgeneration2.codec.weights import (
    MIXED_FILE,
    SEPARATE_FILE,
    VAE_FILE,
    check_files,
    check_stage,
    load_stage,
    official_codec,
    stage_file,
)


def meta(*shape):
    return torch.empty(shape, device="meta")


def complete(name, config=OFFICIAL):
    """Names and shapes of the file a stage lies in, with the training-only tensors the published one holds."""
    file = stage_file(name, config)
    state = {file.prefix + key: tensor for key, tensor in empty_stage(name, config).state_dict().items()}
    state |= {
        "flow": {
            "cfm_wrapper.estimator.wte.weight": meta(50257, 2200),
            "rvq_bestrq_emb.quantizers.0.in_proj.bias": meta(32),
            "rvq_bestrq_emb.quantizers.0.stale_counter": meta(16384),
            "normfeat.sum_target_x2": meta(64),
            "cfm_wrapper.mlp.0.weight": meta(1024, 2200),
            "hubert.encoder.layers.0.weight": meta(4, 4),
            "rsp48toclap.kernel": meta(1, 1, 28),
        },
        "stems": {
            "bestrq.model.cls_token": meta(1024),
            "bestrq.model.linear.weight": meta(4096, 1024),
            "bestrq.model.conformer.layer_norm.weight": meta(1024),
            "bestrq.model.conformer.layers.11.ffn1_layer_norm.weight": meta(1024),
            "bestrq.model.conformer.pos_conv_embed.conv.bias": meta(1024),
            "cfm_wrapper.estimator.wpe.weight": meta(1000, 2200),
        },
    }.get(name, {})
    return state


@pytest.mark.parametrize("name", STAGES)
def test_the_published_names_and_shapes_are_accepted(name):
    check_stage(name, OFFICIAL, Checkpoint.from_tensors(complete(name)))


def test_a_missing_tensor_is_named():
    state = complete("flow")
    del state["cfm_wrapper.estimator.h.7.mlp.c_fc.bias"]
    with pytest.raises(ModelError, match=r"1 missing: cfm_wrapper\.estimator\.h\.7\.mlp\.c_fc\.bias"):
        check_stage("flow", OFFICIAL, Checkpoint.from_tensors(state))


def test_an_unknown_tensor_among_the_used_ones_is_named():
    state = complete("flow") | {"cfm_wrapper.estimator.h.16.ln_1.weight": meta(2200)}
    with pytest.raises(ModelError, match=r"1 not known: cfm_wrapper\.estimator\.h\.16\.ln_1\.weight"):
        check_stage("flow", OFFICIAL, Checkpoint.from_tensors(state))


def test_a_wrong_shape_is_named():
    state = complete("stems") | {"rvq_bestrq_bgm_emb.quantizers.0.codebook.weight": meta(8192, 32)}
    with pytest.raises(ModelError, match=r"codebook\.weight is \[8192, 32\], expected \[16384, 32\]"):
        check_stage("stems", OFFICIAL, Checkpoint.from_tensors(state))


def test_a_file_of_another_kind_is_refused():
    with pytest.raises(ModelError, match="missing"):
        check_stage("mixed", OFFICIAL, Checkpoint.from_tensors(complete("decoder")))


def test_weights_of_other_precision_become_float32():
    state = {name: tensor.to(torch.bfloat16) for name, tensor in tiny_source(1)("decoder").state_dict().items()}
    stage = load_stage("decoder", TINY, Checkpoint.from_tensors({f"decoder.{n}": t for n, t in state.items()}))
    for name, tensor in stage.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, state[name].float())


@pytest.fixture
def folder(tmp_path):
    """A weights folder in the official layout holding the tiny model."""
    make = tiny_source(5)
    separate = make("flow").state_dict() | make("stems").state_dict()
    vae = {f"{part}.{key}": t for part in ("encoder", "decoder") for key, t in make(part).state_dict().items()}
    for path in (SEPARATE_FILE, MIXED_FILE, VAE_FILE):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    separate["hubert.unused"] = torch.zeros(3)
    save_file({key: tensor.contiguous() for key, tensor in separate.items()}, tmp_path / SEPARATE_FILE)
    save_file(make("mixed").state_dict(), tmp_path / MIXED_FILE)
    torch.save({"state_dict": vae}, tmp_path / VAE_FILE)
    return tmp_path


def test_the_official_layout_renders_like_the_model_it_was_written_from(folder):
    check_files(folder, STAGES, TINY)
    codes = torch.randint(0, 16384, (3, 5), generator=torch.Generator().manual_seed(0))
    found = Renderer(official_codec(folder, config=TINY, keep=False)).render([codes], seeds=[1])[0]
    expected = Renderer(tiny_codec(5)).render([codes], seeds=[1])[0]
    assert np.array_equal(found.mix.samples, expected.mix.samples)
    check_files(folder / "ckpt", ["decoder"], TINY)


def test_an_absent_file_is_named(folder):
    (folder / MIXED_FILE).unlink()
    with pytest.raises(ModelError, match="model_2_fixed"):
        check_files(folder, ["mixed"], TINY)


def test_a_truncated_file_is_refused(folder):
    path = folder / SEPARATE_FILE
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelError, match="truncated"):
        check_files(folder, ["flow"], TINY)


def test_the_stages_of_one_file_share_their_quantisers():
    make = tiny_source(3)
    flow, stems = make("flow").state_dict(), make("stems").state_dict()
    name = "rvq_bestrq_bgm_emb.quantizers.0.codebook.weight"
    assert torch.equal(flow[name], stems[name])
    assert not torch.equal(flow[name], tiny_source(4)("flow").state_dict()[name])
