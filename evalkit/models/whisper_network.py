"""Whisper's network in PyTorch, for several windows at once: an answer never depends on what is computed beside it.

A step of the decoder always multiplies the same number of rows, used or not (`ROWS`), and attends for each window
apart. So every product has the same shape whatever else is under way, and a row of it meets the same additions in the
same order. What several windows share is the reading of the weights, which for one window alone takes longer than the
arithmetic.

Source: Radford et al., "Robust speech recognition via large-scale weak supervision", 2023, section 2.2.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from evalkit.models.blocked import BlockedMatrix
from evalkit.models.whisper_weights import WhisperWeights

TRACKS = 8
"""Windows that are decoded at the same time."""

BEAMS = 5
"""Rows of each: hypotheses, or tokens of a prompt."""

ROWS = TRACKS * BEAMS

_FIRST_CAPACITY = 64


class _Linear(Protocol):
    def __call__(self, rows: Tensor) -> Tensor: ...


@dataclass(frozen=True, slots=True)
class _Plain:
    """For many rows: a matrix [in, out]."""

    matrix: Tensor
    bias: Tensor

    def __call__(self, rows: Tensor) -> Tensor:
        return torch.addmm(self.bias, rows, self.matrix)


@dataclass(frozen=True, slots=True)
class _Blocked:
    """For few rows on a CPU."""

    matrix: BlockedMatrix
    bias: Tensor

    def __call__(self, rows: Tensor) -> Tensor:
        return self.matrix.product(rows) + self.bias


@dataclass(frozen=True, slots=True)
class _Norm:
    weight: Tensor
    bias: Tensor

    def __call__(self, rows: Tensor) -> Tensor:
        return functional.layer_norm(rows, self.weight.shape, self.weight, self.bias)


@dataclass(frozen=True, slots=True)
class _Attention:
    norm: _Norm
    query_key_value: _Linear
    out: _Linear


@dataclass(frozen=True, slots=True)
class _CrossAttention:
    norm: _Norm
    query: _Linear
    key: Tensor
    value: _Linear
    out: _Linear


@dataclass(frozen=True, slots=True)
class _Feedforward:
    norm: _Norm
    wide: _Linear
    narrow: _Linear

    def __call__(self, rows: Tensor) -> Tensor:
        return self.narrow(functional.gelu(self.wide(self.norm(rows))))


@dataclass(frozen=True, slots=True)
class Heard:
    """What the decoder looks at of one window.

    Attributes:
        keys: Of each decoder layer [layers, heads, dim, frames].
        values: The same [layers, heads, frames, dim].
    """

    keys: Tensor
    values: Tensor


class Track:
    """One window being decoded: its keys and values so far, for `BEAMS` hypotheses.

    Args:
        heard: The window.
    """

    def __init__(self, heard: Heard) -> None:
        self.heard = heard
        self.length = 0
        layers, heads, dim, _ = heard.keys.shape
        self._cache = heard.keys.new_zeros(layers, 2, BEAMS, heads, _FIRST_CAPACITY, dim)

    @torch.inference_mode()
    def choose(self, parents: Sequence[int]) -> None:
        """Let hypothesis i go on from what was hypothesis ``parents[i]``."""
        moved = [row for row, parent in enumerate(parents) if row != parent]
        if moved:
            kept = self._cache[:, :, :, :, : self.length]
            kept[:, :, moved] = kept[:, :, [parents[row] for row in moved]]

    def attend(self, layer: int, queries: Tensor, keys: Tensor, values: Tensor, is_prompt: bool) -> Tensor:
        """Attention of `BEAMS` rows to what came before them [BEAMS, heads * dim]; each argument [BEAMS, heads, dim].

        Rows of a prompt follow each other; rows of hypotheses stand side by side at the same place.
        """
        end = self.length + (BEAMS if is_prompt else 1)
        if end > self._cache.shape[4]:
            self._cache = functional.pad(self._cache, (0, 0, 0, self._cache.shape[4]))
        kept = self._cache[layer]
        if not is_prompt:
            kept[0, :, :, self.length], kept[1, :, :, self.length] = keys, values
            scores = queries[:, :, None] @ kept[0, :, :, :end].transpose(2, 3)
            return (_softmax(scores) @ kept[1, :, :, :end]).flatten(1)
        kept[0, :, :, self.length : end], kept[1, :, :, self.length : end] = (
            keys.transpose(0, 1),
            values.transpose(0, 1),
        )
        scores = queries.transpose(0, 1) @ kept[0, 0, :, :end].transpose(1, 2)
        later = torch.ones(BEAMS, end, dtype=torch.bool, device=scores.device).triu(self.length + 1)
        attended = _softmax(scores.masked_fill(later, -torch.inf)) @ kept[1, 0, :, :end]
        return attended.transpose(0, 1).flatten(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one track is to read in a step.

    Attributes:
        track: The window.
        tokens: The next tokens of its prompt, at most `BEAMS`; or one for each of its `BEAMS` hypotheses.
        is_prompt: Which of the two.
    """

    track: Track
    tokens: Sequence[int]
    is_prompt: bool = False


class WhisperNetwork:
    """Encoder and decoder.

    Args:
        weights: From `evalkit.models.whisper_weights.read_weights`.
        device: ``"cpu"`` or ``"cuda"``.
        dtype: Of weights and activations; softmaxes and logits are float32.
    """

    def __init__(self, weights: WhisperWeights, *, device: str = "cpu", dtype: torch.dtype = torch.float32) -> None:
        self._state, self._device, self._dtype = dict(weights.state), torch.device(device), dtype
        dims = weights.dims
        self.n_mels, self.n_vocab, self.n_context = dims["n_mels"], dims["n_vocab"], dims["n_text_ctx"]
        self._frames = dims["n_audio_ctx"]
        self._heads, self._encoder_heads = dims["n_text_head"], dims["n_audio_head"]
        self._alignment_heads = weights.alignment_heads
        blocks = [f"encoder.blocks.{number}" for number in range(dims["n_audio_layer"])]
        self._convolutions = [
            (self._tensor(f"encoder.{name}.weight"), self._tensor(f"encoder.{name}.bias"))
            for name in ("conv1", "conv2")
        ]
        self._encoder_positions = self._tensor("encoder.positional_embedding")
        self._encoder = [(self._attention(f"{block}.attn"), self._feedforward(block)) for block in blocks]
        self._encoder_norm = self._norm("encoder.ln_post")
        blocks = [f"decoder.blocks.{number}" for number in range(dims["n_text_layer"])]
        self._embedding = self._tensor("decoder.token_embedding.weight")
        self._positions = self._tensor("decoder.positional_embedding")
        self._decoder = [
            (self._attention(f"{block}.attn", ROWS), self._cross(block), self._feedforward(block, ROWS))
            for block in blocks
        ]
        self._decoder_norm = self._norm("decoder.ln")
        self._vocabulary = self._words(self._embedding)
        self._state = {}

    @property
    def window_bytes(self) -> int:
        """Memory of one window while it is written down, for as long a text as it may have."""
        layers, width, longest = len(self._decoder), self._embedding.shape[1], self.n_context // 2 + _FIRST_CAPACITY
        return 2 * layers * width * (self._frames + BEAMS * longest) * self._embedding.element_size()

    @torch.inference_mode()
    def encode(self, mel: npt.NDArray[np.float32]) -> Heard:
        """Listen to one window.

        Args:
            mel: Log-mel spectrogram of 30 s [mels, 3000].
        """
        x = _aligned(mel).to(self._device, self._dtype)[None]
        for stride, (weight, bias) in enumerate(self._convolutions, start=1):
            x = functional.gelu(functional.conv1d(x, weight, bias, stride=stride, padding=1))
        rows = x[0].T + self._encoder_positions
        for attention, feedforward in self._encoder:
            parts = _split(attention.query_key_value(attention.norm(rows)), 3, self._encoder_heads)
            rows = rows + attention.out(_attend(parts, is_causal=False))
            rows = rows + feedforward(rows)
        rows = self._encoder_norm(rows)
        layers, heads = len(self._decoder), self._heads
        keys = rows.new_empty(layers, rows.shape[1], len(rows))
        values = rows.new_empty(layers, heads, len(rows), rows.shape[1] // heads)
        for number, (_, cross, _) in enumerate(self._decoder):
            torch.mm(cross.key, rows.T, out=keys[number])
            values[number] = cross.value(rows).view(len(rows), heads, -1).transpose(0, 1)
        return Heard(keys=keys.view(layers, heads, -1, len(rows)), values=values)

    @torch.inference_mode()
    def step(self, entries: Sequence[Entry]) -> Tensor:
        """Read the next tokens of at most `TRACKS` windows.

        Returns:
            Logits of what follows each row, in float32 [entries, BEAMS, vocabulary]; those of missing tokens mean
            nothing.
        """
        ids = torch.zeros(ROWS, dtype=torch.long)
        places = torch.zeros(ROWS, dtype=torch.long)
        for number, entry in enumerate(entries):
            rows = slice(number * BEAMS, number * BEAMS + len(entry.tokens))
            ids[rows] = torch.tensor(entry.tokens)
            places[rows] = entry.track.length + (torch.arange(len(entry.tokens)) if entry.is_prompt else 0)
        x = self._embedding[ids.to(self._device)] + self._positions[places.to(self._device)]
        tracks = [entry.track for entry in entries]
        for number, (attention, cross, feedforward) in enumerate(self._decoder):
            queries, keys, values = _split(attention.query_key_value(attention.norm(x)), 3, self._heads)
            attended = torch.zeros_like(x)
            for rows, entry in zip(_rows_of(entries), entries, strict=False):
                attended[rows] = entry.track.attend(number, queries[rows], keys[rows], values[rows], entry.is_prompt)
            x = x + attention.out(attended)
            (queries,) = _split(cross.query(cross.norm(x)), 1, self._heads)
            attended = torch.zeros_like(x)
            for rows, track in zip(_rows_of(entries), tracks, strict=False):
                attended[rows] = _look(queries[rows], track.heard, number)[0]
            x = x + cross.out(attended)
            x = x + feedforward(x)
        for entry in entries:
            entry.track.length += len(entry.tokens) if entry.is_prompt else 1
        logits = self._vocabulary(self._decoder_norm(x)).float()
        return logits[: len(entries) * BEAMS].view(len(entries), BEAMS, -1)

    @torch.inference_mode()
    def trace(self, heard: Heard, tokens: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Read a whole text at once, and see where the alignment heads look meanwhile.

        Returns:
            Logits [tokens, vocabulary], and scores of the frames before their softmax [alignment heads, tokens,
            frames], both in float32.
        """
        ids = torch.tensor(tokens, device=self._device)
        x = self._embedding[ids] + self._positions[: len(tokens)]
        looks: dict[int, Tensor] = {}
        for number, (attention, cross, feedforward) in enumerate(self._decoder):
            parts = _split(attention.query_key_value(attention.norm(x)), 3, self._heads)
            x = x + attention.out(_attend(parts, is_causal=True))
            (queries,) = _split(cross.query(cross.norm(x)), 1, self._heads)
            attended, looks[number] = _look(queries, heard, number)
            x = x + cross.out(attended)
            x = x + feedforward(x)
        logits = self._vocabulary(self._decoder_norm(x)).float()
        return logits, torch.stack([looks[layer][head] for layer, head in self._alignment_heads]).float()

    def _tensor(self, name: str) -> Tensor:
        # Each is used once; what has become a matrix need not be kept in its old layout.
        return _aligned(self._state.pop(name)).to(self._device, self._dtype)

    def _linear(self, names: Sequence[str], rows: int | None, scaled: Sequence[str] = ()) -> _Linear:
        """Matrices that read the same rows, as one; ``scaled`` ones give their results already scaled for attention."""
        weights, biases = [], []
        for name in names:
            weight = self._tensor(f"{name}.weight")
            has_bias = f"{name}.bias" in self._state  # keys have none
            bias = self._tensor(f"{name}.bias") if has_bias else weight.new_zeros(len(weight))
            scale = (len(weight) // self._heads_of(name)) ** -0.5 if name in scaled else 1.0
            weights.append(weight * scale)
            biases.append(bias * scale)
        weight, bias = torch.cat(weights), torch.cat(biases)
        if rows is None or weight.device.type != "cpu":
            return _Plain(weight.T.contiguous(), bias)
        return _Blocked(BlockedMatrix(weight, rows), bias)

    def _words(self, embedding: Tensor) -> Callable[[Tensor], Tensor]:
        if embedding.device.type != "cpu":
            return lambda rows: functional.linear(rows, embedding)
        return BlockedMatrix(embedding, ROWS).product

    def _heads_of(self, name: str) -> int:
        return self._encoder_heads if name.startswith("encoder.") else self._heads

    def _norm(self, name: str) -> _Norm:
        return _Norm(self._tensor(f"{name}.weight"), self._tensor(f"{name}.bias"))

    def _attention(self, name: str, rows: int | None = None) -> _Attention:
        names = [f"{name}.{part}" for part in ("query", "key", "value")]
        return _Attention(
            self._norm(f"{name}_ln"), self._linear(names, rows, names[:1]), self._linear([f"{name}.out"], rows)
        )

    def _cross(self, block: str) -> _CrossAttention:
        name = f"{block}.cross_attn"
        return _CrossAttention(
            self._norm(f"{name}_ln"),
            self._linear([f"{name}.query"], ROWS, [f"{name}.query"]),
            self._tensor(f"{name}.key.weight"),
            self._linear([f"{name}.value"], None),
            self._linear([f"{name}.out"], ROWS),
        )

    def _feedforward(self, block: str, rows: int | None = None) -> _Feedforward:
        return _Feedforward(
            self._norm(f"{block}.mlp_ln"),
            self._linear([f"{block}.mlp.0"], rows),
            self._linear([f"{block}.mlp.2"], rows),
        )


def _aligned(array: npt.NDArray[Any]) -> Tensor:
    """A copy in float32 where PyTorch puts its own.

    NumPy's memory begins at any multiple of 16 bytes, and the order of MKL's additions hangs on where a matrix begins.
    """
    copy = torch.empty(array.shape)
    copy.numpy()[...] = array
    return copy


def _rows_of(entries: Sequence[Entry]) -> list[slice]:
    return [slice(number * BEAMS, (number + 1) * BEAMS) for number in range(len(entries))]


def _split(rows: Tensor, n_parts: int, heads: int) -> tuple[Tensor, ...]:
    """Rows [rows, parts * heads * dim] into parts [rows, heads, dim]."""
    return rows.view(len(rows), n_parts, heads, -1).unbind(1)


def _attend(parts: Sequence[Tensor], *, is_causal: bool) -> Tensor:
    """Attention of rows among themselves: queries, keys and values [rows, heads, dim] to [rows, heads * dim]."""
    queries, keys, values = (part.transpose(0, 1)[None] for part in parts)
    attended = functional.scaled_dot_product_attention(queries, keys, values, is_causal=is_causal, scale=1.0)
    return attended[0].transpose(0, 1).flatten(1)


def _look(queries: Tensor, heard: Heard, layer: int) -> tuple[Tensor, Tensor]:
    """Attention of rows [rows, heads, dim] to a window: [rows, heads * dim], and its scores [heads, rows, frames]."""
    scores = queries.transpose(0, 1) @ heard.keys[layer]
    attended = _softmax(scores) @ heard.values[layer]
    return attended.transpose(0, 1).flatten(1), scores


def _softmax(scores: Tensor) -> Tensor:
    return torch.softmax(scores.float(), dim=-1).to(scores.dtype)
