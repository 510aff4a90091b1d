"""Which of two equal choruses was left out: the text cannot tell, the times of the words can.

When equal words stand on both sides of a deleted run, the run may be moved along without changing a single count. The
alignment deletes the later of two equal passages; here a deletion goes to the earlier one if that is where the singing
left a longer gap.
"""

from collections.abc import Sequence

from evalkit.text.align import Pair
from evalkit.text.tokens import Token

NAME = "times1"
"""Of the rule, for signatures."""

MIN_ADVANTAGE_S = 0.5
"""A gap must be this much longer to be believed; word times are about as uncertain."""


def settle(pairs: Sequence[Pair], reference: Sequence[Token], hypothesis: Sequence[Token]) -> list[Pair]:
    """Move deleted passages of whole lines to where the pause is.

    Args:
        pairs: The canonical alignment.
        reference: Tokens with ``section`` and ``line``.
        hypothesis: Tokens with times; without them nothing is moved.

    Returns:
        An alignment with the same counts.
    """
    settled = list(pairs)
    index = 0
    while index < len(settled):
        if settled[index].op != "del":
            index += 1
            continue
        stop = index
        while stop < len(settled) and settled[stop].op == "del":
            stop += 1
        _move(settled, index, stop, reference, hypothesis)
        index = stop
    return settled


def _move(pairs: list[Pair], start: int, stop: int, reference: Sequence[Token], hypothesis: Sequence[Token]) -> None:
    size = stop - start
    here = _gap(pairs, start, stop, hypothesis)
    if here is None:
        return
    best, best_gap = 0, here + MIN_ADVANTAGE_S
    shift = 0
    while start - shift > 0:
        before = pairs[start - shift - 1]
        # What was heard there must fit the word at the other end of the run just as well.
        if before.ref is None or before.hyp is None:
            break
        if reference[before.ref].text != reference[before.ref + size].text:
            break
        shift += 1
        first = before.ref
        if _is_line_start(reference, first) and _is_line_start(reference, first + size):
            gap = _gap(pairs, start - shift, start - shift, hypothesis)
            if gap is not None and gap > best_gap:
                best, best_gap = shift, gap
    if best:
        _apply(pairs, start, size, best)


def _apply(pairs: list[Pair], start: int, size: int, shift: int) -> None:
    kept = pairs[start - shift : start]
    first = kept[0].ref
    assert first is not None
    deleted = [Pair("del", first + k, None) for k in range(size)]
    moved = [Pair(pair.op, pair.ref + size, pair.hyp) for pair in kept if pair.ref is not None]
    pairs[start - shift : start + size] = deleted + moved


def _gap(pairs: Sequence[Pair], left: int, right: int, hypothesis: Sequence[Token]) -> float | None:
    """Seconds between the word heard before column ``left`` and the one at or after column ``right``."""
    before = next((pair.hyp for pair in reversed(pairs[:left]) if pair.hyp is not None), None)
    after = next((pair.hyp for pair in pairs[right:] if pair.hyp is not None), None)
    end = 0.0 if before is None else hypothesis[before].end_s
    start = None if after is None else hypothesis[after].start_s
    return None if end is None or start is None else start - end


def _is_line_start(reference: Sequence[Token], index: int) -> bool:
    if index in (0, len(reference)):
        return True
    here, before = reference[index], reference[index - 1]
    return (here.section, here.line) != (before.section, before.line)
