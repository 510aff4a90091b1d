"""DistillMOS: how natural and clean a voice sounds, on the scale of listeners' opinions.

A small network taught by a large one; weights read as data out of the ``distillmos`` wheel, computed by torch. It was
trained on speech: on singing it compares versions of a system and says nothing absolute.

Source: Stahl and Gamper, "Distillation and pruning for scalable self-supervised representation-based speech quality
assessment", ICASSP 2025.
"""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from evalkit.errors import ModelError
from evalkit.types import FloatArray

MODEL = "distillmos"
FILE = "distill_mos_v7.pt"
LICENCE = "MIT"

SAMPLE_RATE = 16_000
WINDOW_SAMPLES = 122_880
"""7.68 seconds."""
MAX_HOP_SAMPLES = 16_000

N_HEADS = 8
_N_FFT, _HOP = 320, 160
_BN_EPSILON, _LN_EPSILON = 1e-5, 1e-5
_BODY = "transformer_pool_attn."


def window_starts(n_samples: int) -> list[int]:
    """First sample of each window: evenly spaced from the beginning to the end, at most a second apart."""
    excess = max(0, n_samples - WINDOW_SAMPLES)
    n_windows = -(-excess // MAX_HOP_SAMPLES) + 1
    return [int(share * excess) for share in np.linspace(0.0, 1.0, n_windows)]


def load_tensors(path: Path) -> Mapping[str, Any]:
    """Weights of the checkpoint by name; no code of the file is run.

    Raises:
        ModelError: the file is damaged or holds something else.
    """
    import torch

    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise ModelError(f"{path} is damaged or no checkpoint of DistillMOS ({error}).") from None
    model = checkpoint.get("model") if isinstance(checkpoint, dict) else None
    if not isinstance(model, dict):
        raise ModelError(f"{path} is no checkpoint of DistillMOS: it has no 'model'.")
    return model


class DistillMos:
    """The network.

    Args:
        tensors: From `load_tensors`; they decide all sizes.

    Raises:
        ModelError: a tensor is absent or of another shape.
    """

    batch = 8

    def __init__(self, tensors: Mapping[str, Any]) -> None:
        import torch

        self._torch = torch
        self._window = torch.hann_window(_N_FFT)
        self._tensors = tensors
        self._n_convolutions = len([name for name in tensors if name.startswith("cnn.cnn.") and "weight" in name])
        layers = {name.split(".")[4] for name in tensors if ".transformer_encoder.layers." in name}
        self._n_layers = len(layers)
        try:
            self.predict(np.zeros((1, WINDOW_SAMPLES), dtype=np.float32))
        except KeyError as error:
            raise ModelError(f"The checkpoint is not DistillMOS's: it has no {error}.") from None
        except RuntimeError as error:
            raise ModelError(f"The checkpoint is not DistillMOS's: {error}") from None

    @classmethod
    def load(cls, folder: Path) -> "DistillMos":
        """From the folder of the model ``distillmos``."""
        return cls(load_tensors(folder / FILE))

    def predict(self, windows: FloatArray) -> FloatArray:
        """Opinion scores of windows; the level of a window does not matter.

        Args:
            windows: One channel at 16 kHz [windows, 122880].

        Returns:
            1 to 5, higher is better [windows, 1].
        """
        torch = self._torch
        with torch.inference_mode():
            wave = torch.from_numpy(np.ascontiguousarray(windows, dtype=np.float32))
            wave = wave / (wave.abs().amax(dim=1, keepdim=True) + 1e-8)
            found = torch.sigmoid(self._body(self._front(self._spectrum(wave))))
            return cast(FloatArray, (1.0 + 4.0 * found).numpy())

    def _spectrum(self, wave: Any) -> Any:
        """Complex spectrum with its magnitude raised to 0.3 [batch, 2, bins, frames]."""
        torch = self._torch
        pad = (_N_FFT - _HOP) // 2
        wave = torch.nn.functional.pad(wave, (pad, pad), mode="reflect")
        spectrum = torch.stft(wave, _N_FFT, _HOP, window=self._window, center=False, return_complex=True)
        magnitude = spectrum.abs().clamp(min=1e-12)
        return torch.view_as_real(spectrum * magnitude.pow(-0.7)).permute(0, 3, 1, 2)

    def _front(self, plane: Any) -> Any:
        """Convolutions over frequency and time [batch, frames, features]."""
        functional = self._torch.nn.functional
        for index in range(self._n_convolutions):
            name = f"cnn.cnn.{2 * index}"
            stride = (2 if index else 1, 2 if index == self._n_convolutions - 1 else 1)
            plane = functional.conv2d(
                plane, self._tensors[f"{name}.weight"], self._tensors[f"{name}.bias"], stride=stride, padding=(0, 1)
            )
            plane = functional.leaky_relu(plane, 0.1)
        return plane.flatten(1, 2).transpose(1, 2)

    def _body(self, frames: Any) -> Any:
        """Transformer over the frames, and a weighted mean of them [batch, 1]."""
        torch, functional = self._torch, self._torch.nn.functional
        inner = _BODY + "transformer."
        hidden = self._normed(self._normed(frames, _BODY + "norm_input"), inner + "norm")
        hidden = self._linear(hidden, inner + "linear_proj") + self._tensors[inner + "position_encoding.pe"]
        for index in range(self._n_layers):
            hidden = self._layer(hidden, f"{inner}transformer_encoder.layers.{index}.")
        hidden = self._normed(hidden, _BODY + "norm_trans")
        weight = self._linear(functional.relu(self._linear(hidden, _BODY + "pool.linear1")), _BODY + "pool.linear2")
        pooled = torch.einsum("bto,btc->bc", torch.softmax(weight, dim=1), hidden)
        return self._linear(pooled, _BODY + "pool.linear3")

    def _layer(self, hidden: Any, name: str) -> Any:
        """One block: attention, then two linear maps, each added and normalised afterwards."""
        functional = self._torch.nn.functional
        batch, n_frames, dim = hidden.shape
        projected = functional.linear(
            hidden, self._tensors[name + "self_attn.in_proj_weight"], self._tensors[name + "self_attn.in_proj_bias"]
        )
        query, key, value = (
            part.view(batch, n_frames, N_HEADS, dim // N_HEADS).transpose(1, 2) for part in projected.chunk(3, dim=-1)
        )
        attended = functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(hidden.shape)
        hidden = self._layer_normed(hidden + self._linear(attended, name + "self_attn.out_proj"), name + "norm1")
        wide = functional.relu(self._linear(hidden, name + "linear1"))
        return self._layer_normed(hidden + self._linear(wide, name + "linear2"), name + "norm2")

    def _linear(self, values: Any, name: str) -> Any:
        return self._torch.nn.functional.linear(values, self._tensors[f"{name}.weight"], self._tensors[f"{name}.bias"])

    def _layer_normed(self, values: Any, name: str) -> Any:
        weight, bias = self._tensors[f"{name}.weight"], self._tensors[f"{name}.bias"]
        return self._torch.nn.functional.layer_norm(values, (values.shape[-1],), weight, bias, _LN_EPSILON)

    def _normed(self, values: Any, name: str) -> Any:
        """Batch normalisation with its final statistics."""
        parts = (self._tensors[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        mean, variance, weight, bias = parts
        return (values - mean) * (weight / (variance + _BN_EPSILON).sqrt()) + bias
