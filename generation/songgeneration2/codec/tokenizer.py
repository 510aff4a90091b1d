"""Sound to codes: the one-codebook tokenizer of whole songs and the separate one of vocals and accompaniment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from generation.songgeneration2.codec.config import FRAME_RATE_HZ, SAMPLE_RATE_HZ, CodecConfig
from generation.songgeneration2.codec.musicfm import MusicFM
from generation.songgeneration2.codec.resample import Halve
from generation.songgeneration2.codec.rvq import ResidualVQ

SEGMENT_FRAMES = 1000
SEGMENT_SAMPLES = SEGMENT_FRAMES * SAMPLE_RATE_HZ // FRAME_RATE_HZ
PEAK = 0.8
CHANNEL_PEAK = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One kind of codes: which hidden state is read and which quantiser reads it."""

    name: str
    layer: int
    quantiser: str


def limit_peak(audio: Tensor, peak: float = PEAK) -> Tensor:
    """Scale [channels, N] down to `peak` if it is louder, all channels by the same factor."""
    found = audio.abs().max()
    return audio * (peak / found) if found > peak else audio


def code_count(samples: int) -> int:
    """Number of codes of a clip of `samples` at 48 kHz: one more than whole frames (10 s give 251)."""
    return int(samples / SAMPLE_RATE_HZ * FRAME_RATE_HZ) + 1


def repeated(audio: Tensor, start: int, length: int) -> Tensor:
    """Samples ``start ... start + length`` of [channels, N] repeated without end."""
    total = audio.shape[-1]
    whole = audio.repeat(1, -(-(start % total + length) // total))
    return whole[:, start % total : start % total + length]


class AudioTokenizer(nn.Module):
    """Encoder, resampler and quantisers under the official names.

    Args:
        config: Dimensions.
        streams: What this tokenizer produces, in order.
    """

    def __init__(self, config: CodecConfig, streams: Sequence[Stream]) -> None:
        super().__init__()
        self.streams = tuple(streams)
        depth = max(stream.layer for stream in self.streams)
        self.bestrq = nn.ModuleDict({"model": MusicFM(config.musicfm, depth)})
        for stream in self.streams:
            self.add_module(stream.quantiser, ResidualVQ(config.rvq))
        self.rsq48tobestrq = Halve()

    def features(self, segments: Tensor, stream: Stream) -> Tensor:
        """What the quantiser of `stream` sees.

        Args:
            segments: float32 [B, 2, N] at 48 kHz.
            stream: One of `streams`.

        Returns:
            [B, T, dim], T = N // 1920.
        """
        peaks = segments.abs().amax(-1, keepdim=True)
        limited = torch.where(peaks > CHANNEL_PEAK, segments * (CHANNEL_PEAK / peaks), segments)
        states: list[Tensor] = self.bestrq["model"](self.rsq48tobestrq(limited.mean(1)), stream.layer)
        return states[stream.layer]

    def encode_segments(self, segments: Tensor, stream: Stream) -> Tensor:
        """Codes int64 [B, T] of segments float32 [B, 2, N]."""
        quantiser = self.get_submodule(stream.quantiser)
        assert isinstance(quantiser, ResidualVQ)
        return quantiser.encode(self.features(segments, stream).transpose(1, 2))

    def encode(self, clips: Mapping[str, Tensor], *, batch: int = 4) -> dict[str, Tensor]:
        """Codes of one clip per stream.

        Every clip is limited to a peak of 0.8 by itself, all are cut to the shortest, and each is encoded in segments
        of 40 s filled by repetition, since the encoder attends to the whole segment.

        Args:
            clips: Stream name to float32 [2, N] at 48 kHz.
            batch: Segments encoded together.

        Returns:
            Stream name to codes int64 [T], T = N // 1920 + 1.
        """
        samples = min(clip.shape[-1] for clip in clips.values())
        count = code_count(samples)
        starts = range(0, -(-count // SEGMENT_FRAMES) * SEGMENT_SAMPLES, SEGMENT_SAMPLES)
        codes: dict[str, Tensor] = {}
        for stream in self.streams:
            clip = limit_peak(clips[stream.name])[:, :samples]
            parts = [
                self.encode_segments(
                    torch.stack([repeated(clip, start, SEGMENT_SAMPLES) for start in starts[first : first + batch]]),
                    stream,
                ).flatten()
                for first in range(0, len(starts), batch)
            ]
            codes[stream.name] = torch.cat(parts)[:count]
        return codes


def mixed_tokenizer(config: CodecConfig) -> AudioTokenizer:
    """The tokenizer of whole songs (stream ``mixed``)."""
    return AudioTokenizer(config, [Stream(name="mixed", layer=config.mixed_layer, quantiser="rvq_bestrq_emb")])


def separate_tokenizer(config: CodecConfig) -> AudioTokenizer:
    """The encoding half of the tokenizer of stems (streams ``vocal`` and ``bgm``)."""
    return AudioTokenizer(
        config,
        [
            Stream(name="vocal", layer=config.vocal_layer, quantiser="rvq_bestrq_emb"),
            Stream(name="bgm", layer=config.bgm_layer, quantiser="rvq_bestrq_bgm_emb"),
        ],
    )
