"""Which systems ``--calibrate`` adds to a run."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from evalkit.types import Prompt
from generation.generate import other_prompts
from generation.singing.phonemes import LANGUAGES
from generation.spec import SystemSpec, parse

NAMES = ("spoken", "another-lyric", "silence", "noise")
"""From ceiling to floor."""


def systems(prompts: Sequence[Prompt], say: Callable[[str], None]) -> list[SystemSpec]:
    """The calibration systems that can do these prompts; what is left out, and why, is said.

    Args:
        prompts: All prompts of the run.
        say: Told about what is left out.
    """
    left_out: dict[str, str] = {}
    unknown = sorted(
        {p.language for p in prompts if p.language.replace("_", "-").split("-")[0].lower() not in LANGUAGES}
    )
    if unknown:
        left_out = dict.fromkeys(NAMES[:2], f"the embedded voices do not speak {', '.join(unknown)}")
    elif all(other.id == prompt_id for prompt_id, other in other_prompts(prompts).items()):
        left_out = {"another-lyric": "all prompts have the same lyrics"}
    for name, reason in left_out.items():
        say(f"Without the calibration system {name}: {reason}.")
    return [replace(parse(name), calibration=True) for name in NAMES if name not in left_out]
