"""Whisper's weights under OpenAI's names, from OpenAI's own files or read back from a CTranslate2 model.

The second lets all engines run on the very same file, which is how one proves the other.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from evalkit.errors import ModelError

_DTYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
_FLOATS = (np.float32, np.float16)
_MAX_VARIABLES = 100_000

Arrays = dict[str, npt.NDArray[Any]]


def read_ctranslate2(path: Path) -> Arrays:
    """Read ``model.bin`` of CTranslate2, binary version 6.

    Layout, little endian: uint32 version; name of the kind of model; uint32 revision; uint32 count; for each variable
    its name, uint8 rank, uint32 dimensions, uint8 type, uint32 bytes, data; at last aliases. Names are a uint16
    length and zero-terminated UTF-8.

    Returns:
        Arrays by name, aliases included.

    Raises:
        ModelError: another layout, another kind of model, or a truncated file.
    """
    try:
        with path.open("rb") as file:
            version, kind = _number(file, "I"), _text(file)
            if version != 6 or kind != "WhisperSpec":
                raise ModelError(f"{path} is {kind} in layout {version}; WhisperSpec in layout 6 is expected.")
            _number(file, "I")
            arrays: Arrays = {}
            count = _number(file, "I")
            for _ in range(min(count, _MAX_VARIABLES)):
                name, rank = _text(file), _number(file, "B")
                shape = [_number(file, "I") for _ in range(rank)]
                dtype, size = np.dtype(_DTYPES[_number(file, "B")]), _number(file, "I")
                arrays[name] = np.frombuffer(_bytes(file, size), dtype=dtype).reshape(shape)
            for _ in range(min(_number(file, "I"), _MAX_VARIABLES)):
                alias, target = _text(file), _text(file)
                arrays[alias] = arrays[target]
    except (EOFError, KeyError, ValueError, UnicodeDecodeError, OSError) as error:
        raise ModelError(
            f"{path} cannot be read as a CTranslate2 model ({error}).", "Run: evalkit models verify"
        ) from error
    return arrays


@dataclass(frozen=True, slots=True, kw_only=True)
class WhisperWeights:
    """What a CTranslate2 model of Whisper holds.

    Attributes:
        dims: OpenAI's dimensions (``n_mels``, ``n_audio_ctx``, ``n_text_layer`` ...).
        state: Arrays as the file has them, float16 or float32, by OpenAI's names.
        alignment_heads: Layer and head of the attentions that follow the sound in time.
        config: ``config.json``: tokens that are suppressed, and others.
    """

    dims: Mapping[str, int]
    state: Mapping[str, npt.NDArray[Any]]
    alignment_heads: tuple[tuple[int, int], ...]
    config: Mapping[str, Any]


def read_weights(folder: Path) -> WhisperWeights:
    """Read ``model.bin`` and ``config.json`` of a CTranslate2 model.

    Raises:
        ModelError: they are damaged, quantised to integers, or do not fit together.
    """
    try:
        dims, state = to_openai(read_ctranslate2(folder / "model.bin"))
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        heads = tuple((int(layer), int(head)) for layer, head in config.get("alignment_heads") or _upper_half(dims))
    except (KeyError, IndexError, ValueError, TypeError, AttributeError, OSError) as error:
        raise ModelError(
            f"{folder / 'model.bin'} does not fit Whisper ({_first_line(error)}).", "Run: evalkit models verify"
        ) from error
    if any(not (0 <= layer < dims["n_text_layer"] and 0 <= head < dims["n_text_head"]) for layer, head in heads):
        raise ModelError(f"{folder / 'config.json'} names alignment heads that the model does not have.")
    return WhisperWeights(dims=dims, state=state, alignment_heads=heads, config=config)


def load_openai_model(folder: Path) -> Any:
    """Build OpenAI's ``Whisper`` module with the weights found in ``folder``, float32, ready to transcribe.

    Args:
        folder: Holds one ``*.pt`` of OpenAI (``dims`` and ``model_state_dict``; no code in it is run), or ``model.bin``
            and ``config.json`` of CTranslate2.

    Raises:
        ModelError: neither is there, or it does not fit.
    """
    checkpoints = sorted(folder.glob("*.pt"))
    if len(checkpoints) > 1:
        raise ModelError(f"{folder} holds {len(checkpoints)} .pt files; exactly one is expected.")
    if checkpoints:
        return _from_checkpoint(checkpoints[0])
    if (folder / "model.bin").is_file():
        return _from_ctranslate2(folder)
    raise ModelError(f"{folder} holds no Whisper weights (*.pt or model.bin).", "Run: evalkit models pull whisper-base")


def _from_checkpoint(path: Path) -> Any:
    import pickle

    import torch

    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        return _build(checkpoint["dims"], checkpoint["model_state_dict"])
    except (pickle.UnpicklingError, KeyError, TypeError, RuntimeError, EOFError) as error:
        raise ModelError(f"{path} is not a Whisper checkpoint of OpenAI ({_first_line(error)}).") from error


def _from_ctranslate2(folder: Path) -> Any:
    import torch

    weights = read_weights(folder)
    try:
        model = _build(
            weights.dims, {name: torch.from_numpy(array.astype(np.float32)) for name, array in weights.state.items()}
        )
    except (KeyError, IndexError, RuntimeError) as error:
        raise ModelError(f"{folder / 'model.bin'} does not fit Whisper ({_first_line(error)}).") from error
    mask = torch.zeros(weights.dims["n_text_layer"], weights.dims["n_text_head"], dtype=torch.bool)
    for layer, head in weights.alignment_heads:
        mask[layer, head] = True
    model.register_buffer("alignment_heads", mask.to_sparse(), persistent=False)
    return model


def to_openai(arrays: Mapping[str, npt.NDArray[Any]]) -> tuple[dict[str, int], Arrays]:
    """Rename CTranslate2's variables into OpenAI's and cut the joined projections apart.

    Returns:
        OpenAI's dimensions, and its state dictionary in the precision of the file.

    Raises:
        ModelError: the weights are quantised to integers.
    """
    weights = {name: array for name, array in arrays.items() if array.ndim}
    if any(array.dtype not in _FLOATS for name, array in weights.items() if name.endswith("/weight")):
        raise ModelError("The CTranslate2 model is quantised; this engine needs float16 or float32 weights.")
    state: Arrays = {
        "encoder.positional_embedding": weights["encoder/position_encodings/encodings"],
        "decoder.positional_embedding": weights["decoder/position_encodings/encodings"],
        "decoder.token_embedding.weight": weights["decoder/embeddings/weight"],
    }
    for name in ("conv1", "conv2"):
        _copy(state, f"encoder.{name}", weights, f"encoder/{name}")
    _copy_norm(state, "encoder.ln_post", weights, "encoder/layer_norm")
    _copy_norm(state, "decoder.ln", weights, "decoder/layer_norm")
    layers = {}
    for side in ("encoder", "decoder"):
        blocks = {name.split("/")[1] for name in weights if name.startswith(f"{side}/") and "/ffn/" in name}
        layers[side] = len(blocks)
        for index in range(layers[side]):
            _copy_block(state, f"{side}.blocks.{index}", weights, f"{side}/layer_{index}")
    conv, positions = weights["encoder/conv1/weight"], weights["encoder/position_encodings/encodings"]
    embedding = weights["decoder/embeddings/weight"]
    dims = {
        "n_mels": conv.shape[1],
        "n_audio_ctx": positions.shape[0],
        "n_audio_state": positions.shape[1],
        "n_audio_head": int(arrays["encoder/num_heads"]),
        "n_audio_layer": layers["encoder"],
        "n_vocab": embedding.shape[0],
        "n_text_ctx": weights["decoder/position_encodings/encodings"].shape[0],
        "n_text_state": embedding.shape[1],
        "n_text_head": int(arrays["decoder/num_heads"]),
        "n_text_layer": layers["decoder"],
    }
    return dims, state


def _copy_block(state: Arrays, to: str, weights: Mapping[str, npt.NDArray[Any]], block: str) -> None:
    joined = f"{block}/self_attention/linear_0"
    _copy_norm(state, f"{to}.attn_ln", weights, f"{block}/self_attention/layer_norm")
    _cut(state, f"{to}.attn", ("query", "key", "value"), weights, joined)
    _copy(state, f"{to}.attn.out", weights, f"{block}/self_attention/linear_1")
    if f"{block}/attention/linear_0/weight" in weights:
        _copy_norm(state, f"{to}.cross_attn_ln", weights, f"{block}/attention/layer_norm")
        _copy(state, f"{to}.cross_attn.query", weights, f"{block}/attention/linear_0")
        _cut(state, f"{to}.cross_attn", ("key", "value"), weights, f"{block}/attention/linear_1")
        _copy(state, f"{to}.cross_attn.out", weights, f"{block}/attention/linear_2")
    _copy_norm(state, f"{to}.mlp_ln", weights, f"{block}/ffn/layer_norm")
    _copy(state, f"{to}.mlp.0", weights, f"{block}/ffn/linear_0")
    _copy(state, f"{to}.mlp.2", weights, f"{block}/ffn/linear_1")


def _copy(state: Arrays, to: str, weights: Mapping[str, npt.NDArray[Any]], source: str) -> None:
    state[f"{to}.weight"], state[f"{to}.bias"] = weights[f"{source}/weight"], weights[f"{source}/bias"]


def _copy_norm(state: Arrays, to: str, weights: Mapping[str, npt.NDArray[Any]], source: str) -> None:
    state[f"{to}.weight"], state[f"{to}.bias"] = weights[f"{source}/gamma"], weights[f"{source}/beta"]


def _cut(state: Arrays, to: str, parts: tuple[str, ...], weights: Mapping[str, npt.NDArray[Any]], source: str) -> None:
    matrices = np.split(weights[f"{source}/weight"], len(parts))
    biases = np.split(weights[f"{source}/bias"], len(parts))
    for part, matrix, bias in zip(parts, matrices, biases, strict=True):
        state[f"{to}.{part}.weight"] = matrix
        if part != "key":  # Whisper's keys have no bias; the joined one holds zeros there
            state[f"{to}.{part}.bias"] = bias


def _build(dims: Mapping[str, int], state: Mapping[str, Any]) -> Any:
    from whisper.model import ModelDimensions, Whisper

    model = Whisper(ModelDimensions(**dims))
    model.load_state_dict(state)
    return model.float().eval()


def _upper_half(dims: Mapping[str, int]) -> list[tuple[int, int]]:
    """OpenAI's own default where no alignment heads are known: all heads of the upper half of the decoder."""
    upper = range(dims["n_text_layer"] // 2, dims["n_text_layer"])
    return [(layer, head) for layer in upper for head in range(dims["n_text_head"])]


def _bytes(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise EOFError(f"{size - len(data)} bytes are missing")
    return data


def _number(file: BinaryIO, code: str) -> int:
    return int(struct.unpack(f"<{code}", _bytes(file, struct.calcsize(f"<{code}")))[0])


def _text(file: BinaryIO) -> str:
    return _bytes(file, _number(file, "H")).rstrip(b"\0").decode()


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
