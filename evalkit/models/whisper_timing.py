"""When each word was sung: Whisper's attention to the sound, made monotonic by dynamic time warping.

Source: the steps are those of openai-whisper's ``timing.py``; warping is Sakoe and Chiba 1978.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

_NEXT_TOKEN, _NEXT_FRAME = 1, 2
"""Steps by one row or one column; 0 is one by both."""


def monotonic_path(scores: Tensor, first: int, n_frames: int, median_width: int) -> list[tuple[int, int]]:
    """The path of a text through the frames.

    Args:
        scores: Of the frames before the softmax [alignment heads, tokens, frames]; the last token ends the text.
        first: Number of tokens before the text.
        n_frames: Frames that hold sound.
        median_width: Odd number of frames over which each head's attention is smoothed.

    Returns:
        Pairs of token and frame from the first to the last, both counted from 0.
    """
    weights = torch.softmax(scores[:, :, :n_frames], dim=-1)
    spread, mean = torch.std_mean(weights, dim=-2, keepdim=True, correction=0)
    level = _median((weights - mean) / spread, median_width).mean(dim=0)
    return warp(-level[first:-1].double().cpu().numpy())


def _median(values: Tensor, width: int) -> Tensor:
    reach = width // 2
    if values.shape[-1] <= reach:
        return values
    padded = functional.pad(values, (reach, reach, 0, 0), mode="reflect")
    return padded.unfold(-1, width, 1).median(dim=-1).values


def warp(costs: npt.NDArray[np.float64]) -> list[tuple[int, int]]:
    """The cheapest monotonic path through a matrix, from its first corner to its last.

    Computed along antidiagonals, whose cells do not depend on each other.

    Args:
        costs: Of each cell [rows, columns], at least one of each.
    """
    n_rows, n_columns = costs.shape
    steps = np.full((n_rows + 1, n_columns + 1), _NEXT_FRAME, dtype=np.uint8)
    steps[:, 0] = _NEXT_TOKEN
    before = np.full(n_rows + 1, np.inf)  # the antidiagonal two before, by row; then the one before
    before[0] = 0.0
    last = np.full(n_rows + 1, np.inf)
    for diagonal in range(2, n_rows + n_columns + 1):
        rows = np.arange(max(1, diagonal - n_columns), min(n_rows, diagonal - 1) + 1)
        both, token, frame = before[rows - 1], last[rows - 1], last[rows]
        step = np.argmin([both, token, frame], axis=0)  # the first of equals
        cheapest = np.minimum(np.minimum(both, token), frame)
        steps[rows, diagonal - rows] = step
        before, last = last, np.full(n_rows + 1, np.inf)
        last[rows] = costs[rows - 1, diagonal - rows - 1] + cheapest
    path = []
    row, column = n_rows, n_columns
    while row > 0 or column > 0:
        path.append((row - 1, column - 1))
        step_here = steps[row, column]
        row -= step_here != _NEXT_FRAME
        column -= step_here != _NEXT_TOKEN
    return [(int(token), int(frame)) for token, frame in reversed(path)]
