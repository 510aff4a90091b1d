"""Whole songs of the published sizes with random weights on a GPU: real-time factor, memory, bytes per second.

The floor is what the two passes must read: the weights of a tower at each of its steps, and every song's keys and
values. Run with:

    pytest -m "perf and gpu" -s tests/perf/test_lelm_gpu_speed.py
"""

import hashlib
import math
import time
from dataclasses import replace

import pytest
import torch

from generation.songgeneration2.checkpoint import Checkpoint
from generation.songgeneration2.lelm import stages, stepping
from generation.songgeneration2.lelm.conditions import fit_prompt
from generation.songgeneration2.lelm.config import FRAME_RATE_HZ, KNOWN, tiny_config
from generation.songgeneration2.lelm.generate import sing
from generation.songgeneration2.lelm.memory import peak_bytes, stage_weights
from generation.songgeneration2.lelm.model import Lelm
from generation.songgeneration2.lelm.sampling import SamplingParams
from generation.songgeneration2.lelm.songs import make_song
from generation.songgeneration2.lelm.stages import MixedPass
from generation.songgeneration2.lelm.tower import make_precision
from generation.songgeneration2.lelm.weights import used_shapes
from generation.songgeneration2.text.bpe import BytePairEncoder, byte_ranks
from generation.songgeneration2.text.wording import TextEncoder

pytestmark = pytest.mark.perf


class RandomSource:
    """Tensors made when they are asked for, on the device, so that nothing large passes through the CPU."""

    def __init__(self, config, device):
        self.shapes, self.device = used_shapes(config, "v2"), device

    def keys(self):
        return self.shapes

    def shape(self, name):
        return self.shapes[name]

    def tensor(self, name):
        shape = self.shapes[name]
        if name.endswith("norm.weight"):
            return torch.ones(shape, dtype=torch.float16)
        if "emb" in name or "output_proj" in name:  # tables: one row everywhere costs no memory
            return torch.randn(shape[1:]).half().expand(shape)
        seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big")
        generator = torch.Generator(self.device).manual_seed(seed)
        scale = (4.0 if "head" in name or name.startswith("linears") else 1.0) / math.sqrt(shape[-1])
        values = torch.randn(shape, generator=generator, device=self.device).mul_(scale).half()
        if scale * math.sqrt(shape[-1]) > 1:
            values[-1] = 0  # the end code is never among the best
        return values


def bytes_read(config, songs, frames, precision):
    """Bytes the two passes read for songs of one length sung together."""
    total = 0
    for stage, layers, before in ((1, config.n_layers1, 0), (2, config.n_layers2, config.delay)):
        per_position = 2 * 2 * layers * config.dim * precision.activations.itemsize
        positions = sum(config.prefix_len + before + 1 + frame for frame in range(frames))
        total += (
            frames * stage_weights(config, stage)[0] * precision.weights.itemsize + songs * per_position * positions
        )
    return total


def random_model(config, device, precision):
    """A staged model with random weights."""
    source = Checkpoint(RandomSource(config, device), "random")
    return Lelm(source, config, make_precision(precision, device), staged=True, fixed_steps=device != "cpu")


def songs_of(config, count, length):
    text = TextEncoder(BytePairEncoder(byte_ranks()), "v2").encode("[verse] la", "[Musicality-very-high], .")
    prompt = fit_prompt(None, config.prompt_frames)
    return [make_song(text, prompt, length, seed, SamplingParams(), delay=config.delay) for seed in range(count)]


def measure(config, count, frames, device, precision):
    """Seconds for songs sung together, and the bytes that were read."""
    model = random_model(config, device, precision)
    sing(model, songs_of(config, count, 2), batch_size=count)
    if device != "cpu":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    made = songs_of(config, count, frames)
    begin = time.perf_counter()
    sing(model, made, batch_size=count)
    if device != "cpu":
        torch.cuda.synchronize()
    seconds = time.perf_counter() - begin
    assert [song.codes.shape[1] for song in made] == [frames] * count
    return seconds, bytes_read(config, count, frames, model.precision)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("count", [1, 4, 8])
@pytest.mark.parametrize("variant", ["v2-large", "v2-medium"])
def test_whole_songs_of_the_published_sizes(variant, count):
    config, frames = KNOWN[variant], KNOWN[variant].max_frames
    precision = make_precision("fp16", "cuda")
    needed = peak_bytes(config, precision, songs=count, frames=frames, staged=True)
    if needed > torch.cuda.get_device_properties(0).total_memory:
        pytest.skip(f"{count} songs need {needed / 1e9:.0f} GB")
    seconds, read = measure(config, count, frames, "cuda", "fp16")
    print(
        f"\n{torch.cuda.get_device_name()}: {variant}, {count} songs of {frames / FRAME_RATE_HZ:.0f} s "
        f"in {seconds:.1f} s, real-time factor {seconds / count / frames * FRAME_RATE_HZ:.4f} per song, "
        f"{read / seconds / 1e12:.2f} TB/s, "
        f"peak {torch.cuda.max_memory_allocated() / 1e9:.1f} GB (by arithmetic {needed / 1e9:.1f})"
    )
    assert torch.cuda.max_memory_allocated() <= needed


def frame_seconds(run, first, count=50):
    """Seconds for each of some frames of the mixed stream, from a frame on."""
    for frame in range(first, first + 2):  # captures what there is to capture
        run.choose(frame)
        run.advance(frame)
    torch.cuda.synchronize()
    begin = time.perf_counter()
    for frame in range(first + 2, first + 2 + count):
        run.choose(frame)
        run.advance(frame)
    torch.cuda.synchronize()
    return (time.perf_counter() - begin) / count


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("count", [1, 8])
@torch.inference_mode()
def test_our_kernels_against_graphs_of_plain_operations(count, monkeypatch):
    config = KNOWN["v2-large"]
    model = random_model(config, "cuda", "fp16")
    needed = 2 * peak_bytes(config, model.precision, songs=count, frames=config.max_frames, staged=True)
    if needed > torch.cuda.get_device_properties(0).total_memory:
        pytest.skip(f"both ways together need {needed / 1e9:.0f} GB")
    with model.first_stage() as first:
        ours = MixedPass(model, first, songs_of(config, count, config.max_frames))
        for module, name in ((stepping, "can_fuse"), (stages, "can_choose")):
            monkeypatch.setattr(module, name, lambda *_: False)
        plain = MixedPass(model, first, songs_of(config, count, config.max_frames))
        weights = stage_weights(config, 1)[0] * 2
        for frame in (100, 3300, 6600):
            slow, fast = frame_seconds(plain, frame), frame_seconds(ours, frame)
            read = weights + count * 2 * 2 * config.n_layers1 * config.dim * 2 * (config.prefix_len + 1 + frame)
            print(
                f"\n{torch.cuda.get_device_name()}: v2-large, first tower, {count} songs, frame {frame}: "
                f"plain operations {slow * 1e3:.2f} ms, our kernels {fast * 1e3:.2f} ms, ratio {slow / fast:.2f}, "
                f"{read / fast / 1e12:.2f} TB/s"
            )


def test_the_measurement_also_runs_without_a_gpu():
    seconds, read = measure(replace(tiny_config(), lyric_len=20, style_len=10), 2, 12, "cpu", "fp32")
    assert seconds > 0
    assert read > 0
