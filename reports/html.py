"""The page: one self-contained HTML file. Nothing is decided here.

Everything from a run reaches the page either through jinja2 with autoescape on, or as JSON in script elements that
are data and never run, with every character escaped that HTML could take for markup.
"""

import base64
import hashlib
import json
from dataclasses import asdict
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reports.report import Report, SongView

STYLES = ("base.css", "summary.css", "songs.css")
SCRIPTS = ("core.js", "player.js", "lyrics.js", "songs.js", "page.js")

_UNSAFE = "<>&\u2028\u2029"


def render(report: Report) -> str:
    """The whole page as text; equal reports give equal text."""
    script = "\n".join(_asset(name) for name in SCRIPTS)
    script = f'(() => {{\n"use strict";\n{script}\n}})();\n'
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    details = [(place, to_json(song.detail)) for place, song in enumerate(report.songs) if song.detail is not None]
    # The style and script are files of this package and JSON is escaped by to_json; nothing else is passed as markup.
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            report=report,
            style=Markup("\n".join(_asset(name) for name in STYLES)),
            script=Markup(script),
            script_digest=digest,
            data=to_json(blob(report)),
            details=details,
        )
    )


def to_json(value: Any) -> Markup:
    """JSON that is safe inside a script element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for char in _UNSAFE:
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Markup(text)


def blob(report: Report) -> dict[str, Any]:
    """What the page's script works on: measures, systems and one short row for each song."""
    descriptions = list(dict.fromkeys(song.description for song in report.songs))
    place_of = {text: place for place, text in enumerate(descriptions)}
    return {
        "measures": [
            {
                key: value
                for key, value in asdict(measure).items()
                if key in ("name", "title", "suffix", "digits", "direction", "better", "arrow", "good", "headline")
            }
            for measure in report.measures
        ],
        "systems": [system.name for system in report.systems],
        "languages": dict(report.language_titles),
        "descriptions": descriptions,
        "songs": [_song(song, place_of[song.description]) for song in report.songs],
    }


def _song(song: SongView, description: int) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": song.id,
        "p": song.prompt_id,
        "s": song.system,
        "k": song.take,
        "l": song.language,
        "d": description,
        "t": song.tags,
        "n": song.duration,
        "v": song.values,
        "a": song.audio,
        "f": [(fact.label, fact.value) for fact in song.facts],
    }
    if song.status != "ok":
        row["x"] = song.reason
    if song.missing:
        row["m"] = {str(key): value for key, value in song.missing.items()}
    if song.counts:
        row["c"] = song.counts
    return row


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _asset(name: str) -> str:
    return files("reports").joinpath("templates", name).read_text(encoding="utf-8")
