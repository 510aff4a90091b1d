"""Conformer layers of the music encoder.

One peculiarity: rotary positions are applied to the attention input before the query and key projections, and the
values see the unrotated input.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generation.songgeneration2.codec.config import MusicFMConfig

ROTARY_BASE = 10_000.0


def rotary_table(inv_freq: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Cosine and sine of half-rotation, each [length, head_dim]."""
    angles = torch.outer(torch.arange(length, dtype=inv_freq.dtype, device=inv_freq.device), inv_freq)
    angles = torch.cat([angles, angles], dim=-1)
    return angles.cos(), angles.sin()


class FeedForward(nn.Module):
    """Linear, SiLU, linear."""

    def __init__(self, config: MusicFMConfig) -> None:
        super().__init__()
        self.intermediate_dense = nn.Linear(config.dim, config.inner)
        self.output_dense = nn.Linear(config.inner, config.dim)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, dim] to the same shape."""
        y: Tensor = self.output_dense(F.silu(self.intermediate_dense(x)))
        return y


class SelfAttention(nn.Module):
    """Unmasked multi-head attention."""

    def __init__(self, config: MusicFMConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.linear_q = nn.Linear(config.dim, config.dim)
        self.linear_k = nn.Linear(config.dim, config.dim)
        self.linear_v = nn.Linear(config.dim, config.dim)
        self.linear_out = nn.Linear(config.dim, config.dim)

    def forward(self, x: Tensor, table: tuple[Tensor, Tensor]) -> Tensor:
        """[B, T, dim] to the same shape."""
        cos, sin = table
        rows, length, width = x.shape
        shape = (rows, length, self.heads, width // self.heads)
        split = x.view(shape)
        first, second = split.chunk(2, dim=-1)
        rotated = (split * cos[:, None] + torch.cat([-second, first], dim=-1) * sin[:, None]).flatten(2)
        query, key, value = (
            projected.view(shape).transpose(1, 2)
            for projected in (self.linear_q(rotated), self.linear_k(rotated), self.linear_v(x))
        )
        attended = F.scaled_dot_product_attention(query, key, value)
        y: Tensor = self.linear_out(attended.transpose(1, 2).flatten(2))
        return y


class ConvolutionModule(nn.Module):
    """Gated pointwise convolution, depthwise convolution, batch norm, pointwise convolution."""

    def __init__(self, config: MusicFMConfig) -> None:
        super().__init__()
        kernel = config.depthwise_kernel
        self.layer_norm = nn.LayerNorm(config.dim)
        self.pointwise_conv1 = nn.Conv1d(config.dim, 2 * config.dim, 1, bias=False)
        self.depthwise_conv = nn.Conv1d(
            config.dim, config.dim, kernel, padding=kernel // 2, groups=config.dim, bias=False
        )
        self.batch_norm = nn.BatchNorm1d(config.dim)
        self.pointwise_conv2 = nn.Conv1d(config.dim, config.dim, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, dim] to the same shape."""
        y = F.glu(self.pointwise_conv1(self.layer_norm(x).transpose(1, 2)), dim=1)
        z: Tensor = self.pointwise_conv2(F.silu(self.batch_norm(self.depthwise_conv(y))))
        return z.transpose(1, 2)


class ConformerLayer(nn.Module):
    """Half a feed-forward, attention, convolution, half a feed-forward, norm."""

    def __init__(self, config: MusicFMConfig) -> None:
        super().__init__()
        self.ffn1_layer_norm = nn.LayerNorm(config.dim)
        self.ffn1 = FeedForward(config)
        self.self_attn_layer_norm = nn.LayerNorm(config.dim)
        self.self_attn = SelfAttention(config)
        self.conv_module = ConvolutionModule(config)
        self.ffn2_layer_norm = nn.LayerNorm(config.dim)
        self.ffn2 = FeedForward(config)
        self.final_layer_norm = nn.LayerNorm(config.dim)

    def forward(self, x: Tensor, table: tuple[Tensor, Tensor]) -> Tensor:
        """[B, T, dim] to the same shape."""
        x = x + 0.5 * self.ffn1(self.ffn1_layer_norm(x))
        x = x + self.self_attn(self.self_attn_layer_norm(x), table)
        x = x + self.conv_module(x)
        y: Tensor = self.final_layer_norm(x + 0.5 * self.ffn2(self.ffn2_layer_norm(x)))
        return y
