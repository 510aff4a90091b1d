"""Two programs that compute CLAP's embeddings: transformers, and the laion-clap package.

Both are given windows of exactly ten seconds, so that neither gets to crop at random, and neither rounds the audio to
16 bits (as LAION's convenience functions do).
"""

import functools
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol, cast

import numpy as np

from evalkit.errors import ModelError, missing_package
from evalkit.models.clap_weights import config_of, convert, load_state
from evalkit.types import FloatArray

SAMPLE_RATE = 48_000
N_FFT = 1024
HOP_LENGTH = 480
N_MELS = 64
LOWEST_HZ, HIGHEST_HZ = 50.0, 14_000.0
MAX_TOKENS = 77
"""The published models were trained on no longer texts; the rest of a longer one is cut off."""

LAION_FILE = "checkpoint.pt"
_LAION_SIZES = {96: "HTSAT-tiny", 128: "HTSAT-base", 256: "HTSAT-large"}


class ClapEngine(Protocol):
    """Embeds windows of audio and texts; vectors need not have length 1."""

    def audio(self, windows: FloatArray) -> FloatArray:
        """Vectors of windows [n, 480000] at 48 kHz [n, dim]."""
        ...

    def text(self, ids: np.ndarray, mask: np.ndarray) -> FloatArray:
        """Vectors of tokenised texts [n, tokens] [n, dim]."""
        ...


def log_mel(windows: FloatArray) -> Any:
    """What the audio tower hears: decibels in 64 mel bands of 50 Hz to 14 kHz [n, 1, frames, 64] (a tensor)."""
    import torch

    waves = torch.from_numpy(np.ascontiguousarray(windows, dtype=np.float32))
    spectrum = torch.stft(
        waves, N_FFT, HOP_LENGTH, window=torch.hann_window(N_FFT), center=True, pad_mode="reflect", return_complex=True
    )
    power = spectrum.abs().square().transpose(1, 2) @ _mel_bands()
    return 10.0 * torch.log10(power.clamp(min=1e-10))[:, None]


@functools.cache
def _mel_bands() -> Any:
    import torchaudio

    return torchaudio.functional.melscale_fbanks(
        N_FFT // 2 + 1, LOWEST_HZ, HIGHEST_HZ, N_MELS, SAMPLE_RATE, norm="slaney", mel_scale="slaney"
    )


class TransformersClap:
    """transformers' ``ClapModel``.

    Args:
        folder: Holds ``checkpoint.pt`` as LAION publishes it, or ``config.json`` with ``model.safetensors`` or
            ``pytorch_model.bin`` in transformers' own form.
        device: Where it runs.

    Raises:
        ModelError: the files do not fit.
    """

    def __init__(self, folder: Path, *, device: str = "cpu") -> None:
        import torch
        from transformers import ClapConfig, ClapModel

        self._torch = torch
        self._device = device
        if (folder / LAION_FILE).is_file():
            state = load_state(folder / LAION_FILE)
            model = ClapModel(ClapConfig(**config_of(state)))
            self._fill(model, convert(state), folder / LAION_FILE)
        else:
            try:
                model = ClapModel.from_pretrained(folder, local_files_only=True)
            except (OSError, ValueError, RuntimeError) as error:
                raise ModelError(f"{folder} holds no CLAP model of transformers ({error}).") from None
        self._model = model.float().eval().to(device)

    @staticmethod
    def _fill(model: Any, weights: dict[str, Any], path: Path) -> None:
        try:
            missing, unexpected = model.load_state_dict(weights, strict=False)
        except RuntimeError as error:
            raise ModelError(f"{path} does not fit: {error}") from None
        learned = {name for name, _ in model.named_parameters()}
        learned |= {name for name, _ in model.named_buffers() if "running_" in name}
        if lost := sorted(learned & set(missing)) or unexpected:
            raise ModelError(f"{path} does not fit: {lost[0]} is missing or unknown.")

    def audio(self, windows: FloatArray) -> FloatArray:
        """See `ClapEngine`."""
        with self._torch.inference_mode():
            pooled = self._model.audio_model(input_features=log_mel(windows).to(self._device)).pooler_output
            return cast(FloatArray, self._model.audio_projection(pooled).cpu().numpy())

    def text(self, ids: np.ndarray, mask: np.ndarray) -> FloatArray:
        """See `ClapEngine`."""
        put = self._torch.from_numpy
        with self._torch.inference_mode():
            pooled = self._model.text_model(
                input_ids=put(ids).to(self._device), attention_mask=put(mask).to(self._device)
            ).pooler_output
            return cast(FloatArray, self._model.text_projection(pooled).cpu().numpy())


class LaionClap:
    """The network of the laion-clap package, with the weights of a ``checkpoint.pt``.

    The package itself unpickles checkpoints without limits and asks the hub for RoBERTa first; here the weights are
    read as data and the text tower is built from their sizes.

    Raises:
        MissingDependencyError: the package is absent.
        ModelError: there is no checkpoint, or it does not fit.
    """

    def __init__(self, folder: Path, *, device: str = "cpu") -> None:
        import torch

        try:
            import_module("laion_clap")
            module: Any = import_module("clap_module.model")
            factory = import_module("clap_module.factory")
        except ImportError:
            raise missing_package("The CLAP engine laion-clap", "laion-clap", "laion-clap") from None
        state = load_state(folder / LAION_FILE)
        sizes = config_of(state)
        name = _LAION_SIZES.get(sizes["audio_config"]["patch_embeds_hidden_size"])
        if name is None:
            raise ModelError(f"laion-clap has no audio tower of the size in {folder / LAION_FILE}.")
        roberta = module.RobertaModel
        module.RobertaModel = SimpleNamespace(from_pretrained=lambda _: _roberta(sizes["text_config"]))
        try:
            self._model, _ = factory.create_model(name, "roberta", precision="fp32", device=torch.device(device))
        finally:
            module.RobertaModel = roberta
        self._torch, self._device = torch, device
        known = self._model.state_dict()
        try:
            self._model.load_state_dict({key: state.get(key, value) for key, value in known.items()})
        except RuntimeError as error:
            raise ModelError(f"{folder / LAION_FILE} does not fit laion-clap: {error}") from None
        self._model.eval()

    def audio(self, windows: FloatArray) -> FloatArray:
        """See `ClapEngine`."""
        with self._torch.inference_mode():
            waves = [{"waveform": self._torch.from_numpy(window)} for window in windows]
            return cast(FloatArray, self._model.get_audio_embedding(waves).cpu().numpy())

    def text(self, ids: np.ndarray, mask: np.ndarray) -> FloatArray:
        """See `ClapEngine`."""
        put = self._torch.from_numpy
        with self._torch.inference_mode():
            found = self._model.get_text_embedding({"input_ids": put(ids), "attention_mask": put(mask)})
            return cast(FloatArray, found.cpu().numpy())


def _roberta(text: dict[str, Any]) -> Any:
    from transformers import RobertaConfig, RobertaModel

    return RobertaModel(RobertaConfig(**text, pad_token_id=1, bos_token_id=0, eos_token_id=2))


ENGINES: dict[str, Callable[..., ClapEngine]] = {"transformers": TransformersClap, "laion-clap": LaionClap}


class Tokenizer:
    """RoBERTa's byte-pair tokens.

    Args:
        folder: Holds ``vocab.json`` and ``merges.txt``.
    """

    def __init__(self, folder: Path) -> None:
        from transformers import RobertaTokenizer

        try:
            self._tokenizer = RobertaTokenizer.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, TypeError) as error:
            raise ModelError(f"{folder} holds no tokenizer (vocab.json, merges.txt): {error}") from None

    def __call__(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray, list[bool]]:
        """Token numbers and mask [n, tokens], and whether a text was cut off."""
        found = self._tokenizer(list(texts), padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="np")
        whole = self._tokenizer(list(texts))["input_ids"]
        cut = [len(ids) > MAX_TOKENS for ids in whole]
        return found["input_ids"].astype(np.int64), found["attention_mask"].astype(np.int64), cut
