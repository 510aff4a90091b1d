"""The two text conditioners' tokenizers: added tokens, ids, structure indices."""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Literal

import regex  # type: ignore[import-untyped,unused-ignore]

from evalkit.lyrics import INSTRUMENTAL_LABELS, VOCAL_LABELS
from generation.songgeneration2.text.bpe import BytePairEncoder

Version = Literal["v1", "v2"]
"""Wording and added tokens changed once; `lelm` tells from the weights which one a checkpoint speaks."""

PAD_ID = 151_643
START_ID = 151_644
FIRST_ADDED_ID = 151_646
_SPECIAL = {"<|endoftext|>": PAD_ID, "<|im_start|>": START_ID, "<|im_end|>": 151_645}

STRUCTURE_TOKENS = tuple(f"[{label}]" for label in (*VOCAL_LABELS, *INSTRUMENTAL_LABELS))
"""The 13 labels in the order of their ids, 151646 to 151658."""

STYLE_TOKENS = (
    *(f"[Musicality-{grade}]" for grade in ("very-high", "high", "medium", "low", "very-low")),
    "[Pure-Music]",
)
"""Style tokens of version v2 in the order of their ids, 151646 to 151651."""

LYRIC_ROWS = FIRST_ADDED_ID + len(STRUCTURE_TOKENS)
"""Rows of the lyric embedding table, both versions."""

STYLE_ROWS: Mapping[Version, int] = {"v1": FIRST_ADDED_ID, "v2": FIRST_ADDED_ID + len(STYLE_TOKENS)}
"""Rows of the style embedding table; this tells the versions apart."""


class TextTokenizer:
    """Byte-pair encoding with added tokens that always split the text.

    Args:
        encoder: The base vocabulary.
        added: Added tokens in the order of their ids from 151646.
        isolate_full_stop: Whether ``.`` is an added token too (v2); it keeps its id 13.
    """

    def __init__(self, encoder: BytePairEncoder, added: Sequence[str], *, isolate_full_stop: bool) -> None:
        self._encoder = encoder
        self._ids = _SPECIAL | {token: FIRST_ADDED_ID + i for i, token in enumerate(added)}
        if isolate_full_stop:
            self._ids["."] = encoder.encode(".")[0]
        longest_first = sorted(self._ids, key=len, reverse=True)
        self._splitter = regex.compile("(" + "|".join(regex.escape(token) for token in longest_first) + ")")

    def encode(self, text: str | None) -> list[int]:
        """Ids of a text with the start token in front; None is the empty condition: the start token alone."""
        ids = [START_ID]
        for piece in self._splitter.split(unicodedata.normalize("NFC", text or "")):
            if piece in self._ids:
                ids.append(self._ids[piece])
            elif piece:
                ids.extend(self._encoder.encode(piece))
        return ids


def lyric_tokenizer(encoder: BytePairEncoder, version: Version) -> TextTokenizer:
    """Tokenizer of the lyrics."""
    return TextTokenizer(encoder, STRUCTURE_TOKENS, isolate_full_stop=version == "v2")


def style_tokenizer(encoder: BytePairEncoder, version: Version) -> TextTokenizer:
    """Tokenizer of the style description."""
    return TextTokenizer(encoder, STYLE_TOKENS if version == "v2" else (), isolate_full_stop=version == "v2")


def structure_indices(ids: Sequence[int]) -> list[int]:
    """For each lyric token the section it belongs to: 1 to 13 in label order, 0 before the first label."""
    indices, current = [], 0
    for token in ids:
        if FIRST_ADDED_ID <= token < LYRIC_ROWS:
            current = token - FIRST_ADDED_ID + 1
        indices.append(current)
    return indices
