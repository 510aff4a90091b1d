"""Vocals of a prompt, by HTDemucs from the optional ``demucs`` package, kept by content.

Only the beginning that is used is separated, with some context behind it; nothing random takes part, so the same bytes
give the same stems.
"""

import hashlib
import json
import pickle
from collections.abc import Sequence
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from evalkit.audio import decoded_sha256, resample
from evalkit.errors import ModelError, missing_package
from evalkit.types import Audio
from generation.songgeneration2.codec.prompt import PROMPT_S, EncodedPrompt, PromptEncoder
from generation.songgeneration2.codec.renderer import Part
from generation.songgeneration2.codec.stages import Stages

CONTEXT_S = 10
"""Seconds beyond the prompt that the separator also hears; its own window is 7.8 s."""


class VocalSeparator(Protocol):
    """Finds the vocals in a song."""

    name: str
    """Identifies the method and its weights; part of the cache key."""

    def vocals(self, mix: Audio) -> Audio:
        """Vocals of `mix`, aligned with it."""
        ...


class HTDemucsSeparator:
    """Hybrid Transformer Demucs.

    Args:
        path: ``htdemucs.pth`` of the official layout, or the ``.safetensors`` file of the repository
            adefossez/HTDemucs.
        device: Where it runs.

    Raises:
        MissingDependencyError: the demucs package is absent.
        ModelError: the file is absent, damaged, or holds other objects than this one network's.
    """

    def __init__(self, path: Path, *, device: str = "cpu") -> None:
        try:
            apply_model = import_module("demucs.apply").apply_model
            network = import_module("demucs.htdemucs").HTDemucs
        except ImportError:
            raise missing_package("A prompt from an audio file", "demucs", "prompt-audio") from None
        if not path.is_file():
            raise ModelError(f"There is no separation model {path}.", "Pull the generator's runtime files again.")
        package = _from_safetensors(path) if path.suffix == ".safetensors" else _from_archive(path, network)
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


def prompt_excerpt(mix: Audio) -> Audio:
    """The beginning of a song that a prompt and its separation need."""
    return Audio(samples=mix.samples[:, : (PROMPT_S + CONTEXT_S) * mix.sample_rate], sample_rate=mix.sample_rate)


def prompt_vocals(mix: Audio, separator: VocalSeparator, cache: Path | None = None) -> Audio:
    """Vocals of the beginning of a song.

    Args:
        mix: The song.
        separator: Used if the cache has nothing for this sound and this separator.
        cache: Folder of earlier results; None for no cache. Files are named by content, so two songs of one name never
            share their vocals.

    Returns:
        Vocals of `prompt_excerpt`, aligned with it.
    """
    excerpt = prompt_excerpt(mix)
    if cache is None:
        return separator.vocals(excerpt)
    path = cache / f"{decoded_sha256(excerpt)}.{separator.name}.npy"
    if path.is_file():
        try:
            return Audio(samples=np.load(path, allow_pickle=False), sample_rate=excerpt.sample_rate)
        except (ValueError, EOFError, OSError):
            path.unlink(missing_ok=True)
    vocals = separator.vocals(excerpt)
    cache.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.save(file, vocals.samples, allow_pickle=False)
    partial.replace(path)
    return vocals


def encode_prompt(
    mix: Audio,
    stages: Stages,
    separator: VocalSeparator,
    *,
    parts: Sequence[Part] = ("mixed",),
    cache: Path | None = None,
    seed: int | None = None,
) -> EncodedPrompt:
    """From a song to everything its continuation needs.

    Args:
        mix: The song; its first 10 s become the prompt.
        stages: The codec.
        separator: Finds the vocals.
        parts: As in `PromptEncoder.encode`.
        cache: As in `prompt_vocals`.
        seed: As in `PromptEncoder.encode`.

    Returns:
        Codes int64 [3, 250] for the language model, and codes and latents for the renderer.
    """
    vocals = prompt_vocals(mix, separator, cache)
    return PromptEncoder(stages).encode(prompt_excerpt(mix), vocals, parts=parts, seed=seed)


def _from_archive(path: Path, network: type) -> dict[str, Any]:
    """The package demucs saves: class, arguments and state; no other class than the network's own is admitted."""
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
