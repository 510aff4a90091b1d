"""The language model: two towers, the bridge between them, and three heads."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from generation.songgeneration2.checkpoint import Checkpoint
from generation.songgeneration2.lelm.conditions import Conditioner
from generation.songgeneration2.lelm.config import LelmConfig
from generation.songgeneration2.lelm.linear import Matrix, linear, pack
from generation.songgeneration2.lelm.stepping import FixedSteps
from generation.songgeneration2.lelm.tower import KvCache, Precision, Tower
from generation.songgeneration2.lelm.weights import LelmCheckpoint

Step = Callable[[Tensor, int, int], Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstStage:
    """The first tower with what it needs to sing the mixed stream."""

    tower: Tower
    table: Tensor
    head: Matrix

    def embed(self, codes: Tensor) -> Tensor:
        """Embeddings of mixed codes [...] -> [..., dim]."""
        return functional.embedding(codes, self.table)

    def logits(self, states: Tensor) -> Tensor:
        """Logits of the mixed stream, float32 [..., 16385]."""
        return linear(states, self.head).float()


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondStage:
    """The second tower, the bridge that feeds it, and the heads of vocals and accompaniment."""

    tower: Tower
    vocal_table: Tensor
    backing_table: Tensor
    bridge_own: Matrix
    bridge_states: Matrix
    bridge_bias: Tensor
    bridge_out: Matrix
    bridge_out_bias: Tensor
    heads: Matrix

    def embed(self, vocal: Tensor, backing: Tensor) -> Tensor:
        """Embeddings of a pair of codes [...] -> [..., dim]."""
        return functional.embedding(vocal, self.vocal_table) + functional.embedding(backing, self.backing_table)

    def project_states(self, states: Tensor) -> Tensor:
        """The share of the first tower's states in the bridge, for all slots at once [..., dim]."""
        return linear(states, self.bridge_states) + self.bridge_bias

    def bridge(self, embedded: Tensor, projected: Tensor) -> Tensor:
        """Input of the tower from its own embeddings and the projected states."""
        hidden = functional.gelu(linear(embedded, self.bridge_own) + projected)
        return linear(hidden, self.bridge_out) + self.bridge_out_bias

    def logits(self, states: Tensor) -> Tensor:
        """Logits of vocals and accompaniment, float32 [..., 2, 16385]."""
        return linear(states, self.heads).float().view(*states.shape[:-1], 2, -1)


class NullPrefix:
    """The unconditional prefix of a model: the same for every song with the same unconditional style.

    Attributes:
        states1: First tower's states [prefix + 1, dim].
        cache1: First tower's keys and values of these positions, one row.
        cache2: Second tower's, once they were needed.
    """

    def __init__(self, states1: Tensor, cache1: KvCache) -> None:
        self.states1 = states1
        self.cache1 = cache1
        self.cache2: KvCache | None = None


class Lelm:
    """A loaded language model.

    Args:
        checkpoint: The weights; they are checked here.
        config: Dimensions.
        precision: Dtypes and device.
        staged: Load each tower when its turn comes and free it afterwards, so that only one is in memory. Results are
            the same.
        fixed_steps: Run single steps at fixed shapes; on a GPU they are captured as CUDA graphs.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        config: LelmConfig,
        precision: Precision | None = None,
        *,
        staged: bool = False,
        fixed_steps: bool = False,
    ) -> None:
        self.config = config
        self.precision = precision or Precision()
        self._reader = LelmCheckpoint(checkpoint, config)
        self.version = self._reader.version
        self.conditioner = Conditioner(self._reader, self.precision.activations)
        self.null_prefixes: dict[tuple[int, ...], NullPrefix] = {}
        self._fixed_steps = fixed_steps
        self._first = None if staged else self._load_first()
        self._second = None if staged else self._load_second()

    def stepper(self, tower: Tower, cache: KvCache) -> Step:
        """The function that runs one position of a tower: embeddings, position, rows in use -> states."""
        if self._fixed_steps:
            return FixedSteps(tower, cache, capture=self.precision.device.type == "cuda").forward
        return lambda x, start, n_rows: tower.forward(x, cache, start, slice(0, n_rows))

    @contextmanager
    def first_stage(self) -> Iterator[FirstStage]:
        """Lend the first tower; a staged one is gone when the last reference to it is."""
        yield self._first or self._load_first()

    @contextmanager
    def second_stage(self) -> Iterator[SecondStage]:
        """Lend the second tower; a staged one is gone when the last reference to it is."""
        yield self._second or self._load_second()

    def _load_first(self) -> FirstStage:
        return FirstStage(
            tower=self._load_tower("transformer", self.config.n_layers1, self.config.rope_theta1),
            table=self._activation("emb.0.weight"),
            head=pack(self._matrix("transformer.lm_head.weight")),
        )

    def _load_second(self) -> SecondStage:
        # The bridge reads its own embedding first, then the first tower's state.
        own, states = torch.split(self._matrix("mlp.0.weight"), self.config.dim, dim=1)
        return SecondStage(
            tower=self._load_tower("transformer2", self.config.n_layers2, self.config.rope_theta2),
            vocal_table=self._activation("layer2_emb.1.weight"),
            backing_table=self._activation("layer2_emb.2.weight"),
            bridge_own=pack(own.contiguous()),
            bridge_states=pack(states.contiguous()),
            bridge_bias=self._activation("mlp.0.bias"),
            bridge_out=pack(self._matrix("mlp.2.weight")),
            bridge_out_bias=self._activation("mlp.2.bias"),
            heads=pack(torch.cat([self._matrix(f"linears.{head}.weight") for head in (0, 1)])),
        )

    def _load_tower(self, stem: str, n_layers: int, theta: float) -> Tower:
        return Tower(
            self._reader,
            stem,
            n_layers=n_layers,
            n_heads=self.config.n_heads,
            rope_theta=theta,
            norm_eps=self.config.norm_eps,
            precision=self.precision,
        )

    def _matrix(self, name: str) -> Tensor:
        return self._reader.tensor(name, dtype=self.precision.weights, device=self.precision.device)

    def _activation(self, name: str) -> Tensor:
        return self._reader.tensor(name, dtype=self.precision.activations, device=self.precision.device)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """What a forward over a known sequence computes on the way.

    Attributes:
        hidden1: Normed states of the first tower [rows, prefix + slots, dim].
        bridged: Input of the second tower, same shape.
        hidden2: Normed states of the second tower, same shape.
        logits: Logits at the slots [rows, 3, slots, 16385].
    """

    hidden1: Tensor
    bridged: Tensor
    hidden2: Tensor
    logits: Tensor


@torch.inference_mode()
def teacher_forced(
    model: Lelm, prefix1: Tensor, prefix2: Tensor, sequence: Tensor, *, stepwise: bool = False
) -> Forward:
    """Run both towers over a known sequence, to compare numbers with another implementation.

    Args:
        model: The model.
        prefix1: Prefix of the first tower [rows, prefix, dim].
        prefix2: Prefix of the second tower [rows, prefix, dim].
        sequence: Slots [3, slots], fed to every row.
        stepwise: One slot at a time with the cache, as in generation, instead of all at once.

    Returns:
        States and logits.
    """
    rows, prefix, _ = prefix1.shape
    slots = sequence.shape[1]
    first_count = prefix + 1 if stepwise else prefix + slots
    spans = [(0, first_count), *((at, at + 1) for at in range(first_count, prefix + slots))]

    def run(tower: Tower, inputs: Tensor) -> Tensor:
        cache = KvCache(tower, rows, prefix + slots)
        parts = [tower.forward(inputs[:, start:stop], cache, start, slice(0, rows)) for start, stop in spans]
        return torch.cat(parts, dim=1)

    with model.first_stage() as first:
        inputs1 = torch.cat([prefix1, first.embed(sequence[0]).expand(rows, -1, -1)], dim=1)
        hidden1 = run(first.tower, inputs1)
        logits1 = first.logits(hidden1[:, prefix:])
    with model.second_stage() as second:
        inputs2 = torch.cat([prefix2, second.embed(sequence[1], sequence[2]).expand(rows, -1, -1)], dim=1)
        bridged = second.bridge(inputs2, second.project_states(hidden1))
        hidden2 = run(second.tower, bridged)
        logits2 = second.logits(hidden2[:, prefix:])
    logits = torch.cat([logits1[:, None], logits2.transpose(1, 2)], dim=1)
    return Forward(hidden1=hidden1, bridged=bridged, hidden2=hidden2, logits=logits)
