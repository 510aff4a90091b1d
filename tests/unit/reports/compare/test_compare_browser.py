"""The comparison in a real browser: silent, quick, blind until asked, and nothing from a run is ever run."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evalkit.store import RunData
from reports import compare

pytestmark = pytest.mark.browser

PHONE = {"width": 375, "height": 812}


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    contexts = []
    complaints: list[str] = []

    def open_page(path: Path, anchor: str = "", **options: Any) -> Any:
        contexts.append(browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options}))
        page = contexts[-1].new_page()
        page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda r: None if r.url.startswith(("file:", "data:")) else complaints.append(r.url))
        page.on("dialog", lambda dialog: complaints.append(dialog.message) or dialog.dismiss())
        page.goto(path.as_uri() + anchor)
        return page

    yield open_page
    assert complaints == []
    for context in contexts:
        context.close()


def make_page(
    make: Callable[..., RunData],
    out: Path,
    *,
    references: tuple[str, ...] = ("other",),
    embed: bool = False,
    **options: Any,
) -> Path:
    run = make(**options)
    older = replace(make(name="older", **{**options, "seed": 8}), notices=())
    older = replace(older, info=replace(older.info, run_id="older"))
    candidate, opponents = compare.choose([run, older], "singer", references)
    found = compare.compare(candidate, opponents, out, resamples=1000, embed_audio=embed)
    return compare.write(found, out).html


def until(page: Any, expression: str) -> None:
    """Wait for something that is true in the page; its policy forbids to compile a waiting script there."""
    for _ in range(100):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"never true: {expression}")


def titles(page: Any) -> list[str]:
    found: list[str] = page.locator("#list tr.song .open b").all_inner_texts()
    return found


def test_losses_come_first_and_the_order_can_be_turned(
    make_run: Callable[..., RunData], tmp_path: Path, visit: Callable[..., Any]
) -> None:
    page = visit(make_page(make_run, tmp_path / "out", audio=False, prompts_each=8))
    moves = page.locator("#list tr.song .move").all_inner_texts()
    first = [float(text.split("\u00a0")[0].replace("−", "-")) for text in moves if text != "—"]
    assert first == sorted(first, reverse=True), "a word error rate: the largest increase is the largest loss"
    assert first[0] > 0
    page.locator("#f-order").select_option("wins")
    assert page.locator("#list tr.song .move").first.inner_text().startswith("−")
    page.locator("#f-language").select_option("fr")
    assert all(name.startswith("fr-") for name in titles(page))
    assert page.locator("#count").inner_text() == "8 of 40 prompts"
    page.locator("#clear").click()
    page.locator("#f-metric").select_option(label="Bandwidth")
    assert len(titles(page)) == 40


def test_systems_hide_behind_letters_until_asked(
    make_run: Callable[..., RunData], tmp_path: Path, visit: Callable[..., Any]
) -> None:
    path = make_page(make_run, tmp_path / "out", prompts_each=2, languages=("en", "fr"))
    page = visit(path, "#prompt=en-01")
    row = page.locator("tr.detail").first
    assert row.locator(".seat h4").all_inner_texts() == ["A", "B"]
    assert row.locator(".file:visible").count() == 0, "a link would tell the folder"
    assert "singer" not in row.inner_text().lower()
    row.get_by_role("button", name="Show which is which").click()
    letters = row.locator(".seat h4").all_inner_texts()
    assert sorted(text.split()[1].strip(",") for text in letters) == ["candidate", "opponent"]
    again = visit(path, "#prompt=en-01").locator("tr.detail").first
    again.get_by_role("button", name="Show which is which").click()
    assert again.locator(".seat h4").all_inner_texts() == letters, "the order follows from the prompt"


def test_a_vote_reveals_and_is_counted(
    make_run: Callable[..., RunData], tmp_path: Path, visit: Callable[..., Any]
) -> None:
    page = visit(make_page(make_run, tmp_path / "out", prompts_each=2, languages=("en",)), "#prompt=en-02")
    row = page.locator("tr.detail").first
    row.get_by_role("button", name="A is better").click()
    chosen = "candidate" if "candidate" in row.locator(".seat h4").first.inner_text() else "opponent"
    assert f"{chosen} 1" in page.locator("#votes").inner_text()
    row.get_by_role("button", name="No preference").click()
    assert page.locator("#votes").inner_text() == "Your votes: candidate 0, opponent 0, no preference 1"


def test_both_songs_play_and_keys_switch_between_them_at_the_same_place(
    make_run: Callable[..., RunData], tmp_path: Path, visit: Callable[..., Any]
) -> None:
    page = visit(make_page(make_run, tmp_path / "out", prompts_each=2, languages=("en",)), "#prompt=en-01")
    seats = page.locator("tr.detail .seat")
    seats.nth(0).locator(".play").click()
    until(page, "document.querySelectorAll('tr.detail audio')[0]?.currentTime > 0.3")
    page.keyboard.press("b")
    until(page, "document.querySelectorAll('tr.detail audio')[1]?.currentTime > 0.3")
    playing = page.evaluate("[...document.querySelectorAll('tr.detail audio')].map((a) => !a.paused)")
    assert playing == [False, True]


def test_opponents_are_tabs(make_run: Callable[..., RunData], tmp_path: Path, visit: Callable[..., Any]) -> None:
    page = visit(
        make_page(
            make_run,
            tmp_path / "out",
            audio=False,
            prompts_each=8,
            references=("other", "singer"),
            languages=("en", "fr"),
        )
    )
    tabs = page.get_by_role("tab")
    assert tabs.count() == 3
    assert page.locator("section.duel:visible").count() == 1
    tabs.nth(2).click()
    assert page.locator(".outcome:visible").count() == 1
    assert tabs.nth(2).get_attribute("aria-selected") == "true"
    assert len(titles(page)) == 16


def test_a_metric_opens_into_languages_and_a_cloud_that_leads_to_its_songs(
    make_run: Callable[..., RunData], tmp_path: Path, visit: Callable[..., Any]
) -> None:
    page = visit(make_page(make_run, tmp_path / "out", audio=False, prompts_each=20, languages=("en", "fr")))
    metric = page.locator("details.metric:visible").first
    metric.locator("summary").first.click()
    assert metric.locator(".tongues tbody th").all_inner_texts()[0].startswith("All songs")
    canvas = metric.locator(".cloud canvas")
    canvas.wait_for(state="visible")
    drawn = canvas.evaluate("c => new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size > 8")
    assert drawn
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    for k in range(3, 38):
        page.mouse.move(box["x"] + box["width"] * k / 40, box["y"] + box["height"] * (1 - k / 80))
        if "opponent" in metric.locator(".point").inner_text():
            break
    assert re_prompt(metric.locator(".point b").inner_text())
    page.locator(".choose:visible button", has_text="Better").click()
    tones = page.locator(".metric:visible").evaluate_all("nodes => nodes.map((n) => n.dataset.tone)")
    assert set(tones) == {"better"}


def re_prompt(text: str) -> bool:
    return text[:3] in ("en-", "fr-")


def test_hostile_text_is_text(make_run: Callable[..., RunData], tmp_path: Path, visit: Callable[..., Any]) -> None:
    path = make_page(make_run, tmp_path / "out", hostile=True, prompts_each=2)
    page = visit(path)
    for metric in page.locator("details.metric:visible").all()[:3]:
        metric.locator("summary").first.click()
    for button in page.locator("#list .open").all()[1:]:
        button.click()
    asking = page.get_by_role("button", name="Show which is which")
    while asking.count():
        asking.first.click()
    page.wait_for_timeout(200)
    assert page.evaluate("window.hacked") is None
    assert page.locator("main img").count() == 0
    assert page.locator("script:not([type])").count() == 1
    assert "<script>window.hacked = 1" in page.locator("body").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_phone_needs_no_sideways_scrolling(
    make_run: Callable[..., RunData], tmp_path: Path, visit: Callable[..., Any]
) -> None:
    page = visit(make_page(make_run, tmp_path / "out", prompts_each=4), viewport=PHONE)
    page.locator("details.metric:visible").first.locator("summary").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") == 375


def test_embedded_audio_needs_no_files(
    make_run: Callable[..., RunData], tmp_path: Path, visit: Callable[..., Any]
) -> None:
    path = make_page(make_run, tmp_path / "out", prompts_each=1, languages=("en",), embed=True, duration_s=1.0)
    alone = tmp_path / "mail.html"
    path.rename(alone)
    for name in ("run", "older"):
        (tmp_path / name).rename(tmp_path / f"moved-{name}")
    page = visit(alone)
    page.locator("tr.detail .seat .play").first.click()
    until(page, "document.querySelector('tr.detail audio')?.currentTime > 0.1")


@pytest.mark.slow
def test_ten_thousand_songs(
    make_run: Callable[..., RunData], tmp_path: Path, visit: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(audio=False, prompts_each=1000)  # 10,000 songs: 5,000 prompts, two systems
    began = time.perf_counter()
    candidate, opponents = compare.choose([run], "singer")
    written = compare.write(compare.compare(candidate, opponents, tmp_path / "out"), tmp_path / "out")
    wrote_s = time.perf_counter() - began
    page = visit(written.html)
    paint_ms = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    ready_ms = page.evaluate("performance.timing.domComplete - performance.timing.navigationStart")
    sort_ms = page.evaluate(
        """() => { const s = document.querySelector('#f-order'); s.value = 'wins';
        const t = performance.now(); s.dispatchEvent(new Event('change')); document.body.offsetHeight;
        return performance.now() - t; }"""
    )
    cloud_ms = page.evaluate(
        """() => { const d = document.querySelector('details.metric'); const t = performance.now();
        d.open = true; d.dispatchEvent(new Event('toggle')); return performance.now() - t; }"""
    )
    assert page.locator("#list tr.song").count() == 50
    with capsys.disabled():
        print(
            f"\n10,000 songs compared: written in {wrote_s:.1f} s, {written.html.stat().st_size / 1e6:.1f} MB, first "
            f"paint {paint_ms:.0f} ms, ready {ready_ms:.0f} ms, sort {sort_ms:.0f} ms, cloud {cloud_ms:.0f} ms"
        )
    assert wrote_s < 120
    assert sort_ms < 1000
