"""Measures all reactions of sound and voice and writes them into docs/validity.md.

PYTHONPATH=.:tests python tests/validity/write_quality.py
"""

from collections.abc import Sequence
from pathlib import Path

from validity.quality_reactions import DAMAGES, VOICE_DAMAGES, VOICE_S, react
from validity.table import Reaction, render, write_section

PAGE = Path(__file__).parents[2] / "docs" / "validity.md"
SONGS, VOICES = ("three-en", "three-es"), ("three-en",)


INTRODUCTION = """\
Songs of the embedded singer with known damage; nothing else about them is changed. Values are means over the songs, in
the order of the amounts. A measure that should move must rank with the amount (|Spearman| of 0.9 or more); one that
should stay must not leave its tolerance in any song."""

VOICE = f"""\
The same done to the vocal stem alone, of which the first {VOICE_S:g} seconds are heard. DNSMOS and DistillMOS belong to
the profile `standard`."""

LIMITS = """\
A hole of half a second is silence, not a dropout: `dropout` counts holes of 20 to 300 ms, and `silence_ratio` and
`max_inner_sil` see the longer ones. Notes of the embedded singer lie nearly as far off the semitones as chance has it,
so `tuning_deviation` does not notice when its lines are detuned on top; what it does on voices that hold their notes is
shown in `tests/unit/evalkit/evaluators/test_pitch.py`."""


def section(sound: Sequence[Reaction], voice: Sequence[Reaction]) -> str:
    """The section "Quality and technical"."""
    return "\n\n".join([INTRODUCTION, render(sound), VOICE, render(voice), LIMITS])


if __name__ == "__main__":
    write_section(
        PAGE, "Quality and technical", section(react(SONGS, DAMAGES), react(VOICES, VOICE_DAMAGES, seconds=VOICE_S))
    )
    print(PAGE)
