"""Two token sequences laid against each other, with everything a score or a report needs from that."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from evalkit.text.align import Counts, Pair, align, count
from evalkit.text.ties import settle
from evalkit.text.tokens import Token


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The one alignment of a song at one level (words, characters or phones)."""

    reference: Sequence[Token]
    hypothesis: Sequence[Token]
    pairs: Sequence[Pair]

    @cached_property
    def counts(self) -> Counts:
        """Over the whole song."""
        return count(self.pairs)

    @cached_property
    def anchors(self) -> list[Token | None]:
        """For each pair the reference token it belongs to: an insertion to the one before it, or to the first.

        None only if the reference has no tokens at all.
        """
        current = self.reference[0] if self.reference else None
        anchors = []
        for pair in self.pairs:
            if pair.ref is not None:
                current = self.reference[pair.ref]
            anchors.append(current)
        return anchors

    @cached_property
    def by_section(self) -> dict[int, Counts]:
        """Counts of each section that has reference tokens, by section index, ascending."""
        pairs: dict[int, list[Pair]] = {index: [] for index in sorted({token.section for token in self.reference})}
        for pair, anchor in zip(self.pairs, self.anchors, strict=True):
            if anchor is not None:
                pairs[anchor.section].append(pair)
        return {index: count(found) for index, found in pairs.items()}

    def placed_hypothesis(self) -> list[Token]:
        """The hypothesis tokens with the section and line the alignment gives them."""
        placed = []
        for pair, anchor in zip(self.pairs, self.anchors, strict=True):
            if pair.hyp is not None:
                token = self.hypothesis[pair.hyp]
                placed.append(replace(token, section=anchor.section, line=anchor.line) if anchor else token)
        return placed


def compare(reference: Sequence[Token], hypothesis: Sequence[Token]) -> Comparison:
    """Align two token sequences by their normalised text; among equal passages the times of the words decide."""
    pairs = align([token.text for token in reference], [token.text for token in hypothesis])
    pairs = settle(pairs, reference, hypothesis)
    return Comparison(reference=reference, hypothesis=hypothesis, pairs=pairs)
