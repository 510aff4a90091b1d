"""The codec's networks, loaded when they are used and freed when they are not.

Five stages exist: ``flow`` (codes to latents), ``decoder`` and ``encoder`` (latents to sound and back), ``mixed`` and
``stems`` (sound to codes). Never more than one of them is needed at a time.
"""

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from generation.songgeneration2.codec.config import CodecConfig
from generation.songgeneration2.codec.flow import FlowDecoder
from generation.songgeneration2.codec.tokenizer import mixed_tokenizer, separate_tokenizer
from generation.songgeneration2.codec.vae import Decoder, Encoder
from generation.songgeneration2.codec.weight_norm import fold_weight_norm

StageName = Literal["flow", "decoder", "encoder", "mixed", "stems"]
STAGES: tuple[StageName, ...] = ("flow", "decoder", "encoder", "mixed", "stems")

Source = Callable[[StageName], nn.Module]
"""Makes a stage with its weights on the CPU."""


def empty_stage(name: StageName, config: CodecConfig) -> nn.Module:
    """A stage without memory for its weights (meta device); its state dict names what a checkpoint must hold."""
    builders: dict[StageName, Callable[[], nn.Module]] = {
        "flow": lambda: FlowDecoder(config),
        "decoder": lambda: Decoder(config.vae),
        "encoder": lambda: Encoder(config.vae),
        "mixed": lambda: mixed_tokenizer(config),
        "stems": lambda: separate_tokenizer(config),
    }
    with torch.device("meta"), _SkipInit():
        return builders[name]()


class _SkipInit(TorchFunctionMode):
    """Leave out the default initialisation, which is slow on the meta device and has no effect there."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", "") == "torch.nn.init":
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return func(*args, **kwargs)


class Stages:
    """Holds the stages on one device.

    Args:
        source: Makes a stage.
        config: Dimensions.
        device: Where the stages run.
        flow_dtype: Precision of the matrix products of the flow; everything else is float32.
        keep: Keep a stage once it is loaded; otherwise it is freed after use, so that the largest stage alone sets the
            memory. Results are the same.
    """

    def __init__(
        self,
        source: Source,
        config: CodecConfig,
        *,
        device: str | torch.device = "cpu",
        flow_dtype: torch.dtype = torch.float32,
        keep: bool = True,
    ) -> None:
        self.config = config
        self.device = torch.device(device)
        self.flow_dtype = flow_dtype
        self._source = source
        self._keep = keep
        self._loaded: dict[StageName, nn.Module] = {}

    @contextmanager
    def use(self, name: StageName) -> Iterator[nn.Module]:
        """Give a stage for the time of a ``with`` block."""
        stage = self._loaded.get(name)
        if stage is None:
            stage = self._source(name).eval().requires_grad_(False)
            fold_weight_norm(stage)
            if isinstance(stage, FlowDecoder):
                stage.set_compute_dtype(self.flow_dtype)
            stage = stage.to(self.device)
            if self._keep:
                self._loaded[name] = stage
        try:
            yield stage
        finally:
            if not self._keep:
                stage.to("meta")  # gives the memory back even while the caller still holds the module
                self._free()

    def close(self) -> None:
        """Free every stage."""
        self._loaded.clear()
        self._free()

    def _free(self) -> None:
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()


@contextmanager
def exact_arithmetic() -> Iterator[None]:
    """Compute in the precision that was asked for: no TensorFloat-32, no half-precision accumulation in products."""
    product = torch.backends.cuda.matmul
    before = (
        torch.backends.cudnn.allow_tf32,
        product.allow_tf32,
        product.allow_fp16_reduced_precision_reduction,
        product.allow_bf16_reduced_precision_reduction,
    )
    _set_shortcuts(False, False, False, False)
    try:
        yield
    finally:
        _set_shortcuts(*before)


def _set_shortcuts(convolution: bool, product: bool, half: bool, brain: bool) -> None:
    torch.backends.cudnn.allow_tf32 = convolution
    torch.backends.cuda.matmul.allow_tf32 = product
    torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = half
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = brain
