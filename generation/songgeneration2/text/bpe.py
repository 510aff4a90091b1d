"""Qwen2's byte-level byte-pair encoding, from its vocabulary as data.

The vocabulary is read from the official tokenizer folder (``vocab.json`` and ``merges.txt``) or from a file of ranks
(``qwen.tiktoken``: one base64 token and its id per line). Both describe the same merges: in a rank file the two parts
of a token are what the merges of lower rank make of its bytes.
"""

import base64
import binascii
import heapq
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import regex  # type: ignore[import-untyped,unused-ignore]

from evalkit.errors import ModelError

N_RANKS = 151_643
"""Entries of the Qwen2 vocabulary before its three special tokens."""

RANKS_FILE = "qwen.tiktoken"

_PRINTABLE = (*range(33, 127), *range(161, 173), *range(174, 256))
_N_PRINTABLE = len(_PRINTABLE)

_PIECE = regex.compile(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_HINT = "Pull the tokenizer data again: evalkit models pull NAME."

Pair = tuple[bytes, bytes]


class BytePairEncoder:
    """Turns text into ids of the base vocabulary; knows nothing of added tokens.

    Args:
        ranks: Token bytes to id; holds all 256 single bytes.
        merges: Pair of token bytes to its priority (lower first). None derives the pairs from the ranks.
    """

    def __init__(self, ranks: Mapping[bytes, int], merges: Mapping[Pair, int] | None = None) -> None:
        absent = [byte for byte in range(256) if bytes([byte]) not in ranks]
        if absent:
            raise ModelError(f"The tokenizer data lacks {len(absent)} of the 256 single bytes.", _HINT)
        self._ranks = ranks
        self._merges = merges
        self._parts: dict[bytes, Pair | None] = {}
        self._encode_piece = lru_cache(maxsize=16_384)(self._encode_bytes)

    def encode(self, text: str) -> list[int]:
        """Ids of a text that contains no added token (already NFC)."""
        ids: list[int] = []
        for piece in _PIECE.findall(text):
            ids.extend(self._encode_piece(piece.encode("utf-8", errors="replace")))
        return ids

    def _encode_bytes(self, piece: bytes) -> tuple[int, ...]:
        whole = self._ranks.get(piece)
        if whole is not None and (self._merges is None or len(piece) == 1):
            return (whole,)
        return tuple(self._ranks[token] for token in self._merge(piece, limit=None))

    def _merge(self, piece: bytes, limit: int | None) -> list[bytes]:
        """Merge lowest priority first, leftmost first among equals, below ``limit`` only."""
        tokens: list[bytes | None] = [piece[i : i + 1] for i in range(len(piece))]
        after = [*range(1, len(piece)), -1]
        before = list(range(-1, len(piece) - 1))
        queue: list[tuple[int, int, bytes, bytes]] = []

        def offer(left: int) -> None:
            right = after[left]
            first, second = tokens[left], tokens[right] if right >= 0 else None
            if first is None or second is None:
                return
            rank = self._priority(first, second, limit)
            if rank is not None:
                heapq.heappush(queue, (rank, left, first, second))

        for left in range(len(piece) - 1):
            offer(left)
        while queue:
            _, left, first, second = heapq.heappop(queue)
            right = after[left]
            # The queue keeps pairs that were merged away; they no longer stand at their place.
            if right < 0 or tokens[left] != first or tokens[right] != second:
                continue
            tokens[left], tokens[right] = first + second, None
            after[left] = after[right]
            if after[left] >= 0:
                before[after[left]] = left
            offer(left)
            if before[left] >= 0:
                offer(before[left])
        return [token for token in tokens if token is not None]

    def _priority(self, first: bytes, second: bytes, limit: int | None = None) -> int | None:
        if self._merges is not None:
            return self._merges.get((first, second))
        token = first + second
        rank = self._ranks.get(token)
        if rank is None or (limit is not None and rank >= limit):
            return None
        if token not in self._parts:
            parts = self._merge(token, limit=rank)
            self._parts[token] = (parts[0], parts[1]) if len(parts) == 2 else None
        return rank if self._parts[token] == (first, second) else None


def load_encoder(path: Path) -> BytePairEncoder:
    """Read the vocabulary.

    Args:
        path: A rank file, or a folder with ``qwen.tiktoken`` or with ``vocab.json`` and ``merges.txt``.

    Returns:
        An encoder with all 151,643 entries.

    Raises:
        ModelError: nothing readable is there, or it is not the Qwen2 vocabulary.
    """
    if path.is_dir() and (path / "vocab.json").is_file():
        ranks, merges = read_folder(path)
    elif (file := path / RANKS_FILE if path.is_dir() else path).is_file():
        ranks, merges = read_ranks(file), None
    else:
        raise ModelError(
            f"{path} holds no tokenizer data; expected {RANKS_FILE}, or vocab.json and merges.txt.",
            "Pull it: evalkit models pull NAME.",
        )
    if len(ranks) != N_RANKS or sorted(ranks.values()) != list(range(N_RANKS)):
        raise ModelError(f"{path} has {len(ranks):,} tokens, expected the {N_RANKS:,} of Qwen2.", _HINT)
    return BytePairEncoder(ranks, merges)


def read_ranks(path: Path) -> dict[bytes, int]:
    """Read a file of ``base64 rank`` lines, whatever their number."""
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        if not line:
            continue
        try:
            token, rank = line.split()
            ranks[base64.b64decode(token, validate=True)] = int(rank)
        except (ValueError, binascii.Error):
            raise ModelError(f"{path}, line {number}: {line[:40]!r} is not 'base64 rank'.", _HINT) from None
    return ranks


def byte_ranks() -> dict[bytes, int]:
    """The 256 single bytes with their Qwen2 ids: a vocabulary without data, for tests and random weights."""
    return {bytes([byte]): rank for rank, byte in enumerate(_byte_order())}


def _byte_order() -> list[int]:
    return [*_PRINTABLE, *(byte for byte in range(256) if byte not in _PRINTABLE)]


def read_folder(folder: Path) -> tuple[dict[bytes, int], dict[Pair, int]]:
    """``vocab.json`` and ``merges.txt`` write each byte as one visible character."""
    order = _byte_order()
    as_byte = {chr(byte) if i < _N_PRINTABLE else chr(256 + i - _N_PRINTABLE): byte for i, byte in enumerate(order)}

    def to_bytes(token: str) -> bytes:
        return bytes(as_byte[char] for char in token)

    try:
        vocabulary = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
        lines = (folder / "merges.txt").read_text(encoding="utf-8").split("\n")
        lines = lines[1:] if lines[0].startswith("#version") else lines
        pairs = [line.split(" ") for line in lines if line]
        merges = {(to_bytes(a), to_bytes(b)): rank for rank, (a, b) in enumerate(pairs)}
        return {to_bytes(token): int(rank) for token, rank in vocabulary.items()}, merges
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise ModelError(f"The tokenizer folder {folder} cannot be read: {error!r}.", _HINT) from None
