"""Measures all reactions of words and structure and writes them into docs/validity.md.

PYTHONPATH=tests python tests/validity/write_lyrics_and_structure.py
"""

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from validity import lyric_reactions as lyric
from validity import structure_reactions as structure
from validity.table import Reaction, render, write_section

PAGE = Path(__file__).parents[2] / "docs" / "validity.md"
THREE = ("three-en", "three-es")
CHORUS = ("chorus-en", "chorus-it")
ENDING = ("three-en", "chorus-it")

LYRICS = """\
Songs of the embedded singer with known damage, heard by Whisper base in the mix; one table for each language. Lines
are silenced in the voice while the band plays on; whole sections are moved or repeated with their band. A lyric
sung wholly backwards is left out of the row on repeats: there the alignment cannot tell a verse that moved from one
sung again.

In English (word error rate of the undamaged songs 6 % and less) everything reacts as it should. Whisper base
misreads a quarter of the singer's Spanish and Italian words, and there two measures reach their limits: a section
of which less than a fifth of the words is recognised has no place in the order, and a repeated passage counts as a
repeat only if four fifths of its words are recognised. Read `repeat_ins_rate` and `order_error` only where the word
error rate is low; deletions and omissions keep their order everywhere."""

CHANCE = """\
Another prompt's lyrics: the error rate must be what two unrelated texts give (chance), not lower."""

STRUCTURE = """\
The same songs; what was done to their sections, ends and waveforms. For the lost chorus the sections stay where the
words of the whole song were heard: a chorus without its words is not found, and then there is no value."""


def lyrics_section() -> str:
    parts = [LYRICS]
    for three, chorus in zip(THREE, CHORUS, strict=True):
        reactions = [*lyric.dropped_lines([three]), *lyric.swapped_sections([three]), *lyric.repeated_chorus([chorus])]
        parts += [f"`{three}` and `{chorus}`:", render(reactions)]
    rows = [
        "| Song | Lyric it is scored against | PER, own lyric | PER, the other | PER between the two texts |",
        "|---|---|---|---|---|",
    ]
    for one, other, own, crossed, chance in lyric.other_lyrics((*THREE, *CHORUS)):
        rows.append(f"| {one} | {other} | {own:.1%} | {crossed:.1%} | {chance:.1%} |")
    return "\n\n".join([*parts, CHANCE, "\n".join(rows)])


def structure_section() -> str:
    changes: list[tuple[Callable[[Sequence[str]], list[Reaction]], Sequence[str]]] = [
        (structure.lost_chorus, CHORUS),
        (structure.late_voice, THREE),
        (structure.loops, THREE),
    ]
    reactions = itertools.chain.from_iterable(measure(songs) for measure, songs in changes)
    rows = ["| Ending | Complete | Faded | Cut |", "|---|---|---|---|"]
    for change, kinds in structure.endings(ENDING):
        count = Counter(kinds)
        rows.append(f"| {change} | {count['complete']} | {count['fade']} | {count['cut']} |")
    return "\n\n".join([STRUCTURE, render(list(reactions)), "\n".join(rows)])


if __name__ == "__main__":
    write_section(PAGE, "Lyrics", lyrics_section())
    write_section(PAGE, "Structure", structure_section())
    print(PAGE)
