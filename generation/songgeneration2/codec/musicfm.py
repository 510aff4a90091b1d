"""Music encoder: mel spectrogram, convolution stem, Conformer; its hidden states become codes.

Only the layers up to the one that is read are built. The training-only parts of the checkpoint (class token, prediction
head, positional convolution) are never used.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generation.songgeneration2.codec.config import MusicFMConfig
from generation.songgeneration2.codec.conformer import ConformerLayer, rotary_table
from generation.songgeneration2.codec.mel import MelSpectrogram

SAMPLES_PER_FRAME = 960
"""At 24 kHz."""


class StemBlock(nn.Module):
    """Residual block that halves both frequency and time."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride=2, padding=1)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(in_channels, channels, 3, stride=2, padding=1)
        self.bn3 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """[B, in, F, T] to [B, channels, F / 2, T / 2]."""
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.bn3(self.conv3(x)))


class Stem(nn.Module):
    """Mel frames at 100 Hz to vectors at 25 Hz."""

    def __init__(self, config: MusicFMConfig) -> None:
        super().__init__()
        self.conv = nn.Sequential(StemBlock(1, config.conv_dim), StemBlock(config.conv_dim, config.conv_dim))
        self.linear = nn.Linear(config.conv_dim * config.n_mels // 4, config.dim)

    def forward(self, mel: Tensor) -> Tensor:
        """[B, bands, frames] to [B, frames / 4, dim]."""
        maps: Tensor = self.conv(mel[:, None])  # [B, C, bands / 4, T]
        y: Tensor = self.linear(maps.permute(0, 3, 1, 2).flatten(2))
        return y


class Conformer(nn.Module):
    """The first `depth` layers; the last norm belongs to the full depth only."""

    def __init__(self, config: MusicFMConfig, depth: int) -> None:
        super().__init__()
        self.embed_positions = nn.Module()
        self.embed_positions.register_buffer("inv_freq", torch.empty(config.dim // config.heads // 2))
        self.layers = nn.ModuleList(ConformerLayer(config) for _ in range(depth))
        self.layer_norm = nn.LayerNorm(config.dim) if depth == config.depth else None

    def forward(self, x: Tensor, depth: int) -> list[Tensor]:
        """[B, T, dim] to the hidden states 0 (the input) to `depth`."""
        table = rotary_table(self.get_buffer("embed_positions.inv_freq"), x.shape[1])
        states = [x]
        for layer in self.layers[:depth]:
            states.append(layer(states[-1], table))
        if self.layer_norm is not None and depth == len(self.layers):
            states[-1] = self.layer_norm(states[-1])
        return states


class MusicFM(nn.Module):
    """The encoder as far as it is needed.

    Args:
        config: Dimensions.
        depth: Layers to build; None for all.
    """

    def __init__(self, config: MusicFMConfig, depth: int | None = None) -> None:
        super().__init__()
        self.preprocessor_melspec_2048 = MelSpectrogram(config.n_mels)
        self.conv = Stem(config)
        self.conformer = Conformer(config, config.depth if depth is None else depth)

    def forward(self, wave: Tensor, depth: int | None = None) -> Sequence[Tensor]:
        """Encode.

        Args:
            wave: float32 [B, N] at 24 kHz; what exceeds a multiple of 960 samples is cut.
            depth: Layers to run; None for all that were built.

        Returns:
            Hidden states 0 (stem output) to `depth`, each [B, N // 960, dim].
        """
        mel = self.preprocessor_melspec_2048(wave[:, : wave.shape[1] // SAMPLES_PER_FRAME * SAMPLES_PER_FRAME])
        states: list[Tensor] = self.conformer(self.conv(mel), len(self.conformer.layers) if depth is None else depth)
        return states
