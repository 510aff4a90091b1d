"""Whisper for many listeners at once: stands where faster-whisper expects the model of CTranslate2.

faster-whisper cuts, prompts and times words as ever, each recording in its own job (`evalkit.models.rendezvous`). What
the jobs ask the network for is answered here: one encoder pass after the other, and one step of the decoder for all
that are being written down. A text that is finished makes room for the next at once.
"""

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from evalkit import memory
from evalkit.errors import ModelError
from evalkit.executors import gpu_share
from evalkit.models.rendezvous import Rendezvous
from evalkit.models.whisper_network import BEAMS, TRACKS, Entry, Heard, Track, WhisperNetwork
from evalkit.models.whisper_search import BeamSearch, Rules, Sampling, Search
from evalkit.models.whisper_timing import monotonic_path
from evalkit.models.whisper_weights import read_weights

T = TypeVar("T")

MULTILINGUAL_VOCABULARY = 51_865
"""Tokens of the smallest model for many languages; those for English alone have one less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """As CTranslate2's result: texts, the best first, with their mean log-probabilities."""

    sequences_ids: list[list[int]]
    scores: list[float]
    no_speech_prob: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Aligned:
    """As CTranslate2's result: pairs of token and frame, and the probability of each token of the text."""

    alignments: list[tuple[int, int]]
    text_token_probs: list[float]


@dataclass(slots=True, eq=False)
class _Writing:
    """A text being written: first the prompt is read, then tokens are chosen, if any are wanted."""

    track: Track
    search: Search | None
    prompt: Sequence[int]
    n_read: int = 0
    next_tokens: tuple[int, ...] = ()
    n_texts: int = 0
    prompt_logits: list[Tensor] = field(default_factory=list)

    @property
    def is_finished(self) -> bool:
        return self.n_read == len(self.prompt) and (self.search is None or self.search.found is not None)

    def entry(self) -> Entry:
        part = self.prompt[self.n_read : self.n_read + BEAMS]
        return Entry(track=self.track, tokens=part or self.next_tokens, is_prompt=bool(part))

    def take(self, logits: Tensor) -> None:
        """Take the logits after what `entry` gave [BEAMS, vocabulary]."""
        if n_new := len(self.prompt[self.n_read : self.n_read + BEAMS]):
            self.n_read += n_new
            self.prompt_logits += list(logits[:n_new])
            logits = logits[n_new - 1 : n_new]
        else:
            logits = logits[: self.n_texts]
        if self.search is None or self.n_read < len(self.prompt):
            return
        step = self.search.advance(logits)
        if step is not None:
            self.n_texts = len(step.tokens)
            rest = BEAMS - self.n_texts
            self.track.choose([*step.parents, *range(self.n_texts, BEAMS)])
            self.next_tokens = (*step.tokens, *[step.tokens[-1]] * rest)


class _Immediate:
    """A request that is answered by itself."""

    def __init__(self, compute: Callable[[], Any]) -> None:
        self.compute = compute


class TogetherModel:
    """The methods of ``ctranslate2.models.Whisper`` that faster-whisper calls, for one window a call.

    Args:
        network: Loaded.
        tokens: Number of each special token by its text, such as ``<|notimestamps|>``.
        config: ``config.json`` of the CTranslate2 model.
        memory_bytes: What the windows that are under way may take; it decides how many there are, not what they give.
    """

    device = "cpu"
    """Where features and answers lie: in main memory, wherever the network computes."""

    device_index = (0,)

    def __init__(
        self, network: WhisperNetwork, tokens: Mapping[str, int], config: Mapping[str, Any], memory_bytes: int
    ) -> None:
        self._network, self._tokens, self._config = network, tokens, config
        known = set(config.get("lang_ids") or self._languages_by_place())
        # In the order of the vocabulary: a sum rounds otherwise in another order, and that of a tokenizer is random.
        self._languages = {text: number for number, text in sorted((n, t) for t, n in tokens.items() if n in known)}
        self._of_job = threading.local()
        self._rendezvous: Rendezvous[Any] = Rendezvous(self._serve, self.n_places(memory_bytes))

    def _languages_by_place(self) -> range:
        """Tokens of languages where the file does not name them: between two others, in a vocabulary for many."""
        if self._network.n_vocab < MULTILINGUAL_VOCABULARY:
            return range(0)
        return range(self._tokens["<|startoftranscript|>"] + 1, self._tokens["<|translate|>"])

    @property
    def is_multilingual(self) -> bool:
        """Whether the model knows more than English."""
        return len(self._languages) > 1

    @property
    def n_mels(self) -> int:
        """Mel bands of the features."""
        return self._network.n_mels

    def n_places(self, memory_bytes: int) -> int:
        """Windows that may be under way at the same time."""
        return min(TRACKS, max(1, memory_bytes // self._network.window_bytes))

    def together(self, jobs: Sequence[Callable[[], T]]) -> list[T]:
        """Results of jobs that call this model; what they ask for at the same time is computed together."""
        try:
            return self._rendezvous.run(jobs)
        finally:
            memory.give_back()

    @contextlib.contextmanager
    def seeded(self, seed: int) -> Iterator[None]:
        """What this job draws inside begins at a seed; faster-whisper has no way to say it."""
        self._of_job.seed = seed
        try:
            yield
        finally:
            del self._of_job.seed

    def encode(self, features: npt.NDArray[np.float32], to_cpu: bool = False) -> Heard:
        """Listen to a window [1, mels, 3000]; a job's last answer is kept, since a chunk is often heard again."""
        last: tuple[Any, Heard] | None = getattr(self._of_job, "heard", None)
        if last is None or not np.array_equal(last[0], features):
            last = features, self._rendezvous.ask(_Immediate(lambda: self._network.encode(features[0])))
            self._of_job.heard = last
        return last[1]

    def detect_language(self, heard: Heard) -> list[list[tuple[str, float]]]:
        """Languages with their probabilities, the most probable first."""
        logits = self._ask(_Writing(Track(heard), None, [self._tokens["<|startoftranscript|>"]])).prompt_logits[0]
        probs = torch.softmax(logits[list(self._languages.values())], dim=0).tolist()
        return [sorted(zip(self._languages, probs, strict=True), key=lambda found: -found[1])]

    def generate(
        self,
        heard: Heard,
        prompts: Sequence[Sequence[int]],
        *,
        beam_size: int = 5,
        patience: float = 1,
        num_hypotheses: int = 1,
        length_penalty: float = 1,
        repetition_penalty: float = 1,
        no_repeat_ngram_size: int = 0,
        max_length: int = 448,
        return_scores: bool = True,
        return_no_speech_prob: bool = True,
        max_initial_timestamp_index: int = 50,
        suppress_blank: bool = True,
        suppress_tokens: Iterable[int] | None = (-1,),
        sampling_topk: int = 1,
        sampling_temperature: float = 0.0,
    ) -> list[Generated]:
        """Write down one window, by beam search or, at a temperature above 0, by drawing ``num_hypotheses`` texts.

        Raises:
            ValueError: an option has a value that is not built.
        """
        draws = sampling_temperature > 0 and sampling_topk == 0
        if (patience, length_penalty, repetition_penalty) != (1, 1, 1) or len(prompts) != 1:
            raise ValueError("Only one prompt, and patience and penalties of 1, are built.")
        if max(num_hypotheses if draws else beam_size, 1) > BEAMS or not (draws or num_hypotheses == 1):
            raise ValueError(f"At most {BEAMS} beams or drawn texts are built.")
        (prompt,) = prompts
        suppressed = list(suppress_tokens or ())
        rules = Rules(
            end_of_text=self._tokens["<|endoftext|>"],
            no_timestamps=self._tokens["<|notimestamps|>"],
            suppressed=tuple(self._config.get("suppress_ids", ()) if suppressed == [-1] else suppressed),
            suppressed_first=tuple(self._config.get("suppress_ids_begin", ()) if suppress_blank else ()),
            has_timestamps=self._tokens["<|notimestamps|>"] not in prompt,
            max_initial_timestamp=max_initial_timestamp_index,
            no_repeat_ngram=no_repeat_ngram_size,
        )
        max_tokens = max(1, min(max_length // 2, max_length - len(prompt)))  # as CTranslate2 counts
        search: Search
        if draws:
            seed = getattr(self._of_job, "seed", 0)
            search = Sampling(rules, num_hypotheses, max_tokens, temperature=sampling_temperature, seed=seed)
        else:
            search = BeamSearch(rules, beam_size, max_tokens)
        written = self._ask(_Writing(Track(heard), search, list(prompt)))
        found = search.found
        assert found is not None
        start = prompt.index(self._tokens["<|startoftranscript|>"])
        silence = torch.softmax(written.prompt_logits[start], dim=0)[self._no_speech].item()
        return [
            Generated(
                sequences_ids=[list(text) for text in found.texts],
                scores=list(found.scores),
                no_speech_prob=float(silence),
            )
        ]

    def align(
        self,
        heard: Heard,
        start: Sequence[int],
        texts: Sequence[Sequence[int]],
        num_frames: int | Sequence[int],
        *,
        median_filter_width: int = 7,
    ) -> list[Aligned]:
        """Times of the tokens of one text.

        Args:
            heard: The window.
            start: Prompt of the transcript.
            texts: Tokens without timestamps, of one text.
            num_frames: Frames of the spectrogram that hold sound; the encoder halves them.
            median_filter_width: Frames over which attention is smoothed.
        """
        (text,) = texts
        n_frames = num_frames if isinstance(num_frames, int) else num_frames[0]
        end = self._tokens["<|endoftext|>"]
        tokens = [*start, self._tokens["<|notimestamps|>"], *text, end]

        def compute() -> Aligned:
            logits, scores = self._network.trace(heard, tokens)
            words = torch.softmax(logits[len(start) : len(start) + len(text), :end], dim=-1)
            probs = words[torch.arange(len(text)), torch.tensor(text, dtype=torch.long)]
            path = monotonic_path(scores, len(start), n_frames // 2, median_filter_width)
            return Aligned(alignments=path, text_token_probs=probs.tolist())

        return [self._rendezvous.ask(_Immediate(compute))]

    @property
    def _no_speech(self) -> int:
        return self._tokens.get("<|nospeech|>", self._tokens.get("<|nocaptions|>", -1))

    def _ask(self, writing: _Writing) -> _Writing:
        found: _Writing = self._rendezvous.ask(writing)
        return found

    @torch.inference_mode()
    def _serve(self, requests: Sequence[Any]) -> list[tuple[int, Any]]:
        """What can be answered by itself, first: so that as many texts as possible are written together."""
        answers = [
            (number, _attempt(request.compute))
            for number, request in enumerate(requests)
            if isinstance(request, _Immediate)
        ]
        while not answers:
            logits = self._network.step([writing.entry() for writing in requests])
            for number, writing in enumerate(requests):
                writing.take(logits[number])
                if writing.is_finished:
                    answers.append((number, writing))
        return answers


def _attempt(compute: Callable[[], Any]) -> Any:
    try:
        return compute()
    except Exception as error:  # it belongs to the one who asked
        return error


CPU_MEMORY_BYTES = 2_000_000_000
"""For windows under way on a CPU."""

_GPU_PART = 0.5


def _memory_bytes(device: str) -> int:
    """For windows under way: on a GPU, half of what is left of this process's share once the weights are there."""
    if device == "cpu":
        return CPU_MEMORY_BYTES
    share = gpu_share.share() * torch.cuda.get_device_properties(device).total_memory
    return int(_GPU_PART * max(0.0, share - torch.cuda.memory_allocated(device)))


def load(folder: Path, compute_type: str, device: str) -> Any:
    """faster-whisper's ``WhisperModel`` with our network in it.

    Args:
        folder: CTranslate2 model with its ``tokenizer.json``.
        compute_type: Name of a type of PyTorch.
        device: ``"cpu"`` or ``"cuda"``.

    Raises:
        ModelError: the files cannot be read or do not fit.
    """
    import faster_whisper
    import tokenizers
    from faster_whisper.feature_extractor import FeatureExtractor
    from faster_whisper.utils import get_logger

    class Together(faster_whisper.WhisperModel):  # type: ignore[misc]
        def __init__(self) -> None:
            # As the class itself does, but for CTranslate2's model, which would be loaded only to be thrown away.
            self.logger = get_logger()
            self.hf_tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
            special = {text: number for text, number in self.hf_tokenizer.get_vocab().items() if text.startswith("<|")}
            weights = read_weights(folder)
            network = WhisperNetwork(weights, device=device, dtype=getattr(torch, compute_type))
            self.model = TogetherModel(network, special, weights.config, _memory_bytes(device))
            self.feat_kwargs = self._get_feature_kwargs(str(folder))
            self.feature_extractor = FeatureExtractor(**self.feat_kwargs)
            self.input_stride = 2
            self.num_samples_per_token = self.feature_extractor.hop_length * self.input_stride
            self.frames_per_second = self.feature_extractor.sampling_rate // self.feature_extractor.hop_length
            self.tokens_per_second = self.feature_extractor.sampling_rate // self.num_samples_per_token
            self.time_precision = 0.02
            self.max_length = network.n_context

        def encode(self, features: npt.NDArray[np.float32]) -> Heard:
            return self.model.encode(features[None])

    try:
        loaded = Together()
        memory.give_back()
        return loaded
    except (KeyError, RuntimeError, ValueError, OSError) as error:
        raise ModelError(
            f"The Whisper model in {folder} cannot be loaded ({error}).", "Run: evalkit models verify"
        ) from error
