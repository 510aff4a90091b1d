"""Vector quantiser with one codebook of L2-compared, low-dimensional codes (the descript-audio-codec form)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generation.songgeneration2.codec.config import RvqConfig
from generation.songgeneration2.codec.weight_norm import WNConv1d


class Codebook(nn.Module):
    """One level: projection down, nearest code, projection up.

    Args:
        config: Dimensions.
        encode: Build the projection down; rendering needs only the other one.
    """

    def __init__(self, config: RvqConfig, *, encode: bool = True) -> None:
        super().__init__()
        self.in_proj = WNConv1d(config.input_dim, config.codebook_dim, 1) if encode else None
        self.out_proj = WNConv1d(config.codebook_dim, config.input_dim, 1)
        self.codebook = nn.Embedding(config.codebook_size, config.codebook_dim)


class ResidualVQ(nn.Module):
    """The quantiser under its official name; this family uses one level."""

    def __init__(self, config: RvqConfig, *, encode: bool = True) -> None:
        super().__init__()
        self.quantizers = nn.ModuleList([Codebook(config, encode=encode)])

    @property
    def level(self) -> Codebook:
        """The only level."""
        level = self.quantizers[0]
        assert isinstance(level, Codebook)
        return level

    def project(self, features: Tensor) -> Tensor:
        """Features [B, input_dim, T] to the code space [B, codebook_dim, T]."""
        if self.level.in_proj is None:
            raise RuntimeError("This quantiser was built for decoding only.")
        projected: Tensor = self.level.in_proj(features)
        return projected

    def encode(self, features: Tensor) -> Tensor:
        """Nearest code of every frame.

        Args:
            features: [B, input_dim, T].

        Returns:
            Codes int64 [B, T]; on a tie the lowest number.
        """
        latents = F.normalize(self.project(features).transpose(1, 2), dim=-1)  # [B, T, d]
        codes = F.normalize(self.level.codebook.weight, dim=-1)  # [N, d]
        # The squared distance in the order |a|^2 - 2ab + |b|^2: the norms are 1 only up to rounding.
        distance = latents.square().sum(-1, keepdim=True) - 2 * latents @ codes.T + codes.square().sum(-1)
        return torch.argmin(distance, dim=-1)

    def decode(self, codes: Tensor) -> Tensor:
        """Code vectors projected up.

        Args:
            codes: int64 [B, T].

        Returns:
            [B, input_dim, T].
        """
        rows: Tensor = self.level.codebook(codes)
        quantised: Tensor = self.level.out_proj(rows.transpose(1, 2))
        return quantised
