"""Codec with small dimensions and seeded random weights, made on the spot for tests and continuous integration.

Every tensor depends on the seed and its own name only, so stages can be made one by one and in any order.
"""

import hashlib
import math

import numpy as np
import torch
from torch import Tensor, nn

from evalkit.types import Audio
from generation.songgeneration2.codec.config import TINY, CodecConfig
from generation.songgeneration2.codec.conformer import ROTARY_BASE
from generation.songgeneration2.codec.estimator import Projection
from generation.songgeneration2.codec.mel import N_FFT, filterbank
from generation.songgeneration2.codec.normalise import FROZEN_COUNT, LatentNorm
from generation.songgeneration2.codec.prompt import PROMPT_FRAMES
from generation.songgeneration2.codec.prompt_library import GENRES, PromptLibrary
from generation.songgeneration2.codec.resample import halving_kernel
from generation.songgeneration2.codec.stages import Source, StageName, Stages, empty_stage
from generation.songgeneration2.codec.vae import Snake
from generation.songgeneration2.codec.weight_norm import WeightNorm

OUTPUT_GAIN = 0.005
"""Of the decoder's last convolution, the only one without bias."""

ENCODER_GAIN = 0.05
ENCODER_OUTPUT_KERNEL = 3
"""No other convolution has this kernel."""

_FILES: dict[StageName, str] = {
    "flow": "separate",
    "stems": "separate",  # the same file as the flow, hence the same quantisers
    "mixed": "mixed",
    "encoder": "vae",
    "decoder": "vae",
}


def random_weights(stage: nn.Module, seed: int, file: str) -> nn.Module:
    """Give a stage on the meta device seeded weights of a sensible scale; returns it on the CPU."""
    stage.to_empty(device="cpu")
    with torch.no_grad():
        for path, module in stage.named_modules():
            for name, tensor in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
                digest = hashlib.sha256(f"{seed}/{file}/{path}.{name}".encode()).digest()
                generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
                tensor.copy_(_values(module, name, tensor, generator))
    return stage


def _values(module: nn.Module, name: str, tensor: Tensor, generator: torch.Generator) -> Tensor:
    noise = torch.randn(tensor.shape, generator=generator) if tensor.is_floating_point() else torch.zeros(tensor.shape)
    fixed = _known(name, tensor)
    if fixed is not None:
        return fixed
    if isinstance(module, nn.LayerNorm | nn.BatchNorm1d | nn.BatchNorm2d):
        return torch.full(tensor.shape, 1.0 if name in ("weight", "running_var") else 0.0)
    if isinstance(module, LatentNorm):
        return torch.zeros(tensor.shape) if name == "sum_x" else torch.full(tensor.shape, 2.0 * FROZEN_COUNT)
    if isinstance(module, Snake):
        return torch.zeros(tensor.shape)
    if isinstance(module, WeightNorm) and name == "weight_g":
        return torch.full(tensor.shape, _gain(module))
    if isinstance(module, nn.Embedding):
        return noise
    if name == "bias" or tensor.dim() == 1:
        return 0.02 * noise
    if isinstance(module, Projection):
        return noise / math.sqrt(tensor.shape[0])
    return noise / math.sqrt(tensor[0].numel())


def _gain(module: WeightNorm) -> float:
    """Length of a convolution's rows: 1 but for the outputs, which set the level of the sound and of the latents."""
    assert module.weight_v is not None
    if module.bias is None:
        return OUTPUT_GAIN
    return ENCODER_GAIN if module.weight_v.shape[-1] == ENCODER_OUTPUT_KERNEL else 1.0


def _known(name: str, tensor: Tensor) -> Tensor | None:
    """Values that follow from a formula."""
    if name == "window":
        return torch.hann_window(N_FFT)
    if name == "fb":
        return filterbank(tensor.shape[1])
    if name == "kernel":
        return halving_kernel()
    if name == "inv_freq":
        size = tensor.shape[0]
        return 1.0 / (ROTARY_BASE ** (torch.arange(size, dtype=torch.float32) / size))
    return None


def tiny_source(seed: int, config: CodecConfig = TINY) -> Source:
    """A source of randomly initialised stages."""

    def make(name: StageName) -> nn.Module:
        return random_weights(empty_stage(name, config), seed, _FILES[name])

    return make


def tiny_codec(seed: int, *, device: str = "cpu", keep: bool = True) -> Stages:
    """The whole codec with small dimensions and random weights.

    Args:
        seed: Determines every weight.
        device: Where it runs.
        keep: As in `Stages`.
    """
    return Stages(tiny_source(seed), TINY, device=device, keep=keep)


class TinySeparator:
    """Stands for the separator, which has no small form: takes half of what both channels share for the voice."""

    name = "tiny-random"

    def vocals(self, mix: Audio) -> Audio:
        """A signal aligned with `mix`, always stereo."""
        middle = 0.5 * mix.samples[:2].mean(axis=0, dtype=np.float32)
        return Audio(samples=np.stack([middle, middle]), sample_rate=mix.sample_rate)


def tiny_library(seed: int) -> PromptLibrary:
    """Stands for the official prompt library: two random prompts for each genre and language."""
    generator = torch.Generator().manual_seed(seed)

    def prompts() -> list[Tensor]:
        size = TINY.rvq.codebook_size
        return [torch.randint(size, (3, PROMPT_FRAMES), generator=generator) for _ in range(2)]

    return PromptLibrary({genre: {language: prompts() for language in ("zh", "en")} for genre in GENRES})
