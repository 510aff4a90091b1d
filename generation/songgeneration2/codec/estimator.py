"""The velocity network of the flow: a non-causal GPT-2 shaped transformer modulated by time.

The residual stream, norms, gates and rotations stay in float32; matrix products run in the dtype of their weights, so
that one cast of the module chooses the precision.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generation.songgeneration2.codec.config import FlowConfig

NORM_EPS = 1e-5
TIME_SCALE = 1000.0
MAX_PERIOD = 10_000.0


def dense(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """``x @ weight.T + bias`` in the weight's dtype, given back in float32."""
    return F.linear(x.to(weight.dtype), weight, bias).float()


def norm(layer: nn.LayerNorm, x: Tensor) -> Tensor:
    """Layer norm in float32 whatever dtype its parameters have."""
    return F.layer_norm(x, layer.normalized_shape, layer.weight.float(), layer.bias.float(), layer.eps)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeModulation:
    """What the time contributes: `embedding` [B, width] for the output, `blocks` [B, 6, width] for every block."""

    embedding: Tensor
    blocks: Tensor

    def at(self, index: int, *, rows: int) -> "TimeModulation":
        """One of the times for every row of a batch."""
        return TimeModulation(
            embedding=self.embedding[index].expand(rows, -1), blocks=self.blocks[index].expand(rows, -1, -1)
        )


def time_sinusoid(time: Tensor, frequencies: int) -> Tensor:
    """[B] times in [0, 1] to [B, 2 * frequencies]: cosines, then sines.

    The angle is ``1000 * (t * f)`` in this order; another order moves the result by 6e-5.
    """
    exponents = -math.log(MAX_PERIOD) * torch.arange(frequencies, dtype=torch.float32, device=time.device) / frequencies
    angles = TIME_SCALE * (time.float()[:, None] * torch.exp(exponents))
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


def rotary_table(length: int, head_dim: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosine and sine, each [length, head_dim / 2]."""
    steps = torch.arange(0, head_dim, 2, dtype=torch.float32, device=device)
    angles = torch.outer(
        torch.arange(length, dtype=torch.float32, device=device), 1.0 / (MAX_PERIOD ** (steps / head_dim))
    )
    return angles.cos(), angles.sin()


def rotate_pairs(x: Tensor, table: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate neighbouring channels (2j, 2j + 1) of [B, heads, T, head_dim] in float32."""
    cos, sin = table
    even, odd = x[..., 0::2].float(), x[..., 1::2].float()
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2)


class Projection(nn.Module):
    """A dense layer whose weight is stored [in, out], as GPT-2 does."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(in_features, out_features))
        self.bias = nn.Parameter(torch.empty(out_features))

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] to [..., out], float32."""
        return dense(x, self.weight.T, self.bias)


class Attention(nn.Module):
    """Bidirectional self-attention with rotary positions."""

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.c_attn = Projection(config.width, 3 * config.width)
        self.c_proj = Projection(config.width, config.width)

    def forward(self, x: Tensor, table: tuple[Tensor, Tensor], frames: Tensor | None) -> Tensor:
        """[B, T, width] to the same shape; `frames` bool [B, T] as in `Estimator.forward`."""
        fused: Tensor = self.c_attn(x)
        rows, length, width = x.shape
        query, key, value = fused.view(rows, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        dtype = self.c_attn.weight.dtype
        visible = None
        if frames is not None:
            # An existing frame sees the existing ones; an absent one attends evenly to all, hence its zero query.
            exists = frames[:, None, :, None]
            query = query.masked_fill(~exists, 0)
            visible = frames[:, None, None, :] | ~exists
        attended = F.scaled_dot_product_attention(
            rotate_pairs(query, table).to(dtype),
            rotate_pairs(key, table).to(dtype),
            value.to(dtype),
            attn_mask=visible,
            scale=1.0 / math.sqrt(query.shape[-1]),
        )
        projected: Tensor = self.c_proj(attended.transpose(1, 2).flatten(2))
        return projected


class FeedForward(nn.Module):
    """Two dense layers around a tanh-approximated GELU."""

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        self.c_fc = Projection(config.width, config.inner)
        self.c_proj = Projection(config.inner, config.width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, width] to the same shape."""
        projected: Tensor = self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))
        return projected


class Block(nn.Module):
    """Attention and feed-forward, each shifted, scaled and gated by time."""

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        self.scale_shift_table = nn.Parameter(torch.empty(6, config.width))
        self.ln_1 = nn.LayerNorm(config.width, eps=NORM_EPS)
        self.attn = Attention(config)
        self.ln_2 = nn.LayerNorm(config.width, eps=NORM_EPS)
        self.mlp = FeedForward(config)

    def forward(self, x: Tensor, time: Tensor, table: tuple[Tensor, Tensor], frames: Tensor | None) -> Tensor:
        """`x` [B, T, width], `time` [B, 6, width]."""
        modulation = (self.scale_shift_table.float() + time)[:, :, None]  # [B, 6, 1, width]
        shift_1, scale_1, gate_1, shift_2, scale_2, gate_2 = modulation.unbind(1)
        x = torch.addcmul(x, gate_1, self.attn(norm(self.ln_1, x) * (1 + scale_1) + shift_1, table, frames))
        return torch.addcmul(x, gate_2, self.mlp(norm(self.ln_2, x) * (1 + scale_2) + shift_2))


class _TimestepEmbedder(nn.Module):
    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(2 * config.time_frequencies, config.width)
        self.linear_2 = nn.Linear(config.width, config.width)


class _TimeNet(nn.Module):
    """Time to modulation, under the official names."""

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        self.emb = nn.Module()
        self.emb.timestep_embedder = _TimestepEmbedder(config)
        self.linear = nn.Linear(config.width, 6 * config.width)


class Estimator(nn.Module):
    """Velocity of the latents at a time, given the assembled input channels."""

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        self.config = config
        self.wpe = nn.Embedding(config.positions, config.width)
        self.h = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.ln_f = nn.LayerNorm(config.width, eps=NORM_EPS)
        self.scale_shift_table = nn.Parameter(torch.empty(2, config.width))
        self.proj_out = nn.Linear(config.width, config.width)
        self.adaln_single = _TimeNet(config)

    def embed_time(self, time: Tensor) -> TimeModulation:
        """[B] times to their modulation; it depends on nothing else, so a solver computes it once."""
        embedder = self.adaln_single.emb.timestep_embedder
        assert isinstance(embedder, _TimestepEmbedder)
        hidden = dense(
            time_sinusoid(time, self.config.time_frequencies), embedder.linear_1.weight, embedder.linear_1.bias
        )
        embedding = dense(F.silu(hidden), embedder.linear_2.weight, embedder.linear_2.bias)
        blocks = dense(F.silu(embedding), self.adaln_single.linear.weight, self.adaln_single.linear.bias)
        return TimeModulation(embedding=embedding, blocks=blocks.view(len(time), 6, -1))

    def forward(
        self, inputs: Tensor, time: TimeModulation, frames: Tensor | None = None, *, all_channels: bool = False
    ) -> Tensor:
        """Run the network.

        Args:
            inputs: float32 [B, T, width], positions not yet added.
            time: Modulation of B rows.
            frames: Bool [B, T], False where there is no frame; None if all exist.
            all_channels: Give all output channels instead of the velocity.

        Returns:
            float32 [B, T, latent_dim] (or [B, T, width]).
        """
        length = inputs.shape[1]
        x = inputs + self.wpe.weight[:length].float()
        table = rotary_table(length, self.config.width // self.config.heads, inputs.device)
        for block in self.h:
            x = block(x, time.blocks, table, frames)
        shift, scale = (self.scale_shift_table.float() + time.embedding[:, None]).unbind(1)
        x = norm(self.ln_f, x) * (1 + scale[:, None]) + shift[:, None]
        first = 0 if all_channels else self.config.width - self.config.latent_dim
        return dense(x, self.proj_out.weight[first:], self.proj_out.bias[first:])
