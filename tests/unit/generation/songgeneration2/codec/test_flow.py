from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from generation.songgeneration2.codec.config import OFFICIAL, CodecConfig, FlowConfig, RvqConfig
from generation.songgeneration2.codec.estimator import time_sinusoid
from generation.songgeneration2.codec.flow import FlowDecoder, FlowRequest
from generation.songgeneration2.codec.stages import empty_stage
from generation.songgeneration2.codec.weight_norm import fold_weight_norm

CONFIG = CodecConfig(
    rvq=RvqConfig(input_dim=20, codebook_size=512, codebook_dim=8),
    flow=FlowConfig(condition_dim=20, layers=2, heads=4, inner=220, positions=120),
)
UNUSED = ("in_proj", "stale_counter", "sum_target_x2", ".wte.", "cfm_wrapper.mlp")
CASES = {  # context frames, existing frames, guidance, steps
    "prefix": (25, 96, 1.5, 10),
    "no_prefix": (0, 96, 1.5, 10),
    "short_latent": (9, 76, 1.5, 10),
    "start_seg": (0, 96, 1.0, 4),
    "cfg2": (25, 96, 2.0, 6),
}


@pytest.fixture
def flow(golden):
    state = golden("flow_weights_a").state("", UNUSED)
    for name in ("weight", "bias"):  # the compact set keeps the velocity rows only
        tensor = state[f"cfm_wrapper.estimator.proj_out.{name}"]
        padding = [0] * (2 * tensor.dim() - 2) + [CONFIG.flow.width - len(tensor), 0]
        state[f"cfm_wrapper.estimator.proj_out.{name}"] = F.pad(tensor, padding)
    module = FlowDecoder(CONFIG)
    module.load_state_dict(state)
    return fold_weight_norm(module)


def request_of(record, case, rows=None):
    context, frames, _, _ = CASES[case]
    rows = slice(None) if rows is None else rows
    vocal = record[f"{case}.codes_vocal"][rows, 0]
    return FlowRequest(
        vocal=vocal,
        bgm=record[f"{case}.codes_bgm"][rows, 0],
        noise=record[f"{case}.noise"][rows],
        context=record[f"{case}.true_latents"][rows].transpose(1, 2),
        context_frames=torch.full((len(vocal),), context),
        frames=None if frames == vocal.shape[1] else torch.full((len(vocal),), frames),
    )


@pytest.mark.parametrize("case", CASES)
def test_codes_to_latents_equals_the_reference(golden, close, flow, case):
    record = golden("flow_a")
    _, _, guidance, steps = CASES[case]
    request = request_of(record, case)
    close(flow.latents(request, steps=steps, guidance=guidance), record[f"{case}.latents_out"])


@pytest.mark.parametrize("case", CASES)
def test_solver_equals_the_reference(golden, close, flow, case):
    record = golden("flow_a")
    _, _, guidance, steps = CASES[case]
    solved, _ = flow.solve(request_of(record, case), steps=steps, guidance=guidance)
    close(solved, record[f"{case}.euler_out"])


@pytest.mark.parametrize("case", ["prefix", "short_latent"])
def test_solver_input_equals_the_reference(golden, close, flow, case):
    record = golden("flow_a")
    inputs, kind, context = flow.assemble(request_of(record, case))
    close(inputs[..., :24], record[f"{case}.euler_in.mask_embedding"])
    close(context, record[f"{case}.euler_in.incontext"])
    close(inputs[..., 88:128], record[f"{case}.euler_in.mu"])
    visible = (kind > 0).float()
    mask = visible[:, None, :, None] * visible[:, None, None, :]
    assert torch.equal(mask.to(torch.uint8), record[f"{case}.euler_in.attention_mask"])


@pytest.mark.parametrize("step", ["prefix.est_step0", "prefix.est_step9", "short_latent.est_step3"])
def test_one_estimator_call_equals_the_reference(golden, close, flow, step):
    record = golden("flow_a")
    inputs = record[f"{step}.inputs_embeds"]
    frames = None
    if step.startswith("short"):
        frames = (torch.arange(96) < 76).expand(len(inputs), -1)
    time = flow.estimator.embed_time(record[f"{step}.time_step"])
    close(flow.estimator(inputs, time, frames, all_channels=True), record[f"{step}.output"])


def test_plain_forward_equals_the_reference(golden, close, flow):
    record = golden("flow_a")
    time = flow.estimator.embed_time(record["plain.time_step"])
    sinusoid = time_sinusoid(record["plain.time_step"], 256)
    close(sinusoid, record["plain.timestep_sinusoid"])
    close(time.embedding, record["plain.timestep_embedded"])
    close(time.blocks.flatten(1), record["plain.timestep_modulation"])
    inputs = record["plain.inputs_embeds"]
    frames = record["plain.attention_mask"][:, 0].diagonal(dim1=1, dim2=2) > 0
    close(flow.estimator(inputs, time, frames, all_channels=True), record["plain.output"])
    close(flow.estimator(inputs, time, all_channels=True), record["plain.output_no_mask"])


def test_a_batch_equals_its_rows(golden, close, flow):
    record = golden("flow_a")
    one = request_of(record, "prefix")
    other = FlowRequest(
        vocal=one.vocal.flip(1), bgm=one.bgm.flip(1), noise=one.noise.flip(1), context=one.context.flip(2),
        context_frames=torch.tensor([7]),
    )  # fmt: skip
    both = FlowRequest(
        **{
            name: torch.cat([getattr(one, name), getattr(other, name)])
            for name in ("vocal", "bgm", "noise", "context", "context_frames")
        }
    )
    found = flow.latents(both, steps=3)
    close(found[:1], flow.latents(one, steps=3))
    close(found[1:], flow.latents(other, steps=3))


def test_context_frames_come_back_unchanged(golden, close, flow):
    request = request_of(golden("flow_a"), "prefix")
    close(flow.latents(request, steps=2)[..., :25], request.context[..., :25])


def test_a_constant_velocity_is_integrated_exactly(golden, close, flow):
    request = request_of(golden("flow_a"), "prefix")
    speed = torch.linspace(-2, 2, 64)
    flow.estimator.proj_out.weight.data[-64:] = 0
    flow.estimator.proj_out.bias.data[-64:] = speed
    solved, _ = flow.solve(request, steps=5, guidance=3.0)
    close(solved[:, 25:], (request.noise + speed)[:, 25:])


def test_rendering_needs_233_tensors():
    state = empty_stage("flow", OFFICIAL).state_dict()
    assert len(state) == 233
    assert tuple(state["cfm_wrapper.estimator.h.15.attn.c_attn.weight"].shape) == (2200, 6600)
    assert tuple(state["cfm_wrapper.estimator.adaln_single.linear.weight"].shape) == (13200, 2200)
    folded = sum(t.numel() for name, t in state.items() if not name.endswith("weight_g"))
    assert folded == 663_310_785


def test_absent_frames_do_no_harm_in_half_precision(golden, flow):
    """Frames that do not exist are masked without a lowest number, which half precision has no room for."""
    one = request_of(golden("flow_a"), "prefix")
    request = replace(one, frames=torch.tensor([60]))
    expected = flow.latents(request, steps=2)
    flow.set_compute_dtype(torch.float16)
    assert float((flow.latents(request, steps=2) - expected).abs().max()) < 0.05


def test_half_precision_stays_near_single(golden, flow):
    request = request_of(golden("flow_a"), "prefix")
    single = flow.latents(request)
    flow.set_compute_dtype(torch.bfloat16)
    half = flow.latents(request)
    assert half.dtype == torch.float32
    assert 0 < float((half - single).abs().max()) < 0.3
