"""One alignment per song, and every rate from it.

Levenshtein distance with unit costs. Of all cheapest alignments the one is taken that, read from left to right, prefers
a match, then a substitution, then a deletion, then an insertion; so an alignment never depends on the library.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Op = Literal["hit", "sub", "del", "ins"]

MAX_CELLS = 400_000_000
"""Above this many pairs of tokens (20,000 x 20,000) the path comes from rapidfuzz: the same distance in less
time, but the choice among equally good paths is rapidfuzz's (also deterministic)."""

_IntRow = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Pair:
    """One column of the alignment; ``ref`` and ``hyp`` are indices, None on the side that has no token."""

    op: Op
    ref: int | None
    hyp: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Hits, substitutions, deletions and insertions, and the rates made from them.

    Source: Morris, Maier and Green, "From WER and RIL to MER and WIL", Interspeech 2004.
    """

    hits: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    @property
    def n_ref(self) -> int:
        """Reference tokens."""
        return self.hits + self.substitutions + self.deletions

    @property
    def n_hyp(self) -> int:
        """Hypothesis tokens."""
        return self.hits + self.substitutions + self.insertions

    @property
    def errors(self) -> int:
        """The edit distance."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float | None:
        """Errors per reference token: 0 is perfect, may exceed 1; None without reference tokens."""
        return self.errors / self.n_ref if self.n_ref else None

    @property
    def substitution_rate(self) -> float | None:
        """Substitutions per reference token."""
        return self.substitutions / self.n_ref if self.n_ref else None

    @property
    def deletion_rate(self) -> float | None:
        """Deletions per reference token."""
        return self.deletions / self.n_ref if self.n_ref else None

    @property
    def insertion_rate(self) -> float | None:
        """Insertions per reference token."""
        return self.insertions / self.n_ref if self.n_ref else None

    @property
    def match_error_rate(self) -> float | None:
        """Errors per column of the alignment, 0 to 1; None if there is no column."""
        columns = self.hits + self.errors
        return self.errors / columns if columns else None

    @property
    def information_lost(self) -> float | None:
        """Word information lost: 1 - H² / (N · N_hyp), 0 to 1; None without reference, 1 without hypothesis."""
        if not self.n_ref:
            return None
        return 1.0 - self.hits**2 / (self.n_ref * self.n_hyp) if self.n_hyp else 1.0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            hits=self.hits + other.hits,
            substitutions=self.substitutions + other.substitutions,
            deletions=self.deletions + other.deletions,
            insertions=self.insertions + other.insertions,
        )


def count(pairs: Sequence[Pair]) -> Counts:
    """Add up an alignment."""
    ops = [pair.op for pair in pairs]
    return Counts(
        hits=ops.count("hit"),
        substitutions=ops.count("sub"),
        deletions=ops.count("del"),
        insertions=ops.count("ins"),
    )


def align(reference: Sequence[Hashable], hypothesis: Sequence[Hashable]) -> list[Pair]:
    """Align two token sequences.

    Time grows with the product of the lengths, memory with length times the square root of the other.

    Args:
        reference: What should have been sung.
        hypothesis: What was heard.

    Returns:
        The columns from left to right; each token of either side is in exactly one.
    """
    ref, hyp = _encode(reference, hypothesis)
    same = 0
    while same < min(len(ref), len(hyp)) and ref[same] == hyp[same]:
        same += 1  # equal beginnings are always matched first, by the tie-break and by any cheapest path
    pairs = [Pair("hit", index, index) for index in range(same)]
    n_ref, n_hyp = len(ref) - same, len(hyp) - same
    if n_ref == 0 or n_hyp == 0:
        rest = [Pair("del", same + i, None) for i in range(n_ref)] + [Pair("ins", None, same + j) for j in range(n_hyp)]
    elif n_ref * n_hyp > MAX_CELLS:
        rest = _rapidfuzz_path(ref[same:], hyp[same:], same)
    else:
        rest = _canonical_path(ref[same:], hyp[same:], same)
    return pairs + rest


def _encode(reference: Sequence[Hashable], hypothesis: Sequence[Hashable]) -> tuple[_IntRow, _IntRow]:
    codes: dict[Hashable, int] = {}
    sides = [[codes.setdefault(token, len(codes)) for token in side] for side in (reference, hypothesis)]
    return np.array(sides[0], dtype=np.int32), np.array(sides[1], dtype=np.int32)


def _row_above(ref_token: np.int32, hyp: _IntRow, below: _IntRow) -> _IntRow:
    """Distances of all suffixes of hyp to the reference suffix that is one token longer than ``below``'s."""
    row = below + 1
    np.minimum(row[:-1], below[1:] + (hyp != ref_token), out=row[:-1])
    # Insertions run along the row: d[j] = min over k >= j of d[k] + (k - j), as a running minimum from the right.
    offsets = np.arange(len(row), dtype=np.int32)
    row += offsets
    result: _IntRow = np.minimum.accumulate(row[::-1])[::-1] - offsets
    return result


def _canonical_path(ref: _IntRow, hyp: _IntRow, shift: int) -> list[Pair]:
    n_ref, n_hyp = len(ref), len(hyp)
    block = max(1, int(n_ref**0.5))
    row: _IntRow = np.arange(n_hyp, -1, -1, dtype=np.int32)
    kept = {n_ref: row}  # every block-th row; the rows between are computed again when the path gets there
    for i in range(n_ref - 1, -1, -1):
        row = _row_above(ref[i], hyp, row)
        if i % block == 0:
            kept[i] = row
    pairs: list[Pair] = []
    j = 0
    for top in range(0, n_ref, block):
        bottom = min(top + block, n_ref)
        rows = {bottom: kept.pop(bottom)}
        for i in range(bottom - 1, top - 1, -1):
            rows[i] = _row_above(ref[i], hyp, rows[i + 1])
        kept[bottom] = rows[bottom]
        i = top
        while i < bottom:
            here, below = rows[i][j], rows[i + 1]
            if j < n_hyp and ref[i] == hyp[j] and below[j + 1] == here:
                op: Op = "hit"
            elif j < n_hyp and below[j + 1] + 1 == here:
                op = "sub"
            elif below[j] + 1 == here:
                op = "del"
            else:
                op = "ins"
            pairs.append(_pair(op, i + shift, j + shift))
            i += op != "ins"
            j += op != "del"
    pairs.extend(Pair("ins", None, k + shift) for k in range(j, n_hyp))
    return pairs


def _pair(op: Op, ref: int, hyp: int) -> Pair:
    return Pair(op, None if op == "ins" else ref, None if op == "del" else hyp)


def _rapidfuzz_path(ref: _IntRow, hyp: _IntRow, shift: int) -> list[Pair]:
    from rapidfuzz.distance import Levenshtein

    ops = {"replace": "sub", "delete": "del", "insert": "ins", "equal": "hit"}
    pairs: list[Pair] = []
    for code in Levenshtein.opcodes(ref.tolist(), hyp.tolist()):
        op: Op = ops[code.tag]  # type: ignore[assignment]
        length = max(code.src_end - code.src_start, code.dest_end - code.dest_start)
        pairs.extend(_pair(op, code.src_start + k + shift, code.dest_start + k + shift) for k in range(length))
    return pairs
