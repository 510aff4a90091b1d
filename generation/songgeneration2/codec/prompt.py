"""Prompt audio: what the language model and the renderer need to know of the song to be continued."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from evalkit.errors import AudioError
from evalkit.types import Audio
from generation.songgeneration2.codec.chunks import encoder_halo, run_chunked
from generation.songgeneration2.codec.config import FRAME_RATE_HZ, SAMPLE_RATE_HZ
from generation.songgeneration2.codec.renderer import CHUNK_FRAMES, CHUNK_OVERLAP, Part, Prompt, PromptPart
from generation.songgeneration2.codec.stages import StageName, Stages, exact_arithmetic
from generation.songgeneration2.codec.tokenizer import AudioTokenizer
from generation.songgeneration2.codec.vae import split_posterior

PROMPT_S = 10
PROMPT_FRAMES = PROMPT_S * FRAME_RATE_HZ
NO_CODE = 16385
"""Fills the codes of a prompt that is shorter than the prompt length."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EncodedPrompt:
    """A prompt ready for use.

    Attributes:
        codes: int64 [3, 250] for the language model: mixed, vocal, accompaniment; 16385 beyond a short prompt.
        parts: What the renderer continues, for every part asked for.
    """

    codes: Tensor
    parts: Prompt


def prepare(audio: Audio) -> Tensor:
    """The first 10 s as float32 [2, N] at 48 kHz; mono is doubled, of more channels the first two are taken.

    Resampling is torchaudio's windowed sinc as upstream does it, since codes depend on the resampler.

    Raises:
        AudioError: less than one frame of 40 ms.
    """
    from torchaudio.functional import resample

    wanted = PROMPT_S * audio.sample_rate + audio.sample_rate  # a second more, so that the filter sees beyond the cut
    samples = torch.tensor(audio.samples[:2, :wanted])
    if audio.sample_rate != SAMPLE_RATE_HZ:
        samples = cast(Tensor, resample(samples, audio.sample_rate, SAMPLE_RATE_HZ))
    samples = samples[:, : PROMPT_S * SAMPLE_RATE_HZ]
    if samples.shape[1] < SAMPLE_RATE_HZ // FRAME_RATE_HZ:
        raise AudioError(f"The prompt audio is {audio.duration_s * 1000:.0f} ms long; at least 40 ms are needed.")
    return samples.expand(2, -1).contiguous()


class PromptEncoder:
    """Encodes a prompt once for the language model and every render.

    Args:
        stages: The codec.
        batch: Segments encoded together.
    """

    def __init__(self, stages: Stages, *, batch: int = 2) -> None:
        self.stages = stages
        self.batch = batch

    @torch.inference_mode()
    def encode(
        self, mix: Audio, vocals: Audio, *, parts: Sequence[Part] = ("mixed",), seed: int | None = None
    ) -> EncodedPrompt:
        """Encode a prompt.

        Args:
            mix: The song; its first 10 s are used.
            vocals: Its vocals, aligned with it; the accompaniment is what they leave.
            parts: Parts that will be rendered: ``vocal`` and ``bgm`` continue the prompt with the other stem silent.
            seed: Draw the latents from their distribution as upstream does; None takes the mean.

        Returns:
            Codes and latents.

        Raises:
            AudioError: the prompt is shorter than 40 ms.
        """
        song, voice = prepare(mix), prepare(vocals)
        length = min(song.shape[1], voice.shape[1])
        song, voice = song[:, :length], voice[:, :length]
        band = song - voice
        silence = torch.zeros_like(song)
        clips: dict[Part, Tensor] = {"mixed": voice + band, "vocal": voice, "bgm": band}
        with exact_arithmetic():
            mixed = self._tokenize("mixed", {"mixed": song})["mixed"]
            stems = self._tokenize("stems", {"vocal": voice, "bgm": band})
            silent = stems
            if any(part != "mixed" for part in parts):
                silent = self._tokenize("stems", {"vocal": silence, "bgm": silence})
            latents = self.latents({part: clips[part] for part in parts}, seed=seed)
        codes = torch.full((3, PROMPT_FRAMES), NO_CODE)
        for row, stream in zip(codes, (mixed, stems["vocal"], stems["bgm"]), strict=True):
            row[: len(stream)] = stream[:PROMPT_FRAMES]
        return EncodedPrompt(
            codes=codes,
            parts={
                part: PromptPart(
                    vocal=(silent if part == "bgm" else stems)["vocal"],
                    bgm=(silent if part == "vocal" else stems)["bgm"],
                    latents=latents[part],
                )
                for part in parts
            },
        )

    def _tokenize(self, stage: StageName, clips: dict[str, Tensor]) -> dict[str, Tensor]:
        with self.stages.use(stage) as module:
            tokenizer = cast(AudioTokenizer, module)
            on_device = {name: clip.to(self.stages.device) for name, clip in clips.items()}
            return {name: codes.cpu() for name, codes in tokenizer.encode(on_device, batch=self.batch).items()}

    @torch.inference_mode()
    def latents(self, clips: Mapping[Part, Tensor], *, seed: int | None = None) -> dict[Part, Tensor]:
        """VAE latents of clips.

        Args:
            clips: float32 [2, N] at 48 kHz by name.
            seed: As in `encode`; the same draw for every clip.

        Returns:
            float32 [C, N // 1920] by name.
        """
        config = self.stages.config.vae
        overlap = max(CHUNK_OVERLAP, 2 * encoder_halo(config))
        latents: dict[Part, Tensor] = {}
        with self.stages.use("encoder") as encoder, exact_arithmetic():
            for part, wave in clips.items():
                clip = wave[None, :, : wave.shape[1] // config.ratio * config.ratio].to(self.stages.device)
                chunk = max(CHUNK_FRAMES, 2 * overlap)
                mean, std = split_posterior(run_chunked(encoder, clip, chunk=chunk, overlap=overlap, down=config.ratio))
                drawn = mean
                if seed is not None:
                    noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(seed))
                    drawn = mean + std * noise.to(mean.device)
                latents[part] = drawn[0].float().cpu()
        return latents
