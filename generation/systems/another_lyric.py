"""Another prompt's lyrics, spoken: what a metric gives where nothing was right but the language. That is chance."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from generation.systems.spoken import Spoken


class AnotherLyric(Spoken):
    """As ``spoken``, but for each prompt it is given the next one of the same language."""

    title: ClassVar[str] = "Calibration: another prompt's lyrics, spoken (chance)"
    notes: ClassVar[Mapping[str, str]] = {
        "*": "Clear speech of the wrong words: error rates near or above 100 % are right. In a language with one "
        "prompt the words come from another language."
    }
    role: ClassVar[Literal["ceiling", "floor"]] = "floor"
    takes_another_prompt: ClassVar[bool] = True


SYSTEM = AnotherLyric
