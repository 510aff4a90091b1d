"""Single steps at fixed shapes, so that a GPU can replay them without being told each kernel anew.

With our own kernels the position lies on the device and nothing else changes from step to step: the first step of so
many songs is captured as a CUDA graph and all others replay it. Without them, a step at position p reads keys and
values up to the next multiple of `POSITION_BLOCK` and masks what lies behind p, so that there is a graph for each
block. The numbers are those of the plain step up to the order of summation.
"""

from collections.abc import Hashable

import torch
from torch import Tensor

from generation.songgeneration2.lelm.fused import FusedStep, can_fuse
from generation.songgeneration2.lelm.tower import POSITION_BLOCK, KvCache, Tower


class FixedSteps:
    """Runs single steps of a tower over one cache.

    Args:
        tower: The tower.
        cache: Its cache; graphs refer to its memory, so it must stay.
        capture: Capture CUDA graphs; False runs the same operations one by one, on any device.
        fuse: Use our own kernels; None where they run.
    """

    def __init__(self, tower: Tower, cache: KvCache, *, capture: bool, fuse: bool | None = None) -> None:
        self._tower, self._cache, self._capture = tower, cache, capture
        self._fused = FusedStep(tower, cache) if (can_fuse(tower) if fuse is None else fuse) else None
        rows, device = cache.keys.shape[1], tower.precision.device
        self._inputs = torch.zeros(rows, 1, tower.dim, dtype=tower.precision.activations, device=device)
        self._position = torch.zeros(1, dtype=torch.int64, device=device)
        self._graphs: dict[Hashable, tuple[torch.cuda.CUDAGraph, Tensor]] = {}
        # One pool for all graphs: only one runs at a time, and its states are used before the next one.
        self._pool = torch.cuda.graph_pool_handle() if capture else None
        tower.rotations(cache.keys.shape[3])  # made outside of any graph

    def forward(self, x: Tensor, start: int, n_rows: int) -> Tensor:
        """Run one position.

        Args:
            x: Embeddings [rows, 1, dim].
            start: Its position.
            n_rows: Rows in use, the first of the cache.

        Returns:
            Normed states [rows, 1, dim]; with graphs they stay valid until the next step only.
        """
        # Our kernels read no further than the position anyway: one graph for all.
        stop = 0 if self._fused is not None else (start // POSITION_BLOCK + 1) * POSITION_BLOCK
        self._inputs[:n_rows].copy_(x)
        self._position.fill_(start)
        if not self._capture:
            return self._run(n_rows, stop)
        key = (n_rows, stop)
        if key not in self._graphs:
            self._graphs[key] = self._record(n_rows, stop)
        graph, states = self._graphs[key]
        graph.replay()
        return states

    def _run(self, n_rows: int, stop: int) -> Tensor:
        if self._fused is not None:
            return self._fused.run(self._inputs[:n_rows], self._position)
        return self._tower.step(self._inputs[:n_rows], self._cache, self._position, n_rows, stop)

    def _record(self, n_rows: int, stop: int) -> tuple[torch.cuda.CUDAGraph, Tensor]:
        # Warming up repeats the current step: it writes the same keys and values each time.
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call, unused-ignore]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(2):
                self._run(n_rows, stop)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            states = self._run(n_rows, stop)
        return graph, states
