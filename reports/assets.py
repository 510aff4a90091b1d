"""What every page is made of: templates, styles, scripts, and JSON that cannot leave its element."""

import base64
import hashlib
import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

_UNSAFE = "<>&\u2028\u2029"


def to_json(value: Any) -> Markup:
    """JSON that is safe inside a script element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for char in _UNSAFE:
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Markup(text)


def style(names: Sequence[str]) -> Markup:
    """Style sheets of this package, joined."""
    return Markup("\n".join(_asset(name) for name in names))


def script(names: Sequence[str]) -> tuple[Markup, str]:
    """Scripts of this package, joined in one strict scope, and the SHA-256 that a content security policy wants."""
    joined = "\n".join(_asset(name) for name in names)
    text = f'(() => {{\n"use strict";\n{joined}\n}})();\n'
    return Markup(text), base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


@cache
def environment() -> Environment:
    """Templates with everything escaped and every unknown name an error."""
    return Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _asset(name: str) -> str:
    return files("reports").joinpath("templates", *name.split("/")).read_text(encoding="utf-8")
