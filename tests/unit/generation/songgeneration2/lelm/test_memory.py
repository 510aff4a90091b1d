"""Memory by arithmetic, against what the parts really allocate at the published sizes (without memory, on meta)."""

import pytest
import torch
from torch import Tensor

from generation.songgeneration2.checkpoint import Checkpoint
from generation.songgeneration2.codec.config import OFFICIAL
from generation.songgeneration2.codec.stages import empty_stage
from generation.songgeneration2.lelm.config import KNOWN
from generation.songgeneration2.lelm.memory import cache_numbers, peak_bytes, songs_that_fit, stage_weights
from generation.songgeneration2.lelm.model import Lelm
from generation.songgeneration2.lelm.tower import KvCache, Precision
from generation.songgeneration2.lelm.weights import unused_shapes, used_shapes

HALF = Precision(weights=torch.float16, activations=torch.float16, device=torch.device("meta"))
GPU = Precision(weights=torch.float16, activations=torch.float16, device=torch.device("cuda"))
WHOLE_SONG = 6750
CODEC_WORK_BYTES = 2.5e9
"""Of a renderer stage beside its weights: windows of a mix and two stems with guidance, or one piece of the decoder."""


def on_meta(variant: str) -> Lelm:
    config = KNOWN[variant]
    shapes = used_shapes(config, "v2") | unused_shapes(config)
    # One number seen everywhere: the shapes without their memory.
    one = torch.zeros((), dtype=torch.float16)
    tensors = {f"audiolm.{name}": one.expand(shape) for name, shape in shapes.items()}
    return Lelm(Checkpoint.from_tensors(tensors), config, HALF)


def numbers(stage: object) -> int:
    """Numbers in all tensors a stage holds."""
    total, waiting, seen = 0, [stage], set()
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, Tensor):
            total += item.numel() if item.dtype == torch.float16 else 0
        elif isinstance(item, list):
            waiting += item
        elif type(item).__module__.startswith("generation."):
            slots = getattr(type(item), "__slots__", ())
            waiting += [getattr(item, name) for name in slots] or list(vars(item).values())
    return total


@pytest.mark.parametrize("variant", ["v2-large", "v2-medium"])
def test_arithmetic_counts_what_is_allocated(variant: str) -> None:
    model = on_meta(variant)
    for stage, lend in ((1, model.first_stage), (2, model.second_stage)):
        with lend() as parts:
            assert sum(stage_weights(model.config, stage)) == numbers(parts)
            cache = KvCache(parts.tower, 2, model.config.prefix_len + model.config.delay + WHOLE_SONG)
            assert cache_numbers(model.config, stage, WHOLE_SONG) == cache.keys.numel() + cache.values.numel()


@pytest.mark.parametrize(("variant", "limit"), [("v2-large", 22e9), ("v2-medium", 12e9)])
def test_the_published_models_sing_whole_songs_within_their_memory(variant: str, limit: float) -> None:
    assert peak_bytes(KNOWN[variant], GPU, songs=1, frames=WHOLE_SONG, staged=True) <= limit
    for name in ("flow", "decoder", "encoder", "mixed", "stems"):
        state = empty_stage(name, OFFICIAL).state_dict()
        assert 4 * sum(tensor.numel() for tensor in state.values()) + CODEC_WORK_BYTES <= limit


def test_as_many_songs_as_fit() -> None:
    def fit(gigabytes: float, frames: int = WHOLE_SONG, at_most: int = 8) -> int:
        return songs_that_fit(
            KNOWN["v2-large"], GPU, budget=gigabytes * 1e9, frames=frames, staged=True, at_most=at_most
        )

    assert fit(22) == 2
    assert fit(79) == 8
    assert fit(79, at_most=3) == 3
    assert fit(22, frames=750) > 2
    assert fit(1) == 1, "a single song is always tried"


def test_several_songs_on_a_cpu_widen_their_matrices() -> None:
    config = KNOWN["v2-medium"]
    half = Precision(weights=torch.bfloat16)
    one, two = (peak_bytes(config, half, songs=songs, frames=100, staged=True) for songs in (1, 2))
    assert two - one > 2 * stage_weights(config, 1)[0]
