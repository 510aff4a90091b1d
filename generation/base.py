"""What a system is.

A system is one file in ``generation/systems`` that exposes ``SYSTEM``, a class. It turns one prompt into one song and
knows nothing of scores. Everything random comes from the ``seed`` it is given.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from evalkit.registry import Registry
from evalkit.types import Audio, ModelLocator, Prompt

ProgressCallback = Callable[[float], None]
"""Called with the finished share of one song, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """One song as a system hands it over.

    Attributes:
        mix: The song: audio in memory (written as 24-bit FLAC), or a file that is copied byte for byte.
        stems: ``vocals`` and ``accompaniment`` if the system makes them.
        params: Sampling parameters and notes for the record; JSON values only.
    """

    mix: Audio | Path
    stems: Mapping[str, Audio | Path] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)


class System(Protocol):
    """Makes songs.

    Attributes:
        title: One line for ``evalkit list systems``.
        notes: Remarks by language that belong into every report about this system (BCP-47 tag or ``"*"`` to sentence).
    """

    title: ClassVar[str]
    notes: ClassVar[Mapping[str, str]]

    @classmethod
    def required_models(cls, variant: str) -> Sequence[str]:
        """Registered model names the variant needs; fetched before work starts."""
        ...

    def __init__(self, variant: str, locate: ModelLocator) -> None:
        """Load the system.

        Args:
            variant: What follows the slash in ``name/variant``; empty if there is none.
            locate: Finds model folders.
        """
        ...

    def generate(self, prompt: Prompt, *, take: int, seed: int, progress: ProgressCallback | None = None) -> Generated:
        """Make one song.

        Raises:
            GenerationError: this song cannot be made; the batch goes on.
        """
        ...

    def close(self) -> None:
        """Free what was loaded."""
        ...


__all__ = ["SYSTEMS", "Generated", "ModelLocator", "ProgressCallback", "System"]

SYSTEMS: Registry[type[System]] = Registry("system", "generation.systems", "SYSTEM", "evalkit.systems")
