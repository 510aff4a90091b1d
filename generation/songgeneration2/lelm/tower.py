"""One tower: a Llama decoder without embeddings and head, and its key-value cache.

Keys are rotated as complex numbers: at load the rows of the query and key projections are reordered so that the two
channels of a rotation stand side by side. Scores do not change, for both sides are reordered alike.
"""

from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from generation.songgeneration2.lelm.attention import attend_by_channel, attend_shared
from generation.songgeneration2.lelm.linear import Matrix, linear, pack


class TensorReader(Protocol):
    """Gives tensors by official name."""

    def tensor(self, name: str, *, dtype: torch.dtype | None = None, device: str | torch.device = "cpu") -> Tensor:
        """Read one tensor, converted and placed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """How numbers are held.

    Attributes:
        weights: Dtype of the matrices in memory.
        activations: Dtype of states and cache.
        device: Where the towers run.
    """

    weights: torch.dtype = torch.float32
    activations: torch.dtype = torch.float32
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))


PRECISIONS = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def make_precision(name: str, device: str | torch.device = "cpu") -> Precision:
    """Precision by name: ``fp32``, ``fp16`` or ``bf16``.

    On a CPU the half formats hold the weights only; states and cache stay float32, which is both faster and closer to
    the exact numbers there.
    """
    dtype, device = PRECISIONS[name], torch.device(device)
    return Precision(weights=dtype, activations=torch.float32 if device.type == "cpu" else dtype, device=device)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Weights of one layer; q, k and v, and gate and up, are one matrix each."""

    qkv: Matrix
    out: Matrix
    gate_up: Matrix
    down: Matrix
    norm1: Tensor
    norm2: Tensor

    @property
    def matrices(self) -> tuple[Matrix, ...]:
        """The four matrices, in the order of their use."""
        return self.qkv, self.out, self.gate_up, self.down


POSITION_BLOCK = 256
"""Caches are made of whole blocks of positions."""


class KvCache:
    """Keys and values of every layer, allocated once and zero: steps at fixed shapes read behind their position.

    Attributes:
        keys: Rotated keys [layers, rows, heads, positions, head_dim].
        values: Values, same shape.
        by_channel: Whether the keys of a channel lie together in memory, as for one song on a CPU.
    """

    def __init__(self, tower: "Tower", rows: int, positions: int) -> None:
        positions = -(-positions // POSITION_BLOCK) * POSITION_BLOCK
        shape = (len(tower.layers), rows, tower.n_heads, positions, tower.head_dim)
        options = {"dtype": tower.precision.activations, "device": tower.precision.device}
        self.by_channel = rows == 2 and tower.precision.device.type == "cpu"
        keys_shape = (*shape[:3], tower.head_dim, positions) if self.by_channel else shape
        keys = torch.zeros(keys_shape, **options)  # type: ignore[call-overload]
        self.keys: Tensor = keys.mT if self.by_channel else keys
        self.values = torch.zeros(shape, **options)  # type: ignore[call-overload]
        self.shared: tuple[Tensor, Tensor] | None = None

    @property
    def n_shared(self) -> int:
        """Number of first positions that are the same in every odd row, as far as is known."""
        return 0 if self.shared is None else self.shared[0].shape[2]

    def share(self, prefix: "KvCache", positions: int) -> None:
        """Tell that the first positions of every odd row are those of another cache's only row.

        Single steps of several songs then read them once instead of once a song.
        """
        self.shared = (prefix.keys[:, 0, :, :positions], prefix.values[:, 0, :, :positions])

    def copy_row(self, source: "KvCache", source_row: int, row: int, positions: int) -> None:
        """Copy the first positions of a row from another cache, or from another row of this one."""
        self.keys[:, row, :, :positions] = source.keys[:, source_row, :, :positions]
        self.values[:, row, :, :positions] = source.values[:, source_row, :, :positions]


class Tower:
    """A Llama decoder over embeddings.

    Args:
        reader: Where the weights come from.
        stem: Name of the tower in the checkpoint, ``transformer`` or ``transformer2``.
        n_layers: Layers.
        n_heads: Heads.
        rope_theta: Rotary base.
        norm_eps: Epsilon of the RMS norms.
        precision: Dtypes and device.
    """

    def __init__(
        self,
        reader: TensorReader,
        stem: str,
        *,
        n_layers: int,
        n_heads: int,
        rope_theta: float,
        norm_eps: float,
        precision: Precision,
    ) -> None:
        self.precision = precision
        self.n_heads = n_heads
        self.norm_eps = norm_eps
        self._theta = rope_theta
        self.norm = reader.tensor(f"{stem}.model.norm.weight", dtype=precision.activations, device=precision.device)
        self.dim = self.norm.shape[0]
        self.head_dim = self.dim // n_heads
        self.layers = [self._load_layer(reader, f"{stem}.model.layers.{layer}.") for layer in range(n_layers)]
        self._rotations = torch.empty(0, self.head_dim // 2, dtype=torch.complex64, device=precision.device)

    def _load_layer(self, reader: TensorReader, stem: str) -> Layer:
        precision = self.precision

        def matrix(name: str) -> Tensor:
            return reader.tensor(f"{stem}{name}_proj.weight", dtype=precision.weights, device=precision.device)

        def norm(name: str) -> Tensor:
            return reader.tensor(stem + name, dtype=precision.activations, device=precision.device)

        return Layer(
            qkv=pack(
                torch.cat(
                    [
                        self._pair_channels(matrix("self_attn.q")),
                        self._pair_channels(matrix("self_attn.k")),
                        matrix("self_attn.v"),
                    ]
                )
            ),
            out=pack(matrix("self_attn.o")),
            gate_up=pack(torch.cat([matrix("mlp.gate"), matrix("mlp.up")])),
            down=pack(matrix("mlp.down")),
            norm1=norm("input_layernorm.weight"),
            norm2=norm("post_attention_layernorm.weight"),
        )

    def _pair_channels(self, weight: Tensor) -> Tensor:
        halves = weight.view(self.n_heads, 2, self.head_dim // 2, -1)
        return halves.transpose(1, 2).reshape(self.dim, -1)

    def rotations(self, positions: int) -> Tensor:
        """Rotation of every position as complex numbers [positions, head_dim / 2], float32."""
        if len(self._rotations) < positions:
            exponents = torch.arange(0, self.head_dim, 2, dtype=torch.float32) / self.head_dim
            angles = torch.outer(torch.arange(positions, dtype=torch.float32), 1.0 / self._theta**exponents)
            self._rotations = torch.complex(angles.cos(), angles.sin()).to(self.precision.device)
        return self._rotations

    def forward(self, x: Tensor, cache: KvCache, start: int, rows: slice) -> Tensor:
        """Run positions through the tower and remember their keys and values.

        Args:
            x: Embeddings [rows, positions, dim].
            cache: Holds all positions before ``start`` for these rows.
            start: Position of the first embedding.
            rows: Rows of the cache that belong to ``x``.

        Returns:
            Normed states [rows, positions, dim].
        """
        n_rows, count, dim = x.shape
        stop = start + count
        rotations = self.rotations(cache.keys.shape[3])[start:stop, None]
        mask = None if count == 1 or start == 0 else _causal(count, stop, x.device)
        shared = cache.shared if count == 1 and n_rows > 2 else None
        for index, layer in enumerate(self.layers):
            keys, values = cache.keys[index, rows, :, :stop], cache.values[index, rows, :, :stop]
            query, key, value = self._project(x, layer, rotations)
            keys[:, :, start:] = key
            values[:, :, start:] = value
            if shared is not None:
                attended = attend_shared(query, keys, values, shared[0][index], shared[1][index])
            elif cache.by_channel and count == 1:
                attended = attend_by_channel(query, keys, values)
            else:
                attended = functional.scaled_dot_product_attention(
                    query,
                    keys.contiguous() if cache.by_channel else keys,
                    values,
                    attn_mask=mask,
                    is_causal=start == 0 and count > 1,
                )
            x = self._finish_layer(x, attended.transpose(1, 2).reshape(n_rows, count, dim), layer)
        return self._rms(x, self.norm)

    def step(self, x: Tensor, cache: KvCache, position: Tensor, n_rows: int, stop: int) -> Tensor:
        """Run one position whose number is on the device; shapes depend on ``n_rows`` and ``stop`` only.

        Args:
            x: Embeddings [rows, 1, dim].
            cache: Holds all positions before this one; positions up to ``stop`` are read and masked.
            position: Its position, int64 [1].
            n_rows: Rows in use, the first of the cache.
            stop: End of the positions read.

        Returns:
            Normed states [rows, 1, dim].
        """
        rotations = self.rotations(cache.keys.shape[3]).index_select(0, position)[:, None]
        mask = (torch.arange(stop, device=x.device) <= position).view(1, 1, 1, stop)
        for layer, keys, values in zip(self.layers, cache.keys, cache.values, strict=True):
            query, key, value = self._project(x, layer, rotations)
            keys[:n_rows].index_copy_(2, position, key)
            values[:n_rows].index_copy_(2, position, value)
            attended = functional.scaled_dot_product_attention(
                query, keys[:n_rows, :, :stop], values[:n_rows, :, :stop], attn_mask=mask
            )
            x = self._finish_layer(x, attended.transpose(1, 2).reshape(n_rows, 1, self.dim), layer)
        return self._rms(x, self.norm)

    def _project(self, x: Tensor, layer: Layer, rotations: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Rotated queries, rotated keys and values [rows, heads, positions, head_dim]."""
        qkv = linear(self._rms(x, layer.norm1), layer.qkv).view(*x.shape[:2], 3, self.n_heads, self.head_dim)
        rotated = _rotate(qkv[:, :, :2], rotations[:, None])
        return rotated[:, :, 0].transpose(1, 2), rotated[:, :, 1].transpose(1, 2), qkv[:, :, 2].transpose(1, 2)

    def _finish_layer(self, x: Tensor, attended: Tensor, layer: Layer) -> Tensor:
        x = x + linear(attended, layer.out)
        gate, up = linear(self._rms(x, layer.norm2), layer.gate_up).chunk(2, dim=-1)
        return x + linear(functional.silu(gate) * up, layer.down)

    def _rms(self, x: Tensor, weight: Tensor) -> Tensor:
        if x.dtype == torch.float32:
            return functional.rms_norm(x, (self.dim,), weight, self.norm_eps)
        # Statistics in float32, the weight applied after rounding: as the official model does.
        return functional.rms_norm(x.float(), (self.dim,), None, self.norm_eps).to(x.dtype) * weight


def _rotate(x: Tensor, rotations: Tensor) -> Tensor:
    pairs = torch.view_as_complex(x.float().view(*x.shape[:-1], -1, 2))
    return torch.view_as_real(pairs * rotations).flatten(-2).to(x.dtype)


def _causal(count: int, stop: int, device: torch.device) -> Tensor:
    """Mask for queries that are the last positions of the keys."""
    return torch.ones(count, stop, dtype=torch.bool, device=device).tril(stop - count)
