"""Matrix products of a few rows, as fast as the machine reads weights.

On a CPU the product one gets for ``functional.linear`` with the few rows of a step reads weights at a quarter of the
memory bandwidth. oneDNN's does much better, and better still for several songs if the matrix lies in blocks; so
float32 matrices are laid out once, when they are loaded.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

_FEW_ROWS = 64
"""Up to so many rows a product is bound by reading the weights."""

_VERY_FEW_ROWS = 4
_BLOCK_NUMBERS = 2**20
_ALIASING_BYTES = 4096
_PAD_ROWS = 16


@dataclass(frozen=True, slots=True)
class Packed:
    """A float32 matrix in oneDNN's block layout; its last rows may be padding."""

    blocks: Tensor
    n_out: int


Matrix = Tensor | Packed
"""A weight matrix [out, in]."""


def pack(weight: Tensor) -> Matrix:
    """Lay a float32 matrix on a CPU out for `linear`; any other is returned as it is.

    Args:
        weight: Matrix [out, in]; not needed afterwards.
    """
    if weight.dtype != torch.float32 or weight.device.type != "cpu" or not _has_onednn():
        return weight
    n_out = weight.shape[0]
    # Results of several rows, each a multiple of a page long, would fall on the same lines of the cache.
    if n_out * weight.element_size() % _ALIASING_BYTES == 0:
        weight = functional.pad(weight, (0, 0, 0, _PAD_ROWS))
    return Packed(torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), _FEW_ROWS), n_out)


def linear(x: Tensor, weight: Matrix) -> Tensor:
    """Multiply rows by a weight matrix.

    A weight in bfloat16 or float16 beside float32 rows is widened on the way: many CPUs have no fast arithmetic for it,
    but it is half the bytes.

    Args:
        x: Rows [..., in].
        weight: Matrix [out, in].

    Returns:
        Products [..., out], in the dtype of ``x``.
    """
    if isinstance(weight, Packed):
        product: Tensor = _onednn(x, weight.blocks)
        return product if product.shape[-1] == weight.n_out else product[..., : weight.n_out]
    if weight.device.type != "cpu":
        return functional.linear(x, weight)
    rows = x.numel() // x.shape[-1]
    if rows > _FEW_ROWS:
        return functional.linear(x, weight.to(x.dtype))
    if rows <= _VERY_FEW_ROWS and _has_onednn():
        return torch.cat([_onednn(x, block.to(x.dtype)) for block in _blocks(weight)], dim=-1)
    # The transposed product of the same numbers is quicker than the usual one.
    columns = x.reshape(rows, -1).contiguous().t()
    product = columns.new_empty(weight.shape[0], rows)
    start = 0
    for block in _blocks(weight):
        torch.mm(block.to(x.dtype), columns, out=product[start : start + len(block)])
        start += len(block)
    return product.t().contiguous().view(*x.shape[:-1], weight.shape[0])


def _blocks(weight: Tensor) -> tuple[Tensor, ...]:
    """Rows that are widened together: few enough that the wide copy never leaves the processor's cache."""
    return torch.split(weight, max(1, _BLOCK_NUMBERS // weight.shape[1]))


def _onednn(x: Tensor, weight: Tensor) -> Tensor:
    product: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "")
    return product


def _has_onednn() -> bool:
    available: bool = torch._C._has_mkldnn
    return available and hasattr(torch.ops.mkldnn, "_linear_pointwise")
