"""A language model from its folder."""

from pathlib import Path

import torch

from evalkit.errors import ConfigError, ModelError
from generation.songgeneration2.checkpoint import Checkpoint, open_checkpoint
from generation.songgeneration2.lelm.config import read_config, tiny_config
from generation.songgeneration2.lelm.model import Lelm
from generation.songgeneration2.lelm.random_weights import random_weights
from generation.songgeneration2.lelm.tower import PRECISIONS, make_precision

WEIGHT_FILES = ("model.safetensors", "model.pt")


def load_lelm(
    folder: Path,
    *,
    precision: str = "fp32",
    device: str | torch.device = "cpu",
    staged: bool = False,
    fixed_steps: bool = False,
) -> Lelm:
    """Load a variant from its folder in the official layout.

    Args:
        folder: Holds ``config.yaml`` and ``model.pt`` (or ``model.safetensors``).
        precision: ``fp32``, ``fp16`` or ``bf16``.
        device: Where it runs.
        staged: Keep only one tower in memory at a time; results are the same.
        fixed_steps: Run single steps at fixed shapes; on a GPU they are captured as CUDA graphs.

    Returns:
        The model.

    Raises:
        ModelError: a file is absent, damaged, holds code, or does not fit.
        ConfigError: the precision is not known.
    """
    if precision not in PRECISIONS:
        raise ConfigError(f"Precision {precision!r} is not known.", f"Use one of: {', '.join(PRECISIONS)}.")
    weights = next((folder / name for name in WEIGHT_FILES if (folder / name).is_file()), None)
    if weights is None:
        raise ModelError(
            f"{folder} holds none of {', '.join(WEIGHT_FILES)}.", "Pull the model: evalkit models pull NAME."
        )
    config = read_config(folder / "config.yaml")
    return Lelm(
        open_checkpoint(weights), config, make_precision(precision, device), staged=staged, fixed_steps=fixed_steps
    )


def make_tiny_lelm(
    seed: int = 0,
    *,
    precision: str = "fp32",
    device: str | torch.device = "cpu",
    staged: bool = False,
    fixed_steps: bool = False,
) -> Lelm:
    """The whole model with small dimensions and random weights; options as in `load_lelm`."""
    config = tiny_config()
    weights = Checkpoint.from_tensors(random_weights(config, "v2", seed), "tiny-random")
    return Lelm(weights, config, make_precision(precision, device), staged=staged, fixed_steps=fixed_steps)
