"""What a system is.

A system is one file in ``generation/systems`` that exposes ``SYSTEM``, a class. It turns one prompt into one song and
knows nothing of scores. Everything random comes from the ``seed`` it is given.
"""

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from evalkit.errors import EvalkitError
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One song a batch system is asked for.

    Attributes:
        prompt: What to sing.
        take: Counts from 0.
        seed: Everything random follows from it.
        keep: Beginning of the names of files the system may keep beside the song, e.g. ``<keep>.tokens.safetensors``,
            so that part of the work need not be done again.
    """

    prompt: Prompt
    take: int
    seed: int
    keep: Path


BatchProgress = Callable[[int, float, str], None]
"""Called with the index of a request, its finished share, and a word on what is being done."""


class System(Protocol):
    """Makes songs one by one; many processes may each hold one.

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


class BatchSystem(ABC):
    """A system that makes several songs together and has the machine to itself; otherwise a `System`.

    Attributes:
        batch_size: Songs handed over at once.
    """

    batch_size: ClassVar[int]

    @abstractmethod
    def generate_batch(
        self, requests: Sequence[Request], progress: BatchProgress
    ) -> Iterator[tuple[int, Generated | EvalkitError]]:
        """Make songs; yields each request's index with its song, or with the reason there is none."""

    def generate(self, prompt: Prompt, *, take: int, seed: int, progress: ProgressCallback | None = None) -> Generated:
        """Make one song, keeping nothing beside it."""
        tell = progress or (lambda share: None)
        with tempfile.TemporaryDirectory(prefix="evalkit-song-") as scratch:
            request = Request(prompt=prompt, take=take, seed=seed, keep=Path(scratch) / "song")
            (_, made) = next(iter(self.generate_batch([request], lambda index, share, text: tell(share))))
        if isinstance(made, EvalkitError):
            raise made
        return made


class Calibration:
    """Marks a `System` that shows how far a metric can go, added to a run by ``--calibrate``; never ranked or gated.

    Attributes:
        role: Whether it lies where a perfect system would (``ceiling``) or where nothing was achieved (``floor``).
        takes_another_prompt: Whether it is given another prompt of the run than the one it is scored on.
    """

    role: ClassVar[Literal["ceiling", "floor"]]
    takes_another_prompt: ClassVar[bool] = False


__all__ = [
    "SYSTEMS",
    "BatchProgress",
    "BatchSystem",
    "Calibration",
    "Generated",
    "ModelLocator",
    "ProgressCallback",
    "Request",
    "System",
]

SYSTEMS: Registry[type[System]] = Registry("system", "generation.systems", "SYSTEM", "evalkit.systems")
