"""48 kHz to 24 kHz by the windowed sinc the tokenizers were trained with.

Other resamplers change more than a tenth of the codes, so the kernel of the checkpoint is used; `halving_kernel` is the
same by formula.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TAPS = 28
ZERO_CROSSINGS = 6
ROLLOFF = 0.99


def halving_kernel() -> Tensor:
    """Hann-windowed sinc for a ratio of two, float32 [1, 1, 28] (computed in float64)."""
    time = (ROLLOFF * (torch.arange(TAPS, dtype=torch.float64) - 13) / 2).clamp(-ZERO_CROSSINGS, ZERO_CROSSINGS)
    window = torch.cos(time * torch.pi / (2 * ZERO_CROSSINGS)).square()
    return (torch.sinc(time) * window * ROLLOFF / 2).float()[None, None]


class Halve(nn.Module):
    """Downsample by two."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", torch.empty(1, 1, TAPS))

    def forward(self, x: Tensor) -> Tensor:
        """[B, N] to [B, ceil(N / 2)]."""
        length = -(-x.shape[-1] // 2)
        return F.conv1d(F.pad(x[:, None], (13, 15)), self.kernel, stride=2)[:, 0, :length]
