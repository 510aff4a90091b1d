"""Reads the one string that names a system on the command line."""

import re
from dataclasses import dataclass
from pathlib import Path

from evalkit.errors import ConfigError
from generation.base import SYSTEMS, System

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemSpec:
    """A system to run.

    Attributes:
        name: As shown in reports; unique in a run.
        system: Registered name of the class.
        variant: What the class is given: a variant name, a folder, or a command line.
        text: The string it was read from.
        reference: Given by ``--reference``.
        calibration: Added by ``--calibrate``.
    """

    name: str
    system: str
    variant: str
    text: str
    reference: bool = False
    calibration: bool = False

    @property
    def folder(self) -> str:
        """The name as a single path part."""
        return re.sub(r"[^A-Za-z0-9._-]", "-", self.name)

    def load_class(self) -> type[System]:
        """Import the system's class."""
        return SYSTEMS.get(self.system)


def parse(text: str, *, reference: bool = False) -> SystemSpec:
    """Read ``NAME``, ``NAME/VARIANT[@WEIGHTS][,option=value]``, ``LABEL=FOLDER`` or ``LABEL=cmd:PROGRAM ARGS``.

    Args:
        text: The option's value.
        reference: Whether it was given as a reference.

    Returns:
        The parsed specification; its class is not imported yet.

    Raises:
        ConfigError: unknown system, unusable label, or a folder that is not there.
    """
    # Options of a registered system hold an equals sign too, but only behind a comma.
    if "=" in text.partition(",")[0].partition("@")[0]:
        label, _, target = text.partition("=")
        return _parse_labelled(label.strip(), target.strip(), text, reference)
    system, _, variant = text.strip().partition("/")
    if system in ("folder", "command"):
        raise ConfigError(
            f"The system {text!r} needs a label and a target.", "Write NAME=FOLDER or NAME=cmd:PROGRAM ARGS."
        )
    # Looking the class up here names an unknown system before anything else starts.
    cls = SYSTEMS.get(system)
    cls.required_models(variant)  # refuses an unknown variant or option now, not after an hour
    name = re.sub(r"@[^,]*", "", text.strip())
    return SystemSpec(name=name, system=system, variant=variant, text=text, reference=reference)


def with_weights(text: str, weights: Path | None) -> str:
    """Add a weights folder to the name of a bundled generator that has none; other systems stay as they are."""
    head, comma, options = text.partition(",")
    if weights is None or not head.startswith("songgeneration2/") or "@" in head:
        return text
    return f"{head}@{weights.expanduser().resolve()}{comma}{options}"


def check_unique(specs: list[SystemSpec]) -> None:
    """Refuse two systems that would write into one folder."""
    seen: dict[str, SystemSpec] = {}
    for spec in specs:
        other = seen.setdefault(spec.folder, spec)
        if other is not spec:
            raise ConfigError(f"Two systems are called {spec.name!r}.", "Give each its own label: LABEL=...")


def _parse_labelled(label: str, target: str, text: str, reference: bool) -> SystemSpec:
    if not _NAME.match(label):
        raise ConfigError(
            f"The label {label!r} in {text!r} is not usable as a folder name.",
            "Use 1 to 60 letters, digits, '.', '_' or '-', beginning with a letter or digit.",
        )
    if target.startswith("cmd:"):
        command = target.removeprefix("cmd:").strip()
        return SystemSpec(name=label, system="command", variant=command, text=text, reference=reference)
    folder = Path(target).expanduser()
    if not folder.is_dir():
        raise ConfigError(f"The folder {target!r} of system {label!r} does not exist.", "Write NAME=FOLDER.")
    return SystemSpec(name=label, system="folder", variant=str(folder.resolve()), text=text, reference=reference)
