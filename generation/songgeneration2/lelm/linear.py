"""Matrix products of a few rows, as fast as the machine reads weights."""

from torch import Tensor
from torch.nn import functional

_FEW_ROWS = 64


def linear(x: Tensor, weight: Tensor) -> Tensor:
    """Multiply rows by a weight matrix stored [out, in].

    On a CPU the usual product with few rows runs at a third of the memory bandwidth; the transposed product of the same
    numbers does not. A weight in bfloat16 or float16 beside float32 rows is widened on the way: such CPUs have no
    arithmetic for it, but half the bytes.

    Args:
        x: Rows [..., in].
        weight: Matrix [out, in].

    Returns:
        Products [..., out], in the dtype of ``x``.
    """
    if weight.device.type != "cpu":
        return functional.linear(x, weight)
    if weight.dtype != x.dtype:
        weight = weight.to(x.dtype)
    rows = x.numel() // x.shape[-1]
    if rows > _FEW_ROWS:
        return functional.linear(x, weight)
    product = weight.mm(x.reshape(rows, -1).contiguous().t())
    return product.t().contiguous().view(*x.shape[:-1], weight.shape[0])
