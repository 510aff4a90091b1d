"""Seeded random weights under the official names: the whole model without a download."""

import math

import torch
from torch import Tensor

from generation.songgeneration2.lelm.config import LelmConfig
from generation.songgeneration2.lelm.pattern import EOS
from generation.songgeneration2.lelm.weights import used_shapes
from generation.songgeneration2.text.tokenizer import Version

_LOGIT_STD = 3.0


def random_weights(config: LelmConfig, version: Version = "v2", seed: int = 0) -> dict[str, Tensor]:
    """Make a state dict that `Lelm` accepts.

    States keep their size through the layers and logits spread like those of a trained model. The end code has logit 0:
    it is neither best nor among the 5000 best, so songs reach the length that was asked for.

    Args:
        config: Dimensions.
        version: Vocabulary of the style conditioner.
        seed: Everything follows from it.

    Returns:
        Tensors by name, float32.
    """
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, shape in used_shapes(config, version).items():
        if name.endswith("norm.weight"):
            weights[name] = torch.ones(shape)
            continue
        values = torch.randn(shape, generator=generator)
        if name.endswith((".bias", "_emb")) or ".emb." in name or "_emb" in name or "output_proj" in name:
            weights[name] = values
        elif "head" in name or name.startswith("linears."):
            weights[name] = values * (_LOGIT_STD / math.sqrt(config.dim))
            weights[name][EOS] = 0.0
        else:
            weights[name] = values / math.sqrt(shape[-1])
    return weights
