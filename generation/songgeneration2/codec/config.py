"""Dimensions of the codec: those of the published checkpoints, and a tiny set for tests.

Free of torch, so that describing a system costs nothing.
"""

import math
from dataclasses import dataclass, field

SAMPLE_RATE_HZ = 48_000
FRAME_RATE_HZ = 25
SAMPLES_PER_FRAME = SAMPLE_RATE_HZ // FRAME_RATE_HZ
"""One frame of codes or latents lasts 40 ms."""

VOCAL_SILENCE_CODE = 3142
BGM_SILENCE_CODE = 9670


@dataclass(frozen=True, slots=True, kw_only=True)
class RvqConfig:
    """One-codebook vector quantiser: feature width, number of codes, width of a code vector."""

    input_dim: int = 1024
    codebook_size: int = 16384
    codebook_dim: int = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class MusicFMConfig:
    """Music encoder: convolution stem and Conformer.

    Attributes:
        depth: Conformer layers in the checkpoint; only those that are read get built.
    """

    conv_dim: int = 512
    dim: int = 1024
    depth: int = 12
    heads: int = 16
    inner: int = 4096
    n_mels: int = 128
    depthwise_kernel: int = 31


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowConfig:
    """Flow-matching estimator.

    The input of width `width` is the concatenation of mask embedding, context latents, the two conditions (vocal, then
    accompaniment) and the noisy latents; there is no input projection.
    """

    mask_dim: int = 24
    latent_dim: int = 64
    condition_dim: int = 1024
    layers: int = 16
    heads: int = 20
    inner: int = 4400
    positions: int = 1000
    time_frequencies: int = 256

    @property
    def width(self) -> int:
        """Channels of the residual stream; 2200 in the published model."""
        return self.mask_dim + 2 * self.latent_dim + 2 * self.condition_dim


@dataclass(frozen=True, slots=True, kw_only=True)
class VaeConfig:
    """Oobleck VAE: channel multipliers and strides from the waveform inwards."""

    channels: int = 128
    multipliers: tuple[int, ...] = (1, 2, 4, 8, 16)
    strides: tuple[int, ...] = (2, 4, 4, 6, 10)
    latent_dim: int = 64
    io_channels: int = 2

    @property
    def ratio(self) -> int:
        """Samples per latent frame."""
        return math.prod(self.strides)


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowConfig:
    """Rendering windows in frames: 40 s long, the last 10 s shared with the next one."""

    length: int = 1000
    overlap: int = 250

    @property
    def hop(self) -> int:
        """Distance between the starts of two windows."""
        return self.length - self.overlap


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecConfig:
    """Everything the codec is built from; the defaults are the published dimensions.

    Attributes:
        mixed_layer: Hidden state read for the codes of the whole song (0 is the output of the convolution stem).
        vocal_layer: The same for vocals.
        bgm_layer: The same for the accompaniment.
        steps: Euler steps of the flow solver.
        guidance: Classifier-free guidance scale of the flow solver.
        sigma_min: Noise left on the context at time 1.
    """

    rvq: RvqConfig = field(default_factory=RvqConfig)
    musicfm: MusicFMConfig = field(default_factory=MusicFMConfig)
    flow: FlowConfig = field(default_factory=FlowConfig)
    vae: VaeConfig = field(default_factory=VaeConfig)
    window: WindowConfig = field(default_factory=WindowConfig)
    mixed_layer: int = 6
    vocal_layer: int = 7
    bgm_layer: int = 3
    steps: int = 10
    guidance: float = 1.5
    sigma_min: float = 1e-4


OFFICIAL = CodecConfig()

TINY = CodecConfig(
    rvq=RvqConfig(input_dim=8, codebook_dim=4),
    musicfm=MusicFMConfig(conv_dim=2, dim=8, depth=4, heads=2, inner=16),
    flow=FlowConfig(condition_dim=8, layers=1, heads=4, inner=64),
    vae=VaeConfig(channels=2, multipliers=(1, 2, 2, 4, 4)),
    mixed_layer=2,
    vocal_layer=3,
    bgm_layer=1,
)
"""Same code book size, rates and windows as the real model, so that every stage before and after fits unchanged."""
