"""The three Whisper engines, as plain decoders of at most 28 seconds; all policy is in `evalkit.models.whisper`."""

import importlib.metadata
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

from evalkit.errors import ConfigError, ModelError, missing_package
from evalkit.models.transcript import Segment, Word
from evalkit.types import FloatArray

T = TypeVar("T")

SAMPLE_RATE = 16_000
BEAM_SIZE = 5
TOKENS_PER_S = 16
"""Whisper may write 448 tokens in a window, 16 a second of 28; a shorter chunk gets its share, so that loops end."""


def max_tokens(samples: FloatArray) -> int:
    """How many tokens may be written for a chunk; below Whisper's 448 less its prompt."""
    return min(440, 32 + TOKENS_PER_S * len(samples) // SAMPLE_RATE)


class Engine(Protocol):
    """Decodes one chunk.

    Attributes:
        description: Name, version and arithmetic, for signatures.
        can_forbid_repeats: Whether ``no_repeat_ngram`` works.
    """

    description: str
    can_forbid_repeats: bool

    @staticmethod
    def describe() -> str:
        """What `description` will be; nothing is loaded."""
        ...

    def knows(self, language: str) -> bool:
        """Whether the language has a token."""
        ...

    def languages(self, samples: FloatArray) -> dict[str, float]:
        """Probability of each language for a chunk; empty if the model knows one language only.

        Free just before `decode` of the same chunk, because the encoder's answer is kept.
        """
        ...

    def decode(self, samples: FloatArray, language: str, *, no_repeat_ngram: int = 0) -> list[Segment]:
        """Beam search at temperature 0.

        Args:
            samples: Mono at 16 kHz [time].
            language: Whisper's code.
            no_repeat_ngram: Forbid that this many tokens occur twice in the same order; 0 forbids nothing.

        Returns:
            Segments with times from the begin of ``samples``.
        """
        ...

    def sample(self, samples: FloatArray, language: str, *, temperature: float, seed: int) -> list[Segment]:
        """Draw tokens at ``temperature``; the same seed gives the same text whatever was decoded before."""
        ...


class FasterWhisper:
    """faster-whisper on CTranslate2, one thread, so that results do not depend on the machine's load.

    In float32 by default: int8 arithmetic rounds activations so coarsely that a change in the seventh digit of the
    audio changes the text of every second sung song.

    Args:
        folder: A converted model: ``model.bin``, ``config.json``, ``tokenizer.json``, ``vocabulary.*``.
        compute_type: CTranslate2's name of the arithmetic.
        device: ``"cpu"`` or ``"cuda"``.
    """

    can_forbid_repeats = True

    def __init__(self, folder: Path, compute_type: str = "float32", device: str = "cpu") -> None:
        self.description = self.describe(compute_type, device)
        self._folder = folder
        self._compute_type = compute_type
        self._device = device
        self._model = self._load()

    @staticmethod
    def describe(compute_type: str = "float32", device: str = "cpu") -> str:
        """Name, versions and arithmetic; nothing is loaded."""
        versions = [importlib.metadata.version(name) for name in ("faster-whisper", "ctranslate2")]
        where = "" if device == "cpu" else f"-{device}"
        return f"faster-whisper{versions[0]}+ct2-{versions[1]}-{compute_type}{where}"

    def _load(self) -> Any:
        has_model, has_tokenizer = ((self._folder / name).is_file() for name in ("model.bin", "tokenizer.json"))
        if has_model and not has_tokenizer:  # the package would ask the network for one
            raise ModelError(f"The folder {self._folder} holds no tokenizer.json.", "Run: evalkit models verify")
        try:
            return _remembering_model()(
                str(self._folder),
                device=self._device,
                compute_type=self._compute_type,
                cpu_threads=1,
                num_workers=1,
                local_files_only=True,
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise ModelError(
                f"The Whisper model in {self._folder} cannot be loaded ({error}).", "Run: evalkit models verify"
            ) from error

    def knows(self, language: str) -> bool:
        """Whether the language has a token."""
        return language in self._model.supported_languages

    def languages(self, samples: FloatArray) -> dict[str, float]:
        """Probability of each language for a chunk."""
        from faster_whisper.audio import pad_or_trim

        if not self._model.model.is_multilingual:
            return {}
        features = self._model.feature_extractor(samples)[:, :-1]  # as transcribe() takes them, so that they are known
        encoded = self._model.encode(pad_or_trim(features))
        return {token[2:-2]: float(p) for token, p in self._model.model.detect_language(encoded)[0]}

    def decode(self, samples: FloatArray, language: str, *, no_repeat_ngram: int = 0) -> list[Segment]:
        """Beam search at temperature 0."""
        return self._run(self._model, samples, language, temperature=0.0, no_repeat_ngram_size=no_repeat_ngram)

    def sample(self, samples: FloatArray, language: str, *, temperature: float, seed: int) -> list[Segment]:
        """Draw tokens at ``temperature``."""
        import ctranslate2

        # CTranslate2 seeds the generator of a thread once, when that thread first draws; setting the seed later changes
        # nothing. A model of its own has threads of its own, so every draw begins at the seed.
        ctranslate2.set_random_seed(seed)
        return self._run(self._load(), samples, language, temperature=temperature, best_of=5)

    def _run(self, model: Any, samples: FloatArray, language: str, **options: Any) -> list[Segment]:
        segments, _ = model.transcribe(
            samples,
            language=language,
            task="transcribe",
            beam_size=BEAM_SIZE,
            condition_on_previous_text=False,
            word_timestamps=True,
            vad_filter=False,
            max_new_tokens=max_tokens(samples),
            no_speech_threshold=None,  # a silent stretch is decided on, and counted, by the caller
            **options,
        )
        return [
            Segment(
                text=segment.text,
                start_s=float(segment.start),
                end_s=float(segment.end),
                words=tuple(
                    Word(
                        text=word.word,
                        start_s=float(word.start),
                        end_s=float(word.end),
                        probability=float(word.probability),
                    )
                    for word in segment.words or ()
                ),
                avg_logprob=float(segment.avg_logprob),
                compression_ratio=float(segment.compression_ratio),
                no_speech_prob=float(segment.no_speech_prob),
            )
            for segment in segments
        ]


@lru_cache(maxsize=1)
def _remembering_model() -> Any:
    """faster-whisper's model that keeps the encoder's last answer: a chunk is often listened to more than once."""
    import numpy as np
    from faster_whisper import WhisperModel

    class Remembering(WhisperModel):  # type: ignore[misc]
        _last: tuple[Any, Any] | None = None

        def encode(self, features: Any) -> Any:
            if self._last is None or not np.array_equal(self._last[0], features):
                self._last = features.copy(), super().encode(features)
            return self._last[1]

    return Remembering


def _remember(encoder: Any) -> None:
    """The same for the encoder of the original, which is also asked again for the times of words."""
    import torch

    compute = encoder.forward
    last: list[Any] = []

    def forward(mel: Any) -> Any:
        if not last or last[0].shape != mel.shape or not torch.equal(last[0], mel):
            last[:] = mel.clone(), compute(mel)
        return last[1]

    encoder.forward = forward


class OpenAIWhisper:
    """The original implementation in PyTorch, float32.

    Args:
        folder: Holds either ``*.pt`` in OpenAI's form (opened with ``weights_only=True``) or a CTranslate2 model, whose
            weights are read back; so both engines can run on the very same files.
    """

    can_forbid_repeats = False

    def __init__(self, folder: Path) -> None:
        self.description = self.describe()
        import whisper

        from evalkit.models.whisper_weights import load_openai_model

        self._whisper = whisper
        self._model = load_openai_model(folder)
        _remember(self._model.encoder)

    @staticmethod
    def describe() -> str:
        """Name, version and arithmetic; nothing is loaded.

        Raises:
            MissingDependencyError: the package is not installed.
        """
        try:
            return f"openai-whisper{importlib.metadata.version('openai-whisper')}-float32"
        except importlib.metadata.PackageNotFoundError:
            raise missing_package("engine openai-whisper", "openai-whisper", "openai-whisper") from None

    def knows(self, language: str) -> bool:
        """Whether the language has a token."""
        languages = list(self._whisper.tokenizer.LANGUAGES)[: self._model.num_languages]
        return language in languages if self._model.is_multilingual else language == "en"

    def languages(self, samples: FloatArray) -> dict[str, float]:
        """Probability of each language for a chunk."""
        if not self._model.is_multilingual:
            return {}
        audio = self._whisper.audio
        mel = audio.log_mel_spectrogram(samples, n_mels=self._model.dims.n_mels, padding=audio.N_SAMPLES)
        mel = audio.pad_or_trim(
            mel[:, : -audio.N_FRAMES], audio.N_FRAMES
        )  # as transcribe() makes it, so that it is known
        found: Any = self._whisper.detect_language(self._model, mel)[1]
        return {code: float(p) for code, p in found.items()}

    def decode(self, samples: FloatArray, language: str, *, no_repeat_ngram: int = 0) -> list[Segment]:
        """Beam search at temperature 0."""
        if no_repeat_ngram:
            raise ValueError("openai-whisper cannot forbid repeats")
        return self._run(samples, language, temperature=0.0, beam_size=BEAM_SIZE)

    def sample(self, samples: FloatArray, language: str, *, temperature: float, seed: int) -> list[Segment]:
        """Draw tokens at ``temperature``."""
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self._run(samples, language, temperature=temperature, best_of=5)

    def _run(self, samples: FloatArray, language: str, **options: Any) -> list[Segment]:
        result = self._model.transcribe(
            samples,
            language=language,
            task="transcribe",
            condition_on_previous_text=False,
            word_timestamps=True,
            sample_len=max_tokens(samples),
            no_speech_threshold=None,
            fp16=False,
            verbose=None,
            **options,
        )
        return [
            Segment(
                text=segment["text"],
                start_s=float(segment["start"]),
                end_s=float(segment["end"]),
                words=tuple(
                    Word(
                        text=word["word"],
                        start_s=float(word["start"]),
                        end_s=float(word["end"]),
                        probability=float(word["probability"]),
                    )
                    for word in segment.get("words", ())
                ),
                avg_logprob=float(segment["avg_logprob"]),
                compression_ratio=float(segment["compression_ratio"]),
                no_speech_prob=float(segment["no_speech_prob"]),
            )
            for segment in result["segments"]
            if segment["text"].strip()
        ]


class TogetherWhisper(FasterWhisper):
    """faster-whisper on our own network (`evalkit.models.whisper_network`): many windows at once, the same values.

    Args:
        folder: A converted model as for `FasterWhisper`, not quantised.
        compute_type: ``float32``, or on a GPU ``float16`` or ``bfloat16``.
        device: ``"cpu"`` or ``"cuda"``.
    """

    @staticmethod
    def describe(compute_type: str = "float32", device: str = "cpu") -> str:
        """Name, versions and arithmetic; nothing is loaded.

        Raises:
            ConfigError: the arithmetic is not built.
        """
        known = ("float32",) if device == "cpu" else ("float32", "float16", "bfloat16")
        if compute_type not in known:
            raise ConfigError(
                f"The engine together has no compute_type {compute_type!r} on {device}.",
                f"Use one of: {', '.join(known)}; or engine: faster-whisper.",
            )
        versions = [importlib.metadata.version(name).partition("+")[0] for name in ("faster-whisper", "torch")]
        where = "" if device == "cpu" else f"-{device}"
        return f"together1+faster-whisper{versions[0]}+torch{versions[1]}-{compute_type}{where}"

    def _load(self) -> Any:
        from evalkit.models.whisper_together import load

        if not (self._folder / "tokenizer.json").is_file():
            raise ModelError(f"The folder {self._folder} holds no tokenizer.json.", "Run: evalkit models verify")
        return load(self._folder, self._compute_type, self._device)

    def sample(self, samples: FloatArray, language: str, *, temperature: float, seed: int) -> list[Segment]:
        """Draw tokens at ``temperature``."""
        with self._model.model.seeded(seed):
            return self._run(self._model, samples, language, temperature=temperature, best_of=5)

    def together(self, jobs: Sequence[Callable[[], T]]) -> list[T]:
        """Results of jobs that call this engine; what they ask for at the same time is computed together."""
        found: list[T] = self._model.model.together(jobs)
        return found
