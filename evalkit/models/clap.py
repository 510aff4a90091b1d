"""CLAP: music and sentences in one space. One door for two engines and several checkpoints.

The default checkpoint is the one LAION publishes for music (``clap-music``). Its published conversion to transformers'
form, ``laion/larger_clap_music``, is registered too, but its text tower says nearly the same about every sentence
(mteb issue 5069): no score is made with a checkpoint like that, see `ClapEmbedder.text`.

Source: Wu et al., "Large-scale contrastive language-audio pretraining with feature fusion and keyword-to-caption
augmentation", ICASSP 2023.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from typing import Any, ClassVar, TypeVar

import numpy as np

from evalkit.audio import RESAMPLER
from evalkit.errors import ConfigError, ModelError
from evalkit.models import embedding
from evalkit.models import registry as registries
from evalkit.models.clap_engines import ENGINES, SAMPLE_RATE, ClapEngine, Tokenizer
from evalkit.registry import suggestion
from evalkit.signal.heard import LEVEL, heard
from evalkit.signal.windows import WindowPlan
from evalkit.types import Clip, FloatArray, ModelLocator, SetSong

T = TypeVar("T")

DEFAULT_MODEL = "clap-music"
MODELS = (DEFAULT_MODEL, "larger-clap-music")
TOKENIZER = "clap-tokenizer"
PLAN = WindowPlan()
BATCH = 8
"""Windows that go through the network together on a GPU, always so many: what is missing is silence, and dropped again.

So every window meets the same shapes, and its vector is the same bit for bit whatever songs are beside it. On a CPU
windows go one by one, which is no slower there: a batch takes as long as its windows, and silence as long as music.
"""

MAX_LIKENESS = 0.98
_UNRELATED = (
    "A loud heavy metal song with distorted electric guitars.",
    "A calm piano ballad sung by a woman.",
    "A dog barks in the rain.",
    "An orchestra plays a waltz.",
)


class ClapEmbedder:
    """CLAP vectors of ten-second windows, and of texts.

    Args:
        options: ``model`` (``clap-music``, the default, or ``larger-clap-music``), ``engine`` (``transformers`` or
            ``laion-clap``), ``device``.
        locate: Finds model folders.
    """

    name: ClassVar[str] = "clap"
    licence: ClassVar[str] = "CC0-1.0"

    @classmethod
    def required_models(cls, options: Mapping[str, Any]) -> Sequence[str]:
        """The checkpoint and the tokenizer of its text tower."""
        return (str(options.get("model", DEFAULT_MODEL)), TOKENIZER)

    def __init__(self, options: Mapping[str, Any], locate: ModelLocator) -> None:
        for key in options:
            if key not in ("model", "engine", "device"):
                raise ConfigError(f"clap has no option {key!r}.", suggestion(key, ["model", "engine", "device"]))
        self._model = str(options.get("model", DEFAULT_MODEL))
        self._engine_name = str(options.get("engine", "transformers"))
        for value, known in ((self._model, MODELS), (self._engine_name, tuple(ENGINES))):
            if value not in known:
                raise ConfigError(f"clap knows no {value!r}.", suggestion(value, list(known)))
        self._device = str(options.get("device", "cpu"))
        self._batch = 1 if self._device == "cpu" else BATCH
        self._locate = locate
        self._engine: ClapEngine | None = None
        self._tokenizer: Tokenizer | None = None
        self._texts: dict[str, FloatArray] = {}

    @property
    def signature_parts(self) -> Mapping[str, str | int | float]:
        """Weights, engine, level, resampler and cut."""
        return {
            "embed": f"{self._model}@{registries.load().get(self._model).sha256[:12]}",
            "engine": self._engine_name,
            "level": LEVEL,
            "resample": RESAMPLER,
            "windows": PLAN.name,
            "batch": self._batch,  # the last bit depends on the shapes
        }

    def windows(self, song: Clip | SetSong, source: str = "mix") -> FloatArray:
        """One vector for every ten seconds [windows, 512]; see `evalkit.models.embedding.Embedder`."""
        signature = embedding.signature_of(self.signature_parts)
        return embedding.stored_windows(song, source, signature, lambda clip: self._listen(clip, source))

    def prepare(self, songs: Sequence[Clip | SetSong], source: str = "mix") -> None:
        """Compute the windows of several songs together, and leave them where `windows` finds them.

        Raises:
            AudioError: the audio of a song cannot be read, or there is no such stem.
            ModelError: the weights are not there or do not fit.
        """
        signature = embedding.signature_of(self.signature_parts)
        missing = [song for song in songs if not embedding.knows_windows(song, source, signature)]
        # Songs are opened and cut one after the other, as the batches need them.
        cut = ((song, window) for song in missing for window in self._cut(song, source))
        for song, vectors in groupby(self._vectors(cut), key=lambda pair: pair[0]):
            embedding.keep_windows(song, source, signature, np.stack([vector for _, vector in vectors]))

    def text(self, texts: Sequence[str]) -> FloatArray:
        """Unit vectors of texts [n, dim]; each text is computed alone and once.

        Raises:
            ModelError: the weights are not there, do not fit, or hardly tell sentences apart.
        """
        if not self._texts:
            self._texts |= {text: self._embed(text) for text in _UNRELATED}
            vectors = np.stack(list(self._texts.values()))
            likeness = float((vectors @ vectors.T)[np.triu_indices(len(vectors), 1)].mean())
            if likeness > MAX_LIKENESS:
                self._texts = {}
                raise ModelError(
                    f"The text tower of {self._model} is broken: unrelated sentences are {likeness:.3f} alike.",
                    f"Use the model {DEFAULT_MODEL}.",
                )
        for text in texts:
            if text not in self._texts:
                self._texts[text] = self._embed(text)
        return np.stack([self._texts[text] for text in texts])

    def is_cut(self, text: str) -> bool:
        """Whether a text is longer than the text tower reads."""
        return self._tokens()([text])[2][0]

    def check(self) -> None:
        """Load everything; raises `ModelError` where `windows` or `text` would."""
        self._loaded()
        self._tokens()

    def _embed(self, text: str) -> FloatArray:
        ids, mask, _ = self._tokens()([text])
        vectors = embedding.unit(self._loaded().text(ids, mask))
        return vectors.reshape(-1)

    def _listen(self, clip: Clip, source: str) -> FloatArray:
        return np.stack([vector for _, vector in self._vectors((clip, window) for window in self._cut(clip, source))])

    def _cut(self, song: Clip | SetSong, source: str) -> FloatArray:
        clip = song if isinstance(song, Clip) else song.open()
        return PLAN.cut(heard(clip, source, SAMPLE_RATE).samples[0], SAMPLE_RATE)

    def _vectors(self, windows: Iterable[tuple[T, FloatArray]]) -> Iterator[tuple[T, FloatArray]]:
        """A vector [dim] for each window [time], beside what it came with."""
        windows = iter(windows)
        while batch := list(islice(windows, self._batch)):
            filled = np.zeros((self._batch, *batch[0][1].shape), np.float32)
            for row, (_, window) in enumerate(batch):
                filled[row] = window
            vectors = self._loaded().audio(filled)
            yield from ((owner, vector) for (owner, _), vector in zip(batch, vectors, strict=False))

    def _loaded(self) -> ClapEngine:
        if self._engine is None:
            self._engine = ENGINES[self._engine_name](self._locate(self._model), device=self._device)
        return self._engine

    def _tokens(self) -> Tokenizer:
        if self._tokenizer is None:
            self._tokenizer = Tokenizer(self._locate(TOKENIZER))
        return self._tokenizer
