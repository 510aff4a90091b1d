"""The written site: its files, its links, its bytes."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from evalkit.errors import ConfigError
from reports.leaderboard import Source, write

HOSTILE = "<script>window.hacked = 1</script>\"><img src=x onerror='window.hacked = 2'>{{ 7 * 7 }}"


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Links(HTMLParser):
    """All links of a page, and everything a page could load or run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.loads: list[tuple[str, str]] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.add(value or "")
            elif name == "href" and tag == "a":
                self.links.append(value or "")
            elif name in ("src", "srcset", "action", "data", "poster") or (name == "href" and tag != "a"):
                self.loads.append((tag, value or ""))
            assert not name.startswith("on"), f"{tag} has the handler {name}"


@pytest.fixture
def many(make_source: Callable[..., Source]) -> list[Source]:
    systems = [("good", 1.0), ("bad", -1.0), ("middle", 0.0)]
    found = [
        make_source(name, quality=quality, created=f"2026-{month:02d}-01T00:00:00Z", seed=month)
        for name, quality in systems
        for month in (3, 5)
    ]
    found.append(make_source("sent", version="2", made="Measured at home with evalkit.", quality=0.5))
    found.append(make_source("few", languages=("en",), licence="MIT"))
    return found


def test_the_same_runs_give_the_same_bytes_in_any_order(tmp_path: Path, many: list[Source]) -> None:
    write(many, tmp_path / "one")
    write(reversed(many), tmp_path / "two")
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")


def test_every_link_leads_somewhere_and_nothing_is_loaded(tmp_path: Path, many: list[Source]) -> None:
    written = write(many, tmp_path)
    pages = {path: Links(path.read_text("utf-8")) for path in tmp_path.rglob("*.html")}
    assert len(pages) == written.n_files - 1 == 1 + 2 * 6
    n_links = 0
    for path, page in pages.items():
        assert all(value.startswith("data:") for _, value in page.loads)
        for link in page.links:
            parts = urlsplit(link)
            assert not parts.scheme
            assert not parts.netloc
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target in pages, f"{path.name} links to {link}"
            assert not parts.fragment or unquote(parts.fragment) in pages[target].ids, f"{path.name}: {link}"
            n_links += 1
    assert n_links > 100


def test_every_number_has_n_and_interval_and_missing(tmp_path: Path, make_source: Callable[..., Source]) -> None:
    write([make_source(missing=3)], tmp_path)
    (page,) = tmp_path.glob("*/wer.html")
    text = re.sub(r"<[^>]+>", " ", page.read_text("utf-8"))
    board = json.loads((tmp_path / "leaderboard.json").read_text())["boards"][0]
    found = next(metric for metric in board["metrics"] if metric["name"] == "wer")["systems"][0]
    assert (found["n"], found["missing"], found["tiers"]) == (37, "3 audio missing", "")
    assert found["value"] in text
    assert found["interval"] in text
    assert "3 audio missing" in text
    assert "the song was not made" in text


def test_tiers_are_shown_and_never_ranks(tmp_path: Path, many: list[Source]) -> None:
    write(many, tmp_path)
    board = json.loads((tmp_path / "leaderboard.json").read_text())["boards"][0]
    tiers = {row["system"]: row["tiers"] for row in board["metrics"][0]["systems"]}
    assert tiers == {"good": "1", "sent": "2", "middle": "3", "bad": "4"}
    page = tmp_path / board["name"] / "wer.html"
    assert "10,000 random exchanges" in page.read_text("utf-8")
    index = (tmp_path / "index.html").read_text("utf-8")
    assert not re.search(r"#\d\b|\brank\b", re.sub(r"<[^>]+>", " ", index.split("<main")[1]))


def test_hostile_text_is_text_on_every_page(tmp_path: Path, make_source: Callable[..., Source]) -> None:
    sources = [
        make_source(
            HOSTILE + str(month),
            title=HOSTILE,
            licence=HOSTILE,
            suite=HOSTILE,
            run_id=HOSTILE,
            version=HOSTILE if month == 2 else "",
            made=HOSTILE if month == 2 else "",
            notes={"*": HOSTILE},
            status="incomplete",
            created=f"2026-{month:02d}-01T00:00:00Z",
            missing=2,
            report=tmp_path / "r.html",
        )
        for month in (1, 2)
    ]
    (tmp_path / "r.html").write_text("report")
    write(sources, tmp_path / "site", copy_reports=True)
    pages = list((tmp_path / "site").rglob("*.html"))
    for path in pages:
        assert path.resolve().is_relative_to(tmp_path / "site")
        if path.parent.name == "reports":
            continue
        page = Links(path.read_text("utf-8"))
        assert "img" not in page.tags
        assert page.tags.count("script") == 1
        assert not any(link.lower().startswith("javascript") for link in page.links)


def test_reports_are_linked_or_copied(tmp_path: Path, make_source: Callable[..., Source]) -> None:
    report = tmp_path / "runs" / "a run #1" / "report.html"
    report.parent.mkdir(parents=True)
    report.write_text("the report")
    source = make_source(report=report)
    linked = write([source, make_source("other")], tmp_path / "linked")
    assert (linked.n_outside, linked.n_unlinked) == (1, 1)
    assert 'href="../runs/a%20run%20%231/report.html"' in linked.index.read_text("utf-8")
    (page,) = (tmp_path / "linked").glob("*/wer.html")
    assert 'href="../../runs/a%20run%20%231/report.html"' in page.read_text("utf-8")
    copied = write([source], tmp_path / "copied", copy_reports=True)
    assert copied.n_outside == 0
    (copy,) = (tmp_path / "copied" / "reports").iterdir()
    assert copy.read_text() == "the report"
    assert f'href="reports/{copy.name}"' in copied.index.read_text("utf-8")


def test_runs_of_one_name_keep_their_own_reports(tmp_path: Path, make_source: Callable[..., Source]) -> None:
    sources = []
    for place in range(2):
        report = tmp_path / str(place) / "report.html"
        report.parent.mkdir()
        report.write_text(f"report {place}")
        sources.append(make_source(run_id="same", report=report, seed=place))
    write(sources, tmp_path / "site", copy_reports=True)
    assert sorted(path.read_text() for path in (tmp_path / "site" / "reports").iterdir()) == ["report 0", "report 1"]


def test_pages_that_are_no_longer_needed_go_and_nothing_else(tmp_path: Path, many: list[Source]) -> None:
    write(many, tmp_path)
    (tmp_path / "CNAME").write_text("example.org")
    write(many[:1], tmp_path)
    found = set(files_of(tmp_path))
    assert "CNAME" in found
    assert found - {"CNAME"} == set(json.loads((tmp_path / "leaderboard.json").read_text())["files"])
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 1


def test_a_manifest_cannot_remove_what_lies_elsewhere(tmp_path: Path, many: list[Source]) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("mine")
    site = tmp_path / "site"
    site.mkdir()
    (site / "leaderboard.json").write_text(json.dumps({"files": ["../precious.txt", str(precious)]}))
    write(many[:1], site)
    assert precious.read_text() == "mine"


def test_other_folders_are_not_written_into(tmp_path: Path, many: list[Source]) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(ConfigError, match="holds no leaderboard"):
        write(many, tmp_path)
    with pytest.raises(ConfigError, match="is a file"):
        write(many, tmp_path / "thesis.tex")
    with pytest.raises(ConfigError, match="at least one run"):
        write([], tmp_path / "empty")


def test_a_change_since_the_entry_before_is_told_in_words(tmp_path: Path, make_source: Callable[..., Source]) -> None:
    sources = [
        make_source(name, quality=quality, created=f"2026-{month:02d}-01T00:00:00Z", seed=month)
        for name, steps in (("better", (0, 2)), ("worse", (0, -2)), ("same", (0, 0)))
        for month, quality in enumerate(steps, start=1)
    ]
    write(sources, tmp_path)
    (page,) = tmp_path.glob("*/wer.html")
    cards = re.findall(r"<article.*?</article>", page.read_text("utf-8"), re.DOTALL)
    words = {
        re.search(r"<b>(\w+)</b>", card)[1]: re.search(r"since the entry before: ([\w ]+)", card)[1] for card in cards
    }  # type: ignore[index]
    assert words == {"better": "better", "worse": "worse", "same": "not separable"}


def test_metrics_of_sets_have_a_page_and_no_tier(tmp_path: Path, make_source: Callable[..., Source]) -> None:
    from evalkit.store import EvaluatorInfo
    from evalkit.types import Metric, SetScore

    metric = Metric(name="fad", title="Distance to music", unit="", direction="lower", source="Kilgour et al. 2019")
    sources = []
    for system in ("one", "two"):
        source = make_source(system)
        score = SetScore(
            system=system, group="all", evaluator="sets", metric="fad", value=1.25, ci_low=1.0, ci_high=1.5, n=40,
            status="ok", signature="fad|model:x|v:1",
        )  # fmt: skip
        info = EvaluatorInfo(name="sets", version="1", metrics=(metric,), signatures={"fad": "fad|model:x|v:1"})
        run = replace(
            source.run,
            set_scores=(score,),
            info=replace(source.run.info, evaluators=(*source.run.info.evaluators, info)),
        )
        sources.append(replace(source, run=run))
    write(sources, tmp_path)
    board = json.loads((tmp_path / "leaderboard.json").read_text())["boards"][0]
    rows = next(found for found in board["metrics"] if found["name"] == "fad")["systems"]
    assert [(row["value"], row["interval"], row["n"], row["tiers"]) for row in rows] == [
        ("1.25", "1.00–1.50", 40, ""),
        ("1.25", "1.00–1.50", 40, ""),
    ]
