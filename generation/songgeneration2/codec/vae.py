"""Oobleck VAE: stereo waveform to 25 Hz latents and back (stable-audio-tools' architecture)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generation.songgeneration2.codec.config import VaeConfig
from generation.songgeneration2.codec.weight_norm import WNConv1d, WNConvTranspose1d

DILATIONS = (1, 3, 9)


class Snake(nn.Module):
    """``x + sin(x e^alpha)^2 / (e^beta + 1e-9)`` per channel; both parameters are stored as logarithms."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.empty(channels))
        self.beta = nn.Parameter(torch.empty(channels))

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, T] to the same shape."""
        alpha = self.alpha.exp()[:, None]
        gain = 1.0 / (self.beta.exp() + 1e-9)[:, None]
        return torch.addcmul(x, gain, torch.sin(x * alpha).square_())


class _Stack(nn.Module):
    """A chain under the official name ``layers``."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the chain."""
        y: Tensor = self.layers(x)
        return y


class ResidualUnit(_Stack):
    """Two snake-activated convolutions around a skip connection."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__(
            Snake(channels),
            WNConv1d(channels, channels, 7, padding=3 * dilation, dilation=dilation),
            Snake(channels),
            WNConv1d(channels, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, T] to the same shape."""
        return super().forward(x) + x


def _encoder_block(in_channels: int, out_channels: int, stride: int) -> _Stack:
    return _Stack(
        *(ResidualUnit(in_channels, dilation) for dilation in DILATIONS),
        Snake(in_channels),
        WNConv1d(in_channels, out_channels, 2 * stride, stride=stride, padding=-(-stride // 2)),
    )


def _decoder_block(in_channels: int, out_channels: int, stride: int) -> _Stack:
    return _Stack(
        Snake(in_channels),
        WNConvTranspose1d(in_channels, out_channels, 2 * stride, stride=stride, padding=-(-stride // 2)),
        *(ResidualUnit(out_channels, dilation) for dilation in DILATIONS),
    )


class Encoder(_Stack):
    """Waveform [B, 2, N] to mean and scale [B, 2 * latent, N // ratio]."""

    def __init__(self, config: VaeConfig) -> None:
        widths = [config.channels, *(config.channels * multiplier for multiplier in config.multipliers)]
        super().__init__(
            WNConv1d(config.io_channels, widths[0], 7, padding=3),
            *(_encoder_block(widths[i], widths[i + 1], stride) for i, stride in enumerate(config.strides)),
            Snake(widths[-1]),
            WNConv1d(widths[-1], 2 * config.latent_dim, 3, padding=1),
        )


class Decoder(_Stack):
    """Latents [B, latent, T] to waveform [B, 2, T * ratio]; no final limiter, so samples may exceed 1."""

    def __init__(self, config: VaeConfig) -> None:
        widths = [config.channels, *(config.channels * multiplier for multiplier in config.multipliers)]
        blocks = [
            _decoder_block(widths[i + 1], widths[i], config.strides[i]) for i in reversed(range(len(config.strides)))
        ]
        super().__init__(
            WNConv1d(config.latent_dim, widths[-1], 7, padding=3),
            *blocks,
            Snake(widths[0]),
            WNConv1d(widths[0], config.io_channels, 7, padding=3, bias=False),
        )


def split_posterior(encoded: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation from the encoder output [B, 2 * latent, T]."""
    mean, scale = encoded.chunk(2, dim=1)
    return mean, F.softplus(scale) + 1e-4
