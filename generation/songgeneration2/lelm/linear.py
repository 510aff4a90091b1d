"""Matrix products of a few rows, as fast as the machine reads weights.

On a CPU the speed of a step depends on how a matrix lies in memory. For the two rows of one song the outputs are cut
into one column block for each thread, transposed, and multiplied as a batch: `functional.linear` uses one thread there
and a fraction of the memory bandwidth. For several songs oneDNN's block layout is the fastest; a matrix is turned over
to it when it first meets so many rows, and stays there. A prefix has more rows than any batch of songs and takes the
layout that it finds: one song alone is sung in column blocks to its end.
"""

import torch
from torch import Tensor
from torch.nn import functional

from evalkit.models.blocked import HAS_ONEDNN, BlockedMatrix

_FEW_ROWS = 4
"""Up to so many rows column blocks are faster than oneDNN."""

_PREPARED_ROWS = 64
"""Rows that oneDNN's layout is made for; it takes any number, but no more than these bring it about."""

_BLOCK_NUMBERS = 2**20
_ALIGNED_OUTPUTS = 16


class Packed:
    """A matrix on a CPU, laid out for `linear`; products are float32.

    A matrix in bfloat16 or float16 is widened on the way, in pieces that stay in the processor's cache: many CPUs have
    no fast arithmetic for it, but it is half the bytes. For several songs it is widened once, since their products are
    bound by arithmetic.

    Args:
        weight: Matrix [out, in].
    """

    def __init__(self, weight: Tensor) -> None:
        self.n_out, n_in = weight.shape
        self._blocked: BlockedMatrix | None = None
        n_parts = torch.get_num_threads()
        width = -(-self.n_out // (n_parts * _ALIGNED_OUTPUTS)) * _ALIGNED_OUTPUTS
        parts = functional.pad(weight, (0, 0, 0, n_parts * width - self.n_out)).view(n_parts, width, n_in)
        piece = width if weight.dtype == torch.float32 else max(1, _BLOCK_NUMBERS // (n_parts * n_in))
        # Products of a row with columns run along whichever side is longer.
        self._leading = 2 if self.n_out > n_in else 1
        self._pieces = tuple(
            (part.transpose(1, 2).contiguous() if self._leading == 2 else part.contiguous())
            for part in torch.split(parts, piece, dim=1)
        )

    def product(self, rows: Tensor) -> Tensor:
        """Rows float32 [rows, in] to products [rows, out]."""
        if self._blocked is None and _FEW_ROWS < len(rows) <= _PREPARED_ROWS and HAS_ONEDNN:
            self._turn_over()
        if self._blocked is not None:
            return self._blocked.product(rows)
        batch = rows.expand(len(self._pieces[0]), -1, -1)
        parts = [torch.bmm(batch, self._columns(piece.float())) for piece in self._pieces]
        product = parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)
        return product.transpose(0, 1).flatten(1)[:, : self.n_out]

    def _columns(self, piece: Tensor) -> Tensor:
        return piece if self._leading == 2 else piece.transpose(1, 2)

    def _turn_over(self) -> None:
        whole = torch.cat([self._columns(piece) for piece in self._pieces], dim=2)
        weight = whole.transpose(1, 2).flatten(0, 1)[: self.n_out].float()
        self._blocked = BlockedMatrix(weight, _PREPARED_ROWS)
        self._pieces = ()


def padded_outputs(n_out: int) -> int:
    """Outputs that a matrix with ``n_out`` of them has on a GPU."""
    return -(-n_out // _ALIGNED_OUTPUTS) * _ALIGNED_OUTPUTS


class Padded:
    """A matrix on a GPU with a few outputs of zeros more, so that results of all rows lie as its fast products want.

    Args:
        weight: Matrix [out, in].
    """

    def __init__(self, weight: Tensor) -> None:
        self.n_out = len(weight)
        self._weight = functional.pad(weight, (0, 0, 0, padded_outputs(self.n_out) - self.n_out))

    def product(self, rows: Tensor) -> Tensor:
        """Rows [rows, in] to products [rows, out]."""
        return functional.linear(rows, self._weight)[:, : self.n_out]


Matrix = Tensor | Packed | Padded
"""A weight matrix [out, in]."""


def pack(weight: Tensor) -> Matrix:
    """Lay a matrix out for `linear`; on a GPU nearly every one stays as it is.

    Args:
        weight: Matrix [out, in]; not needed afterwards.
    """
    if weight.device.type == "cpu":
        return Packed(weight)
    return Padded(weight) if len(weight) % _ALIGNED_OUTPUTS else weight


def linear(x: Tensor, weight: Matrix) -> Tensor:
    """Multiply rows by a weight matrix.

    Args:
        x: Rows [..., in].
        weight: Matrix [out, in].

    Returns:
        Products [..., out], in the dtype of ``x``.
    """
    if isinstance(weight, Tensor):
        return functional.linear(x, weight)
    product = weight.product(x.reshape(-1, x.shape[-1]))
    return product if x.dim() == 2 else product.reshape(*x.shape[:-1], weight.n_out)
