"""Run a long sequence through a network in equal, overlapping pieces and paste the results.

Each piece gives up half the overlap on every inner side, nothing is blended; if half the overlap covers the network's
receptive field the result equals one long pass up to rounding. All pieces have the same length, so several run as a
batch.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from generation.songgeneration2.codec.config import VaeConfig


def chunk_starts(length: int, chunk: int, overlap: int) -> list[int]:
    """Starts of the pieces: every ``chunk - overlap``, and one more flush with the end if needed."""
    starts = list(range(0, length - chunk + 1, chunk - overlap))
    if starts[-1] + chunk != length:
        starts.append(length - chunk)
    return starts


def run_chunked(
    network: Callable[[Tensor], Tensor],
    x: Tensor,
    *,
    chunk: int,
    overlap: int,
    up: int = 1,
    down: int = 1,
    batch: int = 1,
) -> Tensor:
    """Apply `network` to [B, C, T] in pieces of `chunk` frames.

    Args:
        network: Maps [B, C, n * down] to [B, D, n * up].
        x: Input; its length in frames is ``T // down``. Not longer than one piece: passed on whole.
        chunk: Piece length in frames.
        overlap: Frames shared by two pieces.
        up: Output samples per frame.
        down: Input samples per frame.
        batch: Pieces run together.

    Returns:
        [B, D, T // down * up].
    """
    frames = x.shape[-1] // down
    if frames <= chunk:
        return network(x)
    trim = overlap // 2
    starts = chunk_starts(frames, chunk, overlap)
    result: Tensor | None = None
    for first in range(0, len(starts), batch):
        group = starts[first : first + batch]
        pieces = torch.cat([x[..., start * down : (start + chunk) * down] for start in group])
        outputs = network(pieces).chunk(len(group))
        for start, output in zip(group, outputs, strict=True):
            if result is None:
                result = output.new_empty(output.shape[0], output.shape[1], frames * up)
            left = 0 if start == 0 else trim
            right = chunk if start + chunk == frames else chunk - trim
            result[..., (start + left) * up : (start + right) * up] = output[..., left * up : right * up]
    assert result is not None
    return result


def decoder_halo(config: VaeConfig) -> int:
    """Latent frames on either side that an output frame of the VAE decoder depends on (10 in the published model)."""
    reach, scale = 0.0, 1  # in samples at the current rate, from the output back to the latents
    reach += 3  # output convolution, kernel 7
    for stride in config.strides:
        reach += sum(3 * dilation for dilation in (1, 3, 9))
        # A transposed convolution with kernel 2s and padding s/2 spreads one input over 2s outputs.
        reach = (reach + 1.5 * stride) / stride
        scale *= stride
    return int(reach + 3) + 1


def encoder_halo(config: VaeConfig) -> int:
    """Frames on either side that a latent of the VAE encoder depends on (7 in the published model)."""
    reach = 1.0  # output convolution, kernel 3
    for stride in reversed(config.strides):
        reach = reach * stride + 1.5 * stride
        reach += sum(3 * dilation for dilation in (1, 3, 9))
    return int((reach + 3) / config.ratio) + 1
