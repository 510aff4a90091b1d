"""What stands before the song: lyric, audio prompt and style as embeddings, for both towers."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from evalkit.errors import ShapeError
from generation.songgeneration2.lelm.config import LelmConfig
from generation.songgeneration2.lelm.pattern import CODE_SIZE, EOS, N_STREAMS, SPECIAL
from generation.songgeneration2.lelm.weights import LYRIC_TABLE, PROMPT, STRUCTURE_TABLE, STYLE_TABLE, LelmCheckpoint
from generation.songgeneration2.text.tokenizer import PAD_ID, START_ID


def fit_prompt(codes: Tensor | None, frames: int) -> Tensor:
    """Bring prompt codes to the prompt length: cut, or fill with the special id.

    Args:
        codes: Codes [3, any], or None for no prompt.
        frames: Frames of the prompt.

    Returns:
        Codes int64 [3, frames].

    Raises:
        ShapeError: there are not three streams, or an id is outside 0 to 16385.
    """
    if codes is None:
        return torch.full((N_STREAMS, frames), SPECIAL)
    if codes.ndim != 2 or codes.shape[0] != N_STREAMS:
        raise ShapeError(f"Prompt codes have shape {list(codes.shape)}, expected [3, frames].")
    if codes.numel() and not 0 <= int(codes.min()) <= int(codes.max()) <= SPECIAL:
        raise ShapeError(f"Prompt codes run from {int(codes.min())} to {int(codes.max())}, expected 0 to {SPECIAL}.")
    codes = codes.to(device="cpu", dtype=torch.int64)[:, :frames]
    return torch.nn.functional.pad(codes, (0, frames - codes.shape[1]), value=SPECIAL)


def with_end_code(prompt: Tensor) -> Tensor:
    """Put the end code in front of each stream; a stream that is empty becomes special throughout [3, 1 + frames]."""
    framed = torch.nn.functional.pad(prompt, (1, 0), value=EOS)
    framed[prompt[:, 0] == SPECIAL] = SPECIAL
    return framed


def banned_codes(prompt: Tensor) -> Tensor:
    """Codes of the mixed prompt stream; they are never sung."""
    mixed = prompt[0]
    banned: Tensor = torch.unique(mixed[mixed < CODE_SIZE])  # type: ignore[no-untyped-call, unused-ignore]
    return banned


@dataclass(frozen=True, slots=True, kw_only=True)
class Segments:
    """Embedded conditions of one row.

    Attributes:
        lyric: Lyric, same for both towers [lyric_len, dim].
        prompt1: Prompt for the first tower [prompt_len, dim].
        prompt2: Prompt for the second tower [prompt_len, dim].
        style: Style, same for both towers [style_len, dim].
    """

    lyric: Tensor
    prompt1: Tensor
    prompt2: Tensor
    style: Tensor

    def prefix(self, tower: int) -> Tensor:
        """Lyric, prompt and style in the order the model reads them [prefix_len, dim]."""
        return torch.cat([self.lyric, self.prompt1 if tower == 1 else self.prompt2, self.style])


class Conditioner:
    """Looks embeddings up; its tables stay mapped on disk, only the rows of a request are read.

    Args:
        checkpoint: The weights.
        dtype: Rows are converted to it before they are added.
    """

    def __init__(self, checkpoint: LelmCheckpoint, dtype: torch.dtype) -> None:
        self._config: LelmConfig = checkpoint.config
        self._dtype = dtype
        self._lyric = checkpoint.tensor(LYRIC_TABLE)
        self._structure = checkpoint.tensor(STRUCTURE_TABLE)
        self._style = checkpoint.tensor(STYLE_TABLE)
        self._prompt = [checkpoint.tensor(f"{PROMPT}emb.{stream}.weight") for stream in range(N_STREAMS)]
        self._starts = [checkpoint.tensor(f"{PROMPT}{name}") for name in ("EOT_emb", "layer2_EOT_emb")]

    def embed(
        self, lyric_ids: Sequence[int], structure: Sequence[int], style_ids: Sequence[int], prompt: Tensor
    ) -> Segments:
        """Embed one conditional row.

        Args:
            lyric_ids: Lyric tokens with their start token; cut or padded to the model's length.
            structure: Section index of each lyric token.
            style_ids: Style tokens with their start token; cut or padded.
            prompt: Prompt codes [3, prompt_frames], see `fit_prompt`.

        Returns:
            The embedded segments.
        """
        return self._embed(lyric_ids, structure, style_ids, with_end_code(prompt))

    def embed_null(self, style_ids: Sequence[int]) -> Segments:
        """Embed the unconditional row: empty lyric, no prompt, the given (empty or lowest) style."""
        framed = torch.full((N_STREAMS, self._config.prompt_frames + 1), SPECIAL)
        return self._embed([START_ID], [0], style_ids, framed)

    def _embed(
        self, lyric_ids: Sequence[int], structure: Sequence[int], style_ids: Sequence[int], framed: Tensor
    ) -> Segments:
        config = self._config
        lyric = self._rows(self._lyric, _fit(lyric_ids, config.lyric_len, PAD_ID))
        lyric = lyric + self._rows(self._structure, _fit(structure, config.lyric_len, 0))
        mixed, vocal, backing = (self._rows(table, row) for table, row in zip(self._prompt, framed, strict=True))
        start1, start2 = (start.to(self._dtype) for start in self._starts)
        return Segments(
            lyric=lyric,
            prompt1=torch.cat([start1, mixed]),
            prompt2=torch.cat([start2, vocal + backing]),
            style=self._rows(self._style, _fit(style_ids, config.style_len, PAD_ID)),
        )

    def _rows(self, table: Tensor, ids: Tensor) -> Tensor:
        return table[ids].to(self._dtype)


def _fit(ids: Sequence[int], length: int, fill: int) -> Tensor:
    return torch.tensor([*ids[:length], *[fill] * (length - len(ids))])
