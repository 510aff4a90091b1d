"""Codes to songs: windows of several songs and stems as one batch, then one decode per song."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal, cast

import numpy as np
import torch
from torch import Tensor, nn

from evalkit.errors import GenerationError, ShapeError
from evalkit.types import Audio
from generation.base import ProgressCallback
from generation.songgeneration2.codec.chunks import decoder_halo, run_chunked
from generation.songgeneration2.codec.config import BGM_SILENCE_CODE, FRAME_RATE_HZ, VOCAL_SILENCE_CODE
from generation.songgeneration2.codec.flow import FlowDecoder, FlowRequest
from generation.songgeneration2.codec.progress import RenderProgress
from generation.songgeneration2.codec.stages import Stages, exact_arithmetic
from generation.songgeneration2.codec.windows import (
    WindowPlan,
    decode_stitched,
    decode_windows,
    plan_windows,
    tile,
)

Mode = Literal["mixed", "vocal", "bgm", "separate"]
Part = Literal["mixed", "vocal", "bgm"]
MODE_PARTS: Mapping[Mode, tuple[Part, ...]] = {
    "mixed": ("mixed",),
    "vocal": ("vocal",),
    "bgm": ("bgm",),
    "separate": ("mixed", "vocal", "bgm"),
}
CHUNK_FRAMES = 128
CHUNK_OVERLAP = 32


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PromptPart:
    """A prompt as one part of the song continues it: codes int64 [n] of both streams, latents float32 [C, frames]."""

    vocal: Tensor
    bgm: Tensor
    latents: Tensor


Prompt = Mapping[Part, PromptPart]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """Upstream behaviour that is wrong and only reproduced on request.

    Attributes:
        prompt_shift: Put all 251 codes of a prompt in front although it has 250 latent frames, which shifts the song by
            one frame and loses the last one.
        independent_noise: Draw new noise for every part, so that the stems do not belong to the mix.
    """

    prompt_shift: bool = False
    independent_noise: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rendered:
    """One rendered song.

    Attributes:
        mix: The song; in modes ``vocal`` and ``bgm`` it holds that stem alone.
        vocals: Only in mode ``separate``.
        accompaniment: Only in mode ``separate``.
        gain_db: Gain applied to all of them alike so that none exceeds full scale; 0 if none did.
    """

    mix: Audio
    vocals: Audio | None = None
    accompaniment: Audio | None = None
    gain_db: float = 0.0


@dataclass(slots=True, kw_only=True)
class _Row:
    """One part of one song on its way through the windows."""

    song: int
    part: Part
    plan: WindowPlan
    vocal: Tensor
    bgm: Tensor
    context: Tensor
    noise: torch.Generator | None
    windows: list[Tensor] = field(default_factory=list)


def _or_raise(song: Rendered | GenerationError) -> Rendered:
    if isinstance(song, GenerationError):
        raise song
    return song


class Renderer:
    """Turns codes into sound.

    Args:
        stages: The networks.
        batch_windows: Windows solved together, of whatever songs (each counts twice for guidance); faster where one
            song does not fill the device, but rounding then depends on the company. None solves the parts of one song
            together, so that a song has the same bytes in any batch.
        batch_chunks: Pieces of 5 s decoded together.
        whole_windows: Decode every window by itself and cross-fade, as upstream does; otherwise each frame is decoded
            once, with the same result up to rounding.
    """

    def __init__(
        self, stages: Stages, *, batch_windows: int | None = None, batch_chunks: int = 1, whole_windows: bool = False
    ) -> None:
        self.stages = stages
        self.batch_windows = batch_windows
        self.batch_chunks = batch_chunks
        self.whole_windows = whole_windows

    def render(
        self,
        codes: Sequence[Tensor],
        mode: Mode = "mixed",
        *,
        seeds: Sequence[int],
        prompts: Sequence[Prompt | None] | None = None,
        quirks: Quirks | None = None,
        limit: bool = True,
        progress: ProgressCallback | None = None,
    ) -> list[Rendered]:
        """Render several songs.

        Args:
            codes: One int64 [3, T] per song: mixed, vocal, accompaniment; the first row guides generation only and is
                not rendered.
            mode: ``mixed``, ``vocal`` or ``bgm`` for one sound per song, ``separate`` for the mix and both stems, which
                then share their noise.
            seeds: One per song; the same seed gives the same song in any batch.
            prompts: Prompt to continue, per song.
            quirks: Upstream behaviour to reproduce; None for none.
            limit: Scale a song whose peak exceeds full scale.
            progress: Called with the finished share of the whole batch.

        Returns:
            One result per song, in order; length T / 25 seconds.

        Raises:
            ShapeError: codes of another shape, or not as many seeds or prompts as songs.
            GenerationError: a song without frames, with a code outside the code book, or whose sound is not finite.
        """
        songs = self.stream(codes, mode, seeds=seeds, prompts=prompts, quirks=quirks, limit=limit, progress=progress)
        return [_or_raise(song) for song in songs]

    @torch.inference_mode()
    def stream(
        self,
        codes: Sequence[Tensor],
        mode: Mode = "mixed",
        *,
        seeds: Sequence[int],
        prompts: Sequence[Prompt | None] | None = None,
        quirks: Quirks | None = None,
        limit: bool = True,
        progress: ProgressCallback | None = None,
        song_progress: Callable[[int, float], None] | None = None,
    ) -> Iterator[Rendered | GenerationError]:
        """`render`, giving each song as soon as it is decoded, or the reason there is none.

        All windows are solved first, as one batch; then one song at a time is held in memory as sound. A song that
        fails does not stop the others.

        Args:
            codes: As in `render`.
            mode: As in `render`.
            seeds: As in `render`.
            prompts: As in `render`.
            quirks: As in `render`.
            limit: As in `render`.
            progress: As in `render`.
            song_progress: Called with the number of a song and its own finished share.

        Yields:
            One result per song, in order.
        """
        quirks = quirks or Quirks()
        prompts = prompts or [None] * len(codes)
        if not len(codes) == len(seeds) == len(prompts):
            raise ShapeError(f"{len(codes)} songs were given {len(seeds)} seeds and {len(prompts)} prompts.")
        parts = MODE_PARTS[mode]
        rows: list[_Row] = []
        refused: dict[int, GenerationError] = {}
        for index, song in enumerate(codes):
            try:
                self.check(song, index)
                rows += [self._row(index, part, song, seeds[index], prompts[index], quirks) for part in parts]
            except GenerationError as error:
                refused[index] = error
        if not rows:
            yield from refused.values()
            return
        windows = Counter(row.song for row in rows for _ in row.plan.starts)
        tell = RenderProgress(windows, Counter(row.song for row in rows), progress, song_progress)
        with exact_arithmetic():
            self._solve(rows, tell)
        with self.stages.use("decoder") as decoder:
            for index in range(len(codes)):
                if index in refused:
                    yield refused[index]
                    continue
                sounds = []
                for row in (row for row in rows if row.song == index):
                    with exact_arithmetic():
                        sounds.append(self._decode(decoder, row))
                    row.windows = []
                    tell.decoded(row.song)
                yield self._finish(sounds, index, limit)

    def check(self, codes: Tensor, index: int = 0) -> None:
        """Refuse codes that cannot be rendered, before any work; errors as in `render`."""
        if codes.dim() != 2 or codes.shape[0] != 3:
            raise ShapeError(f"Song {index} has codes of shape {list(codes.shape)}, expected [3, frames].")
        if codes.shape[1] == 0:
            raise GenerationError(
                f"Song {index} has no frames: the model ended it at once.", "Generate it again with another seed."
            )
        size = self.stages.config.rvq.codebook_size
        rendered = codes[1:]
        bad = (rendered < 0) | (rendered >= size)
        if bool(bad.any()):
            stream, frame = (int(value) for value in bad.nonzero()[0])
            name = ("vocal", "accompaniment")[stream]
            raise GenerationError(
                f"Song {index} has code {int(rendered[stream, frame])} in its {name} stream at frame {frame}; "
                f"codes go from 0 to {size - 1}."
            )

    def _row(self, index: int, part: Part, codes: Tensor, seed: int, prompt: Prompt | None, quirks: Quirks) -> _Row:
        config = self.stages.config
        vocal, bgm = codes[1].cpu(), codes[2].cpu()
        if part == "vocal":
            bgm = torch.full_like(bgm, BGM_SILENCE_CODE % config.rvq.codebook_size)
        elif part == "bgm":
            vocal = torch.full_like(vocal, VOCAL_SILENCE_CODE % config.rvq.codebook_size)
        context = torch.zeros(config.flow.latent_dim, 0)
        kept = 0
        if prompt is not None:
            if part not in prompt:
                raise GenerationError(f"The prompt of song {index} was not encoded for part {part}.")
            given = prompt[part]
            context = given.latents.float().cpu()
            kept = len(given.vocal) if quirks.prompt_shift else min(len(given.vocal), context.shape[1])
            context = context[:, :kept]
            vocal = torch.cat([given.vocal[:kept].cpu(), vocal])
            bgm = torch.cat([given.bgm[:kept].cpu(), bgm])
        plan = plan_windows(codes.shape[1], config.window, prompt_codes=kept, prompt_frames=context.shape[1])
        offset = MODE_PARTS["separate"].index(part) if quirks.independent_noise else 0
        return _Row(
            song=index,
            part=part,
            plan=plan,
            vocal=tile(vocal, plan.total),
            bgm=tile(bgm, plan.total),
            context=context,
            noise=torch.Generator().manual_seed((seed + offset) % 2**63),
        )

    def _solve(self, rows: Sequence[_Row], tell: RenderProgress) -> None:
        """Fill `windows` of every row with latents, the prompt's frames removed."""
        with self.stages.use("flow") as stage:
            flow = cast(FlowDecoder, stage)
            for number in range(max(len(row.plan.starts) for row in rows)):
                active = [row for row in rows if number < len(row.plan.starts)]
                for group in self._groups(active):
                    solved = flow.latents(self._request(group, number)).float().cpu()
                    for row, latents in zip(group, solved, strict=True):
                        row.context = latents[:, -self.stages.config.window.overlap :].clone()
                        row.windows.append(latents[:, row.plan.prompt_frames if number == 0 else 0 :].clone())
                    tell.solved([row.song for row in group])

    def _groups(self, rows: Sequence[_Row]) -> list[list[_Row]]:
        if self.batch_windows is None:
            return [list(group) for _, group in groupby(rows, key=lambda row: row.song)]
        return [list(rows[first : first + self.batch_windows]) for first in range(0, len(rows), self.batch_windows)]

    def _request(self, group: Sequence[_Row], number: int) -> FlowRequest:
        config, device = self.stages.config, self.stages.device
        length = config.window.length
        start = group[0].plan.starts[number]
        context = torch.zeros(len(group), config.flow.latent_dim, length)
        noise = torch.empty(len(group), length, config.flow.latent_dim)
        for index, row in enumerate(group):
            context[index, :, : row.context.shape[1]] = row.context
            # The generator of a row yields its windows in order, so a window's noise depends on seed and number alone.
            noise[index] = torch.randn(length, config.flow.latent_dim, generator=row.noise)
        return FlowRequest(
            vocal=torch.stack([row.vocal[start : start + length] for row in group]).to(device),
            bgm=torch.stack([row.bgm[start : start + length] for row in group]).to(device),
            noise=noise.to(device),
            context=context.to(device),
            context_frames=torch.tensor([row.context.shape[1] for row in group], device=device),
        )

    def _decode(self, decoder: nn.Module, row: _Row) -> Tensor:
        config = self.stages.config
        ratio, shared = config.vae.ratio, config.window.overlap
        halo = decoder_halo(config.vae)
        overlap = max(CHUNK_OVERLAP, 2 * halo)
        chunk = max(CHUNK_FRAMES, 2 * overlap)

        def decode(latents: Tensor) -> Tensor:
            on_device = latents[None].to(self.stages.device)
            sound = run_chunked(decoder, on_device, chunk=chunk, overlap=overlap, up=ratio, batch=self.batch_chunks)
            return sound[0].float().cpu()

        if self.whole_windows:
            return decode_windows(row.windows, row.plan.frames, decode, ratio=ratio, overlap=shared)
        return decode_stitched(row.windows, row.plan.frames, decode, ratio=ratio, overlap=shared, halo=halo)

    def _finish(self, sounds: Sequence[Tensor], index: int, limit: bool) -> Rendered | GenerationError:
        peak = max(float(sound.abs().max()) for sound in sounds)
        if not all(bool(sound.isfinite().all()) for sound in sounds):
            return GenerationError(
                f"Song {index} was rendered to samples that are not finite.",
                "Render it in float32; the precision of the flow may be too low.",
            )
        # A hair below full scale, so that no sample exceeds it after rounding.
        gain = (1.0 - 2.0**-20) / peak if limit and peak > 1 else 1.0
        rate = FRAME_RATE_HZ * self.stages.config.vae.ratio
        clips = [
            Audio(samples=np.ascontiguousarray((sound * gain).numpy(), dtype=np.float32), sample_rate=rate)
            for sound in sounds
        ]
        gain_db = 20 * math.log10(gain)
        if len(clips) == 1:
            return Rendered(mix=clips[0], gain_db=gain_db)
        return Rendered(mix=clips[0], vocals=clips[1], accompaniment=clips[2], gain_db=gain_db)
