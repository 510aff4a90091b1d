"""The voice of a song, by HTDemucs from the optional ``demucs`` package.

Nothing random takes part, so the same bytes give the same stems.
"""

import hashlib
import json
import pickle
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from evalkit.audio import resample
from evalkit.errors import ModelError, missing_package
from evalkit.types import Audio

MODELS = {
    "htdemucs": ("955717e8-8726e21a.th", "htdemucs.safetensors", "htdemucs.pth"),
    # Four networks, one fine-tuned for each stem; only the one for vocals is wanted.
    "htdemucs_ft": ("04573f0d-f3cf25b2.th", "htdemucs_ft.safetensors"),
}
"""Names of separators, and of the one file each needs, first found first taken."""


class Separator(Protocol):
    """Finds the vocals in a song."""

    name: str
    """Identifies the method and its weights; part of cache keys."""

    def vocals(self, mix: Audio) -> Audio:
        """Vocals of `mix`, aligned with it."""
        ...


def load_separator(name: str, folder: Path, *, device: str = "cpu") -> Separator:
    """Load a separator from its model folder.

    Raises:
        MissingDependencyError: the demucs package is absent.
        ModelError: no file of `MODELS` is there, or its digest is not the one in its name.
    """
    path = next((folder / file for file in MODELS[name] if (folder / file).is_file()), None)
    if path is None:
        raise ModelError(f"{folder} holds none of the files of {name}.", f"Put {MODELS[name][0]} there.")
    published = path.stem.partition("-")[2] if path.suffix == ".th" else ""
    if published and not _file_digest(path).startswith(published):
        raise ModelError(f"{path} was altered: its SHA-256 does not begin with {published}.", "Fetch it again.")
    return HTDemucsSeparator(path, device=device)


class HTDemucsSeparator:
    """Hybrid Transformer Demucs.

    Args:
        path: The package demucs saves (``.th``, ``.pth``), or the ``.safetensors`` file of the repository
            adefossez/HTDemucs.
        device: Where it runs.

    Raises:
        MissingDependencyError: the demucs package is absent.
        ModelError: the file is absent, damaged, or holds other objects than this one network's.
    """

    def __init__(self, path: Path, *, device: str = "cpu") -> None:
        import torch

        try:
            apply_model = import_module("demucs.apply").apply_model
            network = import_module("demucs.htdemucs").HTDemucs
        except ImportError:
            raise missing_package("Separation of vocals", "demucs", "prompt-audio") from None
        if not path.is_file():
            raise ModelError(f"There is no separation model {path}.", "Pull or bring its files again.")
        package = _from_safetensors(path) if path.suffix == ".safetensors" else _from_archive(path, network)
        self._torch = torch
        self._apply = apply_model
        self._device = device
        self._model = network(*package["args"], **package["kwargs"])
        try:
            self._model.load_state_dict(package["state"])
        except RuntimeError as error:
            raise ModelError(f"{path} does not fit HTDemucs: {error}") from None
        self._model.float().eval()
        self.name = f"htdemucs-{_file_digest(path)[:16]}"

    def vocals(self, mix: Audio) -> Audio:
        """Vocals of `mix` at its own rate and length, always stereo."""
        torch = self._torch
        rate = int(self._model.samplerate)
        wave = torch.tensor(resample(mix, rate).samples[:2]).expand(2, -1)
        reference = wave.mean(0)
        mean, std = reference.mean(), reference.std() + 1e-8
        with torch.inference_mode():
            sources = self._apply(
                self._model, ((wave - mean) / std)[None], shifts=0, split=True, overlap=0.25, device=self._device
            )[0]
        found = (sources[list(self._model.sources).index("vocals")] * std + mean).cpu().numpy()
        back = resample(Audio(samples=np.ascontiguousarray(found, dtype=np.float32), sample_rate=rate), mix.sample_rate)
        length = mix.samples.shape[1]
        aligned = np.zeros((2, length), dtype=np.float32)
        aligned[:, : min(length, back.samples.shape[1])] = back.samples[:, :length]
        return Audio(samples=aligned, sample_rate=mix.sample_rate)


def _from_archive(path: Path, network: type) -> dict[str, Any]:
    """The package demucs saves: class, arguments and state; no other class than the network's own is admitted."""
    import torch

    try:
        with torch.serialization.safe_globals([network, Fraction]):
            package = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(f"{path} holds other Python objects than HTDemucs; it was not loaded ({error}).") from None
    except (RuntimeError, EOFError, OSError, ValueError) as error:
        raise ModelError(f"{path} is truncated or damaged ({error}).") from None
    if not isinstance(package, dict) or package.get("klass") is not network:
        raise ModelError(f"{path} is not a saved HTDemucs.")
    return package


def _from_safetensors(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError, safe_open

    def fraction(value: dict[str, Any]) -> Any:
        return Fraction(value["numerator"], value["denominator"]) if value.get("_type") == "fraction" else value

    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dictionary
    except SafetensorError as error:
        raise ModelError(f"{path} is truncated or damaged ({error}).") from None
    if metadata.get("klass") != "demucs.htdemucs.HTDemucs" or "structure" in metadata:
        raise ModelError(f"{path} is not a saved HTDemucs.")
    return {
        "args": json.loads(metadata["args"], object_hook=fraction),
        "kwargs": json.loads(metadata["kwargs"], object_hook=fraction),
        "state": state,
    }


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
