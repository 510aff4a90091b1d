"""What follows ``songgeneration2/`` on the command line: ``VARIANT[@WEIGHTS][,option=value]…``."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_args

from evalkit.errors import ConfigError
from evalkit.registry import suggestion
from generation.songgeneration2.codec.renderer import Mode
from generation.songgeneration2.lelm.sampling import SamplingParams
from generation.songgeneration2.lelm.tower import PRECISIONS

VARIANTS = ("v2-large", "v2-medium", "v2-fast", "large", "base", "base-new", "base-full", "tiny-random")
TINY = "tiny-random"
PUBLISHED = ("v2-large", "v2-medium")
"""Variants whose files can be fetched at a pinned revision with checksums; the others run from a weights folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """A variant and how it is run.

    Attributes:
        variant: One of `VARIANTS`.
        weights: Folder in the official layout; None for the model cache.
        precision: ``fp32``, ``fp16`` or ``bf16`` of the language model and the flow; None for fp16 on a GPU and fp32 on
            a CPU.
        mode: ``mixed`` renders the mix, ``separate`` the mix and both stems; ``vocal`` and ``bgm`` one stem.
        max_s: Longest song in seconds; None for the longest the model knows (``tiny-random``: the prompt's duration).
        staged: Hold only one network at a time, which saves memory and changes no result; None decides by the GPU.
        batch: Songs sung together at most; fewer if memory asks for it. In float32 each song has the same codes in any.
        sampling: See `SamplingParams`.
    """

    variant: str
    weights: Path | None = None
    precision: str | None = None
    mode: Mode = "separate"
    max_s: float | None = None
    staged: bool | None = None
    batch: int = 8
    sampling: SamplingParams = field(default_factory=SamplingParams)


def parse_options(text: str) -> Options:
    """Read a variant string.

    Raises:
        ConfigError: an unknown variant, option or value; the message names it.
    """
    head, *pairs = text.split(",")
    variant, at, folder = head.partition("@")
    if variant not in VARIANTS:
        raise ConfigError(f"Unknown variant {variant!r} of songgeneration2.", suggestion(variant, list(VARIANTS)))
    values: dict[str, Any] = {"variant": variant}
    if at:
        values["weights"] = Path(folder).expanduser()
        if not values["weights"].is_dir():
            raise ConfigError(f"The weights folder {folder!r} does not exist.", "Give --weights DIR.")
    sampling: dict[str, Any] = {}
    kinds = {item.name: item.type for item in fields(SamplingParams)}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if name in kinds and equals:
            sampling[name] = _number(name, value, whole=kinds[name] is int) if kinds[name] in (int, float) else value
        elif name == "precision":
            values[name] = _one_of(name, value, tuple(PRECISIONS))
        elif name == "mode":
            values[name] = _one_of(name, value, get_args(Mode))
        elif name == "max_s":
            values[name] = _number(name, value)
        elif name == "batch":
            values[name] = int(_number(name, value, whole=True))
            if values[name] < 1:
                raise ConfigError(f"Option batch is {value}, expected 1 or more.")
        elif name == "staged":
            values[name] = _one_of(name, value, ("true", "false")) == "true"
        else:
            known = ["precision", "mode", "max_s", "staged", "batch", *kinds]
            raise ConfigError(f"Unknown option {name!r} of songgeneration2.", suggestion(name, known))
    for name in ("penalty_rule", "draws"):
        if name in sampling:
            allowed = {"penalty_rule": ("official", "corrected"), "draws": ("uniform", "official")}[name]
            _one_of(name, sampling[name], allowed)
    return Options(**values, sampling=SamplingParams(**sampling))


def _number(name: str, text: str, whole: bool = False) -> float:
    try:
        return int(text) if whole else float(text)
    except ValueError:
        raise ConfigError(f"Option {name} is {text!r}, expected a {'whole ' if whole else ''}number.") from None


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise ConfigError(f"Option {name} is {value!r}.", f"Use one of: {', '.join(allowed)}.")
    return value
