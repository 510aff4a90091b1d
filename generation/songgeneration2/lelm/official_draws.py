"""The chance of the official program, drawn again from its seed.

There, ``torch.multinomial`` on a CPU divides probabilities by exponential numbers and takes the largest quotient. Under
the official torch 2.6 these numbers come from Intel's generator MCG31m1 (x ← 1132489760·x mod 2³¹-1), started anew at
each call from the next output of torch's Mersenne Twister. Current torch draws them differently, so a seed would no
longer give the official song; this module keeps the old way. Two calls are made a step: one for the mixed stream, then
one for vocals and accompaniment.

Source: Intel oneMKL, "Notes for oneMKL Vector Statistics", MCG31m1; checked against a recorded official run.
"""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

_MODULUS = 2**31 - 1
_MULTIPLIER = 1_132_489_760


class OfficialDraws:
    """Draws of one song.

    Args:
        seed: The seed given to ``torch.manual_seed``.
        steps: Steps of the joint loop.
    """

    def __init__(self, seed: int, steps: int) -> None:
        # The legacy seeding is torch's; its outputs are part of the official result.
        twister = np.random.RandomState(seed & 0xFFFFFFFF)
        self._starts = twister.randint(0, 2**32, 2 * steps, dtype=np.uint32).astype(np.int64)

    def pick_mixed(self, weights: Tensor, step: int) -> Tensor:
        """Draw the mixed stream's code of a step from weights [vocabulary]."""
        return self._pick(weights[None], 2 * step)[0]

    def pick_stems(self, weights: Tensor, step: int) -> Tensor:
        """Draw vocals and accompaniment of a step from weights [2, vocabulary]."""
        return self._pick(weights, 2 * step + 1)

    def _pick(self, weights: Tensor, call: int) -> Tensor:
        start = int(self._starts[call]) % _MODULUS or 1
        numbers = start * _powers(weights.numel()) % _MODULUS
        exponentials = -np.log(numbers / _MODULUS)
        quotients = weights.cpu() / torch.from_numpy(exponentials.astype(np.float32)).view(weights.shape)
        return quotients.argmax(-1).to(weights.device)


@lru_cache(maxsize=4)
def _powers(count: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Powers of the multiplier, from 0 on."""
    powers = np.ones(1, dtype=np.int64)
    factor = _MULTIPLIER
    while len(powers) < count:
        powers = np.concatenate([powers, powers * factor % _MODULUS])
        factor = factor * factor % _MODULUS
    return powers[:count]
