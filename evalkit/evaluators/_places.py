"""Where the sections of the lyric are in the song, by the words that were heard: no structure model is needed."""

from collections.abc import Sequence
from dataclasses import dataclass

from evalkit.text.compare import Comparison
from evalkit.types import Section

NAME = "words1"
"""Of the rule with its numbers, for signatures."""

MIN_HITS = 2
MIN_HIT_SHARE = 0.2
TOLERANCE_S = 2.0

CLASSES = {"short": (0.0, 10.0), "medium": (10.0, 20.0), "long": (20.0, float("inf"))}
"""Length in seconds of intro, inst and outro by the last part of their label, as SongGeneration documents them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A sung section that was found: from the begin of its first word that was heard to the end of its last."""

    index: int
    label: str
    start_s: float
    end_s: float
    hits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A run of instrumental sections, between the words around it.

    Attributes:
        labels: Of the sections.
        start_s: End of the last word before it, 0 at the begin of the song.
        end_s: Begin of the first word after it, or the end of the song.
        wanted_s: Shortest and longest length by the labels' classes, without tolerance.
    """

    labels: tuple[str, ...]
    start_s: float
    end_s: float
    wanted_s: tuple[float, float]

    @property
    def fits(self) -> bool:
        """Whether the length is inside its class, give or take two seconds."""
        low, high = self.wanted_s
        return low - TOLERANCE_S <= self.end_s - self.start_s <= high + TOLERANCE_S


def find_places(sections: Sequence[Section], words: Comparison) -> list[Place]:
    """The sung sections of which at least a fifth of the words, and two, were heard in place, in the lyric's order."""
    times: dict[int, list[tuple[float, float]]] = {}
    for pair in words.pairs:
        if pair.op == "hit" and pair.ref is not None and pair.hyp is not None:
            token = words.hypothesis[pair.hyp]
            if token.start_s is not None and token.end_s is not None:
                times.setdefault(words.reference[pair.ref].section, []).append((token.start_s, token.end_s))
    found = []
    for index, heard in sorted(times.items()):
        if len(heard) < max(MIN_HITS, MIN_HIT_SHARE * words.by_section[index].n_ref):
            continue
        start_s, end_s = min(start for start, _ in heard), max(end for _, end in heard)
        label = sections[index].label
        found.append(Place(index=index, label=label, start_s=start_s, end_s=end_s, hits=len(heard)))
    return found


def find_gaps(sections: Sequence[Section], places: Sequence[Place], duration_s: float) -> list[Gap]:
    """Runs of instrumental sections whose length can be told: the sung sections beside them were found."""
    by_index = {place.index: place for place in places}
    gaps = []
    run: list[str] = []
    before: int | None = None
    for index, section in enumerate((*sections, None)):
        if section is not None and not section.is_sung:
            run.append(section.label)
            continue
        known = (before is None or before in by_index) and (section is None or index in by_index)
        if run and known and (before is not None or section is not None):
            start_s = 0.0 if before is None else by_index[before].end_s
            end_s = duration_s if section is None else by_index[index].start_s
            wanted = _wanted(run)
            if wanted is not None and end_s >= start_s:
                gaps.append(Gap(labels=tuple(run), start_s=start_s, end_s=end_s, wanted_s=wanted))
        before, run = index, []
    return gaps


def _wanted(labels: Sequence[str]) -> tuple[float, float] | None:
    classes = [CLASSES.get(label.rsplit("-", maxsplit=1)[-1]) for label in labels]
    known = [interval for interval in classes if interval is not None]
    if len(known) < len(classes):
        return None
    return sum(low for low, _ in known), sum(high for _, high in known)
