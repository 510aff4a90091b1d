"""How much memory the language model needs, by arithmetic: how many songs fit together on a device.

Only the towers, their caches and states count; text and prompt tables stay mapped on disk.
"""

import os
from typing import Literal

import torch

from generation.songgeneration2.lelm.config import LelmConfig
from generation.songgeneration2.lelm.linear import padded_outputs
from generation.songgeneration2.lelm.pattern import CODE_SIZE
from generation.songgeneration2.lelm.tower import POSITION_BLOCK, Precision

WORKING_BYTES = 1.5e9
"""Room for what is neither weight nor cache: prefixes in the making, logits, libraries, fragments."""

Stage = Literal[1, 2]


def device_memory(device: torch.device) -> float:
    """All memory of a GPU, or of the machine; unlimited where the system does not tell."""
    if device.type == "cuda":
        return float(torch.cuda.get_device_properties(device).total_memory)
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):
        return float("inf")


def stage_weights(config: LelmConfig, stage: Stage) -> tuple[int, int]:
    """Numbers a stage keeps on the device: those of its matrices, and those of its tables, norms and biases."""
    dim, layers = config.dim, config.n_layers1 if stage == 1 else config.n_layers2
    layer = 4 * dim**2 + 3 * dim * config.inter_dim
    heads, tables = (1, 1) if stage == 1 else (2, 2)
    matrices = layers * layer + padded_outputs(heads * (CODE_SIZE + 1)) * dim
    rest = (2 * layers + 1) * dim + tables * (CODE_SIZE + 2) * dim
    if stage == 2:  # the bridge
        matrices += 3 * dim**2
        rest += 2 * dim
    return matrices, rest


def cache_numbers(config: LelmConfig, stage: Stage, frames: int) -> int:
    """Keys and values of one song, both rows."""
    layers = config.n_layers1 if stage == 1 else config.n_layers2
    positions = config.prefix_len + config.delay + frames
    return 2 * 2 * layers * config.dim * -(-positions // POSITION_BLOCK) * POSITION_BLOCK


def state_numbers(config: LelmConfig, frames: int) -> int:
    """States of the first tower that one song hands to the second, both rows."""
    return 2 * config.dim * (config.prefix_len + config.delay + frames)


def peak_bytes(config: LelmConfig, precision: Precision, *, songs: int, frames: int, staged: bool) -> float:
    """Largest need of the device while songs are sung together.

    Args:
        config: Dimensions.
        precision: Dtypes.
        songs: Songs in one batch.
        frames: Longest of them.
        staged: Whether only one tower is there at a time.
    """
    wide, narrow = precision.activations.itemsize, precision.weights.itemsize
    if songs > 1 and precision.device.type == "cpu":
        narrow = wide  # several songs widen the matrices

    def weights(stage: Stage) -> int:
        matrices, rest = stage_weights(config, stage)
        return matrices * narrow + rest * wide

    def work(stage: Stage) -> int:
        # The second stage holds the states and their share of its bridge.
        copies = 1 if stage == 1 else 2
        song = cache_numbers(config, stage, frames) + copies * state_numbers(config, frames)
        nulls: tuple[Stage, ...] = (1,) if stage == 1 else (1, 2)
        return (songs * song + sum(cache_numbers(config, tower, 0) for tower in nulls) // 2) * wide

    if staged:
        need = max(weights(1) + work(1), weights(2) + work(2))
    else:
        need = weights(1) + weights(2) + max(work(1), work(2))
    return need + WORKING_BYTES


def songs_that_fit(
    config: LelmConfig, precision: Precision, *, budget: float, frames: int, staged: bool, at_most: int
) -> int:
    """Songs of a length that fit a number of bytes together; at least one, at most ``at_most``."""
    fitting = [
        songs
        for songs in range(1, at_most + 1)
        if peak_bytes(config, precision, songs=songs, frames=frames, staged=staged) <= budget
    ]
    return max(fitting, default=1)
