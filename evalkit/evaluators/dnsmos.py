"""DNSMOS P.835 of the voice."""

from pathlib import Path
from typing import ClassVar

from evalkit.evaluators._stem_quality import StemQuality
from evalkit.models import dnsmos
from evalkit.types import FloatArray, Metric

_SOURCE = "Reddy et al. 2022 (ITU-T P.835); windows with voice by evalkit"


def _metric(name: str, title: str, description: str) -> Metric:
    return Metric(
        name=f"dnsmos_{name}",
        title=title,
        unit="",
        direction="higher",
        source=_SOURCE,
        licence=dnsmos.LICENCE,
        description=f"{description} About 1 to 5. Trained on speech: for regressions only, never as absolute quality.",
    )


class DnsmosEvaluator(StemQuality):
    """What listeners to noisy speech would say of the vocal stem: of the voice, of what is behind it, and overall.

    Args:
        options: ``separation``: ``native`` (the system's own stem, the default), ``htdemucs`` or ``htdemucs_ft``.
        locate: Finds model folders.
    """

    name: ClassVar[str] = "dnsmos"
    version: ClassVar[str] = "1"
    metrics: ClassVar[tuple[Metric, ...]] = (
        _metric("sig", "Voice, predicted opinion", "How clean the voice itself is predicted to sound."),
        _metric("bak", "Background of the voice, predicted opinion", "How little is predicted to be heard behind it."),
        _metric("ovrl", "Voice overall, predicted opinion", "Both together."),
    )
    model: ClassVar[str] = dnsmos.MODEL
    window_samples: ClassVar[int] = dnsmos.WINDOW_SAMPLES

    def load(self, folder: Path) -> dnsmos.Dnsmos:
        """The network."""
        return dnsmos.Dnsmos(folder)

    def starts(self, n_samples: int) -> list[int]:
        """One window a second, as published."""
        return dnsmos.window_starts(n_samples)

    def lengthened(self, samples: FloatArray) -> FloatArray:
        """Doubled until it fills a window, as published [time]."""
        return dnsmos.lengthened(samples)


EVALUATOR = DnsmosEvaluator
