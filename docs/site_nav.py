"""Order of the site's pages; a page that is not named here comes in its folder's place by itself."""

from pathlib import Path
from typing import Any

SECTIONS = {
    "Start": ("tutorial.md", "suites.md", "report.md"),
    "Decide": ("compare.md", "gates.md", "leaderboard.md", "validity.md"),
    "Large runs": ("scale.md", "reliability.md", "performance.md"),
    "Reference": ("run-format.md", "exports.md", "generator.md"),
}
FOLDERS = {"evaluators": "Evaluators"}


def build(folder: Path) -> list[Any]:
    """The navigation of all pages below a folder."""
    pages = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.md"))
    nav: list[Any] = ["index.md"]
    rest = [page for page in pages if page != "index.md"]
    for title, wanted in SECTIONS.items():
        found = [page for page in wanted if page in rest]
        rest = [page for page in rest if page not in found]
        if found:
            nav.append({title: found})
    for name, title in FOLDERS.items():
        found = [page for page in rest if page.startswith(f"{name}/")]
        rest = [page for page in rest if page not in found]
        if found:
            nav.append({title: found})
    return [*nav, *([{"More": rest}] if rest else [])]


def on_config(config: Any) -> Any:
    """Called by mkdocs."""
    config["nav"] = build(Path(config["docs_dir"]))
    return config
