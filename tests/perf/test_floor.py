"""The embedded run against its floor: where the processor seconds go, and what the machine could not do without.

Some songs of the multilingual suite (EVALKIT_PERF_PROMPTS) are sung and measured together in one process, one thread.
The floor counts three things only: the multiplications of the vocoder's network (int8), those of Whisper's encoder
(float32), and, for every step of Whisper's decoder, the larger of its multiplications and of what it must read (its
weights once, and the keys and values of each window); at the rates this machine reaches in the same minute. Everything
else (notes, band, files, beam search, alignment, tags, technical measures) has no place in it. Run with:

    pytest -m perf -s tests/perf/test_floor.py
"""

import json
import math
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import loader
from evalkit import profile
from evalkit.audio import save_flac
from evalkit.clips import open_clip
from evalkit.evaluators.base import EVALUATORS, is_set_evaluator
from evalkit.files import file_sha256
from evalkit.models.files import ModelFiles
from evalkit.models.whisper_engines import BEAM_SIZE
from evalkit.models.whisper_network import WhisperNetwork
from evalkit.types import Prompt, Song
from generation.singing import kokoro
from generation.systems.singer import Singer

pytestmark = [pytest.mark.perf, pytest.mark.timeout(1800)]

PROMPTS = os.environ.get("EVALKIT_PERF_PROMPTS", "en-01,zh-01,es-01,ja-01").split(",")

# Whisper base: Radford et al. 2023, table 1. A layer's decoder has two attentions, of which one keeps its keys.
WIDTH, LAYERS, MELS, FRAMES, TOKENS = 512, 6, 80, 1500, 51_865
WINDOW_BYTES = 4 * 2 * LAYERS * FRAMES * WIDTH
DECODER_WEIGHTS = LAYERS * (4 + 2 + 8) * WIDTH**2 + TOKENS * WIDTH
ENCODER_OPERATIONS = 2 * (
    LAYERS * FRAMES * (12 * WIDTH**2 + 2 * FRAMES * WIDTH) + 2 * FRAMES * 3 * MELS * WIDTH + FRAMES * 3 * WIDTH**2
)


def best_of(times: int, work: Callable[[], object]) -> float:
    found = math.inf
    for _ in range(times):
        began = time.perf_counter()
        work()
        found = min(found, time.perf_counter() - began)
    return found


def multiplication_rate() -> float:
    """Float32 operations a second of one thread, in a product of the encoder's shape."""
    import torch

    torch.set_num_threads(1)
    left, right = torch.ones(FRAMES, WIDTH), torch.ones(WIDTH, 4 * WIDTH)
    return 2 * FRAMES * WIDTH * 4 * WIDTH / best_of(20, lambda: left @ right)


def byte_multiplication_rate() -> float:
    """The same in int8, as onnxruntime does it."""
    import onnx
    import onnxruntime

    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMulInteger", ["a", "b"], ["c"])],
        "product",
        [onnx.helper.make_tensor_value_info("a", onnx.TensorProto.UINT8, [FRAMES, WIDTH])],
        [onnx.helper.make_tensor_value_info("c", onnx.TensorProto.INT32, [FRAMES, 4 * WIDTH])],
        [onnx.numpy_helper.from_array(np.ones((WIDTH, 4 * WIDTH), np.int8), "b")],
    )
    model = onnx.helper.make_model(graph, ir_version=9, opset_imports=[onnx.helper.make_opsetid("", 20)])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    signal = {"a": np.ones((FRAMES, WIDTH), np.uint8)}
    return 2 * FRAMES * WIDTH * 4 * WIDTH / best_of(20, lambda: session.run(None, signal))


def read_rate() -> float:
    """Bytes a second that one thread reads of what no cache holds."""
    numbers = np.ones(2**26, dtype=np.float32)
    return numbers.nbytes / best_of(5, lambda: np.dot(numbers, numbers))


@dataclass
class Counted:
    """Seconds of each part of Whisper, and how much there was of it."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    windows: int = 0
    steps: list[int] = field(default_factory=list)
    """Windows that each step of the decoder went on with."""


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    counted = Counted()

    def watch(name: str) -> None:
        method = getattr(WhisperNetwork, name)

        def timed(network: WhisperNetwork, *arguments: Any) -> Any:
            began = time.thread_time()
            answer = method(network, *arguments)
            counted.seconds[name] += time.thread_time() - began
            counted.windows += name == "encode"
            if name == "step":
                counted.steps.append(len(arguments[0]))
            return answer

        monkeypatch.setattr(WhisperNetwork, name, timed)

    for name in ("encode", "step", "trace"):
        watch(name)
    return counted


@contextmanager
def watched_vocoder(folder: Path, place: Path) -> Iterator[list[dict[str, Any]]]:
    """The events of onnxruntime's profile of the vocoder, filled in at the end."""
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_profiling, options.profile_file_prefix = True, str(place / "vocoder")
    network = kokoro.shared(folder)
    plain = network._sessions["vocoder"]
    part = kokoro._cut(onnx.load(str(folder / "model.onnx")).graph, "vocoder")
    session = onnxruntime.InferenceSession(part, options, providers=["CPUExecutionProvider"])
    events: list[dict[str, Any]] = []
    network._sessions["vocoder"] = session
    yield events
    network._sessions["vocoder"] = plain
    events.extend(json.loads(Path(session.end_profiling()).read_text()))


def operations(event: dict[str, Any]) -> int:
    """Multiplications and additions of one convolution or product, from the shapes in the profile."""
    details = event.get("args", {})
    kind = details.get("op_name", "")
    if not any(part in kind for part in ("Conv", "MatMul", "Gemm")):
        return 0
    shapes = [next(iter(shape.values())) for shape in details["input_type_shape"]]
    made = next(iter(details["output_type_shape"][0].values()))
    if len(shapes) == 1 and "Conv" in kind:  # the inverse STFT: weights packed away, and nothing to speak of
        return 0
    if "Conv" not in kind:
        return 2 * math.prod(made) * shapes[0][-1]
    # Every number that goes into a transposed convolution, or comes out of another, meets the weights of its channel.
    met = shapes[0] if "Transpose" in kind else made
    return 2 * math.prod(met) * math.prod(shapes[1][1:])


@dataclass
class Sung:
    """Songs on disk, and the seconds of singing them."""

    songs: list[tuple[Song, Prompt]] = field(default_factory=list)
    seconds: float = 0.0
    writing_s: float = 0.0
    audio_s: float = 0.0

    def add(self, singer: Singer, prompt: Prompt, folder: Path) -> None:
        began = time.process_time()
        made = singer.generate(prompt, take=0, seed=0)
        sung = time.process_time()
        files = {name: f"{prompt.id}-{name}.flac" for name in ("mix", *made.stems)}
        for name, audio in {"mix": made.mix, **made.stems}.items():
            save_flac(audio, folder / files[name])
        self.seconds += sung - began
        self.writing_s += time.process_time() - sung
        self.audio_s += made.mix.duration_s
        sha256 = file_sha256(folder / files["mix"])
        song = Song(
            system="singer", prompt_id=prompt.id, take=0, seed=0, status="ok", path=files.pop("mix"), stems=files,
            sha256=sha256,
        )  # fmt: skip
        self.songs.append((song, prompt))


def measured(sung: Sung, folder: Path, evaluators: dict[str, Any]) -> dict[str, float]:
    """Seconds of each evaluator, for all songs together."""
    seconds: dict[str, float] = {}
    began = time.process_time()
    clips = [open_clip(folder, song, prompt) for song, prompt in sung.songs]
    seconds["opening"] = time.process_time() - began
    for name, evaluator in evaluators.items():
        began = time.process_time()
        if hasattr(evaluator, "prepare"):
            evaluator.prepare(clips)
        for clip in clips:
            evaluator.score(clip)
        seconds[name] = time.process_time() - began
    return seconds


def test_the_embedded_run_against_its_floor(tmp_path: Path, model_dir: Callable[[str], Path], counted: Counted) -> None:
    for model in ("whisper-base", "musicnn", "gm-soundfont"):
        model_dir(model)
    prompts = [prompt for prompt in loader.load("multilingual").prompts if prompt.id in PROMPTS]
    folder = model_dir("kokoro")
    singer = Singer("", ModelFiles().locate)
    for prompt in prompts:
        singer.generate(prompt, take=0, seed=0)  # what is loaded and compiled once is not counted
    sung = Sung()
    with watched_vocoder(folder, tmp_path) as events:
        for prompt in prompts:
            sung.add(singer, prompt, tmp_path)
    evaluators = {
        name: EVALUATORS.get(name)(options, ModelFiles().locate)
        for name, options in profile.load("embedded").evaluators.items()
        if not is_set_evaluator(EVALUATORS.get(name)) and not name.startswith("clap")
    }
    for _ in range(2):  # the first time loads
        counted.seconds.clear()
        counted.windows, counted.steps = 0, []
        measuring = measured(sung, tmp_path, evaluators)

    rate, byte_rate, reading = multiplication_rate(), byte_multiplication_rate(), read_rate()
    nodes = [event for event in events if event.get("cat") == "Node" and event["name"].endswith("_kernel_time")]
    vocoder_operations = sum(map(operations, nodes))
    vocoder_s = sum(event["dur"] for event in nodes) / 1e6
    floors = {
        "vocoder": vocoder_operations / byte_rate,
        "Whisper's encoder": counted.windows * ENCODER_OPERATIONS / rate,
        "Whisper's decoder": sum(
            max(
                2 * BEAM_SIZE * DECODER_WEIGHTS * windows / rate,
                (4 * DECODER_WEIGHTS + WINDOW_BYTES * windows) / reading,
            )
            for windows in counted.steps
        ),
    }
    whisper = counted.seconds
    took = {
        "vocoder": vocoder_s,
        "notes, band, prosody, mix": sung.seconds - vocoder_s,
        "writing": sung.writing_s,
        "Whisper's encoder": whisper["encode"],
        "Whisper's decoder": whisper["step"],
        "times of words": whisper["trace"],
        "rest of lyrics": measuring.pop("lyrics") - sum(whisper.values()),
        **measuring,
    }
    print(f"\n{', '.join(prompt.id for prompt in prompts)}, {sung.audio_s:.1f} s.")
    print(f"One thread does {rate / 1e9:.0f} G operations a second in float32, {byte_rate / 1e9:.0f} G in int8,")
    print(f"and reads {reading / 1e9:.1f} GB/s. Vocoder: {vocoder_operations / 1e9:.0f} G operations. ", end="")
    print(
        f"Whisper: {counted.windows} windows, {len(counted.steps)} steps, each of {np.mean(counted.steps):.1f} windows."
    )
    print("part                        core-s per s of song    floor   times the floor")
    for name, seconds in took.items():
        line = f"{name:28s}{seconds / sung.audio_s:12.3f}"
        if name in floors:
            line += f"{floors[name] / sung.audio_s:18.3f}{seconds / floors[name]:12.2f}"
        print(line)
    total, floor = sum(took.values()), sum(floors.values())
    print(f"{'all':28s}{total / sung.audio_s:12.3f}{floor / sung.audio_s:18.3f}{total / floor:12.2f}")
    assert min(counted.windows, len(counted.steps), vocoder_operations) > 0
