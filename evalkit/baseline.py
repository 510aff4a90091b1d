"""Baselines: a run reduced to what a comparison needs, in one small file that can be kept beside the code.

A baseline file is gzip-compressed JSON: everything of the run but audio, lyrics, transcripts and alignments. Its bytes
follow from the run alone, so saving it again changes nothing in version control.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from evalkit.store import RunData
from evalkit.types import Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineData(RunData):
    """A run that was read from a baseline file: its prompts have lost their text but kept its digest."""

    digests: Mapping[str, str] = field(default_factory=dict)


def prompt_digests(run: RunData) -> Mapping[str, str]:
    """Prompt id to SHA-256 of all that is asked of a system."""
    if isinstance(run, BaselineData):
        return run.digests
    return {prompt_id: prompt_digest(prompt) for prompt_id, prompt in run.prompts.items()}


def prompt_digest(prompt: Prompt) -> str:
    """SHA-256 over what a system is asked to sing: language, lyrics, style, length and reference audio."""
    asked = [
        prompt.language,
        prompt.lyrics,
        prompt.description,
        prompt.duration_s,
        prompt.prompt_audio_path,
        prompt.auto_prompt_audio_type,
    ]
    return hashlib.sha256(json.dumps(asked, ensure_ascii=False).encode()).hexdigest()
