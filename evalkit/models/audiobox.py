"""Audiobox Aesthetics: enjoyment, usefulness, complexity and production quality as people would rate them.

WavLM with a weighted mean of its layers and one small head for each axis. The published ``model.safetensors`` and
``config.json`` are loaded into the WavLM of transformers; the tensors decide all sizes. Always in float32: the
published code rounds to bfloat16, which moves scores from machine to machine.

Source: Tjandra et al., "Meta Audiobox Aesthetics: Unified automatic quality assessment for speech, music, and sound",
arXiv 2502.05139 (2025).
"""

import json
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from evalkit.errors import ModelError
from evalkit.types import FloatArray

MODEL = "audiobox-aesthetics"
WEIGHTS, CONFIG = "model.safetensors", "config.json"
LICENCE = "CC-BY-4.0"

SAMPLE_RATE = 16_000
WINDOW_SAMPLES = 160_000
AXES = ("CE", "CU", "PC", "PQ")

_STRIDES = (5, 2, 2, 2, 2, 2, 2)
_MAX_DISTANCE = 800
_NAMES = (
    (r"feature_extractor\.conv_layers\.(\d+)\.0\.weight", r"feature_extractor.conv_layers.\1.conv.weight"),
    (r"feature_extractor\.conv_layers\.(\d+)\.2\.(weight|bias)", r"feature_extractor.conv_layers.\1.layer_norm.\2"),
    (r"layer_norm\.(weight|bias)", r"feature_projection.layer_norm.\1"),
    (r"post_extract_proj\.(weight|bias)", r"feature_projection.projection.\1"),
    (r"mask_emb", r"masked_spec_embed"),
    (r"encoder\.pos_conv\.0\.bias", r"encoder.pos_conv_embed.conv.bias"),
    (r"encoder\.pos_conv\.0\.weight_g", r"encoder.pos_conv_embed.conv.parametrizations.weight.original0"),
    (r"encoder\.pos_conv\.0\.weight_v", r"encoder.pos_conv_embed.conv.parametrizations.weight.original1"),
    (r"encoder\.layer_norm\.(weight|bias)", r"encoder.layer_norm.\1"),
    (r"(encoder\.layers\.\d+\.)self_attn\.([kvq]|out)_proj\.(weight|bias)", r"\1attention.\2_proj.\3"),
    (r"(encoder\.layers\.\d+\.)self_attn\.grep_linear\.(weight|bias)", r"\1attention.gru_rel_pos_linear.\2"),
    (r"(encoder\.layers\.\d+\.)self_attn\.grep_a", r"\1attention.gru_rel_pos_const"),
    (r"(encoder\.layers\.\d+\.)self_attn\.relative_attention_bias\.weight", r"\1attention.rel_attn_embed.weight"),
    (r"(encoder\.layers\.\d+\.)self_attn_layer_norm\.(weight|bias)", r"\1layer_norm.\2"),
    (r"(encoder\.layers\.\d+\.)fc1\.(weight|bias)", r"\1feed_forward.intermediate_dense.\2"),
    (r"(encoder\.layers\.\d+\.)fc2\.(weight|bias)", r"\1feed_forward.output_dense.\2"),
    (r"(encoder\.layers\.\d+\.)final_layer_norm\.(weight|bias)", r"\1final_layer_norm.\2"),
)
"""Published names of WavLM's tensors, and those of transformers."""


class Audiobox:
    """The network.

    Args:
        tensors: Of the checkpoint, by their published names.
        config: Of the checkpoint: ``target_transform`` and the choices of the heads.
        device: Where it runs.

    Raises:
        ModelError: a tensor or an entry is absent, unknown or of another shape.
    """

    batch = 4

    def __init__(self, tensors: Mapping[str, Any], config: Mapping[str, Any], *, device: str = "cpu") -> None:
        import torch

        self._torch, self._device = torch, device
        try:
            self._scale = {axis: config["target_transform"][axis] for axis in AXES}
            self._weighted = bool(config.get("use_weighted_layer_sum", True))
            self._unit = bool(config.get("normalize_embed", True))
            self._wavlm = _wavlm(tensors).to(device)
            self._heads = {axis: _head(tensors, axis) for axis in AXES}
            self._mixes = {axis: tensors[f"layer_weights.{axis}"].float() for axis in AXES} if self._weighted else {}
        except KeyError as error:
            raise ModelError(f"The checkpoint is not Audiobox Aesthetics': it has no {error}.") from None
        except RuntimeError as error:
            raise ModelError(f"The checkpoint does not fit Audiobox Aesthetics: {error}") from None

    @classmethod
    def load(cls, folder: Path, *, device: str = "cpu") -> "Audiobox":
        """From the folder of the model ``audiobox-aesthetics``."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
            tensors = load_file(folder / WEIGHTS)
        except (SafetensorError, OSError, ValueError) as error:
            raise ModelError(f"The files of {MODEL} in {folder} are damaged: {error}") from None
        return cls(tensors, config, device=device)

    def predict(self, windows: FloatArray, lengths: np.ndarray) -> FloatArray:
        """Ratings of windows.

        Args:
            windows: One channel at 16 kHz, zeros behind the end [windows, time].
            lengths: Samples that are audio in each window [windows].

        Returns:
            `AXES`, about 1 to 10 [windows, 4].
        """
        torch = self._torch
        with torch.inference_mode():
            wave = torch.from_numpy(np.ascontiguousarray(windows, dtype=np.float32)).to(self._device)
            layers, is_audio = self._layers(wave, torch.from_numpy(np.asarray(lengths)).to(self._device))
            share = is_audio[..., None].float()
            found = []
            for axis in AXES:
                if self._weighted:
                    mix = torch.softmax(self._mixes[axis].to(self._device), dim=-1)
                    hidden = torch.einsum("lbtc,l->btc", layers, mix)
                else:
                    hidden = layers[-1]
                pooled = (hidden * share).sum(dim=1) / share.sum(dim=1).clamp(min=1.0)
                if self._unit:
                    pooled = torch.nn.functional.normalize(pooled, dim=-1)
                rating = self._rate(pooled, axis)
                found.append(rating * self._scale[axis]["std"] + self._scale[axis]["mean"])
            return cast(FloatArray, torch.stack(found, dim=1).float().cpu().numpy())

    def _layers(self, wave: Any, lengths: Any) -> tuple[Any, Any]:
        """Hidden states before and after every block [layers, batch, frames, dim], and which frames hold audio."""
        torch, wavlm = self._torch, self._wavlm
        features = wavlm.feature_extractor(wave).transpose(1, 2)
        n_frames = features.shape[1]
        hop = wave.shape[1] // n_frames
        # A frame counts unless all of its samples are padding, as in the published code.
        is_audio = torch.arange(n_frames, device=wave.device)[None] * hop < lengths[:, None]
        hidden, _ = wavlm.feature_projection(features)
        kept: list[Any] = []
        hooks = [
            module.register_forward_hook(lambda _, __, out: kept.append(out[0] if isinstance(out, tuple) else out))
            for module in (wavlm.encoder.layer_norm, *wavlm.encoder.layers)
        ]
        try:
            with warnings.catch_warnings():
                # transformers gives torch a mask of truths beside one of numbers, and torch says so each time.
                warnings.filterwarnings("ignore", message="Support for mismatched key_padding_mask")
                wavlm.encoder(hidden, attention_mask=None if is_audio.all() else is_audio)
        finally:
            for hook in hooks:
                hook.remove()
        return torch.stack(kept), is_audio

    def _rate(self, pooled: Any, axis: str) -> Any:
        """One head: linear maps with norms and GELU between them [batch]."""
        functional = self._torch.nn.functional
        hidden, head = pooled, self._heads[axis]
        for index, (weight, bias, norm) in enumerate(head):
            hidden = functional.linear(hidden, weight.to(self._device), bias.to(self._device))
            if norm is not None:
                scale, shift = (part.to(self._device) for part in norm)
                hidden = functional.layer_norm(hidden, (hidden.shape[-1],), scale, shift)
            if index < len(head) - 1:
                hidden = functional.gelu(hidden)
        return hidden[:, 0]


def windows_of(samples: FloatArray, n_samples: int = WINDOW_SAMPLES) -> tuple[FloatArray, np.ndarray]:
    """Windows that touch each other, the last filled up with zeros [windows, time], and how long each really is."""
    n_windows = max(1, -(-len(samples) // n_samples))
    padded = np.zeros(n_windows * n_samples, dtype=np.float32)
    padded[: len(samples)] = samples
    lengths = np.full(n_windows, n_samples)
    lengths[-1] = len(samples) - (n_windows - 1) * n_samples
    return padded.reshape(n_windows, n_samples), lengths


def _wavlm(tensors: Mapping[str, Any]) -> Any:
    """WavLM with the checkpoint's weights, its sizes taken from them."""
    from transformers import WavLMConfig, WavLMModel

    inner = {name.removeprefix("wavlm_model."): tensors[name] for name in tensors if name.startswith("wavlm_model.")}
    renamed = {_renamed(name): tensor for name, tensor in inner.items()}
    convolutions = [inner[f"feature_extractor.conv_layers.{index}.0.weight"] for index in range(len(_STRIDES))]
    position = inner["encoder.pos_conv.0.weight_v"]
    buckets = inner["encoder.layers.0.self_attn.relative_attention_bias.weight"]
    n_layers = len({name.split(".")[2] for name in inner if name.startswith("encoder.layers.")})
    config = WavLMConfig(
        hidden_size=position.shape[0],
        num_hidden_layers=n_layers,
        num_attention_heads=buckets.shape[1],
        intermediate_size=inner["encoder.layers.0.fc1.weight"].shape[0],
        conv_dim=[weight.shape[0] for weight in convolutions],
        conv_kernel=[weight.shape[2] for weight in convolutions],
        conv_stride=list(_STRIDES),
        conv_bias=False,
        feat_extract_norm="group",
        num_conv_pos_embeddings=position.shape[2],
        num_conv_pos_embedding_groups=position.shape[0] // position.shape[1],
        num_buckets=buckets.shape[0],
        max_bucket_distance=_MAX_DISTANCE,
        do_stable_layer_norm=False,
    )
    model = WavLMModel(config)
    model.load_state_dict(renamed)
    return model.float().eval()


def _renamed(name: str) -> str:
    for published, ours in _NAMES:
        if re.fullmatch(published, name):
            return re.sub(published, ours, name)
    raise KeyError(f"place for {name}")


def _head(tensors: Mapping[str, Any], axis: str) -> list[tuple[Any, Any, tuple[Any, Any] | None]]:
    """Weight, bias and norm (if one follows) of each linear map of a head, in order."""
    prefix = f"proj_layer.{axis}."
    places = sorted({int(name.removeprefix(prefix).split(".")[0]) for name in tensors if name.startswith(prefix)})
    if not places:
        raise KeyError(prefix + "0.weight")
    found: list[tuple[Any, Any, tuple[Any, Any] | None]] = []
    for place in places:
        weight, bias = (tensors[f"{prefix}{place}.{part}"].float() for part in ("weight", "bias"))
        if weight.ndim == 2:
            found.append((weight, bias, None))
        else:
            found[-1] = (*found[-1][:2], (weight, bias))
    return found
