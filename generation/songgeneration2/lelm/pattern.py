"""The delay pattern: where each code of the three streams stands in the sequence the model reads.

Slot 0 is special in every stream. Frame t of stream q stands in slot t + 1 + delay_q; all other cells are special.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

CODE_SIZE = 16_384
EOS = 16_384
"""End of a stream: the one id after the codes."""
SPECIAL = 16_385
"""Stands wherever there is no code; never predicted."""
N_STREAMS = 3
"""Mixed song, vocals, accompaniment."""


def build(codes: Tensor, delays: Sequence[int], special: int = SPECIAL) -> tuple[Tensor, Tensor]:
    """Lay codes out in slots.

    Args:
        codes: Codes [batch, streams, frames].
        delays: Delay of each stream in slots.
        special: Fills the cells without a code.

    Returns:
        Sequence [batch, streams, frames + 1 + largest delay], and the mask of its valid cells [streams, slots].
    """
    batch, n_streams, frames = codes.shape
    slots = frames + 1 + max(delays)
    sequence = torch.full((batch, n_streams, slots), special, dtype=codes.dtype, device=codes.device)
    mask = torch.zeros((n_streams, slots), dtype=torch.bool, device=codes.device)
    for stream, delay in enumerate(delays):
        sequence[:, stream, 1 + delay : 1 + delay + frames] = codes[:, stream]
        mask[stream, 1 + delay : 1 + delay + frames] = True
    return sequence, mask


def revert(sequence: Tensor, delays: Sequence[int], frames: int, special: int = SPECIAL) -> tuple[Tensor, Tensor]:
    """Take the codes out of their slots again.

    Args:
        sequence: Sequence [batch, streams, slots]; it may have lost its last slots.
        delays: Delay of each stream in slots.
        frames: Frames to return.
        special: Fills the frames whose slot is lost.

    Returns:
        Codes [batch, streams, frames], and the mask of the frames that were there [streams, frames].
    """
    return _gather(sequence, [1 + delay for delay in delays], frames, special)


def revert_logits(
    logits: Tensor, delays: Sequence[int], frames: int, fill: float = float("nan")
) -> tuple[Tensor, Tensor]:
    """Bring logits to frames; slot s predicts slot s + 1, so frame t comes from slot t + delay.

    Args:
        logits: Logits [batch, vocabulary, streams, slots].
        delays: Delay of each stream in slots.
        frames: Frames to return.
        fill: Stands where a slot is missing.

    Returns:
        Logits [batch, vocabulary, streams, frames], and the mask of the frames that were there [streams, frames].
    """
    return _gather(logits, delays, frames, fill)


def _gather(values: Tensor, starts: Sequence[int], frames: int, fill: float) -> tuple[Tensor, Tensor]:
    result = values.new_full((*values.shape[:-1], frames), fill)
    mask = torch.zeros((len(starts), frames), dtype=torch.bool, device=values.device)
    for stream, start in enumerate(starts):
        found = max(0, min(frames, values.shape[-1] - start))
        result[..., stream, :found] = values[..., stream, start : start + found]
        mask[stream, :found] = True
    return result, mask


def cut_at_end(codes: Tensor) -> Tensor:
    """Cut codes [streams, frames] before the first frame in which any stream ends."""
    ends = (codes == EOS).any(dim=0).nonzero()
    return codes[:, : int(ends[0])] if len(ends) else codes
