"""Dimensions and lengths of a LeLM, read from its ``config.yaml``."""

import ast
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from evalkit.errors import ModelError

FRAME_RATE_HZ = 25
"""Codes per second of each stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LelmConfig:
    """What fixes the shape of a LeLM.

    Attributes:
        dim: Width of both towers.
        inter_dim: Width inside the feed-forward blocks.
        n_heads: Attention heads (as many key-value heads).
        n_layers1: Layers of the first tower (mixed song).
        n_layers2: Layers of the second tower (vocals, accompaniment).
        rope_theta1: Rotary base of the first tower.
        rope_theta2: Rotary base of the second tower.
        lyric_len: Positions of the lyric segment.
        style_len: Positions of the style segment.
        prompt_frames: Frames of the audio prompt; its segment has two positions more.
        max_frames: Longest song in frames.
        delay: Slots by which vocals and accompaniment lag behind the mixed song.
        norm_eps: Epsilon of the RMS norms.
    """

    dim: int
    inter_dim: int
    n_heads: int
    n_layers1: int
    n_layers2: int
    rope_theta1: float
    rope_theta2: float
    lyric_len: int
    style_len: int
    prompt_frames: int = 250
    max_frames: int = 6750
    delay: int = 250
    norm_eps: float = 1e-5

    def __post_init__(self) -> None:
        if self.delay < 1:
            raise ModelError(f"The delay of vocals and accompaniment is {self.delay}, expected at least 1 slot.")
        if self.dim % self.n_heads or (self.dim // self.n_heads) % 2:
            raise ModelError(f"Width {self.dim} does not divide into {self.n_heads} heads of even size.")

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.dim // self.n_heads

    @property
    def prompt_len(self) -> int:
        """Positions of the prompt segment: learned vector, end code, frames."""
        return self.prompt_frames + 2

    @property
    def prefix_len(self) -> int:
        """Positions before slot 0."""
        return self.lyric_len + self.prompt_len + self.style_len

    @property
    def delays(self) -> tuple[int, int, int]:
        """Delay of each stream in slots."""
        return (0, self.delay, self.delay)


def _large(**changes: Any) -> LelmConfig:
    values: dict[str, Any] = {
        "dim": 2048,
        "inter_dim": 11_008,
        "n_heads": 16,
        "n_layers1": 36,
        "n_layers2": 12,
        "rope_theta1": 5e5,
        "rope_theta2": 5e5,
        "lyric_len": 600,
        "style_len": 100,
    }
    return LelmConfig(**(values | changes))


_MEDIUM = {"dim": 1536, "inter_dim": 8960, "n_heads": 12, "n_layers1": 28}
_SHORT = {"rope_theta1": 1e5, "lyric_len": 300, "style_len": 50, "max_frames": 3750}

KNOWN: Mapping[str, LelmConfig] = {
    "base": _large(**_MEDIUM, **_SHORT),
    "base-new": _large(**_MEDIUM, **_SHORT),
    "base-full": _large(**_MEDIUM),
    "large": _large(),
    "v2-medium": _large(**_MEDIUM),
    "v2-large": _large(),
}
"""Published variants, for tests and for a config that cannot be read; a checkpoint's own file comes first."""


def tiny_config() -> LelmConfig:
    """Every part, at sizes that sing a short song in seconds on a CPU.

    The texts are long, since its vocabulary is made of single bytes.
    """
    return LelmConfig(
        dim=32,
        inter_dim=64,
        n_heads=2,
        n_layers1=2,
        n_layers2=1,
        rope_theta1=1e5,
        rope_theta2=5e5,
        lyric_len=1024,
        style_len=256,
        max_frames=750,
    )


def read_config(path: Path) -> LelmConfig:
    """Read a ``config.yaml`` of the family.

    Interpolations (``${name}``, ``${eval:...}``) are resolved here; vocabularies named by ``${load_yaml:...}`` are
    built in, so the reference is left alone.

    Raises:
        ModelError: the file is not YAML, or a value is missing or of the wrong kind; the message names it.
    """
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.", "Pull the model again.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} is not YAML: {str(error).splitlines()[0]}.", "Pull the model again.") from None
    if not isinstance(tree, dict):
        raise ModelError(f"{path} is not a mapping.", "Pull the model again.")
    reader = _Reader(tree, path)
    frame_rate = reader.number("audio_tokenizer_frame_rate", "frame_rate", default=FRAME_RATE_HZ)
    if frame_rate != FRAME_RATE_HZ:
        raise ModelError(f"{path}: frame rate {frame_rate}, but this family has {FRAME_RATE_HZ} codes per second.")
    delays = reader.value("delays", default=[0, 250, 250])
    if not (isinstance(delays, list) and len(delays) == 3 and delays[0] == 0 and delays[1] == delays[2]):
        raise ModelError(f"{path}: delays are {delays!r}, expected [0, n, n].")
    prompt_len = reader.number("max_len", within="prompt_audio", default=252)
    return LelmConfig(
        dim=reader.integer("dim", within="lm"),
        inter_dim=reader.integer("intermediate_size", "inter_dim", within="lm"),
        n_heads=reader.integer("num_heads", "num_attention_heads", within="lm"),
        n_layers1=reader.integer("num_layers", "num_hidden_layers", within="lm"),
        n_layers2=reader.integer("num_layers_sub", "num_hidden_layers_sub", within="lm"),
        rope_theta1=reader.number("rope_theta", within="lm"),
        rope_theta2=reader.number("rope_theta_sub", within="lm"),
        lyric_len=reader.integer("max_len", within="description"),
        style_len=reader.integer("max_len", within="type_info"),
        prompt_frames=int(prompt_len) - 2,
        max_frames=int(reader.number("max_dur") * FRAME_RATE_HZ),
        delay=int(delays[1]),
    )


class _Reader:
    """Finds values by name in a tree whose outer shape differs between releases."""

    def __init__(self, tree: Mapping[str, Any], path: Path) -> None:
        self._tree = tree
        self._path = path

    def value(self, *names: str, within: str | None = None, default: Any = None) -> Any:
        scopes = [self._tree] if within is None else list(_mappings_named(self._tree, within))
        for scope in scopes:
            for name in names:
                for found in _values_named(scope, name):
                    return self._resolve(found, depth=0)
        if default is not None:
            return default
        place = f" in {within!r}" if within else ""
        raise ModelError(f"{self._path} has no {names[0]!r}{place}.", "Use the config.yaml that came with the weights.")

    def number(self, *names: str, within: str | None = None, default: float | None = None) -> float:
        value = self.value(*names, within=within, default=default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            try:  # YAML 1.1 reads 1e5 as text.
                value = float(value)
            except (TypeError, ValueError):
                raise ModelError(f"{self._path}: {names[0]} is {value!r}, expected a number.") from None
        return float(value)

    def integer(self, *names: str, within: str | None = None) -> int:
        value = self.number(*names, within=within)
        if value != int(value) or value <= 0:
            raise ModelError(f"{self._path}: {names[0]} is {value:g}, expected a positive whole number.")
        return int(value)

    def _resolve(self, value: Any, depth: int) -> Any:
        if not isinstance(value, str) or "${" not in value:
            return value
        if depth > 8:
            raise ModelError(f"{self._path}: {value!r} refers to itself.")
        whole = re.fullmatch(r"\$\{eval:(.*)\}", value, flags=re.DOTALL)
        if whole:
            return self._calculate(str(self._substitute(whole.group(1).strip("'\" "), depth)))
        if value.startswith("${load_yaml:"):
            return value
        return self._substitute(value, depth)

    def _substitute(self, text: str, depth: int) -> Any:
        alone = re.fullmatch(r"\$\{([\w.]+)\}", text)
        if alone:
            return self._lookup(alone.group(1), depth)
        return re.sub(r"\$\{([\w.]+)\}", lambda match: str(self._lookup(match.group(1), depth)), text)

    def _lookup(self, dotted: str, depth: int) -> Any:
        node: Any = self._tree
        for part in dotted.split("."):
            if not isinstance(node, Mapping) or part not in node:
                raise ModelError(f"{self._path} refers to {dotted!r}, which it does not define.")
            node = node[part]
        return self._resolve(node, depth + 1)

    def _calculate(self, expression: str) -> float:
        try:
            return _evaluate(ast.parse(expression, mode="eval").body)
        except (SyntaxError, ValueError, ZeroDivisionError):
            raise ModelError(f"{self._path}: cannot calculate {expression!r}.") from None


_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}


def _evaluate(node: ast.expr) -> float:
    """Numbers and the four operations, nothing else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return node.value
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_evaluate(node.left), _evaluate(node.right))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_evaluate(node.operand)
    raise ValueError(ast.dump(node))


def _mappings_named(tree: Any, name: str) -> list[Mapping[str, Any]]:
    return [value for value in _values_named(tree, name) if isinstance(value, Mapping)]


def _values_named(tree: Any, name: str) -> list[Any]:
    """Values under a key, nearest to the root first."""
    found: list[Any] = []
    level = [tree]
    while level:
        below: list[Any] = []
        for node in level:
            if isinstance(node, Mapping):
                found.extend(value for key, value in node.items() if key == name)
                below.extend(node.values())
        level = below
    return found
