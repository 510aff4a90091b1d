"""Normalisation of the VAE latents by stored statistics."""

import torch
from torch import Tensor, nn

FROZEN_COUNT = 100_000
LEARNING_FRAMES = 600


class LatentNorm(nn.Module):
    """Zero mean and unit variance per channel.

    The statistics are running sums of per-item means; `counts` counts items. Upstream still moves them at inference
    while fewer than 100 000 items were seen; here they never move unless `learn` asks for that.

    Args:
        channels: Latent channels.
        learn: Reproduce the upstream update.
    """

    counts: Tensor
    sum_x: Tensor
    sum_x2: Tensor

    def __init__(self, channels: int, *, learn: bool = False) -> None:
        super().__init__()
        self.learn = learn
        self.register_buffer("counts", torch.zeros(1))
        self.register_buffer("sum_x", torch.zeros(channels))
        self.register_buffer("sum_x2", torch.zeros(channels))

    def statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation, each [channels]; 0 and 1 below ten counted items."""
        if float(self.counts) < 10:
            return torch.zeros_like(self.sum_x), torch.ones_like(self.sum_x)
        mean = self.sum_x / self.counts
        return mean, (self.sum_x2 / self.counts - mean.square()).clamp_min(0).sqrt()

    def project(self, latents: Tensor) -> Tensor:
        """Normalise [B, channels, T]."""
        if self.learn and float(self.counts) < FROZEN_COUNT:
            head = latents[:, :, :LEARNING_FRAMES]
            self.counts += len(latents)
            self.sum_x += head.mean(2).sum(0)
            self.sum_x2 += head.square().mean(2).sum(0)
        mean, std = self.statistics()
        return (latents - mean[:, None]) / std.clamp_min(1e-12)[:, None]

    def restore(self, latents: Tensor) -> Tensor:
        """Undo `project` on [B, channels, T]."""
        mean, std = self.statistics()
        return latents * std[:, None] + mean[:, None]
