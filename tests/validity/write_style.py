"""Measures what style reacts to and writes it into docs/validity.md.

PYTHONPATH=tests python tests/validity/write_style.py RUN

RUN is a folder of the suite multilingual, sung by the embedded singer and measured with the embedded profile.
"""

import sys
from pathlib import Path

from validity import style_reactions as style
from validity.table import render, write_section

PAGE = Path(__file__).parents[2] / "docs" / "validity.md"
SONGS = ("three-en", "chorus-en")


def section(run: Path) -> str:
    rows = ["| Metric | Own prompt | Other prompts | Chance | Songs |", "|---|---|---|---|---|"]
    rows += [
        f"| `{one.metric}` | {one.own:.0%} | {one.others:.0%} | {one.chance} | {one.n} |" for one in style.crossed(run)
    ]
    return "\n".join(
        [
            "The forty songs of the suite `multilingual`, sung by the embedded singer: each measure with the own",
            "prompt, and with every other prompt that asks for something else in that dimension. A measure that heard",
            "nothing would have the same in both columns. The singer's band plays a few patterns per genre, so genre",
            "and mood are hard to hear here; the weight given to usual tempi and the rule that reads the tagger were",
            "chosen on these songs, so their rows are optimistic.",
            "",
            *rows,
            "",
            "Two songs played faster, as a tape would be (tempo and pitch rise together):",
            "",
            render(style.faster(SONGS)),
        ]
    )


if __name__ == "__main__":
    write_section(PAGE, "Style", section(Path(sys.argv[1])))
    print(PAGE)
