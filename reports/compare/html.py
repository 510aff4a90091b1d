"""The page of a comparison: one self-contained HTML file. Nothing is decided here."""

from typing import Any

from reports import assets
from reports.assets import to_json
from reports.compare.page import Page
from reports.published import Published

STYLES = ("base.css", "summary.css", "songs.css", "compare/compare.css")
SCRIPTS = ("common.js", "core.js", "player.js", "compare/scatter.js", "compare/prompts.js", "compare/page.js")


def render(page: Page, published: Published) -> str:
    """The whole page as text; equal pages give equal text."""
    script, digest = assets.script(SCRIPTS)
    return (
        assets.environment()
        .get_template("compare/page.html.j2")
        .render(
            page=page,
            published=published,
            style=assets.style(STYLES),
            script=script,
            script_digest=digest,
            data=to_json(blob(page)),
            details=[(place, to_json(detail)) for place, detail in sorted(page.details.items())],
        )
    )


def blob(page: Page) -> dict[str, Any]:
    """What the page's script works on."""
    return {
        "songs": page.songs,
        "prompts": page.prompts,
        "languages": dict(page.languages),
        "candidate": page.candidate.title,
        "system": page.candidate.name,
        "report": page.candidate.report,
        "duels": [
            {"name": duel.label, "system": duel.opponent.name, "report": duel.opponent.report, **duel.data}
            for duel in page.duels
        ],
    }
