"""CLAP checkpoints as LAION publishes them (``.pt``), turned into weights of transformers' ``ClapModel``.

The file is a training state: weights, optimiser, a few numbers. It is mapped into memory and unpickled with a list of
admitted names (tensors and NumPy numbers); of it only the weights are used. Sizes are read from their shapes, so that
every non-fusion HTSAT checkpoint with a RoBERTa text tower loads, whatever its size.
"""

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalkit.errors import ModelError

_NAMES = (
    ("text_branch.", "text_model."),
    ("audio_branch.", "audio_model.audio_encoder."),
    (".attn.proj.", ".attention.output.dense."),
    (".attn.relative_position_bias_table", ".attention.self.relative_position_bias_table"),
    (".mlp.fc1.", ".intermediate.dense."),
    (".mlp.fc2.", ".output.dense."),
    (".norm1.", ".layernorm_before."),
    (".norm2.", ".layernorm_after."),
    (".bn0.", ".batch_norm."),
    ("_projection.0.", "_projection.linear1."),
    ("_projection.2.", "_projection.linear2."),
)
_UNUSED = re.compile(
    # Heads and layers of the training, tables both programs compute, and position numbers of old transformers.
    r"^(text|audio)_transform\.|^attn_mask$|^audio_branch\.(tscam_conv|head|spectrogram_extractor|logmel_extractor)\."
    r"|relative_position_index$|\.attn_mask$|\.position_ids$|num_batches_tracked$"
)
_QKV = re.compile(r"\.attn\.qkv\.(weight|bias)$")
_FUSION = ("mel_conv2d", "fusion_model", "mel_conv1d")
_TEXT_HEAD_DIM = 64


def load_state(path: Path) -> dict[str, Any]:
    """The weights of a checkpoint under LAION's names, without ``module.``.

    Raises:
        ModelError: the file is absent, damaged, holds other objects than weights and numbers, or is a fusion model.
    """
    import numpy as np
    import torch

    scalars = [np.dtype, *{type(np.dtype(name)) for name in ("f2", "f4", "f8", "i4", "i8", "u1", "?")}]
    scalar = np.float64(0).__reduce__()[0]
    names: list[Any] = [*scalars, (scalar, "numpy.core.multiarray.scalar"), (scalar, "numpy._core.multiarray.scalar")]
    if not path.is_file():
        raise ModelError(f"There is no CLAP checkpoint {path}.", "Pull or bring its files again.")
    try:
        with torch.serialization.safe_globals(names):
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        raise ModelError(f"{path} holds other objects than weights; it was not loaded ({error}).") from None
    except (RuntimeError, EOFError, OSError, ValueError) as error:
        raise ModelError(f"{path} is truncated or damaged ({error}).") from None
    state = content.get("state_dict", content) if isinstance(content, Mapping) else {}
    state = {str(name).removeprefix("module."): value for name, value in state.items() if torch.is_tensor(value)}
    if "text_branch.embeddings.word_embeddings.weight" not in state or "audio_branch.bn0.weight" not in state:
        raise ModelError(f"{path} is no CLAP checkpoint with an HTSAT audio tower and a RoBERTa text tower.")
    if any(part in name for name in state for part in _FUSION):
        raise ModelError(
            f"{path} is a fusion checkpoint: it looks at random pieces of long audio, so its numbers do not repeat.",
            "Use a checkpoint without fusion, e.g. music_audioset_epoch_15_esc_90.14.pt.",
        )
    return state


def convert(state: Mapping[str, Any]) -> dict[str, Any]:
    """Weights under transformers' names; query, key and value are taken apart."""
    found: dict[str, Any] = {}
    for name, value in state.items():
        if _UNUSED.search(name):
            continue
        if match := _QKV.search(name):
            stem = _renamed(name[: match.start()] + ".attention.self.")
            for part, piece in zip(("query", "key", "value"), value.chunk(3), strict=True):
                found[f"{stem}{part}.{match[1]}"] = piece
        else:
            found[_renamed(name)] = value
    return found


def config_of(state: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of ``ClapConfig`` for the sizes of LAION's weights.

    Args:
        state: Under LAION's names (`load_state`).
    """
    depths = [len(_numbers(state, rf"^audio_branch\.layers\.{stage}\.blocks\.(\d+)\.")) for stage in range(4)]
    tables = [state[f"audio_branch.layers.{stage}.blocks.0.attn.relative_position_bias_table"] for stage in range(4)]
    words = state["text_branch.embeddings.word_embeddings.weight"]
    hidden = int(words.shape[1])
    shared = int(state["audio_projection.2.weight"].shape[0])
    width = int(state["audio_branch.patch_embed.proj.weight"].shape[0])
    text = {
        "vocab_size": int(words.shape[0]),
        "hidden_size": hidden,
        "num_hidden_layers": len(_numbers(state, r"^text_branch\.encoder\.layer\.(\d+)\.")),
        "num_attention_heads": hidden // _TEXT_HEAD_DIM,
        "intermediate_size": int(state["text_branch.encoder.layer.0.intermediate.dense.weight"].shape[0]),
        "max_position_embeddings": int(state["text_branch.embeddings.position_embeddings.weight"].shape[0]),
        "type_vocab_size": int(state["text_branch.embeddings.token_type_embeddings.weight"].shape[0]),
        "layer_norm_eps": 1e-5,  # roberta-base; transformers' default for CLAP is another one
    }
    audio = {
        "depths": depths,
        "num_attention_heads": [int(table.shape[1]) for table in tables],
        "window_size": (round(int(tables[0].shape[0]) ** 0.5) + 1) // 2,
        "patch_embeds_hidden_size": width,
        "hidden_size": width * 2 ** (len(depths) - 1),
        "num_mel_bins": int(state["audio_branch.bn0.weight"].shape[0]),
        "enable_fusion": False,
    }
    return {"text_config": text, "audio_config": audio, "projection_dim": shared}


def _renamed(name: str) -> str:
    for old, new in _NAMES:
        name = name.replace(old, new)
    return name


def _numbers(state: Mapping[str, Any], pattern: str) -> set[int]:
    return {int(match[1]) for name in state if (match := re.match(pattern, name))}
