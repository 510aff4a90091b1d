"""YAML with the line of every value.

Only plain data is read: no tags that build objects, no duplicate keys, no merge keys. Aliases are followed up to a
limit on what they expand to.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import yaml

MAX_REPEATED = 20_000
"""Values that aliases may repeat; what stands in the file itself is bounded by its size."""

MAX_DEPTH = 20

# The C parser is about ten times faster; both give the same nodes.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Path = tuple[str | int, ...]
Report = Callable[[int, str, str, str], None]
"""Called with line, field, message, hint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """Where and how a scalar is written; ``line`` counts from 1, ``style`` is ``|``, ``>``, a quote or None."""

    line: int
    text: str
    style: str | None


@dataclass(slots=True, kw_only=True)
class Document:
    """A YAML document: plain values, the line of each path, and its scalars as written."""

    value: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    scalars: dict[Path, Scalar] = field(default_factory=dict)

    def line(self, path: Path) -> int:
        """Line of the value at ``path``, or of the nearest thing around it."""
        while path not in self.lines and path:
            path = path[:-1]
        return self.lines.get(path, 0)


def dotted(path: Path) -> str:
    """A path for people: ``("prompts", 0, "id")`` is ``prompts[1].id``; items count from 1 like lines."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part + 1}]"
        else:
            text += f".{part[:40]}" if text else part[:40]
    return text


def parse(text: str, report: Report) -> Document | None:
    """Parse one YAML document.

    Args:
        text: The document.
        report: Told of every problem.

    Returns:
        The document, without the values that could not be read; None if it is no YAML at all.
    """
    try:
        line = _too_deep(text)
        if line:
            report(line, "", "the YAML is nested too deeply.", f"At most {MAX_DEPTH} levels are read.")
            return None
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        report(mark.line + 1 if mark else 0, "", f"this is not YAML: {error.problem or error.context}.", _INDENT_HINT)
        return None
    except (yaml.YAMLError, ValueError) as error:
        report(0, "", f"this is not YAML: {str(error).splitlines()[0]}.", "")
        return None
    document = Document()
    if node is not None:
        document.value = _Walk(document, report).value(node, ())
    return document


_INDENT_HINT = "Check the indentation, and quote text that holds ': ' or begins with a special character."
_ABSENT = object()


def _too_deep(text: str) -> int:
    """The line where nesting passes the limit, 0 if nowhere.

    Composing recurses, in C without any guard: without this look at the events a hostile file kills the process.
    """
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            depth += 1
            if depth > MAX_DEPTH:
                mark: Any = event.start_mark
                return int(mark.line) + 1
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            depth -= 1
    return 0


class _Walk:
    def __init__(self, document: Document, report: Report) -> None:
        self._document, self._report = document, report
        self._seen: set[int] = set()
        self._n_repeated = 0
        self._constructor = yaml.SafeLoader("")

    def value(self, node: yaml.Node, path: Path) -> Any:
        """The plain value of a node, `_ABSENT` if it was refused."""
        line = node.start_mark.line + 1
        self._document.lines[path] = line
        if id(node) in self._seen:
            self._n_repeated += 1
        self._seen.add(id(node))
        if self._is_full() or len(path) > MAX_DEPTH:
            what = "its aliases expand to too many values" if self._is_full() else "its aliases are nested too deeply"
            if self._n_repeated <= MAX_REPEATED + 1:
                self._report(line, dotted(path[:4]), f"the YAML is refused: {what}.", "Write the values out.")
            return _ABSENT
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            items = []
            for index, child in enumerate(node.value):
                if self._is_full():
                    break
                item = self.value(child, (*path, index))
                items.append(None if item is _ABSENT else item)
            return items
        return self._scalar(node, path)

    def _is_full(self) -> bool:
        return self._n_repeated > MAX_REPEATED

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, child in node.value:
            if self._is_full():
                break
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag.endswith(":merge"):
                self._report(line, dotted(path), "a key must be plain text; merge keys are not read.", "")
                continue
            # Keys are taken as written: `no:` is the key "no", not False.
            key = key_node.value
            if key in result:
                self._report(line, dotted((*path, key)), f"the field {key[:40]!r} stands twice.", "Remove one.")
                continue
            value = self.value(child, (*path, key))
            self._document.lines[(*path, key)] = line
            if value is not _ABSENT:
                result[key] = value
        return result

    def _scalar(self, node: Any, path: Path) -> Any:
        line = node.start_mark.line + 1
        self._document.scalars[path] = Scalar(line=line, text=node.value, style=node.style)
        try:
            return self._constructor.construct_object(node)
        except (yaml.YAMLError, ValueError, OverflowError, KeyError, IndexError) as error:
            reason = getattr(error, "problem", None) or str(error)
            self._report(line, dotted(path), f"{node.value[:40]!r} cannot be read: {reason}.", "Put it in quotes.")
            return _ABSENT
