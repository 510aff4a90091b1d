"""Kokoro-82M as an instrument: its graph cut in three, so that durations and pitch can be ours.

The published graph goes from tokens straight to audio. Cut at two places it becomes an encoder (tokens to natural
durations), a prosody model (durations to F0 and energy) and a vocoder (F0 and energy to audio); what we put in between
makes it sing.

Source: hexgrad/Kokoro-82M v1.0 (Apache-2.0), ONNX export int8; architecture of Li et al., "StyleTTS 2", NeurIPS 2023.
"""

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evalkit.errors import ModelError
from evalkit.types import FloatArray
from generation.singing.integer_convolutions import as_products, signed_products_are_exact

SAMPLE_RATE = 24_000
FRAME_SAMPLES = 600
"""One duration frame: 25 ms. F0 and energy have two values a frame."""
FRAME_S = FRAME_SAMPLES / SAMPLE_RATE
MAX_TOKENS = 510
"""Longest phoneme sequence the network was made for, without the silent token at either end."""

_STYLE_ROWS = 161

_HIDDEN = "/encoder/predictor/text_encoder/Concat_4_output_0"
_TEXT = "/encoder/text_encoder/Transpose_2_output_0"
_NATURAL = "/encoder/Div_output_0"
_DURATIONS = "/encoder/Cast_output_0"
_F0 = "/encoder/Reshape_output_0"
_ENERGY = "/encoder/Reshape_1_output_0"
_ALIGNED = "/encoder/MatMul_1_output_0"

# Tensor name to (ONNX element type, rank): 1 is float32, 7 is int64.
_CUTS: dict[str, tuple[dict[str, tuple[int, int]], tuple[str, ...]]] = {
    "encoder": ({"tokens": (7, 2), "style": (1, 2), "speed": (1, 1)}, (_NATURAL, _HIDDEN, _TEXT)),
    "prosody": ({_HIDDEN: (1, 3), _TEXT: (1, 3), "style": (1, 2), _DURATIONS: (7, 2)}, (_F0, _ENERGY, _ALIGNED)),
    "vocoder": ({_ALIGNED: (1, 3), _F0: (1, 2), _ENERGY: (1, 2), "style": (1, 2)}, ("audio",)),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Encoded:
    """A phoneme sequence after the encoder.

    Attributes:
        natural_frames: What the network would take for each token, float [tokens + 2], in 25 ms frames.
        hidden: For the prosody model.
        text: For the vocoder.
        style: Style vector [1, 256].
    """

    natural_frames: FloatArray
    hidden: FloatArray
    text: FloatArray
    style: FloatArray


class Kokoro:
    """The three sessions and the token table.

    Args:
        folder: Holds ``model.onnx`` and ``vocab.json``.

    Raises:
        ModelError: a file is missing, or the graph is not the one that can be cut.
    """

    def __init__(self, folder: Path) -> None:
        import onnx
        import onnxruntime

        path = folder / "model.onnx"
        try:
            self.vocab: dict[str, int] = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))["vocab"]
            graph = onnx.load(str(path)).graph
        except (OSError, ValueError, KeyError) as error:
            message = f"The Kokoro model in {folder} cannot be read ({error})."
            raise ModelError(message, "Try: evalkit models verify kokoro") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._sessions = {
            name: onnxruntime.InferenceSession(_cut(graph, name), options, providers=["CPUExecutionProvider"])
            for name in _CUTS
        }

    def encode(self, phonemes: Sequence[str], style: FloatArray) -> Encoded:
        """Run the encoder.

        Args:
            phonemes: Symbols of the vocabulary, at most `MAX_TOKENS`.
            style: Style vector [1, 256].

        Returns:
            Natural durations of each symbol and of the silent token before and after.
        """
        if not 0 < len(phonemes) <= MAX_TOKENS:
            raise ModelError(f"Kokoro takes 1 to {MAX_TOKENS} phonemes at a time, got {len(phonemes)}.")
        tokens = np.array([[0, *(self.vocab[symbol] for symbol in phonemes), 0]], dtype=np.int64)
        inputs = {"tokens": tokens, "style": style, "speed": np.ones(1, dtype=np.float32)}
        natural, hidden, text = self._sessions["encoder"].run(None, inputs)
        return Encoded(natural_frames=natural.reshape(-1), hidden=hidden, text=text, style=style)

    def prosody(self, encoded: Encoded, frames: npt.NDArray[np.int64]) -> tuple[FloatArray, FloatArray]:
        """Predict how it would be spoken.

        Args:
            encoded: A phoneme sequence.
            frames: Duration of each token, int [tokens + 2], in 25 ms frames, each at least 1.

        Returns:
            F0 in Hz (only a few Hz where unvoiced) and energy, both [2 * frames].
        """
        inputs = {
            _HIDDEN: encoded.hidden,
            _TEXT: encoded.text,
            "style": encoded.style,
            _DURATIONS: frames.reshape(1, -1).astype(np.int64),
        }
        f0_hz, energy = self._sessions["prosody"].run([_F0, _ENERGY], inputs)
        return f0_hz.reshape(-1), energy.reshape(-1)

    def vocode(
        self, encoded: Encoded, frames: npt.NDArray[np.int64], f0_hz: FloatArray, energy: FloatArray
    ) -> FloatArray:
        """Render audio [time] at 24 kHz from durations [tokens + 2] and from F0 and energy [2 * frames]."""
        inputs = {
            # What the graph does with a matrix of zeros and ones.
            _ALIGNED: np.repeat(encoded.text, frames, axis=2),
            _F0: f0_hz.reshape(1, -1).astype(np.float32),
            _ENERGY: energy.reshape(1, -1).astype(np.float32),
            "style": encoded.style,
        }
        audio: FloatArray = self._sessions["vocoder"].run(None, inputs)[0].reshape(-1)
        return audio


@functools.lru_cache(maxsize=1)
def shared(folder: Path) -> Kokoro:
    """The one instance of a process; sessions take seconds and 0.3 GB to make."""
    return Kokoro(folder)


@functools.lru_cache(maxsize=32)
def voice_table(voice: str) -> FloatArray:
    """Style vectors of a voice, float32 [161, 256]; row ``n`` is meant for ``n + 1`` phonemes.

    ``"a+b"`` is the voice halfway between two vendored ones.
    """
    with np.load(str(files("generation.singing") / "data" / "voices.npz"), allow_pickle=False) as table:
        parts = [np.asarray(table[name], dtype=np.float32) for name in voice.split("+")]
    return np.asarray(np.mean(parts, axis=0), dtype=np.float32)


def style_of(voice: str, n_phonemes: int) -> FloatArray:
    """Style vector [1, 256] of a voice for a phoneme sequence of this length."""
    row = min(max(n_phonemes - 1, 0), _STYLE_ROWS - 1)
    return voice_table(voice)[row : row + 1]


def _cut(graph: Any, part: str) -> bytes:
    """One part of the graph as a serialised model: what its outputs need, back to its inputs."""
    import onnx

    inputs, outputs = _CUTS[part]
    producer = {name: index for index, node in enumerate(graph.node) for name in node.output}
    missing = [name for name in outputs if name not in producer]
    if missing:
        raise ModelError(
            f"The Kokoro graph has no tensor {missing[0]!r}; it is not the export that can be cut.",
            "Try: evalkit models verify kokoro",
        )
    wanted = list(outputs)
    seen = set(inputs)
    keep: set[int] = set()
    while wanted:
        name = wanted.pop()
        if name in seen:
            continue
        seen.add(name)
        index = producer.get(name)
        if index is not None and index not in keep:
            keep.add(index)
            wanted.extend(graph.node[index].input)
    nodes = [graph.node[index] for index in sorted(keep)]
    constants = [tensor for tensor in graph.initializer if tensor.name in seen]
    if signed_products_are_exact():
        nodes, constants = as_products(nodes, constants)
    model = onnx.ModelProto(ir_version=9)
    model.opset_import.extend([onnx.helper.make_opsetid("", 20), onnx.helper.make_opsetid("com.microsoft", 1)])
    model.graph.name = part
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(constants)
    for name, (kind, rank) in inputs.items():
        shape = [f"{part}_{name}_{axis}" for axis in range(rank)]
        model.graph.input.append(onnx.helper.make_tensor_value_info(name, kind, shape))
    for name in outputs:
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    serialised: bytes = model.SerializeToString()
    return serialised
