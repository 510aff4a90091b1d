"""The site in a real browser: silent, quick, and nothing from a run is ever run."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reports.leaderboard import Source, write

pytestmark = pytest.mark.browser

PHONE = {"width": 375, "height": 812}
HOSTILE = "<script>window.hacked = 1</script>\"><img src=x onerror='window.hacked = 2'>{{ 7 * 7 }} </script>"


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    contexts = []
    complaints: list[str] = []

    def open_page(path: Path, **options: Any) -> Any:
        contexts.append(browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options}))
        page = contexts[-1].new_page()
        page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda r: None if r.url.startswith(("file:", "data:")) else complaints.append(r.url))
        page.on("dialog", lambda dialog: complaints.append(dialog.message) or dialog.dismiss())
        page.goto(path.as_uri())
        return page

    yield open_page
    assert complaints == []
    for context in contexts:
        context.close()


@pytest.fixture
def site(tmp_path: Path, make_source: Callable[..., Source]) -> Path:
    sources = [
        make_source(name, quality=quality, licence=licence, created=f"2026-{month:02d}-01T00:00:00Z", seed=month)
        for name, quality, licence in (("good", 1, "MIT"), ("bad", -1, "Apache-2.0"), ("middle", 0, "MIT"))
        for month in (3, 5)
    ]
    sources.append(make_source("sent", version="2", made="Measured at home.", quality=0.5, licence="proprietary"))
    sources.append(make_source("few", languages=("en",)))
    write(sources, tmp_path / "site")
    return tmp_path / "site"


def shown(page: Any, table: str = ".board-table") -> list[str]:
    found: list[str] = page.locator(f"{table} tr.entry:visible th b").all_inner_texts()
    return found


def test_systems_stand_best_tier_first_and_sort(site: Path, visit: Callable[..., Any]) -> None:
    page = visit(site / "index.html")
    assert shown(page) == ["good", "sent", "middle", "bad", "few"]
    page.locator(".board-table").first.get_by_role("button", name="Tags heard").click()
    assert shown(page)[:2] == ["good", "sent"], "higher is better: the best is first again"
    page.locator(".board-table").first.get_by_role("button", name="Tags heard").click()
    assert shown(page)[0] == "bad"
    page.locator(".board-table").first.get_by_role("button", name="System").click()
    assert shown(page)[:4] == ["bad", "good", "middle", "sent"]


def test_filters(site: Path, visit: Callable[..., Any]) -> None:
    page = visit(site / "index.html")
    page.locator("#f-licence").select_option("MIT")
    assert shown(page) == ["good", "middle"]
    assert page.locator("#count").inner_text() == "2 of 5 systems"
    page.locator("#clear").click()
    page.locator("#f-source").select_option("sent")
    assert shown(page) == ["sent"]
    assert page.locator("tr.nothing:visible").count() == 1
    page.locator("#clear").click()
    page.locator("#f-board").select_option(index=2)
    assert shown(page) == ["few"]
    page.locator("#clear").click()
    page.locator("#f-metric").select_option("Apache-2.0")
    page.wait_for_function("() => document.querySelector('th[data-ml=MIT]').hidden")
    heads = page.locator(".board-table >> nth=0").locator("th.plot:visible button").all_inner_texts()
    assert [head.split(" ↑")[0].strip() for head in heads] == ["Tags heard in the audio"]
    page.locator("#clear").click()
    page.locator("#f-text").fill("nobody")
    page.wait_for_function("() => document.querySelectorAll('tr.nothing:not([hidden])').length === 2")


def test_pages_lead_to_each_other(site: Path, visit: Callable[..., Any]) -> None:
    page = visit(site / "index.html")
    page.get_by_role("link", name="by language, over time").first.click()
    assert page.locator("h1").inner_text().startswith("Word error rate")
    assert page.locator(".history").count() == 3
    assert page.locator(".matrix th.plot").count() == 10
    page.locator(".tabs > a").nth(1).click()
    assert page.locator("h1").inner_text().startswith("Tags heard")
    page.get_by_role("link", name="Method").click()
    assert "Every entry of this board" in page.locator("main").inner_text()
    page.locator("a.home").click()
    assert page.locator("h1").inner_text() == "Leaderboard"


@pytest.mark.parametrize("page_name", ["index.html", "wer.html", "method.html"])
def test_nothing_overflows_on_a_phone(site: Path, visit: Callable[..., Any], page_name: str) -> None:
    path = next(site.rglob(page_name))
    page = visit(path, viewport=PHONE, has_touch=True)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= 375


def test_hostile_names_are_text_on_every_page(
    tmp_path: Path, make_source: Callable[..., Source], visit: Callable[..., Any]
) -> None:
    sources = [
        make_source(
            HOSTILE, title=HOSTILE, licence=HOSTILE, suite=HOSTILE, run_id=HOSTILE, notes={"*": HOSTILE}, missing=3,
            version=HOSTILE if month > 2 else "", made=HOSTILE if month > 2 else "", status="incomplete",
            signatures={"wer": f"wer|asr:{HOSTILE}|v:{month // 4}"}, created=f"2026-{month:02d}-01T00:00:00Z",
        )
        for month in range(1, 6)
    ]  # fmt: skip
    write(sources, tmp_path / "site")
    pages = sorted((tmp_path / "site").rglob("*.html"))
    assert len(pages) == 5
    for path in pages:
        page = visit(path, viewport=PHONE)
        page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
        text = page.evaluate("document.body.textContent")
        assert HOSTILE in text, path.name
        assert "{{ 7 * 7 }}" in text
        assert page.evaluate("window.hacked") is None
        assert page.locator("img").count() == 0
        assert page.locator("script").count() == 1
        assert page.evaluate("document.documentElement.scrollWidth") <= 375, path.name


def test_without_scripts_every_number_is_there(site: Path, visit: Callable[..., Any]) -> None:
    page = visit(site / "index.html", java_script_enabled=False)
    assert shown(page) == ["good", "sent", "middle", "bad", "few"]
    assert page.locator(".board-table >> nth=0").locator(".value").count() == 12


@pytest.mark.perf
def test_two_hundred_runs(
    tmp_path: Path, make_source: Callable[..., Source], visit: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """20 systems with 10 runs each, and 200 systems with one: writing, first paint, sorting."""
    lines = []
    for n_systems, n_runs in ((20, 10), (200, 1)):
        sources = [
            make_source(f"system-{k:03d}", quality=k / n_systems, seed=run, created=f"2026-{run + 1:02d}-01T00:00:00Z")
            for k in range(n_systems)
            for run in range(n_runs)
        ]
        site = tmp_path / f"site-{n_systems}"
        began = time.perf_counter()
        write(sources, site)
        took = time.perf_counter() - began
        size = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())
        lines.append(
            f"{n_systems} systems x {n_runs} runs x 10 languages: written in {took:.1f} s, {size / 1e6:.1f} MB"
        )
        for name in ("index.html", "wer.html"):
            page = visit(next(site.rglob(name)))
            page.wait_for_function("() => performance.getEntriesByName('first-contentful-paint').length")
            paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
            sort = page.evaluate(
                """() => new Promise(done => {
                    const start = performance.now();
                    document.querySelectorAll("table.sortable th.plot button")[0].click();
                    requestAnimationFrame(() => setTimeout(() => done(performance.now() - start)));
                })"""
            )
            lines.append(f"  {name}: first paint {paint:.0f} ms, sort until painted {sort:.0f} ms")
            assert paint < 5000
            assert sort < 2000
    with capsys.disabled():
        print("\n" + "\n".join(lines))
