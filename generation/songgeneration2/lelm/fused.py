"""Where our kernels run, and one step of a tower with them."""

import importlib.util
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from generation.songgeneration2.lelm.linear import Matrix, linear
from generation.songgeneration2.lelm.songs import Choir, Song
from generation.songgeneration2.lelm.tower import KvCache, Layer, Tower


def can_fuse(tower: Tower) -> bool:
    """Whether the kernels run this tower: a GPU, Triton, heads as wide as a power of two, and no padded matrices."""
    return (
        _has_kernels(tower.precision.device)
        and tower.head_dim & (tower.head_dim - 1) == 0
        and all(isinstance(matrix, Tensor) for layer in tower.layers for matrix in layer.matrices)
    )


def can_choose(songs: Sequence[Song], device: torch.device) -> bool:
    """Whether the kernels choose these songs' codes: a GPU with Triton, and one way of sampling, with draws of ours."""
    params = {song.params for song in songs}
    return _has_kernels(device) and all(
        len(params) == 1 and not one.greedy and one.top_p <= 0 and one.draws == "uniform" for one in params
    )


def choose_codes(logits: Tensor, choir: Choir, frame: int, *, uniforms: Tensor, banned: Tensor | None = None) -> None:
    """Choose a frame's codes and write them into the choir.

    Args:
        logits: Conditional and unconditional logits in turn [2 · songs, streams · 16385].
        choir: The songs, for which `can_choose` holds.
        frame: Number of the frame.
        uniforms: Numbers for the draws [places, frames], or [places, 2, frames] for the stems.
        banned: Codes that may not be chosen [places, 16385], for the mixed stream only.
    """
    from generation.songgeneration2.lelm import kernels  # Triton is not everywhere

    codes, column = choir.cells(frame)
    choose = kernels.choose_stem_codes if banned is None else partial(kernels.choose_mixed_codes, banned=banned)
    choose(logits, codes, column, frame, places=choir.places, uniforms=uniforms, params=choir.songs[0].params)


def _has_kernels(device: torch.device) -> bool:
    return device.type == "cuda" and importlib.util.find_spec("triton") is not None


class FusedStep:
    """Runs one position whose number is on the device; shapes depend on the number of rows only.

    Args:
        tower: The tower; its matrices are plain tensors.
        cache: Holds all positions before the one that is run.
    """

    def __init__(self, tower: Tower, cache: KvCache) -> None:
        from generation.songgeneration2.lelm import kernels  # Triton is not everywhere

        self._kernels, self._tower, self._cache = kernels, tower, cache
        self._rotations = torch.view_as_real(tower.rotations(cache.keys.shape[3]))

    def run(self, x: Tensor, position: Tensor) -> Tensor:
        """Run one position.

        Args:
            x: Embeddings [rows, 1, dim].
            position: Its position, int64 [1].

        Returns:
            Normed states [rows, 1, dim].
        """
        stream = x[:, 0].clone()
        layers = zip(self._tower.layers, self._cache.keys, self._cache.values, strict=True)
        delta: Tensor | None = None
        for layer, keys, values in layers:
            if len(stream) == 2:
                self._add_layer_of_two(stream, layer, keys, values, position)
            else:
                delta = self._layer(stream, delta, layer, keys, values, position)
        return self._kernels.add_and_norm(stream, delta, self._tower.norm, self._tower.norm_eps)[:, None]

    def _add_layer_of_two(self, stream: Tensor, layer: Layer, keys: Tensor, values: Tensor, position: Tensor) -> None:
        """One song alone: our products, which norm, gate and add as they go."""
        product, eps = self._kernels.product_of_two, self._tower.norm_eps
        attended = self._attend(product(stream, _plain(layer.qkv), norm=layer.norm1, eps=eps), keys, values, position)
        product(attended, _plain(layer.out), add_to=stream)
        hidden = product(stream, _plain(layer.gate_up), norm=layer.norm2, eps=eps, gated=True)
        product(hidden, _plain(layer.down), add_to=stream)

    def _layer(
        self, stream: Tensor, delta: Tensor | None, layer: Layer, keys: Tensor, values: Tensor, position: Tensor
    ) -> Tensor:
        """Several songs: the library's products; gives what is to be added to the stream."""
        kernels, eps = self._kernels, self._tower.norm_eps
        qkv = linear(kernels.add_and_norm(stream, delta, layer.norm1, eps), layer.qkv)
        delta = linear(self._attend(qkv, keys, values, position), layer.out)
        gate_up = linear(kernels.add_and_norm(stream, delta, layer.norm2, eps), layer.gate_up)
        return linear(kernels.gate(gate_up), layer.down)

    def _attend(self, qkv: Tensor, keys: Tensor, values: Tensor, position: Tensor) -> Tensor:
        split = qkv.view(len(qkv), 3, self._tower.n_heads, self._tower.head_dim)
        return self._kernels.attend(split, self._rotations, keys, values, position, self._cache.n_shared)


def _plain(matrix: Matrix) -> Tensor:
    assert isinstance(matrix, Tensor), "on a GPU the matrices of a layer are plain"
    return matrix
