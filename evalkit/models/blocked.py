"""Weight matrices in oneDNN's block layout: products of a few rows at a speed near that of arithmetic or memory."""

import torch
from torch import Tensor
from torch.nn import functional

_ALIASING_BYTES = 4096
_SPARE_OUTPUTS = 16

HAS_ONEDNN: bool = torch._C._has_mkldnn and hasattr(torch.ops.mkldnn, "_linear_pointwise")
"""Whether this build of PyTorch has the layout; without it a matrix keeps its own."""


class BlockedMatrix:
    """A float32 matrix on a CPU, laid out once.

    Args:
        weight: Matrix [out, in].
        rows: Number of rows the layout is made for; any number may be multiplied.
    """

    def __init__(self, weight: Tensor, rows: int) -> None:
        self.n_out = len(weight)
        # Results of several rows, each a multiple of a page long, would fall on the same lines of the cache.
        if self.n_out * weight.element_size() % _ALIASING_BYTES == 0:
            weight = functional.pad(weight, (0, 0, 0, _SPARE_OUTPUTS))
        self._blocks: Tensor = weight.contiguous()
        if HAS_ONEDNN:
            self._blocks = torch.ops.mkldnn._reorder_linear_weight(self._blocks, rows)

    def product(self, rows: Tensor) -> Tensor:
        """Rows float32 [rows, in] to products [rows, out]."""
        if not HAS_ONEDNN:
            return functional.linear(rows, self._blocks)[:, : self.n_out]
        product: Tensor = torch.ops.mkldnn._linear_pointwise(rows, self._blocks, None, "none", [], "")
        return product[:, : self.n_out]
