"""Which frames each rendering window covers, and how decoded windows become one waveform."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from generation.songgeneration2.codec.config import WindowConfig

Decode = Callable[[Tensor], Tensor]
"""Latents [C, T] to waveform [2, T * samples per frame]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowPlan:
    """Windows of one song.

    Attributes:
        frames: Frames of the song itself.
        total: Codes needed, those of the prompt included; the code sequence is repeated until it is that long.
        starts: First code of every window.
        prompt_frames: Context frames of the first window, which are not part of the song.
    """

    frames: int
    total: int
    starts: tuple[int, ...]
    prompt_frames: int


def plan_windows(frames: int, window: WindowConfig, *, prompt_codes: int = 0, prompt_frames: int = 0) -> WindowPlan:
    """Lay windows over a song.

    Args:
        frames: Generated frames, at least one.
        window: Window length and overlap.
        prompt_codes: Codes put in front of the song.
        prompt_frames: Latent frames given as context of the first window.
    """
    length = frames + prompt_codes
    rest = max(length - window.overlap, window.hop)
    count = -(-rest // window.hop)
    return WindowPlan(
        frames=frames,
        total=count * window.hop + window.overlap,
        starts=tuple(index * window.hop for index in range(count)),
        prompt_frames=prompt_frames,
    )


def tile(codes: Tensor, total: int) -> Tensor:
    """The first `total` codes of [T] repeated without end."""
    return codes.repeat(-(-total // len(codes)))[:total]


def fade(samples: int) -> Tensor:
    """Linear fade-in, 0 and 1 included, float64."""
    return torch.linspace(0, 1, samples, dtype=torch.float64)


def blend(old: Tensor, new: Tensor, weight: Tensor) -> Tensor:
    """``old * (1 - weight) + new * weight`` in float64, given back in float32."""
    weight = weight.to(old.device)
    return (old.double() * (1 - weight) + new.double() * weight).float()


def decode_windows(latents: Sequence[Tensor], frames: int, decode: Decode, *, ratio: int, overlap: int) -> Tensor:
    """Decode each window by itself and cross-fade the overlaps: the plain form.

    Args:
        latents: Windows [C, T], the context of a prompt already removed.
        frames: Frames of the song; the rest is cut.
        decode: The VAE decoder.
        ratio: Samples per frame.
        overlap: Frames shared by neighbouring windows.

    Returns:
        [2, frames * ratio].
    """
    shared = overlap * ratio
    audio = decode(latents[0])
    for window in latents[1:]:
        new = decode(window)
        middle = blend(audio[:, -shared:], new[:, :shared], fade(shared))
        audio = torch.cat([audio[:, :-shared], middle, new[:, shared:]], dim=1)
    return audio[:, : frames * ratio]


def decode_stitched(
    latents: Sequence[Tensor], frames: int, decode: Decode, *, ratio: int, overlap: int, halo: int
) -> Tensor:
    """The same result with each frame decoded once.

    The windows agree in their overlap, so their decoded sounds differ only where one of them ends: within `halo` frames
    of either end of the overlap. Those few frames are decoded a second time the way the single window would.

    Args:
        latents: As in `decode_windows`.
        frames: As in `decode_windows`.
        decode: As in `decode_windows`.
        ratio: As in `decode_windows`.
        overlap: As in `decode_windows`; at least twice the halo.
        halo: Frames on either side an output frame depends on.

    Returns:
        [2, frames * ratio].
    """
    if overlap < 2 * halo:
        return decode_windows(latents, frames, decode, ratio=ratio, overlap=overlap)
    stitched = torch.cat([latents[0], *(window[:, overlap:] for window in latents[1:])], dim=1)
    audio = decode(stitched[:, : frames + halo])[:, : frames * ratio]
    weight = fade(overlap * ratio)
    start = latents[0].shape[1] - overlap
    for old, new in pairwise(latents):
        # The new window begins at `start`: left of it, it sees nothing.
        _mix(
            audio,
            decode(new[:, : 2 * halo])[:, : halo * ratio],
            weight[: halo * ratio],
            start * ratio,
            new_is_edge=True,
        )
        # The old window ends at `start + overlap`: right of it, it sees nothing.
        edge = decode(old[:, -2 * halo :])[:, halo * ratio :]
        _mix(audio, edge, weight[-halo * ratio :], (start + overlap - halo) * ratio, new_is_edge=False)
        start += new.shape[1] - overlap
    return audio


def _mix(audio: Tensor, edge: Tensor, weight: Tensor, first: int, *, new_is_edge: bool) -> None:
    """Blend `edge` into `audio` from sample `first` on, in place, as far as the audio goes."""
    there = audio[:, first : first + edge.shape[1]]
    length = there.shape[1]
    if length:
        edge, weight = edge[:, :length], weight[:length]
        there.copy_(blend(there, edge, weight) if new_is_edge else blend(edge, there, weight))
