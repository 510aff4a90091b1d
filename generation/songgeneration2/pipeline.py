"""From prompts to songs: text, prompt audio, language model, renderer.

The language model sings a whole batch before anything is rendered, so that with staged loading each network is needed
once. Codes are kept as soon as they are there; a song whose codes are kept already skips the language model.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from evalkit.errors import EvalkitError
from evalkit.types import ModelLocator, Prompt
from generation.base import BatchProgress, Generated, Request
from generation.songgeneration2.codec.config import FRAME_RATE_HZ
from generation.songgeneration2.codec.prompt import EncodedPrompt
from generation.songgeneration2.codec.renderer import Rendered, Renderer
from generation.songgeneration2.codec.stages import Stages
from generation.songgeneration2.codec.tiny import tiny_codec
from generation.songgeneration2.codec.weights import check_files, official_codec
from generation.songgeneration2.folders import find_tokenizer, find_variant, has_renderer, identity
from generation.songgeneration2.lelm.generate import LelmRequest, encode_request, generate
from generation.songgeneration2.lelm.load import load_lelm, make_tiny_lelm
from generation.songgeneration2.lelm.memory import device_memory, songs_that_fit
from generation.songgeneration2.lelm.model import Lelm
from generation.songgeneration2.options import TINY, Options
from generation.songgeneration2.prompts import Prompts
from generation.songgeneration2.text.bpe import RANKS_FILE, BytePairEncoder, byte_ranks, load_encoder
from generation.songgeneration2.text.wording import TextEncoder
from generation.songgeneration2.tokens import read_tokens, request_digest, tokens_path, write_tokens

TINY_SEED = 0
TINY_DURATION_S = 10.0
STAGED_BELOW_BYTES = 40e9
"""With less memory than this, networks are loaded one after the other."""

USED_SHARE = 0.9
"""Part of the memory that the language model and its songs may take."""

CODEC_BYTES = 4e9
"""Memory of the renderer's networks where they stay loaded beside the language model."""

LM_SHARE = 0.8
"""Part of the progress that the language model takes."""


@dataclass(slots=True, kw_only=True)
class _Work:
    """One request on its way."""

    index: int
    request: Request
    lelm: LelmRequest
    digest: str
    prompt: EncodedPrompt | None
    facts: dict[str, Any]
    codes: Tensor | None = None


class Pipeline:
    """A loaded variant.

    Args:
        options: Variant, weights and how it is run.
        locate: Finds model folders.

    Raises:
        ModelError: weights are absent or do not fit.
    """

    def __init__(self, options: Options, locate: ModelLocator) -> None:
        self.options = options
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._precision = options.precision or ("fp16" if self._device.type == "cuda" else "fp32")
        self._staged = options.staged
        if self._staged is None:
            self._staged = options.variant != TINY and device_memory(self._device) < STAGED_BELOW_BYTES
        how: dict[str, Any] = {
            "precision": self._precision,
            "device": self._device,
            "staged": self._staged,
            "fixed_steps": self._device.type == "cuda",
        }
        self._lelm: Lelm | None = None
        if options.variant == TINY:
            self._encoder = BytePairEncoder(byte_ranks())
            self._codec = tiny_codec(TINY_SEED, device=str(self._device))
            self._load: Callable[[], Lelm] = lambda: make_tiny_lelm(TINY_SEED, **how)
            self._weights = f"{TINY}-{TINY_SEED}"
            self._root: Path | None = None
        else:
            self._root = options.weights
            own = options.weights if options.weights and has_renderer(options.weights) else None
            codec_root = own or locate("songgeneration2-runtime")
            folder = find_variant(options.weights, options.variant) if options.weights else None
            folder = folder or locate(f"songgeneration2-{options.variant}")
            self._encoder = load_encoder(find_tokenizer(options.weights) or locate("qwen2-ranks") / RANKS_FILE)
            check_files(codec_root, ("flow", "decoder"))
            self._codec = self._official_codec(codec_root)
            self._load = lambda: load_lelm(folder, **how)
            self._weights = identity(folder)
        self._prompts = Prompts(self._codec, self._root, options, TINY_SEED)

    def sing(
        self, requests: Sequence[Request], progress: BatchProgress
    ) -> Iterator[tuple[int, Generated | EvalkitError]]:
        """Make songs; each request gives its song or the reason there is none."""
        lelm = self._take_lelm()
        works: list[_Work] = []
        for index, request in enumerate(requests):
            try:
                works.append(self._prepare(index, request, lelm, progress))
            except EvalkitError as error:
                yield index, error
        self._sing_codes(lelm, [work for work in works if work.codes is None], progress)
        del lelm
        if self._staged:
            self._lelm = None
            _free(self._device)
        yield from self._render([work for work in works if work.codes is not None], progress)

    def close(self) -> None:
        """Free all networks."""
        self._lelm = None
        self._codec.close()

    def _take_lelm(self) -> Lelm:
        if self._lelm is None:
            self._lelm = self._load()
        return self._lelm

    def _official_codec(self, root: Path) -> Stages:
        dtype = {"fp16": torch.float16, "bf16": torch.bfloat16}.get(self._precision, torch.float32)
        return official_codec(root, device=self._device, flow_dtype=dtype, keep=not self._staged)

    def _prepare(self, index: int, request: Request, lelm: Lelm, progress: BatchProgress) -> _Work:
        prompt, options = request.prompt, self.options
        codes, encoded = self._prompts.of(prompt, request.seed)
        wanted = LelmRequest(
            lyric=prompt.lyrics,
            tags=prompt.description or None,
            prompt=codes,
            max_frames=self._max_frames(prompt, lelm),
            seed=request.seed,
            sampling=options.sampling,
            instrumental=options.mode == "bgm" or not prompt.is_sung,
        )
        text = encode_request(wanted, TextEncoder(self._encoder, lelm.version))
        text.check_lengths(lelm.config.lyric_len, lelm.config.style_len)
        facts = {
            "variant": options.variant,
            "version": lelm.version,
            "weights": self._weights,
            "precision": self._precision,
            "sampling": asdict(options.sampling),
            "max_frames": wanted.max_frames,
            "lyric_tokens": len(text.lyric_ids),
            "lyric_token_limit": lelm.config.lyric_len,
            "style_tokens": len(text.style_ids),
            "style_token_limit": lelm.config.style_len,
            "instrumental": wanted.instrumental,
            "prompt_audio": prompt.prompt_audio_path or prompt.auto_prompt_audio_type,
        }
        digest = request_digest(
            {
                **facts,
                "lyric": wanted.lyric,
                "tags": wanted.tags,
                "seed": request.seed,
                "prompt_codes": None if codes is None else codes.tolist(),
            }
        )
        progress(
            index,
            0.0,
            f"lyric {len(text.lyric_ids)} of {lelm.config.lyric_len} tokens, style {len(text.style_ids)} of "
            f"{lelm.config.style_len}",
        )
        kept = read_tokens(tokens_path(request.keep), digest)
        return _Work(index=index, request=request, lelm=wanted, digest=digest, prompt=encoded, facts=facts, codes=kept)

    def _max_frames(self, prompt: Prompt, lelm: Lelm) -> int:
        limit = lelm.config.max_frames
        seconds = self.options.max_s
        if seconds is None and self.options.variant == TINY:
            seconds = prompt.duration_s or TINY_DURATION_S
        return limit if seconds is None else max(1, min(limit, math.ceil(seconds * FRAME_RATE_HZ - 1e-6)))

    def _sing_codes(self, lelm: Lelm, works: Sequence[_Work], progress: BatchProgress) -> None:
        if not works:
            return

        def tell(done: int, total: int) -> None:
            # Each frame counts twice, once for each tower.
            sung_s, most_s = (count / (2 * FRAME_RATE_HZ) for count in (done, total))
            text = f"frame {done // 2} of at most {total // 2}, {sung_s:.0f} of {most_s:.0f} s in {len(works)} songs"
            for work in works:
                progress(work.index, LM_SHARE * done / max(total, 1), text)

        found = generate(
            lelm, self._encoder, [work.lelm for work in works], batch_size=self._together(lelm, works), progress=tell
        )
        for work, codes in zip(works, found, strict=True):
            work.codes = codes.cpu()
            if codes.shape[1]:
                write_tokens(tokens_path(work.request.keep), work.codes, work.digest)

    def _together(self, lelm: Lelm, works: Sequence[_Work]) -> int:
        """How many songs are sung at once: as many as fit."""
        return songs_that_fit(
            lelm.config,
            lelm.precision,
            budget=USED_SHARE * device_memory(self._device) - (0 if self._staged else CODEC_BYTES),
            frames=max(work.lelm.max_frames or lelm.config.max_frames for work in works),
            staged=bool(self._staged),
            at_most=min(self.options.batch, len(works)),
        )

    def _render(
        self, works: Sequence[_Work], progress: BatchProgress
    ) -> Iterator[tuple[int, Generated | EvalkitError]]:
        mode = self.options.mode
        # Upstream continues the prompt in the mixed song only; a stem asked for alone starts afresh.
        continues = mode in ("mixed", "separate")
        songs = Renderer(self._codec).stream(
            [work.codes for work in works if work.codes is not None],
            mode,
            seeds=[work.request.seed for work in works],
            prompts=[work.prompt.parts if work.prompt is not None and continues else None for work in works],
            song_progress=lambda number, share: progress(
                works[number].index, LM_SHARE + (1 - LM_SHARE) * share, "rendering"
            ),
        )
        for work, made in zip(works, songs, strict=True):
            yield work.index, made if isinstance(made, EvalkitError) else self._generated(work, made)

    def _generated(self, work: _Work, made: Rendered) -> Generated:
        assert work.codes is not None
        stems = {"vocals": made.vocals, "accompaniment": made.accompaniment}
        params = {
            **work.facts,
            "mode": self.options.mode,
            "staged": self._staged,
            "device": str(self._device),
            "frames": work.codes.shape[1],
            "reached_max_frames": work.codes.shape[1] >= (work.lelm.max_frames or math.inf),
            "gain_db": round(made.gain_db, 3),
            "tokens": tokens_path(work.request.keep).name,
        }
        return Generated(mix=made.mix, stems={name: audio for name, audio in stems.items() if audio}, params=params)


def _free(device: torch.device) -> None:
    import gc

    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
