"""DistillMOS of the voice."""

from pathlib import Path
from typing import ClassVar

from evalkit.evaluators._stem_quality import StemQuality
from evalkit.models import distillmos
from evalkit.types import Metric


class DistillMosEvaluator(StemQuality):
    """How natural and clean the vocal stem sounds, predicted on the scale of listeners' opinions.

    Args:
        options: ``separation``: ``native`` (the system's own stem, the default), ``htdemucs`` or ``htdemucs_ft``.
        locate: Finds model folders.
    """

    name: ClassVar[str] = "distillmos"
    version: ClassVar[str] = "1"
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(
            name="distillmos",
            title="Voice, DistillMOS",
            unit="",
            direction="higher",
            bounds=(1.0, 5.0),
            source="Stahl and Gamper 2025; windows with voice by evalkit",
            licence=distillmos.LICENCE,
            description="Predicted opinion of the voice alone. Trained on speech: for regressions only.",
        ),
    )
    model: ClassVar[str] = distillmos.MODEL
    window_samples: ClassVar[int] = distillmos.WINDOW_SAMPLES

    def load(self, folder: Path) -> distillmos.DistillMos:
        """The network."""
        return distillmos.DistillMos.load(folder)

    def starts(self, n_samples: int) -> list[int]:
        """Windows at most a second apart, as published."""
        return distillmos.window_starts(n_samples)


EVALUATOR = DistillMosEvaluator
