"""Seconds per rendered song, against the plain way of doing it; on a GPU the published size at full length.

The plain way rebuilds the input and the time embedding at every solver step, passes a full attention mask, computes all
output channels, and decodes every window by itself. Run with: pytest -m perf -s tests/perf/test_codec_speed.py
"""

import time
from itertools import pairwise

import pytest
import torch

from generation.songgeneration2.codec.chunks import run_chunked
from generation.songgeneration2.codec.config import OFFICIAL, CodecConfig, FlowConfig, RvqConfig, VaeConfig
from generation.songgeneration2.codec.flow import FlowRequest
from generation.songgeneration2.codec.renderer import Renderer
from generation.songgeneration2.codec.stages import Stages
from generation.songgeneration2.codec.tiny import tiny_source
from generation.songgeneration2.codec.windows import decode_stitched, decode_windows

pytestmark = pytest.mark.perf

MIDDLE = CodecConfig(
    rvq=RvqConfig(input_dim=180, codebook_dim=16),
    flow=FlowConfig(condition_dim=180, layers=4, heads=8, inner=1024),
    vae=VaeConfig(channels=8),
    steps=3,
)


def codes_of(frames, seed=0):
    return torch.randint(0, 16384, (3, frames), generator=torch.Generator().manual_seed(seed))


def seconds(work, repeats=3):
    """Shortest of a few runs: what the machine can do when nobody else uses it."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def plain_solve(flow, request):
    """The solver as one writes it first."""
    times = torch.linspace(0, 1, flow.config.steps + 1)
    frames = torch.ones(2, request.vocal.shape[1], dtype=torch.bool)
    x = request.noise
    for step in range(flow.config.steps):
        inputs, _, _ = flow.assemble(request)
        inputs = inputs.repeat(2, 1, 1)
        inputs[:1, :, 88:-64] = 0
        inputs[..., -64:] = x
        moment = flow.estimator.embed_time(times[step].repeat(2))
        free, conditional = flow.estimator(inputs, moment, frames, all_channels=True)[..., -64:].chunk(2)
        x = x + (times[step + 1] - times[step]) * (free + flow.config.guidance * (conditional - free))
    return x


@torch.inference_mode()
def test_solver_against_the_plain_one():
    stages = Stages(tiny_source(0, MIDDLE), MIDDLE)
    codes = codes_of(1000)
    request = FlowRequest(
        vocal=codes[1:2], bgm=codes[2:3], noise=torch.randn(1, 1000, 64), context=torch.zeros(1, 64, 1000),
        context_frames=torch.tensor([0]),
    )  # fmt: skip
    with stages.use("flow") as flow:
        assert torch.allclose(flow.solve(request)[0], plain_solve(flow, request), atol=1e-3)
        plain, ours = seconds(lambda: plain_solve(flow, request)), seconds(lambda: flow.solve(request))
    print(f"\nsolver, width 512, one window of 40 s: plain {plain:.2f} s, ours {ours:.2f} s, ratio {plain / ours:.2f}")


@torch.inference_mode()
def test_decoding_once_against_every_window():
    stages = Stages(tiny_source(0, MIDDLE), MIDDLE)
    latents = [torch.randn(64, 1000) for _ in range(3)]
    for old, new in pairwise(latents):
        new[:, :250] = old[:, -250:]

    with stages.use("decoder") as decoder:

        def decode(x):
            return run_chunked(decoder, x[None], chunk=128, overlap=32, up=1920)[0]

        plain = seconds(lambda: decode_windows(latents, 2000, decode, ratio=1920, overlap=250), 1)
        ours = seconds(lambda: decode_stitched(latents, 2000, decode, ratio=1920, overlap=250, halo=10), 1)
    print(f"\ndecoder, 80 s: by window {plain:.2f} s, once {ours:.2f} s, ratio {plain / ours:.2f}")


@pytest.mark.gpu
@pytest.mark.parametrize("songs", [1, 4, 8])
def test_published_size_on_a_gpu(songs):
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    stages = Stages(tiny_source(0, OFFICIAL), OFFICIAL, device="cuda", flow_dtype=torch.float16)
    codes = [codes_of(6750, seed) for seed in range(songs)]
    renderer = Renderer(stages, batch_windows=8, batch_chunks=4)
    renderer.render([codes_of(100)], seeds=[0])  # loads and warms up
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    marks = []
    start = time.perf_counter()
    renderer.render(
        codes, seeds=range(songs), progress=lambda share: marks.append((share, time.perf_counter() - start))
    )
    total = time.perf_counter() - start
    solved = max(at for share, at in marks if share <= 0.8 + 1e-9)
    audio = 270.0 * songs
    print(
        f"\n{torch.cuda.get_device_name()}: {songs} songs of 270 s rendered in {total:.1f} s "
        f"(flow {solved:.1f}, decoder {total - solved:.1f}), real-time factor {total / audio:.4f} per song, "
        f"peak {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB"
    )
