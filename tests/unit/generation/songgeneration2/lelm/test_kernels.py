"""The kernels against the plain step: on a GPU as they are, elsewhere interpreted by Triton (see ``conftest.py``)."""

import os
import subprocess
import sys
from functools import partial

import pytest
import torch
from torch.nn import functional

from generation.songgeneration2.checkpoint import Checkpoint
from generation.songgeneration2.lelm.config import tiny_config
from generation.songgeneration2.lelm.fused import can_choose, can_fuse
from generation.songgeneration2.lelm.model import Lelm
from generation.songgeneration2.lelm.pattern import CODE_SIZE, EOS, SPECIAL
from generation.songgeneration2.lelm.random_weights import random_weights
from generation.songgeneration2.lelm.sampling import SamplingParams, choose_mixed, choose_stems, guide, penalise, pick
from generation.songgeneration2.lelm.songs import make_song
from generation.songgeneration2.lelm.stepping import FixedSteps
from generation.songgeneration2.lelm.tower import KvCache, make_precision
from generation.songgeneration2.text.wording import EncodedText

kernels = pytest.importorskip("generation.songgeneration2.lelm.kernels", reason="Triton is not installed")

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
TOLERANCE = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 2e-2}


@pytest.fixture(autouse=True)
def _interpreter_takes_new_numpy(monkeypatch):
    """Triton's interpreter turns arrays of one number into an index, which new NumPy refuses."""
    from triton.runtime import interpreter

    patch = interpreter._patch_lang_tensor

    def patched(tensor, scope):
        patch(tensor, scope)
        scope.set_attr(tensor, "__index__", lambda self: int(self.handle.data.item()))

    monkeypatch.setattr(interpreter, "_patch_lang_tensor", patched)


@pytest.fixture(autouse=True)
def _few_splits(monkeypatch):
    """The interpreter runs one program after the other."""
    if DEVICE == "cpu":
        monkeypatch.setattr(kernels, "_SPLIT_PROGRAMS", 32)


def randn(*shape, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator).to(DEVICE, dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
@pytest.mark.parametrize("dim", [32, 100])
def test_add_and_norm(dtype, dim):
    x, delta, weight = randn(3, dim, dtype=dtype), randn(3, dim, dtype=dtype, seed=1), randn(dim, dtype=dtype, seed=2)
    stream = x.clone()
    normed = kernels.add_and_norm(stream, delta, weight, 1e-5)
    assert torch.equal(stream, x + delta)
    expected = functional.rms_norm(stream.float(), (dim,), None, 1e-5).to(dtype) * weight
    torch.testing.assert_close(normed, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    assert torch.equal(kernels.add_and_norm(stream, None, weight, 1e-5), normed)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
def test_gate(dtype):
    both = randn(3, 2 * 1100, dtype=dtype)
    expected = functional.silu(both[:, :1100]) * both[:, 1100:]
    torch.testing.assert_close(kernels.gate(both), expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


def rotate(x, angles):
    """Rotate pairs of neighbouring channels [..., heads, width]."""
    pairs = torch.view_as_complex(x.float().view(*x.shape[:-1], -1, 2))
    return torch.view_as_real(pairs * torch.polar(torch.ones_like(angles), angles)).flatten(-2).to(x.dtype)


def rotations(angles):
    return torch.view_as_real(torch.polar(torch.ones_like(angles), angles))


@pytest.mark.parametrize("at", [0, 1, 15, 16, 133, 255])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
def test_attention_of_one_position(dtype, at):
    rows, heads, positions, width = 4, 2, 256, 16
    qkv, angles = randn(rows, 3, heads, width, dtype=dtype), randn(positions, width // 2, seed=3)
    keys = randn(rows + 1, heads, positions, width, dtype=dtype, seed=1)
    values = randn(rows + 1, heads, positions, width, dtype=dtype, seed=2)
    keys[:, :, at:] = values[:, :, at:] = torch.nan  # not yet written: must not be read
    found = kernels.attend(qkv, rotations(angles), keys, values, torch.tensor([at], device=DEVICE))
    torch.testing.assert_close(keys[:rows, :, at], rotate(qkv[:, 1], angles[at]))
    assert torch.equal(values[:rows, :, at], qkv[:, 2])
    assert keys[rows:, :, at:].isnan().all()  # a row that is not in use
    assert keys[:, :, at + 1 :].isnan().all()
    query = rotate(qkv[:, 0], angles[at])[:, :, None].float()
    seen_keys, seen_values = (part[:rows, :, : at + 1].float() for part in (keys, values))
    expected = functional.scaled_dot_product_attention(query, seen_keys, seen_values)[:, :, 0].flatten(1).to(dtype)
    torch.testing.assert_close(found, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


def test_shared_positions_are_those_of_row_one():
    qkv, turns, at = randn(6, 3, 2, 16), rotations(randn(256, 8, seed=3)), torch.tensor([80], device=DEVICE)
    keys, values = randn(6, 2, 256, 16, seed=1), randn(6, 2, 256, 16, seed=2)
    for part in (keys, values):
        part[1::2, :, :50] = part[1, :, :50]
    expected = kernels.attend(qkv, turns, keys, values, at)
    for part in (keys, values):
        part[3::2, :, :50] = torch.nan
    assert torch.equal(kernels.attend(qkv, turns, keys, values, at, n_shared=50), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
@pytest.mark.parametrize("n_out", [64, 37])
def test_product_of_two(dtype, n_out):
    rows, weight = randn(2, 96, dtype=dtype), randn(2 * n_out, 96, dtype=dtype, seed=1) / 10
    norm, stream = randn(96, dtype=dtype, seed=2), randn(2, n_out, dtype=dtype, seed=3)
    close = partial(torch.testing.assert_close, rtol=TOLERANCE[dtype], atol=2 * TOLERANCE[dtype])
    plain = functional.linear(rows, weight[:n_out])
    close(kernels.product_of_two(rows, weight[:n_out]), plain)
    expected = stream + plain
    assert kernels.product_of_two(rows, weight[:n_out], add_to=stream) is stream
    close(stream, expected)
    normed = functional.rms_norm(rows.float(), (96,), None, 1e-5).to(dtype) * norm
    both = functional.linear(normed, weight)
    found = kernels.product_of_two(rows, weight, norm=norm, eps=1e-5, gated=True)
    close(found, functional.silu(both[:, :n_out]) * both[:, n_out:])


@pytest.mark.parametrize("rows", [2, 4])
@pytest.mark.parametrize("capture", [False, pytest.param(True, marks=pytest.mark.gpu)], ids=["one by one", "graphs"])
def test_steps_equal_plain_steps(capture, rows, monkeypatch):
    if capture and DEVICE == "cpu":
        pytest.skip("no CUDA device")
    for module in ("tower", "model"):  # matrices as a GPU has them
        monkeypatch.setattr(f"generation.songgeneration2.lelm.{module}.pack", lambda weight: weight)
    model = Lelm(Checkpoint.from_tensors(random_weights(tiny_config())), tiny_config(), make_precision("fp32", DEVICE))
    x = randn(rows, 12, model.config.dim, seed=4)
    with model.first_stage() as first, torch.inference_mode():
        tower = first.tower
        for number, weight in enumerate([tower.norm, *(n for one in tower.layers for n in (one.norm1, one.norm2))]):
            weight.copy_(1 + 0.3 * randn(len(weight), seed=10 + number))  # ones could stand for each other
        plain, fused = KvCache(tower, rows, 12), KvCache(tower, rows, 12)
        plain.by_channel = False
        fused.keys = fused.keys.contiguous()
        for cache in (plain, fused):
            tower.forward(x[:, :7], cache, 0, slice(0, rows))
        steps = FixedSteps(tower, fused, capture=capture, fuse=True)
        for at in range(7, 12):
            left = rows if at < 10 else 2  # songs end
            expected = tower.forward(x[:left, at : at + 1], plain, at, slice(0, left))
            torch.testing.assert_close(steps.forward(x[:left, at : at + 1], at, left), expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(fused.keys, plain.keys, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(fused.values, plain.values, rtol=1e-4, atol=1e-5)


def test_a_cpu_keeps_its_own_way():
    model = Lelm(Checkpoint.from_tensors(random_weights(tiny_config())), tiny_config())
    with model.first_stage() as first:
        assert not can_fuse(first.tower)


CHOICES = [
    SamplingParams(),
    SamplingParams(top_k=1),
    SamplingParams(top_k=20_000, cfg_coef=1.0, temperature=1.3),
    SamplingParams(record_window=0, top_k=40),
    SamplingParams(penalty_rule="corrected", penalty=2.0, record_window=7, top_k=200),
]


class Choice:
    """Songs in the middle of being sung: logits, codes so far, numbers for the draws."""

    songs, margin, frame = 5, 50, 3

    def __init__(self, streams, seed=0):
        self.logits = 3 * randn(2 * self.songs, streams, CODE_SIZE + 1, seed=seed)
        generator = torch.Generator().manual_seed(seed + 1)
        codes = torch.randint(0, CODE_SIZE + 2, (self.songs + 1, streams, self.margin + 10), generator=generator)
        codes[:, :, ::3] = EOS
        codes[0] = SPECIAL
        # What is likely is also what was sung lately.
        likely = self.logits[0::2].topk(20).indices.cpu()
        codes[1 : self.songs, :, 10:30] = likely[1:]
        self.codes = codes.to(DEVICE)
        shape = (self.songs, self.frame + 2) if streams == 1 else (self.songs, streams, self.frame + 2)
        self.uniforms = torch.rand(shape, generator=generator, dtype=torch.float64).to(DEVICE)
        self.places = torch.tensor([0, 3, 1, 4, 2], device=DEVICE)
        self.column = self.margin + self.frame

    def guided(self, params):
        guided = guide(self.logits[0::2], self.logits[1::2], params.cfg_coef)
        window = self.codes[: self.songs, :, self.column - self.margin : self.column]
        return penalise(guided, window, params)


@pytest.mark.parametrize("params", CHOICES, ids=str)
def test_choosing_the_mixed_stream(params):
    choice = Choice(1)
    banned = torch.zeros(choice.songs, CODE_SIZE + 1, dtype=torch.bool, device=DEVICE)
    banned[2, choice.logits[4, 0].topk(50).indices] = True
    choice.logits[[0, 6], 0, EOS] = 40.0  # the first one ends, the other one may not
    banned[choice.places[3], EOS] = True
    guided = choice.guided(params)[:, 0].masked_fill(banned[choice.places], -torch.inf)
    expected = choose_mixed(guided, params, lambda weights: pick(weights, choice.uniforms[choice.places, choice.frame]))
    before = choice.codes.clone()
    kernels.choose_mixed_codes(
        choice.logits[:, 0], choice.codes, choice.column, choice.frame,
        places=choice.places, banned=banned, uniforms=choice.uniforms, params=params,
    )  # fmt: skip
    assert choice.codes[: choice.songs, 0, choice.column].tolist() == expected.tolist()
    assert expected[0] == EOS
    assert expected[3] != EOS
    before[: choice.songs, 0, choice.column] = expected
    assert torch.equal(choice.codes, before)  # nothing else was written


def test_the_smallest_number_does_not_draw_what_is_banned():
    choice = Choice(1)
    banned = torch.zeros(choice.songs, CODE_SIZE + 1, dtype=torch.bool, device=DEVICE)
    banned[:, :3] = True
    choice.uniforms.zero_()
    kernels.choose_mixed_codes(
        choice.logits[:, 0], choice.codes, choice.column, choice.frame,
        places=choice.places, banned=banned, uniforms=choice.uniforms, params=SamplingParams(top_k=20_000),
    )  # fmt: skip
    assert choice.codes[: choice.songs, 0, choice.column].tolist() == [3] * choice.songs


@pytest.mark.parametrize("params", CHOICES, ids=str)
def test_choosing_the_stems(params):
    choice = Choice(2)
    choice.logits = choice.logits.round(decimals=1)  # many exact equals
    choice.logits[8, 1, EOS] = 40.0
    uniforms = choice.uniforms[choice.places, :, choice.frame]
    expected = choose_stems(choice.guided(params), params, lambda weights: pick(weights, uniforms))
    kernels.choose_stem_codes(
        choice.logits.flatten(1), choice.codes, choice.column, choice.frame,
        places=choice.places, uniforms=choice.uniforms, params=params,
    )  # fmt: skip
    assert choice.codes[: choice.songs, :, choice.column].tolist() == expected.tolist()
    assert expected[4, 1] == EOS


@pytest.mark.parametrize(
    "params", [SamplingParams(temperature=0), SamplingParams(top_p=0.9), SamplingParams(draws="official")], ids=str
)
def test_other_ways_of_sampling_are_not_for_the_kernels(params):
    def song(params):
        text = EncodedText(lyric_ids=(), structure=(), style_ids=(), null_style_ids=())
        return make_song(text, torch.zeros(3, 1), 4, 0, params)

    gpu = torch.device("cuda")
    assert can_choose([song(SamplingParams())], gpu)
    assert not can_choose([song(SamplingParams())], torch.device("cpu"))
    assert not can_choose([song(params)], gpu)
    assert not can_choose([song(SamplingParams()), song(SamplingParams(top_k=7))], gpu)


COMPILE = """
import sys
import triton
from triton.backends.compiler import GPUTarget
from generation.songgeneration2.lelm import programs

def build(program, constants, **types):
    names = program.arg_names
    signature = {name: types.get(name, "constexpr") for name in names}
    source = triton.compiler.ASTSource(program, signature, {(names.index(n),): v for n, v in constants.items()})
    binary = triton.compile(source, target=GPUTarget("cuda", int(sys.argv[1]), 32))
    assert len(binary.asm["cubin"]) > 1000
    print(program.__name__)

number, whole, at = "fp32", "i32", "*i64"
wide = {"rotations": "*fp32", "sums": "*fp32", "tops": "*fp32", "totals": "*fp32", "position": at}
sizes = {"n_shared": whole, "heads": whole, "positions": whole, "scale": number}
for kind in ("*fp16", "*fp32"):
    rows = dict.fromkeys(("x", "delta", "weight", "out", "norm", "gate_up", "qkv", "keys", "values"), kind)
    build(programs.norm_program, {"HAS_DELTA": True, "BLOCK": 2048}, **rows, dim=whole, eps=number)
    build(programs.gate_program, {"BLOCK": 1024}, **rows, width=whole)
    build(programs.attend_program, {"SPLITS": 128, "WIDTH": 128, "BLOCK": 8}, **rows, **wide, **sizes)
    build(programs.merge_program, {"SPLITS": 128, "WIDTH": 128}, **rows, **wide, **sizes)
    for norm, gate in ((True, True), (True, False), (False, False)):
        constants = {"N_IN": 1536, "NORM": norm, "GATE": gate, "ADD": not norm, "BLOCK_OUT": 2, "BLOCK_IN": 1024}
        build(programs.product_program, constants, **rows, eps=number, n_out=whole)
choice = {
    "logits": "*fp32", "stride": whole, "codes": at, "codes_stride": whole, "column": whole, "uniforms": "*fp64",
    "n_frames": whole, "frame": whole, "places": at, "cfg_coef": number, "temperature": number, "penalty": number,
    "banned": "*i1", "top_k": whole,
}
for program in (programs.mixed_program, programs.stems_program):
    build(program, {"SIZE": 16384, "WINDOW": 4, "CORRECTED": False}, **choice)
"""


@pytest.mark.slow
@pytest.mark.parametrize("capability", ["80", "90"])
def test_programs_compile_for_gpus_that_are_not_here(capability, tmp_path):
    environment = os.environ | {"TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", COMPILE, capability]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == 2 * 7 + 2
