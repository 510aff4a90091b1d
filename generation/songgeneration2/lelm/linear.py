"""Matrix products of a few rows, as fast as the machine reads weights."""

import torch
from torch import Tensor
from torch.nn import functional

_FEW_ROWS = 64
_BLOCK_NUMBERS = 2**19


def linear(x: Tensor, weight: Tensor) -> Tensor:
    """Multiply rows by a weight matrix stored [out, in].

    On a CPU the usual product with few rows runs at a third of the memory bandwidth; the transposed product of the same
    numbers does not. A weight in bfloat16 or float16 beside float32 rows is widened on the way: such CPUs have no
    fast arithmetic for it, but half the bytes.

    Args:
        x: Rows [..., in].
        weight: Matrix [out, in].

    Returns:
        Products [..., out], in the dtype of ``x``.
    """
    if weight.device.type != "cpu":
        return functional.linear(x, weight)
    rows = x.numel() // x.shape[-1]
    if rows > _FEW_ROWS:
        return functional.linear(x, weight.to(x.dtype))
    columns = x.reshape(rows, -1).contiguous().t()
    product = weight.mm(columns) if weight.dtype == x.dtype else _widened_product(weight, columns)
    return product.t().contiguous().view(*x.shape[:-1], weight.shape[0])


def _widened_product(weight: Tensor, columns: Tensor) -> Tensor:
    """Widen a block of the weight at a time, so that the wide copy never leaves the processor's cache."""
    product = columns.new_empty(weight.shape[0], columns.shape[1])
    n_rows = max(1, _BLOCK_NUMBERS // weight.shape[1])
    for start in range(0, weight.shape[0], n_rows):
        block = slice(start, start + n_rows)
        torch.mm(weight[block].to(columns.dtype), columns, out=product[block])
    return product
