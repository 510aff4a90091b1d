"""musicnn, a tagger of music: its front end, its network in torch, and its penultimate layer as an embedding.

Pons and Serra published two trainings of one network: ``msd`` (tags of Last.fm listeners on popular songs) and ``mtt``
(tags of players of a game on short clips; the better one for voices and instruments). The weights lie in the
``musicnn`` wheel as TensorFlow checkpoints, which `evalkit.models.tensor_bundle` reads as data.

Differs from the published code in: songs are brought to the common level first (`evalkit.signal.heard`), resampled by
soxr, and the spectrogram stays in single precision. The published code rounds it to half precision, in which loud
music overflows.

Source: Pons and Serra, "musicnn: pre-trained convolutional neural networks for music audio tagging", 2019.
"""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, cast

import numpy as np

from evalkit.audio import RESAMPLER
from evalkit.errors import ConfigError, ModelError
from evalkit.models import embedding, tensor_bundle
from evalkit.models import registry as registries
from evalkit.registry import suggestion
from evalkit.signal.heard import LEVEL, heard
from evalkit.types import Clip, FloatArray, ModelLocator, SetSong

Training = Literal["msd", "mtt"]
TRAININGS: tuple[Training, ...] = ("msd", "mtt")
MODEL = "musicnn"
LICENCE = "ISC"

SAMPLE_RATE = 16_000
HOP_LENGTH = 256
N_FFT = 512
N_MELS = 96
PATCH_FRAMES = 187
"""Three seconds, what the networks were trained on."""

BATCH = 16
"""Patches that go through the network together; fixed, so that a song gives the same bits every time."""

_BN_EPSILON = 0.001
_TIMBRAL, _TEMPORAL, _MIDEND = (0, 1), (2, 3, 4), (5, 6, 7)

TAGS: Mapping[Training, tuple[str, ...]] = {
    "msd": (
        *("rock", "pop", "alternative", "indie", "electronic", "female vocalists", "dance", "00s", "alternative rock"),
        *("jazz", "beautiful", "metal", "chillout", "male vocalists", "classic rock", "soul", "indie rock", "Mellow"),
        *("electronica", "80s", "folk", "90s", "chill", "instrumental", "punk", "oldies", "blues", "hard rock"),
        *("ambient", "acoustic", "experimental", "female vocalist", "guitar", "Hip-Hop", "70s", "party", "country"),
        *("easy listening", "sexy", "catchy", "funk", "electro", "heavy metal", "Progressive rock", "60s", "rnb"),
        *("indie pop", "sad", "House", "happy"),
    ),
    "mtt": (
        *("guitar", "classical", "slow", "techno", "strings", "drums", "electronic", "rock", "fast", "piano"),
        *("ambient", "beat", "violin", "vocal", "synth", "female", "indian", "opera", "male", "singing", "vocals"),
        *("no vocals", "harpsichord", "loud", "quiet", "flute", "woman", "male vocal", "no vocal", "pop", "soft"),
        *("sitar", "solo", "man", "classic", "choir", "voice", "new age", "dance", "male voice", "female vocal"),
        *("beats", "harp", "cello", "no voice", "weird", "country", "metal", "female voice", "choral"),
    ),
}
"""What each output of a network means, in order."""


def log_mel(samples: FloatArray) -> FloatArray:
    """The spectrogram the networks hear.

    Args:
        samples: One channel at 16 kHz [time].

    Returns:
        ``log10(10000 x + 1)`` of the power in 96 mel bands (Slaney's scale and norm), centred frames [frames, 96].
    """
    import torch

    wave = torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32))
    if len(wave) <= N_FFT // 2:  # too short to be reflected
        wave = torch.nn.functional.pad(wave, (0, N_FFT // 2 + 1 - len(wave)))
    window = torch.hann_window(N_FFT)
    spectrum = torch.stft(wave, N_FFT, HOP_LENGTH, window=window, center=True, pad_mode="reflect", return_complex=True)
    power = spectrum.abs().square().T
    return cast(FloatArray, torch.log10(10_000.0 * (power @ _mel_bands()) + 1.0).numpy())


@functools.cache
def _mel_bands() -> Any:
    import torchaudio

    return torchaudio.functional.melscale_fbanks(
        N_FFT // 2 + 1, 0.0, SAMPLE_RATE / 2, N_MELS, SAMPLE_RATE, norm="slaney", mel_scale="slaney"
    )


def patches(spectrogram: FloatArray) -> FloatArray:
    """Pieces of `PATCH_FRAMES` that touch each other; the rest is dropped, a shorter song is repeated [n, 187, 96]."""
    n_frames = len(spectrogram)
    if n_frames < PATCH_FRAMES:
        return np.resize(spectrogram, (1, PATCH_FRAMES, spectrogram.shape[1]))
    n_patches = n_frames // PATCH_FRAMES
    return spectrogram[: n_patches * PATCH_FRAMES].reshape(n_patches, PATCH_FRAMES, -1)


class Network:
    """One trained network.

    Args:
        tensors: Of the checkpoint, by their TensorFlow names.

    Raises:
        ModelError: a tensor is absent or has another shape.
    """

    def __init__(self, tensors: Mapping[str, FloatArray]) -> None:
        import torch

        self._torch = torch
        try:
            self._norms = [self._norm(tensors, index) for index in range(11)]
            kernels = [tensors[_name("conv2d", index) + "/kernel"] for index in range(8)]
            self._biases = [self._tensor(tensors[_name("conv2d", index) + "/bias"]) for index in range(8)]
            self._dense = [
                (self._tensor(tensors[f"{name}/kernel"].T), self._tensor(tensors[f"{name}/bias"]))
                for name in ("dense", "dense_1")
            ]
        except KeyError as error:
            raise ModelError(f"The checkpoint is not musicnn's: it has no {error}.") from None
        kernel = tensors["dense_1/kernel"].astype(np.float64)
        self._usual = (
            (tensors["batch_normalization_10/beta"] @ kernel + tensors["dense_1/bias"]).astype(np.float32),
            np.sqrt(np.square(tensors["batch_normalization_10/gamma"]) @ kernel**2).astype(np.float32),
        )
        # TensorFlow has [time, frequency, in, out]; the mid-end's convolutions see all channels as frequencies.
        self._kernels = [self._tensor(kernel.transpose(3, 2, 0, 1)) for kernel in kernels[:5]]
        self._kernels += [self._tensor(kernel[:, :, 0].transpose(2, 1, 0)) for kernel in kernels[5:]]

    @classmethod
    def load(cls, folder: Path, training: Training) -> "Network":
        """The network of one training from the folder of the model ``musicnn``."""
        return cls(tensor_bundle.load(folder / f"{training}.index", folder / f"{training}.data"))

    def penultimate(self, batch: FloatArray) -> FloatArray:
        """Activations before the last layer.

        Args:
            batch: Spectrogram patches [batch, frames, 96].

        Returns:
            One vector for each patch [batch, 200].
        """
        torch = self._torch
        pad = torch.nn.functional.pad
        with torch.inference_mode():
            plane = self._normalised(torch.from_numpy(np.ascontiguousarray(batch))[:, None], 0)
            padded = pad(plane, (0, 0, 3, 3))
            front = [self._block(padded, index) for index in _TIMBRAL]
            for index in _TEMPORAL:
                length = self._kernels[index].shape[2]
                # Even kernels: TensorFlow's "same" puts the odd zero behind.
                front.append(self._block(pad(plane, (0, 0, (length - 1) // 2, length // 2)), index))
            features = [torch.cat(front, dim=1)]
            below = features[0]
            for index in _MIDEND:
                found = torch.relu(
                    torch.nn.functional.conv1d(pad(below, (3, 3)), self._kernels[index], self._biases[index])
                )
                found = self._normalised(found, index + 1)
                below = found if index == _MIDEND[0] else found + below
                features.append(below)
            stack = torch.cat(features, dim=1)
            pooled = torch.stack([stack.amax(dim=2), stack.mean(dim=2)], dim=2).flatten(1)
            hidden = torch.nn.functional.linear(self._normalised(pooled, 9), *self._dense[0])
            return cast(FloatArray, self._normalised(torch.relu(hidden), 10).numpy())

    def tags(self, penultimate: FloatArray) -> FloatArray:
        """Probability of each tag, from the activations before the last layer [batch, 50]."""
        torch = self._torch
        with torch.inference_mode():
            logits = torch.nn.functional.linear(torch.from_numpy(penultimate), *self._dense[1])
            return cast(FloatArray, torch.sigmoid(logits).numpy())

    def surprise(self, tags: FloatArray) -> FloatArray:
        """How far probabilities lie above what is usual for each tag, in standard deviations.

        "rock" is always likelier than "harp". What is usual stands in the network: batch normalisation brought each
        activation before the last layer to a known mean and spread over the music it learned from, and the last layer
        is linear. The spread takes those activations as independent.

        Args:
            tags: Probabilities, usually the mean over a song [50].

        Returns:
            Deviation of the log-odds from their mean, in their standard deviations [50].
        """
        clipped = np.clip(tags.astype(np.float64), 1e-7, 1.0 - 1e-7)
        mean, spread = self._usual
        return ((np.log(clipped / (1.0 - clipped)) - mean) / spread).astype(np.float32)

    def _block(self, plane: Any, index: int) -> Any:
        """Convolution, and the strongest answer among all frequencies [batch, filters, frames]."""
        torch = self._torch
        found = torch.nn.functional.conv2d(plane, self._kernels[index], self._biases[index])
        # What follows rises (or falls, where the factor is negative) with every number: the extreme one gives the bits.
        falls = self._norms[index + 1][0] < 0
        extreme = found.amax(dim=3)
        extreme[:, falls] = found[:, falls].amin(dim=3)
        return self._normalised(torch.relu(extreme), index + 1)

    def _normalised(self, values: Any, index: int) -> Any:
        scale, shift = (part.view(-1, *[1] * (values.ndim - 2)) for part in self._norms[index])
        return values * scale + shift

    def _norm(self, tensors: Mapping[str, FloatArray], index: int) -> tuple[Any, Any]:
        """Batch normalisation with its final statistics, as a factor and a summand."""
        name = _name("batch_normalization", index)
        gamma, beta, mean, variance = (
            tensors[f"{name}/{part}"].astype(np.float64) for part in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        scale = gamma / np.sqrt(variance + _BN_EPSILON)
        return self._tensor(scale), self._tensor(beta - mean * scale)

    def _tensor(self, values: Any) -> Any:
        return self._torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32).copy())


def _name(layer: str, index: int) -> str:
    return f"{layer}_{index}" if index else layer


class MusicnnEmbedder:
    """musicnn's penultimate layer: one vector of 200 numbers for every three seconds.

    Args:
        options: ``training`` (``msd``, the default, or ``mtt``).
        locate: Finds model folders.
    """

    name: ClassVar[str] = "musicnn"
    licence: ClassVar[str] = LICENCE

    @classmethod
    def required_models(cls, options: Mapping[str, Any]) -> Sequence[str]:
        """The checkpoints out of the wheel."""
        return (MODEL,)

    def __init__(self, options: Mapping[str, Any], locate: ModelLocator) -> None:
        if unknown := sorted(set(options) - {"training"}):
            raise ConfigError(f"The embedder musicnn has no option {unknown[0]!r}.", "Known options: training.")
        training = options.get("training", TRAININGS[0])
        if training not in TRAININGS:
            raise ConfigError(f"Unknown training {training!r} of musicnn.", suggestion(str(training), list(TRAININGS)))
        self._training = training
        self._locate = locate
        self._network: Network | None = None

    @property
    def signature_parts(self) -> Mapping[str, str | int | float]:
        """Weights, level, resampler, front end and cut."""
        return {
            "embed": f"musicnn-{self._training}@{registries.load().get(MODEL).sha256[:12]}",
            "level": LEVEL,
            "resample": RESAMPLER,
            "windows": f"mel{N_MELS}-p{PATCH_FRAMES}h{PATCH_FRAMES}",
        }

    def windows(self, song: Clip | SetSong, source: str = "mix") -> FloatArray:
        """One vector for every three seconds [windows, 200]; see `evalkit.models.embedding.Embedder`."""
        signature = embedding.signature_of(self.signature_parts)
        return embedding.stored_windows(song, source, signature, lambda clip: self._listen(clip, source))

    def tags(self, windows: FloatArray) -> dict[str, tuple[float, float]]:
        """Mean probability of each of `TAGS` over a song, and how surprising it is (`Network.surprise`).

        Args:
            windows: From `windows` [windows, 200].
        """
        likely = self.network.tags(windows).mean(axis=0)
        surprising = self.network.surprise(likely)
        return {tag: (float(p), float(z)) for tag, p, z in zip(TAGS[self._training], likely, surprising, strict=True)}

    @property
    def network(self) -> Network:
        """The network, loaded when it is needed first."""
        if self._network is None:
            self._network = Network.load(self._locate(MODEL), self._training)
        return self._network

    def _listen(self, clip: Clip, source: str) -> FloatArray:
        batch = patches(log_mel(heard(clip, source, SAMPLE_RATE).samples[0]))
        pieces = [self.network.penultimate(batch[start : start + BATCH]) for start in range(0, len(batch), BATCH)]
        return np.concatenate(pieces)
