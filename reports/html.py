"""The page: one self-contained HTML file. Nothing is decided here.

Everything from a run reaches the page either through jinja2 with autoescape on, or as JSON in script elements that
are data and never run, with every character escaped that HTML could take for markup.
"""

from dataclasses import asdict
from typing import Any

from reports import assets
from reports.assets import to_json
from reports.published import Published
from reports.report import Report, SongView

NOTHING = Published()

STYLES = ("base.css", "summary.css", "songs.css")
SCRIPTS = ("common.js", "core.js", "player.js", "lyrics.js", "songs.js", "page.js")


def render(report: Report, published: Published = NOTHING) -> str:
    """The whole page as text; equal reports give equal text."""
    script, digest = assets.script(SCRIPTS)
    details = [(place, to_json(song.detail)) for place, song in enumerate(report.songs) if song.detail is not None]
    # The style and script are files of this package and JSON is escaped by to_json; nothing else is passed as markup.
    return (
        assets.environment()
        .get_template("page.html.j2")
        .render(
            report=report,
            published=published,
            style=assets.style(STYLES),
            script=script,
            script_digest=digest,
            data=to_json(blob(report)),
            details=details,
        )
    )


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
