"""Seconds per step of the language model on a CPU, against a plain loop and against the bytes it must read.

The plain loop is what one writes first: both towers and every head at each step, separate projections, a cache grown by
concatenation. Two threads unless OMP_NUM_THREADS says otherwise. Run with:

    pytest -m perf -s tests/perf/test_lelm_speed.py
"""

import os
import time
from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional

from generation.songgeneration2.checkpoint import Checkpoint
from generation.songgeneration2.lelm.conditions import fit_prompt
from generation.songgeneration2.lelm.config import LelmConfig
from generation.songgeneration2.lelm.model import Lelm
from generation.songgeneration2.lelm.random_weights import random_weights
from generation.songgeneration2.lelm.sampling import SamplingParams, guide
from generation.songgeneration2.lelm.songs import make_song
from generation.songgeneration2.lelm.stages import MixedPass, StemPass
from generation.songgeneration2.lelm.tower import make_precision
from generation.songgeneration2.text.bpe import BytePairEncoder, byte_ranks
from generation.songgeneration2.text.wording import TextEncoder

pytestmark = pytest.mark.perf

CONFIG = LelmConfig(
    dim=512,
    inter_dim=2048,
    n_heads=8,
    n_layers1=12,
    n_layers2=4,
    rope_theta1=1e5,
    rope_theta2=5e5,
    lyric_len=300,
    style_len=50,
    max_frames=1600,
)
STEPS = (50, 500, 1500)
REPEATS = 5


@pytest.fixture(scope="module")
def weights():
    return random_weights(CONFIG)


@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    yield
    torch.set_num_threads(before)


def best_time(step, start):
    """Shortest of a few consecutive steps: what the machine can do when nobody else uses it."""
    times = []
    for frame in range(start, start + REPEATS):
        begin = time.perf_counter()
        step(frame)
        times.append(time.perf_counter() - begin)
    return min(times[1:])


class PlainLoop:
    """The reference: straightforward and slow."""

    def __init__(self, weights):
        self.weights = weights
        self.caches = {}

    def tower(self, stem, n_layers, theta, x, position):
        w, heads, head_dim = self.weights, CONFIG.n_heads, CONFIG.head_dim
        exponents = torch.arange(0, head_dim, 2) / head_dim
        angles = position / theta**exponents
        cos, sin = angles.cos().repeat(2), angles.sin().repeat(2)

        def rotate(y):
            first, second = y.chunk(2, -1)
            return y * cos + torch.cat([-second, first], -1) * sin

        for layer in range(n_layers):
            p = f"{stem}.model.layers.{layer}."
            y = functional.rms_norm(x, (CONFIG.dim,), w[f"{p}input_layernorm.weight"], 1e-5)
            q, k, v = (
                functional.linear(y, w[f"{p}self_attn.{n}_proj.weight"])
                .view(len(x), 1, heads, head_dim)
                .transpose(1, 2)
                for n in "qkv"
            )
            keys, values = self.caches[stem][layer]
            keys, values = torch.cat([keys, rotate(k)], 2), torch.cat([values, v], 2)
            self.caches[stem][layer] = (keys, values)
            y = functional.scaled_dot_product_attention(rotate(q), keys, values).transpose(1, 2).reshape(x.shape)
            x = x + functional.linear(y, w[f"{p}self_attn.o_proj.weight"])
            y = functional.rms_norm(x, (CONFIG.dim,), w[f"{p}post_attention_layernorm.weight"], 1e-5)
            gate = functional.silu(functional.linear(y, w[f"{p}mlp.gate_proj.weight"]))
            y = gate * functional.linear(y, w[f"{p}mlp.up_proj.weight"])
            x = x + functional.linear(y, w[f"{p}mlp.down_proj.weight"])
        return functional.rms_norm(x, (CONFIG.dim,), w[f"{stem}.model.norm.weight"], 1e-5)

    def fill(self, positions):
        shape = (2, CONFIG.n_heads, positions, CONFIG.head_dim)
        self.caches = {
            stem: [(torch.randn(shape), torch.randn(shape)) for _ in range(count)]
            for stem, count in (("transformer", CONFIG.n_layers1), ("transformer2", CONFIG.n_layers2))
        }

    def step(self, frame):
        w, position = self.weights, CONFIG.prefix_len + frame
        code = torch.full((2, 1), 5)
        h1 = self.tower("transformer", CONFIG.n_layers1, 1e5, w["emb.0.weight"][code], position)
        x = w["layer2_emb.1.weight"][code] + w["layer2_emb.2.weight"][code]
        x = functional.linear(torch.cat([x, h1], -1), w["mlp.0.weight"], w["mlp.0.bias"])
        x = functional.linear(functional.gelu(x), w["mlp.2.weight"], w["mlp.2.bias"])
        h2 = self.tower("transformer2", CONFIG.n_layers2, 5e5, x, position)
        heads = [(h1, "transformer.lm_head.weight"), (h2, "linears.0.weight"), (h2, "linears.1.weight")]
        heads.append((h2, "transformer.lm_head.weight"))  # stands for the second tower's unused head
        logits = torch.stack([functional.linear(h[:, -1], w[name]) for h, name in heads], 1)
        guided = guide(logits[0, :3], logits[1, :3], 1.5)
        probabilities = (guided / 0.8).softmax(-1)
        kept = probabilities[0].topk(5000)
        torch.multinomial(kept.values, 1)
        probabilities[1:].argmax(-1)


def songs(count):
    text = TextEncoder(BytePairEncoder(byte_ranks()), "v2").encode("[verse] la", "[Musicality-very-high], .")
    frames = CONFIG.max_frames
    made = [make_song(text, fit_prompt(None, 250), frames, seed, SamplingParams()) for seed in range(count)]
    for song in made:
        song.mixed = torch.zeros(frames, dtype=torch.int64)
        song.states = torch.randn(2, CONFIG.prefix_len + frames + CONFIG.delay, CONFIG.dim)
    return made


@torch.inference_mode()
def our_times(weights, precision, count):
    """Time of one frame of every song: its step in the first tower plus its step in the second."""
    model = Lelm(Checkpoint.from_tensors(weights), CONFIG, make_precision(precision))
    times = dict.fromkeys(STEPS, 0.0)
    for stage, kind in ((model.first_stage, MixedPass), (model.second_stage, StemPass)):
        with stage() as parts:
            made = songs(count)
            if kind is StemPass:  # its null prefix needs the first tower's
                with model.first_stage() as first:
                    MixedPass(model, first, made[:1])
                made[0].states = torch.randn(2, CONFIG.prefix_len + CONFIG.max_frames + CONFIG.delay, CONFIG.dim)
            run = kind(model, parts, made)
            run.cache.keys.normal_()
            run.cache.values.normal_()
            for step in STEPS:
                times[step] += best_time(lambda frame, run=run: (run.choose(frame), run.advance(frame)), step)
    return times


def bytes_per_step(step, element=4):
    """Weights, heads and both rows' keys and values, each read once."""
    layers = CONFIG.n_layers1 + CONFIG.n_layers2
    weights = layers * (4 * CONFIG.dim**2 + 3 * CONFIG.dim * CONFIG.inter_dim) + 3 * 16385 * CONFIG.dim
    weights += 3 * CONFIG.dim**2
    return element * (weights + 2 * 2 * layers * CONFIG.dim * (CONFIG.prefix_len + step))


def read_bandwidth():
    data = torch.ones(64_000_000)
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        data.sum()
        times.append(time.perf_counter() - begin)
    return data.numel() * 4 / min(times)


@torch.inference_mode()
def test_seconds_per_step(weights):
    bandwidth = read_bandwidth()
    loop, plain = PlainLoop(weights), {}
    for step in STEPS:
        loop.fill(CONFIG.prefix_len + step)
        plain[step] = best_time(loop.step, step)
    single = our_times(weights, "fp32", 1)
    eight = our_times(weights, "fp32", 8)
    eight_half = our_times(weights, "bf16", 8)
    print(f"\nread bandwidth {bandwidth / 1e9:.1f} GB/s, {torch.get_num_threads()} threads")
    for step in STEPS:
        result = SimpleNamespace(plain=plain[step], one=single[step], eight=eight[step] / 8, half=eight_half[step] / 8)
        floor = bytes_per_step(step) / bandwidth
        print(
            f"step {step:>4}: floor {floor:.4f} s, plain {result.plain:.4f} s, one song {result.one:.4f} s "
            f"({result.plain / result.one:.1f}x, {result.one / floor:.2f} floors), batch of 8 per song: "
            f"fp32 {result.eight:.4f} s ({result.plain / result.eight:.1f}x), "
            f"bf16 {result.half:.4f} s ({result.plain / result.half:.1f}x)"
        )
    assert all(value > 0 for value in (*plain.values(), *single.values(), *eight.values(), *eight_half.values()))
