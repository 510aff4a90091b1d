"""Kernels of one step on a GPU: what lies between the matrix products, read and written once.

A step of a few rows is bound by the bytes of its weights, keys and values. Each kernel does in one launch what would be
five to ten, and attention reads positions up to the current one, whose number lies on the device, so that one captured
graph serves every position. Numbers of programs, blocks and warps are the fastest of those tried on an H200.
"""

import torch
import triton
from torch import Tensor

from generation.songgeneration2.lelm import programs
from generation.songgeneration2.lelm.pattern import CODE_SIZE
from generation.songgeneration2.lelm.sampling import SamplingParams

_SPLIT_PROGRAMS = 4096
"""Attention programs to aim at: several for each multiprocessor of the largest GPUs."""

_MOST_SPLITS = 128
_ATTEND_BLOCK = 8
_GATE_BLOCK = 1024


def add_and_norm(x: Tensor, delta: Tensor | None, weight: Tensor, eps: float) -> Tensor:
    """Add to the residual stream in place, then RMS norm.

    Args:
        x: Residual stream [rows, dim], contiguous; changed unless ``delta`` is None.
        delta: What is added, same shape.
        weight: Weight of the norm [dim].
        eps: Added to the mean square.

    Returns:
        Normed rows [rows, dim].
    """
    out = torch.empty_like(x)
    rows, dim = x.shape
    programs.norm_program[(rows,)](
        x, x if delta is None else delta, weight, out, dim, eps,
        HAS_DELTA=delta is not None, BLOCK=triton.next_power_of_2(dim), num_warps=8,
    )  # fmt: skip
    return out


def attend(qkv: Tensor, rotations: Tensor, keys: Tensor, values: Tensor, position: Tensor, n_shared: int = 0) -> Tensor:
    """Rotate queries and keys of one position, attend to all up to it, and remember its key and value.

    The positions before are cut among programs, each with a softmax of its own; the merge adds the new one.

    Args:
        qkv: Queries, keys, values [rows, 3, heads, head_dim], contiguous; head_dim is a power of two.
        rotations: Cosine and sine of every position, float32 [positions, head_dim / 2, 2].
        keys: Keys of the layer [rows or more, heads, positions, head_dim], contiguous.
        values: Values, same shape.
        position: The new position, int64 [1].
        n_shared: So many first positions are the same in all odd rows; those of row 1 are read.

    Returns:
        Attended values [rows, heads · head_dim].
    """
    rows, _, heads, width = qkv.shape
    splits = triton.next_power_of_2(max(1, min(_MOST_SPLITS, _SPLIT_PROGRAMS // (rows * heads))))
    options = {"dtype": torch.float32, "device": qkv.device}
    sums = torch.empty(rows * heads, splits, width, **options)  # type: ignore[call-overload]
    tops, totals = torch.empty(2, rows * heads, splits, **options).unbind()  # type: ignore[call-overload]
    positions, scale = keys.shape[2], width**-0.5
    programs.attend_program[(rows * heads, splits)](
        qkv, rotations, keys, values, position, sums, tops, totals, n_shared, heads, positions, scale,
        SPLITS=splits, WIDTH=width, BLOCK=_ATTEND_BLOCK, num_warps=1,
    )  # fmt: skip
    out = torch.empty(rows, heads * width, dtype=qkv.dtype, device=qkv.device)
    programs.merge_program[(rows * heads,)](
        qkv, rotations, keys, values, position, sums, tops, totals, out, heads, positions, scale,
        SPLITS=splits, WIDTH=width, num_warps=4,
    )  # fmt: skip
    return out


def product_of_two(
    x: Tensor,
    weight: Tensor,
    *,
    norm: Tensor | None = None,
    eps: float = 0.0,
    gated: bool = False,
    add_to: Tensor | None = None,
) -> Tensor:
    """Products of two rows, the one song of a small batch, with a matrix that is read once.

    Args:
        x: Rows [2, in], contiguous.
        weight: Matrix [out, in], or [2 · out, in] if gated.
        norm: Weight of an RMS norm of the rows before the product [in]; None for none.
        eps: Added to its mean square.
        gated: Give SiLU of the first half of the products times the second half.
        add_to: Rows [2, out] that the products are added to in place.

    Returns:
        Products [2, out]; ``add_to`` if it was given.
    """
    n_out, n_in = weight.shape[0] // (2 if gated else 1), x.shape[1]
    out = add_to if add_to is not None else torch.empty(2, n_out, dtype=x.dtype, device=x.device)
    block = 2 if gated else 4
    wide = norm is not None  # the norm reads the rows twice: best in one go
    programs.product_program[(triton.cdiv(n_out, block),)](
        x, weight, out, norm if wide else x, eps, n_out,
        N_IN=n_in, NORM=wide, GATE=gated, ADD=add_to is not None, BLOCK_OUT=block,
        BLOCK_IN=min(2048 if wide else 1024, triton.next_power_of_2(n_in)), num_warps=2 if wide else 4,
    )  # fmt: skip
    return out


def gate(gate_up: Tensor) -> Tensor:
    """SiLU of the first half times the second half [rows, 2 · width] -> [rows, width]."""
    rows, width = gate_up.shape[0], gate_up.shape[1] // 2
    out = torch.empty(rows, width, dtype=gate_up.dtype, device=gate_up.device)
    programs.gate_program[(rows, triton.cdiv(width, _GATE_BLOCK))](gate_up, out, width, BLOCK=_GATE_BLOCK, num_warps=4)
    return out


def choose_mixed_codes(
    logits: Tensor,
    codes: Tensor,
    column: int,
    frame: int,
    *,
    places: Tensor,
    banned: Tensor,
    uniforms: Tensor,
    params: SamplingParams,
) -> None:
    """Guide, penalise, ban and draw the mixed stream's next codes, as `sampling.choose_mixed` does.

    Args:
        logits: Conditional and unconditional logits in turn [2 · songs, 16385].
        codes: Codes so far, int64 [songs or more, 1, columns]; ``column`` is written.
        column: Where this frame's codes go; the window lies before it.
        frame: Number of the frame.
        places: Rows of ``banned`` and ``uniforms`` for each song, int64 [songs or more].
        banned: Codes that may not be chosen, bool [songs, 16385].
        uniforms: Numbers in [0, 1), float64 [songs, frames].
        params: Sampling parameters that `can_choose` allows.
    """
    programs.mixed_program[(len(logits) // 2,)](
        logits, logits.stride(0), codes, codes.stride(0), column, banned, uniforms, uniforms.shape[-1], frame, places,
        params.cfg_coef, params.temperature, params.penalty, params.top_k,
        SIZE=CODE_SIZE, WINDOW=params.record_window, CORRECTED=params.penalty_rule == "corrected",
        num_warps=16, enable_fp_fusion=False,  # so that equals are those of the plain way
    )  # fmt: skip


def choose_stem_codes(
    logits: Tensor,
    codes: Tensor,
    column: int,
    frame: int,
    *,
    places: Tensor,
    uniforms: Tensor,
    params: SamplingParams,
) -> None:
    """Guide, penalise and choose the next codes of vocals and accompaniment, as `sampling.choose_stems` does.

    Args:
        logits: Conditional and unconditional logits in turn [2 · songs, 2 · 16385].
        codes: Codes so far, int64 [songs or more, 2, columns]; ``column`` is written.
        column: Where this frame's codes go; the window lies before it.
        frame: Number of the frame.
        places: Rows of ``uniforms`` for each song, int64 [songs or more].
        uniforms: Numbers in [0, 1), float64 [songs, 2, frames].
        params: Sampling parameters that `can_choose` allows.
    """
    programs.stems_program[(len(logits) // 2, 2)](
        logits, logits.stride(0), codes, codes.stride(1), column, uniforms, uniforms.shape[-1], frame, places,
        params.cfg_coef, params.penalty,
        SIZE=CODE_SIZE, WINDOW=params.record_window, CORRECTED=params.penalty_rule == "corrected",
        num_warps=16, enable_fp_fusion=False,  # so that equals are those of the plain way
    )  # fmt: skip
