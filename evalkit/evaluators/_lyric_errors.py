"""What kind of error each error is: from the one alignment, the times of the words and where the voice is.

Every inserted word has exactly one kind, the first that fits: ``near``, one of two words for one (going to, gonna);
``halluc``, written where nobody sings; ``repeat``, part of an inserted passage of at least four words that repeats
lines already sung; ``adlib``, a syllable such as oh or la; ``moved``, part of a section that is missing in its place;
``extra``, anything else. A substituted word may be ``near``, a deleted one ``backing`` (it stood in parentheses) or
``nonlexical``.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from evalkit.models.transcript import Stretch
from evalkit.text.align import align
from evalkit.text.compare import Comparison
from evalkit.text.near import near_columns
from evalkit.text.nonlexical import nonlexical
from evalkit.text.tokens import Token

MIN_VOICE_SHARE = 0.2
"""A word is written where nobody sings if less of its span lies in vocal activity."""

MIN_REPEAT_WORDS = 4
MIN_SIMILARITY = 0.8
OMITTED_LINE = 0.8
"""A line is omitted if at least this share of its words is deleted."""

OMITTED_SECTION = 0.2
"""A section is omitted if a smaller share of its words is hit."""

MIN_MOVED_HITS = 0.5
"""An omitted section was sung elsewhere if at least this share of its words is found there, in order."""

_LineKey = tuple[int, int]
_Place = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """The errors of one song.

    Attributes:
        words: The alignment.
        language: Of the lyric.
        voice: Stretches with singing, in seconds; None if the voice is not known on its own.
    """

    words: Comparison
    language: str
    voice: Sequence[Stretch] | None

    @cached_property
    def kinds(self) -> list[str | None]:
        """Kind of each column; None for hits and plain errors."""
        found: list[str | None] = [None] * len(self.words.pairs)
        for index, pair in enumerate(self.words.pairs):
            if self.near[index]:
                found[index] = "near"
            elif pair.op == "del" and pair.ref is not None:
                if self.words.reference[pair.ref].backing:
                    found[index] = "backing"
                elif self._syllables_of_lyric[pair.ref]:
                    found[index] = "nonlexical"
            elif pair.op == "ins" and pair.hyp is not None:
                found[index] = self._kind_of_insertion(index, pair.hyp)
        return found

    def _kind_of_insertion(self, index: int, hyp: int) -> str:
        if hyp in self.hallucinated:
            return "halluc"
        if index in self._repeated:
            return "repeat"
        if self._syllables_heard[hyp]:
            return "adlib"
        return "moved" if any(hyp in found for found in self._moved.values()) else "extra"

    @cached_property
    def near(self) -> list[bool]:
        """For each column whether its error is a near miss."""
        words = self.words
        return near_columns(words.pairs, words.reference, words.hypothesis, self.language)

    @cached_property
    def hallucinated(self) -> frozenset[int]:
        """Indices of inserted words of the hypothesis that stand where nobody sings; none if the voice is not known."""
        if self.voice is None:
            return frozenset()
        columns = zip(self.words.pairs, self.near, strict=True)
        inserted = (pair.hyp for pair, near in columns if pair.op == "ins" and pair.hyp is not None and not near)
        return frozenset(hyp for hyp in inserted if self._is_unvoiced(self.words.hypothesis[hyp]))

    def _is_unvoiced(self, token: Token) -> bool:
        if token.start_s is None or token.end_s is None or self.voice is None:
            return False
        start, stop = token.start_s, max(token.end_s, token.start_s + 0.02)  # some words have no length
        return overlap_s([(start, stop)], self.voice) < MIN_VOICE_SHARE * (stop - start)

    @cached_property
    def _syllables_of_lyric(self) -> list[bool]:
        return nonlexical(self.words.reference, self.language)

    @cached_property
    def _syllables_heard(self) -> list[bool]:
        return nonlexical(self.words.hypothesis, self.language)

    def syllables_deleted(self) -> int:
        """Deleted words of the lyric that are mere syllables."""
        return sum(pair.op == "del" and self._syllables_of_lyric[pair.ref or 0] for pair in self.words.pairs)

    def backing_deleted(self) -> int:
        """Deleted words that stood in parentheses."""
        return sum(pair.op == "del" and self.words.reference[pair.ref or 0].backing for pair in self.words.pairs)

    @cached_property
    def omitted_lines(self) -> list[_LineKey]:
        """Lines of which at least 80 % of the words are deleted."""
        deleted: dict[_LineKey, int] = {}
        for pair in self.words.pairs:
            if pair.op == "del" and pair.ref is not None:
                key = _line(self.words.reference[pair.ref])
                deleted[key] = deleted.get(key, 0) + 1
        return [key for key, size in self.lines.items() if deleted.get(key, 0) >= OMITTED_LINE * size]

    @cached_property
    def lines(self) -> dict[_LineKey, int]:
        """Words of each line that has any, in order."""
        sizes: dict[_LineKey, int] = {}
        for token in self.words.reference:
            sizes[_line(token)] = sizes.get(_line(token), 0) + 1
        return sizes

    @cached_property
    def omitted_sections(self) -> list[int]:
        """Sections of which less than 20 % of the words are hit."""
        return [i for i, part in self.words.by_section.items() if part.hits < OMITTED_SECTION * part.n_ref]

    @cached_property
    def _repeated(self) -> frozenset[int]:
        """Columns of insertions that repeat what was sung before."""
        found: set[int] = set()
        for run in _runs(self.words, ("ins",)):
            heard = [self.words.pairs[column].hyp or 0 for column in run]
            if len(run) < MIN_REPEAT_WORDS or all(self._syllables_heard[hyp] for hyp in heard):
                continue
            texts = [self.words.hypothesis[hyp].text for hyp in heard]
            covered = self._repetition(texts, run[0])
            if sum(covered) >= MIN_REPEAT_WORDS:
                found |= {column for column, hit in zip(run, covered, strict=True) if hit}
        return frozenset(found)

    def _repetition(self, texts: Sequence[str], column: int) -> list[bool]:
        omitted = set(self.omitted_lines)
        earlier = (pair.ref for pair in self.words.pairs[:column] if pair.ref is not None)
        sung = [self.words.reference[ref] for ref in earlier]
        sung = [token for token in sung if _line(token) not in omitted]
        if not sung:
            return [False] * len(texts)
        if _within(texts, [token.text for token in sung])[0] >= MIN_SIMILARITY:
            return [True] * len(texts)
        lines: dict[_LineKey, list[str]] = {}
        for token in sung:
            lines.setdefault(_line(token), []).append(token.text)
        covered = [False] * len(texts)
        for line in sorted({tuple(line) for line in lines.values()}, key=lambda line: (-len(line), line)):
            for start, stop in _places(line, texts, 0):
                covered[start:stop] = [True] * (stop - start)
        return covered

    @cached_property
    def _moved(self) -> dict[int, list[int]]:
        """For each omitted section that was sung elsewhere, the words of the hypothesis that are it."""
        # What was heard in its place elsewhere is taken; a stray hit of an omitted section is not.
        taken = {
            pair.hyp
            for pair in self.words.pairs
            if pair.op == "hit" and pair.ref is not None
            if self.words.reference[pair.ref].section not in self.omitted_sections
        }
        free = ["" if hyp in taken else token.text for hyp, token in enumerate(self.words.hypothesis)]
        found: dict[int, list[int]] = {}
        for section in self.omitted_sections:
            wanted = [token.text for token in self.words.reference if token.section == section]
            _, start, stop = _within(wanted, free)
            pairs = align(wanted, free[start:stop])
            hits = [start + pair.hyp for pair in pairs if pair.op == "hit" and pair.hyp is not None]
            if len(hits) >= max(2, MIN_MOVED_HITS * len(wanted)):
                found[section] = hits
        return found

    @cached_property
    def section_times(self) -> dict[int, float]:
        """When each section was sung, in seconds: the median begin of its words that were heard, wherever they were."""
        times: dict[int, list[float]] = {}
        for section, heard in self._moved.items():
            times[section] = [start for hyp in heard if (start := self.words.hypothesis[hyp].start_s) is not None]
        for pair in self.words.pairs:
            if pair.op == "hit" and pair.ref is not None and pair.hyp is not None:
                section = self.words.reference[pair.ref].section
                start_s = self.words.hypothesis[pair.hyp].start_s
                if section not in self.omitted_sections and start_s is not None:
                    times.setdefault(section, []).append(start_s)
        return {section: statistics.median(found) for section, found in sorted(times.items()) if found}

    def order_error(self) -> float | None:
        """Share of pairs of sections that were sung in the wrong order; None with fewer than two sections."""
        times = list(self.section_times.values())
        pairs = [(one, other) for index, one in enumerate(times) for other in times[index + 1 :]]
        return sum(one > other for one, other in pairs) / len(pairs) if pairs else None


def overlap_s(stretches: Sequence[Stretch], others: Sequence[Stretch]) -> float:
    """Seconds that two lists of stretches have in common; those of one list do not touch each other."""
    return sum(
        max(0.0, min(stop, other_stop) - max(start, other_start))
        for start, stop in stretches
        for other_start, other_stop in others
    )


def _line(token: Token) -> _LineKey:
    return token.section, token.line


def _runs(words: Comparison, ops: tuple[str, ...]) -> list[list[int]]:
    """Unbroken runs of columns with these operations; deletions do not break a run."""
    runs: list[list[int]] = [[]]
    for index, pair in enumerate(words.pairs):
        if pair.op in ops:
            runs[-1].append(index)
        elif pair.op != "del" and runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _places(line: Sequence[str], texts: Sequence[str], shift: int) -> list[_Place]:
    """All places of a text where a line is, none overlapping another."""
    similarity, start, stop = _within(line, texts)
    if similarity < MIN_SIMILARITY or start == stop:
        return []
    before = _places(line, texts[:start], shift)
    return [*before, (shift + start, shift + stop), *_places(line, texts[stop:], shift + stop)]


def _within(pattern: Sequence[str], text: Sequence[str]) -> tuple[float, int, int]:
    """How well a passage is contained in a text: 1 - edits / length at the best place, and that place.

    Source: Sellers, "The theory and computation of evolutionary distances", J. Algorithms 1980.
    """
    codes: dict[str, int] = {}
    coded = np.array([codes.setdefault(word, len(codes)) for word in text], dtype=np.int64)
    offsets: npt.NDArray[np.int64] = np.arange(len(text) + 1, dtype=np.int64)
    row, begin = np.zeros_like(offsets), offsets
    for word in pattern:
        new, new_begin = row + 1, begin.copy()
        step = row[:-1] + (coded != codes.get(word, -1))
        better = step <= new[1:]
        new[1:] = np.where(better, step, new[1:])
        new_begin[1:] = np.where(better, begin[:-1], new_begin[1:])
        # Words of the text that are not in the pattern run along the row, from the nearest cheaper column.
        lowest = np.minimum.accumulate(new - offsets)
        source = np.maximum.accumulate(np.where(new - offsets <= lowest, offsets, 0))
        row, begin = lowest + offsets, new_begin[source]
    stop = int(np.argmin(row))
    return 1.0 - float(row[stop]) / len(pattern), int(begin[stop]), stop
