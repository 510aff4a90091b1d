"""Codes to latents: conditions from the quantisers, Euler solver with guidance and in-context frames."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from generation.songgeneration2.codec.config import CodecConfig
from generation.songgeneration2.codec.estimator import Estimator, Projection
from generation.songgeneration2.codec.normalise import LatentNorm
from generation.songgeneration2.codec.rvq import ResidualVQ

MASK_ABSENT, MASK_CONTEXT, MASK_GENERATE = 0, 1, 2
"""Kind of a frame: it does not exist, it is given as context, it is to be generated."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FlowRequest:
    """One batch of windows.

    Attributes:
        vocal: Codes int64 [B, T].
        bgm: Codes int64 [B, T].
        noise: Start of the solver, float32 [B, T, latent].
        context: Latents the first frames continue, float32 [B, latent, T]; only the context frames are read.
        context_frames: Number of context frames of every row, int64 [B].
        frames: Number of frames that exist in every row, int64 [B]; None if all do.
    """

    vocal: Tensor
    bgm: Tensor
    noise: Tensor
    context: Tensor
    context_frames: Tensor
    frames: Tensor | None = None


class FlowDecoder(nn.Module):
    """The rendering half of the separate tokenizer, under the official names."""

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        self.config = config
        self.rvq_bestrq_emb = ResidualVQ(config.rvq, encode=False)
        self.rvq_bestrq_bgm_emb = ResidualVQ(config.rvq, encode=False)
        self.mask_emb = nn.Embedding(3, config.flow.mask_dim)
        self.zero_cond_embedding1 = nn.Parameter(torch.empty(config.flow.condition_dim))
        self.normfeat = LatentNorm(config.flow.latent_dim)
        self.cfm_wrapper = nn.ModuleDict({"estimator": Estimator(config.flow)})

    @property
    def estimator(self) -> Estimator:
        """The velocity network."""
        estimator = self.cfm_wrapper["estimator"]
        assert isinstance(estimator, Estimator)
        return estimator

    def set_compute_dtype(self, dtype: torch.dtype) -> None:
        """Cast the big matrices of the velocity network; norms, time, quantisers and statistics stay in float32."""
        for module in self.estimator.modules():
            if isinstance(module, Projection) or module is self.estimator.proj_out:
                module.to(dtype)

    def assemble(self, request: FlowRequest) -> tuple[Tensor, Tensor, Tensor]:
        """Build what stays constant while solving.

        Returns:
            Input channels float32 [B, T, width] with zeros in place of the latents, the kind of every frame
            int64 [B, T], and the normalised context float32 [B, T, latent], zero outside the context frames.
        """
        rows, length = request.vocal.shape
        position = torch.arange(length, device=request.vocal.device).expand(rows, -1)
        kind = torch.full_like(position, MASK_GENERATE)
        kind[position < request.context_frames[:, None]] = MASK_CONTEXT
        if request.frames is not None:
            kind[position >= request.frames[:, None]] = MASK_ABSENT
        context = self.normfeat.project(request.context).transpose(1, 2)
        context = torch.where((kind == MASK_CONTEXT)[..., None], context, context.new_zeros(()))
        conditions = [
            self.rvq_bestrq_emb.decode(request.vocal).transpose(1, 2),
            self.rvq_bestrq_bgm_emb.decode(request.bgm).transpose(1, 2),
        ]
        if request.frames is not None:
            absent = (kind == MASK_ABSENT)[..., None]
            conditions = [torch.where(absent, self.zero_cond_embedding1, condition) for condition in conditions]
        inputs = torch.cat([self.mask_emb(kind), context, *conditions, torch.zeros_like(request.noise)], dim=-1)
        return inputs, kind, context

    def solve(
        self, request: FlowRequest, *, steps: int | None = None, guidance: float | None = None
    ) -> tuple[Tensor, Tensor]:
        """Integrate from noise to normalised latents.

        Args:
            request: The windows.
            steps: Euler steps; None for the configured number.
            guidance: Scale of classifier-free guidance; 1 or less runs the conditional row only.

        Returns:
            The solver's result float32 [B, T, latent], and the same with the context frames put back.
        """
        steps = self.config.steps if steps is None else steps
        guidance = self.config.guidance if guidance is None else guidance
        inputs, kind, context = self.assemble(request)
        frames = None if request.frames is None else kind != MASK_ABSENT
        given = (kind == MASK_CONTEXT)[..., None]
        if guidance > 1:
            unconditional = inputs.clone()
            first = self.config.flow.mask_dim + self.config.flow.latent_dim
            unconditional[..., first : first + 2 * self.config.flow.condition_dim] = 0
            inputs = torch.cat([unconditional, inputs])
            frames = None if frames is None else frames.repeat(2, 1)
        noise = request.noise
        x = noise
        times = torch.linspace(0, 1, steps + 1, dtype=torch.float32, device=noise.device)
        modulation = self.estimator.embed_time(times[:-1])
        width = self.config.flow.latent_dim
        for step in range(steps):
            time = times[step]
            x = torch.where(given, (1 - (1 - self.config.sigma_min) * time) * noise + time * context, x)
            inputs[..., -width:] = x if guidance <= 1 else x.repeat(2, 1, 1)
            velocity: Tensor = self.estimator(inputs, modulation.at(step, rows=len(inputs)), frames)
            if guidance > 1:
                free, conditional = velocity.chunk(2)
                velocity = free + guidance * (conditional - free)
            x = x + (times[step + 1] - time) * velocity
        return x, torch.where(given, context, x)

    def latents(self, request: FlowRequest, *, steps: int | None = None, guidance: float | None = None) -> Tensor:
        """Latents of the windows as the VAE expects them, float32 [B, latent, T]."""
        _, solved = self.solve(request, steps=steps, guidance=guidance)
        return self.normfeat.restore(solved.transpose(1, 2))
