"""MuQ-MuLan: music and texts (English, Chinese) in one space. Weights are CC-BY-NC and brought by the user.

The package ``muq`` holds the network; the weights are the hub repository OpenMuQ/MuQ-MuLan-large in a local folder. The
published code averages three windows of the first 30 s; here every ten-second window of the song counts.

Source: Zhu et al., "MuQ: self-supervised music representation learning with mel residual vector quantization", 2025.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np

from evalkit.audio import RESAMPLER
from evalkit.errors import ConfigError, ModelError
from evalkit.files import file_sha256
from evalkit.models import embedding
from evalkit.registry import suggestion
from evalkit.signal.heard import LEVEL, heard
from evalkit.signal.windows import WindowPlan
from evalkit.types import Clip, FloatArray, ModelLocator, SetSong

SAMPLE_RATE = 24_000
PLAN = WindowPlan()
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_REMEDY = (
    "Get the repository OpenMuQ/MuQ-MuLan-large (CC-BY-NC-4.0), pip install muq, and name its folder in the profile "
    "(option folder)."
)


class MuqEmbedder:
    """MuQ-MuLan vectors of ten-second windows, and of texts.

    Args:
        options: ``folder`` with the weights; ``device``.
        locate: Unused: the weights are not in evalkit's registry.
    """

    name: ClassVar[str] = "muq"
    licence: ClassVar[str] = "CC-BY-NC-4.0"

    @classmethod
    def required_models(cls, options: Mapping[str, Any]) -> Sequence[str]:
        """None that evalkit could fetch."""
        return ()

    def __init__(self, options: Mapping[str, Any], locate: ModelLocator) -> None:
        for key in options:
            if key not in ("folder", "device"):
                raise ConfigError(f"muq has no option {key!r}.", suggestion(key, ["folder", "device"]))
        folder = options.get("folder")
        self._folder = Path(str(folder)).expanduser() if folder else None
        self._device = str(options.get("device", "cpu"))
        self._model: Any = None

    @property
    def signature_parts(self) -> Mapping[str, str | int | float]:
        """Weights, level, resampler and cut."""
        weights = self._weights()
        return {
            "embed": f"muq-mulan@{_digest(weights, weights.stat().st_mtime_ns) if weights else 'absent'}",
            "level": LEVEL,
            "resample": RESAMPLER,
            "windows": PLAN.name,
        }

    def windows(self, song: Clip | SetSong, source: str = "mix") -> FloatArray:
        """One vector for every ten seconds [windows, 512]; see `evalkit.models.embedding.Embedder`."""
        self.check()
        signature = embedding.signature_of(self.signature_parts)
        return embedding.stored_windows(song, source, signature, lambda clip: self._listen(clip, source))

    def text(self, texts: Sequence[str]) -> FloatArray:
        """Unit vectors of texts [n, dim]."""
        import torch

        with torch.inference_mode():
            found = [self._loaded()(texts=[text]).float().cpu().numpy()[0] for text in texts]
        return embedding.unit(np.stack(found))

    def check(self) -> None:
        """Raise `ModelError` if there are no weights."""
        if self._weights() is None:
            where = f"{self._folder} holds none of {', '.join(_WEIGHTS)}" if self._folder else "no folder is named"
            raise ModelError(f"MuQ-MuLan is not there: {where}.", _REMEDY)

    def _listen(self, clip: Clip, source: str) -> FloatArray:
        import torch

        cut = PLAN.cut(heard(clip, source, SAMPLE_RATE).samples[0], SAMPLE_RATE)
        model = self._loaded()
        with torch.inference_mode():
            found = [model(wavs=torch.from_numpy(each)[None].to(self._device)).float().cpu().numpy() for each in cut]
        return cast(FloatArray, np.concatenate(found))

    def _loaded(self) -> Any:
        if self._model is None:
            self.check()
            try:
                network = import_module("muq").MuQMuLan
            except ImportError:
                raise ModelError("MuQ-MuLan needs the package muq, which is not installed.", _REMEDY) from None
            try:
                self._model = network.from_pretrained(str(self._folder)).to(self._device).eval()
            except (OSError, RuntimeError, ValueError) as error:
                raise ModelError(f"{self._folder} holds no MuQ-MuLan ({error}).", _REMEDY) from None
        return self._model

    def _weights(self) -> Path | None:
        places = (self._folder / name for name in _WEIGHTS) if self._folder else ()
        return next((place for place in places if place.is_file()), None)


@cache
def _digest(path: Path, modified_ns: int) -> str:
    return file_sha256(path)[:12]
