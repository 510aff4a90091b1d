"""The bundled generator: SongGeneration 2 (LeVo 2), LeLM language model, flow-matching renderer and VAE."""

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from evalkit.errors import EvalkitError
from evalkit.types import ModelLocator
from generation.base import BatchProgress, BatchSystem, Generated, Request


class SongGeneration2System(BatchSystem):
    """``songgeneration2/VARIANT[@WEIGHTS][,option=value]…``; ``tiny-random`` needs no weights and sings noise."""

    title: ClassVar[str] = "Bundled SongGeneration 2 (v2-large, v2-medium, large, base …; tiny-random for tests)"
    notes: ClassVar[Mapping[str, str]] = {
        "*": "SongGeneration 2 weights are licensed for academic, research and education use only. The variant "
        "tiny-random has random weights: its songs are noise for testing the pipeline, and its scores mean nothing."
    }
    batch_size: ClassVar[int] = 8

    @classmethod
    def required_models(cls, variant: str) -> Sequence[str]:
        """Registered models of the variant: whatever a weights folder does not bring.

        Raises:
            ConfigError: unknown variant or option.
            ModelError: the weights folder has no weights of this variant.
        """
        from generation.songgeneration2.folders import find_tokenizer, find_variant, has_renderer
        from generation.songgeneration2.options import PUBLISHED, TINY, parse_options

        if not variant:
            return ()
        options = parse_options(variant)
        if options.variant == TINY:
            return ()
        if options.weights is not None:
            find_variant(options.weights, options.variant)
            renderer = () if has_renderer(options.weights) else ("songgeneration2-runtime",)
            return renderer if find_tokenizer(options.weights) else (*renderer, "qwen2-ranks")
        if options.variant not in PUBLISHED:
            return (f"songgeneration2/{options.variant}",)  # the registry knows why it cannot be fetched
        # The variant first: if it cannot be had, that is what the user needs to hear.
        return (f"songgeneration2-{options.variant}", "songgeneration2-runtime", "qwen2-ranks")

    def __init__(self, variant: str, locate: ModelLocator) -> None:
        """Load the variant.

        Raises:
            ConfigError: unknown variant or option.
            ModelError: weights are absent or do not fit.
        """
        from generation.songgeneration2.options import parse_options
        from generation.songgeneration2.pipeline import Pipeline

        self._pipeline = Pipeline(parse_options(variant), locate)

    def generate_batch(
        self, requests: Sequence[Request], progress: BatchProgress
    ) -> Iterator[tuple[int, Generated | EvalkitError]]:
        """Sing all, then render one after the other."""
        return self._pipeline.sing(requests, progress)

    def close(self) -> None:
        """Free all networks."""
        self._pipeline.close()


SYSTEM = SongGeneration2System
