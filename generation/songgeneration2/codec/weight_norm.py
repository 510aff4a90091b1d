"""Weight-normalised convolutions that carry the official parameter names and can be folded.

The checkpoints store ``weight_g`` and ``weight_v``; the weight is ``g * v / ||v||``, the norm taken over all axes but
the first (which is the input channel of a transposed convolution). `fold` replaces the pair by the plain weight once,
so that no forward pass recomputes it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class WeightNorm(nn.Module):
    """A tensor stored as direction and length.

    Args:
        shape: Shape of the weight; the first axis is normalised separately.
        bias: Length of the bias, 0 for none.
    """

    def __init__(self, shape: tuple[int, ...], bias: int) -> None:
        super().__init__()
        self.weight_g: nn.Parameter | None = nn.Parameter(torch.empty(shape[0], *(1 for _ in shape[1:])))
        self.weight_v: nn.Parameter | None = nn.Parameter(torch.empty(shape))
        self.bias = nn.Parameter(torch.empty(bias)) if bias else None
        self.weight: nn.Parameter | None
        self.register_parameter("weight", None)

    def resolved(self) -> Tensor:
        """The plain weight."""
        if self.weight is not None:
            return self.weight
        assert self.weight_g is not None
        assert self.weight_v is not None
        norm: Tensor = torch.linalg.vector_norm(self.weight_v.flatten(1), dim=1).reshape(self.weight_g.shape)
        weight: Tensor = self.weight_v * (self.weight_g / norm)
        return weight

    def fold(self) -> None:
        """Keep only the plain weight; a second call changes nothing."""
        if self.weight is None:
            folded = nn.Parameter(self.resolved().detach(), requires_grad=False)
            self.weight_g, self.weight_v = None, None
            self.weight = folded


class WNConv1d(WeightNorm):
    """Convolution over time."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        *,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__((out_channels, in_channels, kernel), out_channels if bias else 0)
        self.stride, self.padding, self.dilation = stride, padding, dilation

    def forward(self, x: Tensor) -> Tensor:
        """[B, in, T] to [B, out, T']."""
        return F.conv1d(x, self.resolved(), self.bias, self.stride, self.padding, self.dilation)


class WNConvTranspose1d(WeightNorm):
    """Upsampling convolution over time; the weight is laid out [in, out, kernel]."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, *, stride: int, padding: int) -> None:
        super().__init__((in_channels, out_channels, kernel), out_channels)
        self.stride, self.padding = stride, padding

    def forward(self, x: Tensor) -> Tensor:
        """[B, in, T] to [B, out, T * stride] for even strides."""
        return F.conv_transpose1d(x, self.resolved(), self.bias, self.stride, self.padding)


def fold_weight_norm(module: nn.Module) -> nn.Module:
    """Fold every weight-normalised convolution inside `module`, in place; returns it."""
    for child in module.modules():
        if isinstance(child, WeightNorm):
            child.fold()
    return module
