"""Measures all reactions of words and structure and writes them into docs/validity.md.

PYTHONPATH=tests python tests/validity/write_lyrics_and_structure.py
"""

from collections import Counter
from pathlib import Path

from validity import lyric_reactions as lyric
from validity import structure_reactions as structure
from validity.table import render, write_section

PAGE = Path(__file__).parents[2] / "docs" / "validity.md"
THREE = ("three-en", "three-es")
CHORUS = ("chorus-en", "chorus-it")
SUNG = (*THREE, *CHORUS)
ENDING = ("three-en", "chorus-it")


def lyrics_section() -> str:
    reactions = [*lyric.dropped_lines(THREE), *lyric.swapped_sections(THREE), *lyric.repeated_chorus(CHORUS)]
    rows = [
        "| Song | Lyric it is scored against | PER, own lyric | PER, the other | PER between the two texts |",
        "|---|---|---|---|---|",
    ]
    for one, other, own, crossed, chance in lyric.other_lyrics(SUNG):
        rows.append(f"| {one} | {other} | {own:.1%} | {crossed:.1%} | {chance:.1%} |")
    return "\n".join(
        [
            "Songs of the embedded singer with known damage, heard by Whisper base. Values are means over the songs.",
            "",
            render(reactions),
            "",
            "Another prompt's lyrics: the error rate must be what two unrelated texts give (chance), not lower.",
            "",
            *rows,
        ]
    )


def structure_section() -> str:
    reactions = [*structure.lost_chorus(CHORUS), *structure.late_voice(THREE), *structure.loops(SUNG)]
    rows = ["| Ending | Complete | Faded | Cut |", "|---|---|---|---|"]
    for change, kinds in structure.endings(ENDING):
        count = Counter(kinds)
        rows.append(f"| {change} | {count['complete']} | {count['fade']} | {count['cut']} |")
    return "\n".join(
        ["The same songs; what was done to their sections, ends and waveforms.", "", render(reactions), "", *rows]
    )


if __name__ == "__main__":
    write_section(PAGE, "Lyrics", lyrics_section())
    write_section(PAGE, "Structure", structure_section())
    print(PAGE)
