"""What a gate asks: ``gates.toml``, checked field by field, and the rules that hold where there is none.

Example::

    policy = "warn"
    max_failed_songs = 0

    [[rule]]
    metric = "per"
    margin = 0.01
    languages = "each"
"""

import math
import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from evalkit.errors import ConfigError
from evalkit.registry import suggestion

Policy = Literal["fail", "warn", "extend"]

# Strict, since a lax reader takes true for 1 and "0.01" for a number.
Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
End = Annotated[float, Field(strict=True)]
Name = Annotated[str, Field(min_length=1)]


class Rule(BaseModel):
    """One ``[[rule]]``. It may hold several kinds of demand; each becomes a check of its own, for each language."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: Name
    """Name of a metric of the runs, or ``collapse_rate``, ``per_noncollapsed``, ``no_vocals_rate``."""
    title: str = ""
    """For people; the metric's own if empty."""
    languages: Literal["each"] | tuple[Name, ...] | None = None
    """Nothing: all songs together. A list: each of these alone. ``"each"``: every language alone."""
    prompts: tuple[Name, ...] | None = None
    """Only prompts whose id matches one of these patterns (``*`` and ``?``)."""
    margin: NotNegative | None = None
    """Largest loss that is still acceptable, in the metric's own unit (0.01 is one point of a rate). The statistical
    rule; 0 where a rule asks nothing else."""
    threshold: NotNegative | None = None
    """Largest loss of the mean alone. Not statistical: chance can break it."""
    max: Finite | None = None
    """Absolute limit of the candidate's mean, or of every song."""
    min: Finite | None = None
    each_song: Annotated[bool, Field(strict=True)] = False
    """Whether ``max`` and ``min`` hold for every song instead of the mean."""
    direction: Literal["lower", "higher"] | None = None
    """Which way is better, where the metric does not say or says otherwise."""
    good: tuple[End, End] | None = None
    """Wanted range instead of the metric's own (``inf`` for an open end); the distance outside it may not grow."""
    policy: Policy | None = None
    """What an inconclusive result does; the file's ``policy`` if absent."""

    @model_validator(mode="after")
    def _check(self) -> "Rule":
        if self.languages == ():
            raise ValueError("languages is empty; leave it out to take all songs together")
        if self.good is not None and self.direction is not None:
            raise ValueError("good and direction exclude each other")
        if self.good is not None and not (self.good[0] <= self.good[1] and any(map(math.isfinite, self.good))):
            raise ValueError("good is no range: two numbers, the lower first, at most one of them inf")
        if self.max is not None and self.min is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}")
        if self.each_song and self.max is None and self.min is None:
            raise ValueError("each_song belongs to max or min")
        return self

    @property
    def tested_margin(self) -> float | None:
        """The margin of the statistical check; None if the rule has none."""
        if self.margin is not None:
            return self.margin
        return 0.0 if self.threshold is None and self.max is None and self.min is None else None


class Rules(BaseModel):
    """A whole ``gates.toml``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Annotated[int, Field(strict=True, ge=1, le=1)] = 1
    policy: Policy = "warn"
    max_failed_songs: Annotated[int, Field(strict=True, ge=0)] = 0
    """Songs of the candidate that may have failed."""
    sample_rate: Annotated[int, Field(strict=True, gt=0)] | None = None
    """Sample rate in Hz that every song must have."""
    rules: tuple[Rule, ...] = Field(default=(), alias="rule")

    @model_validator(mode="after")
    def _check(self) -> "Rules":
        if not self.rules:
            raise ValueError("there is no [[rule]]")
        return self


DEFAULT_RULES = Rules(
    rule=(
        Rule(metric="per", margin=0.01),
        Rule(metric="wer", margin=0.02),
        Rule(metric="per_vocals", margin=0.01),
        Rule(metric="collapse_rate", margin=0.05),
        Rule(metric="no_vocals_rate", max=0.02),
        Rule(metric="clip_rate", margin=1.0),
        Rule(metric="dropout", margin=0.2),
        Rule(metric="loop_stuck", margin=1.0),
        Rule(metric="true_peak_dbtp", margin=0.5),
        Rule(metric="lufs_i", margin=1.0),
        Rule(metric="clap_ta", margin=0.02),
    )
)
"""Where no file is given. Metrics that neither run has are passed over, and said."""


def load(path: Path) -> Rules:
    """Read ``gates.toml``.

    Raises:
        ConfigError: it cannot be read, is no TOML, or a field is wrong; line or field are named.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"There is no rules file {path}.", "Leave --rules out to use the default rules.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The rules file {path} cannot be read: {error}.") from error
    try:
        return Rules.model_validate(tomllib.loads(text))
    except ValidationError as error:
        raise ConfigError(f"The rules file {path}: {'; '.join(_sentences(error))}.", "See: docs/gates.md") from error
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits, or 1,000 brackets, are no TOMLDecodeError
        raise ConfigError(f"The rules file {path} is not TOML: {_short(str(error), 200)}.") from error


EXPECTED = {
    "rule": "one or more [[rule]] tables",
    "version": "1",
    "policy": '"fail", "warn" or "extend"',
    "max_failed_songs": "a whole number, 0 or more",
    "sample_rate": "a whole number of Hz",
    "metric": "the name of a metric",
    "title": "a text",
    "languages": '"each" or a list of languages such as ["en", "zh"]',
    "prompts": 'a list of patterns such as ["en-*"]',
    "margin": "a number, 0 or more, in the metric's own unit",
    "threshold": "a number, 0 or more, in the metric's own unit",
    "max": "a number",
    "min": "a number",
    "each_song": "true or false",
    "direction": '"lower" or "higher"',
    "good": "two numbers such as [-16.0, -9.0]",
}
"""What may stand behind each key of a rules file."""


def _sentences(error: ValidationError) -> list[str]:
    """One sentence for each key: where, what was found, what was expected."""
    found: dict[str, str] = {}
    for problem in error.errors():
        keys = [part for part in problem["loc"] if part in EXPECTED or isinstance(part, int)]
        unknown = problem["loc"][-1] if problem["type"] == "extra_forbidden" else None
        place: list[str] = []
        for part in keys:
            if isinstance(part, int):
                if place and place[-1] == "rule":
                    place[-1] = f"rule {part + 1}"
                continue
            place.append(str(part))
        where = ", ".join(place)
        if unknown is not None:
            known = [key for key in EXPECTED if key in (_names(Rule) if where else _names(Rules))]
            text = f"the key {_short(unknown)} is unknown. {suggestion(str(unknown), known)}".rstrip(".")
        elif problem["type"] == "value_error":
            text = problem["msg"].removeprefix("Value error, ")
        elif problem["type"] == "missing" and isinstance(problem["loc"][-1], str):
            text = f"is missing, expected {EXPECTED[place[-1]]}"
        else:
            expected = EXPECTED.get(place[-1], "a table with a metric") if place else "a table"
            text = f"expected {expected}, found {_short(problem['input'])}"
        found.setdefault(f"{where}/{unknown}", f"{where}: {text}" if where else text)
    return list(found.values())


def _names(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def _short(value: object, length: int = 60) -> str:
    text = value if isinstance(value, str) and length > 60 else repr(value)
    return text if len(text) <= length else text[: length - 1] + "…"
