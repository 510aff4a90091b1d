"""The page in a real browser: it must work, stay silent, load nothing and run nothing that came from a run."""

import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import reports
from evalkit.store import RunData

pytestmark = pytest.mark.browser

PHONE = {"width": 375, "height": 812}


class Visit:
    """One open page that remembers everything it should not have done."""

    def __init__(self, browser: Any, path: Path, **options: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", lambda m: self.complaints.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda r: None if self._is_own(r.url, path) else self.complaints.append(r.url))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message) or dialog.dismiss())
        self.page.goto(path.as_uri())

    @staticmethod
    def _is_own(url: str, path: Path) -> bool:
        return url.startswith((path.parent.as_uri() + "/", "data:", "blob:"))

    def songs(self) -> list[str]:
        return self.page.locator("#list tr.song .open b").all_inner_texts()

    def values(self, column: int) -> list[float]:
        cells = self.page.locator(f"#list tr.song td:nth-child({column})").all_inner_texts()
        numbers = [cell.replace("\u2212", "-").replace(",", "").split("\u00a0")[0] for cell in cells]
        return [float(number) for number in numbers if number.lstrip("-")[:1].isdigit()]

    def audio(self, expression: str) -> Any:
        return self.page.evaluate(
            f"(() => {{ const audio = document.querySelector('audio'); return {expression}; }})()"
        )


@pytest.fixture(scope="module")
def page_of(make_shared_run: Callable[..., RunData]) -> Callable[..., Path]:
    """Writes a report of each kind of run once for all tests, none of which changes it."""

    @cache
    def write(**options: Any) -> Path:
        return reports.write(make_shared_run(**options)).html

    return write


@pytest.fixture
def visit(browser: Any, page_of: Callable[..., Path]) -> Iterator[Callable[..., Visit]]:
    visits: list[Visit] = []

    def open_page(*, page: dict[str, Any] | None = None, run: RunData | None = None, **options: Any) -> Visit:
        path = page_of(**options) if run is None else reports.write(run).html
        visits.append(Visit(browser, path, **(page or {})))
        return visits[-1]

    yield open_page
    for found in visits:
        assert found.complaints == []
        found.context.close()


def test_it_opens_with_the_worst_song_and_says_nothing_on_the_console(visit: Callable[..., Visit]) -> None:
    page = visit()
    worst_first = page.values(4)
    assert len(page.songs()) == 30
    assert worst_first == sorted(worst_first, reverse=True)
    assert page.page.locator("#list tr.detail").count() == 1
    assert page.page.locator("#count").inner_text() == "30 songs, 2 failed"


def test_clicking_a_word_plays_from_there(visit: Callable[..., Visit]) -> None:
    page = visit(systems=("singer",), languages=("en",))
    word = page.page.locator("tr.detail button.w.h").nth(12)
    word.click()
    place = page.page.locator("tr.detail button.w").evaluate_all(
        "(all, one) => all.indexOf(one)", word.element_handle()
    )
    page.page.wait_for_function("() => { const a = document.querySelector('audio'); return a && a.currentTime > 0; }")
    start = page.page.evaluate(
        """place => {
            const data = document.getElementById("d" + document.querySelector("tr.detail").dataset.i);
            return JSON.parse(data.textContent).transcripts[0].sections.flatMap(s => s.lines.flat())[place][3];
        }""",
        place,
    )
    assert start > 1.0
    assert start <= page.audio("audio.currentTime") < start + 1.0
    page.page.wait_for_selector("button.w.now")


def test_a_missing_word_plays_from_the_word_before(visit: Callable[..., Visit]) -> None:
    page = visit(systems=("singer",), languages=("en",), seed=3)
    missing = page.page.locator("tr.detail button.w.d").first
    before = missing.evaluate(
        "node => node.previousElementSibling && node.previousElementSibling.title.split(' · ')[1]"
    )
    missing.click()
    page.page.wait_for_function("() => { const a = document.querySelector('audio'); return a && a.readyState > 0; }")
    assert missing.evaluate("node => node.title.split(' · ')[1]") == before
    minutes, seconds = before.split(":")
    assert int(page.audio("audio.currentTime")) == pytest.approx(60 * int(minutes) + int(seconds), abs=1)


def test_switching_to_a_stem_keeps_the_position(visit: Callable[..., Visit]) -> None:
    page = visit(systems=("singer",), languages=("en",))
    page.page.locator("tr.detail button.w.h").nth(15).click()
    page.page.wait_for_function("() => document.querySelector('audio').currentTime > 0")
    page.page.evaluate("document.querySelector('audio').pause()")
    before = page.audio("audio.currentTime")
    page.page.get_by_role("button", name="Accompaniment").click()
    page.page.wait_for_function(
        "() => { const a = document.querySelector('audio'); return a.readyState > 0 && a.currentTime > 0; }"
    )
    assert page.audio("audio.currentSrc").endswith(".accompaniment.wav")
    assert page.audio("audio.currentTime") == pytest.approx(before, abs=0.05)
    assert page.page.get_by_role("button", name="Accompaniment").get_attribute("aria-pressed") == "true"


def test_the_picture_is_drawn_and_seeks(visit: Callable[..., Visit]) -> None:
    page = visit(systems=("singer",), languages=("en",))
    page.page.locator(".track").scroll_into_view_if_needed()
    page.page.wait_for_function("() => document.querySelector('.track canvas').width > 600")
    shades = page.page.evaluate(
        """() => {
            const canvas = document.querySelector(".track canvas");
            const { data } = canvas.getContext("2d").getImageData(0, canvas.height / 2, canvas.width, 20);
            return new Set(Array.from({ length: data.length / 4 }, (_, i) => data[4 * i])).size;
        }"""
    )
    assert shades > 20
    box = page.page.locator(".track").bounding_box()
    page.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 20)
    page.page.wait_for_function("() => { const a = document.querySelector('audio'); return a && a.currentTime > 0; }")
    assert page.audio("audio.currentTime") == pytest.approx(3.0, abs=0.1)
    page.page.locator(".track").focus()
    page.page.keyboard.press("ArrowLeft")
    assert page.audio("audio.currentTime") == pytest.approx(1.0, abs=0.1)


def test_the_transcript_of_the_mix_can_be_chosen(visit: Callable[..., Visit]) -> None:
    page = visit(systems=("singer",), languages=("en",))
    stem = page.page.locator(".lyrics .line").all_inner_texts()
    page.page.locator(".legend").get_by_role("button", name="Mix").click()
    assert page.page.locator(".lyrics .line").all_inner_texts() != stem


def test_songs_sort_by_header_and_by_any_metric(visit: Callable[..., Visit]) -> None:
    page = visit()
    header = page.page.locator("#list thead th", has_text="Word error rate, mix")
    header.get_by_role("button").click()
    assert header.get_attribute("aria-sort") == "descending"
    assert page.values(5) == sorted(page.values(5), reverse=True)
    header.get_by_role("button").click()
    assert header.get_attribute("aria-sort") == "ascending"
    assert page.values(5) == sorted(page.values(5))
    page.page.locator("#f-sort").select_option(label="Bandwidth")
    assert page.values(7) == sorted(page.values(7))  # higher is better, so the lowest is the worst
    assert len(page.values(7)) == 28
    page.page.locator("#f-sort").select_option("id")
    assert page.songs()[:2] == ["ar-01", "ar-02"]


def test_tables_sort_by_header(visit: Callable[..., Visit]) -> None:
    page = visit(systems=("singer",))
    head = page.page.locator("table.languages thead th").nth(2)
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    shown = page.page.locator("table.languages tbody td:nth-child(3) .value").all_inner_texts()
    assert [float(v.split("\u00a0")[0]) for v in shown] == sorted(float(v.split("\u00a0")[0]) for v in shown)
    head.get_by_role("button").click()
    assert page.page.locator("table.languages tbody td:nth-child(3) .value").all_inner_texts() == shown[::-1]


def test_filters_narrow_the_list_and_can_be_cleared(visit: Callable[..., Visit]) -> None:
    page = visit()
    page.page.locator("#f-language").select_option("fr")
    assert len(page.songs()) == 6
    page.page.locator("#f-system").select_option(label="singer")
    assert sorted(page.songs()) == ["fr-01", "fr-02", "fr-03"]
    page.page.locator("#f-tag").select_option("jazz")
    assert page.songs() == ["fr-02"]
    page.page.locator("#clear").click()
    page.page.locator("#f-status").select_option("failed")
    assert page.page.locator("#count").inner_text() == "2 of 30 songs, 2 failed"
    page.page.locator("#clear").click()
    page.page.locator("#f-text").fill("ja-02 jazz")
    page.page.wait_for_function("() => document.querySelectorAll('#list tr.song').length === 2")
    page.page.locator("#f-text").fill("nothing like this")
    page.page.wait_for_selector("#none:not([hidden])")
    assert page.page.locator("#none").inner_text() == "No song fits these filters."


def test_a_failed_song_shows_its_reason(visit: Callable[..., Visit]) -> None:
    page = visit()
    page.page.locator("#f-status").select_option("failed")
    page.page.locator("#list tr.song").first.click()
    assert "the program ended with exit code 3" in page.page.locator("tr.detail").inner_text()


def test_a_link_opens_its_song(visit: Callable[..., Visit]) -> None:
    page = visit()
    page.page.evaluate("location.hash = '#song=' + encodeURIComponent('other/fr-02.take0')")
    page.page.wait_for_selector("tr.song.on:has-text('fr-02')")


def test_the_theme_follows_the_system_and_the_button(visit: Callable[..., Visit]) -> None:
    page = visit(page={"color_scheme": "dark"})
    background = "getComputedStyle(document.body).backgroundColor"
    dark = page.page.evaluate(background)
    page.page.locator("#theme").click()
    light = page.page.evaluate(background)
    assert dark == "rgb(18, 19, 22)"
    assert light == "rgb(250, 249, 247)"


def test_keys_move_between_songs(visit: Callable[..., Visit]) -> None:
    page = visit()
    page.page.locator("#list button.open").first.focus()
    page.page.keyboard.press("ArrowDown")
    page.page.keyboard.press("Enter")
    assert page.page.locator("#list button.open").nth(1).get_attribute("aria-expanded") == "true"
    page.page.keyboard.press("/")
    assert page.page.evaluate("document.activeElement.id") == "f-text"


def test_hostile_text_is_text(visit: Callable[..., Visit]) -> None:
    page = visit(hostile=True)
    for row in range(len(page.songs())):
        button = page.page.locator("#list button.open").nth(row)
        if button.get_attribute("aria-expanded") == "false":
            button.click()
    text = page.page.locator("body").inner_text()
    assert "<script>window.hacked = 1; alert(1)</script>" in page.page.evaluate("document.body.textContent")
    assert "<img src=x onerror='window.hacked = 2'>" in text
    assert page.page.evaluate("window.hacked") is None
    assert page.page.locator("main img, header img, footer img").count() == 0
    assert page.page.locator("script").count() == 2 + len(page.songs())
    assert page.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_right_to_left_lyrics_run_right_to_left(visit: Callable[..., Visit]) -> None:
    page = visit(systems=("singer",), languages=("ar",))
    line = page.page.locator(".lyrics .line").first
    assert line.get_attribute("lang") == "ar"
    assert line.evaluate("node => getComputedStyle(node).direction") == "rtl"
    first, second = (line.locator("button.w").nth(k).bounding_box()["x"] for k in (0, 1))
    assert first > second


@pytest.mark.parametrize("hostile", [False, True])
def test_nothing_overflows_on_a_phone(visit: Callable[..., Visit], hostile: bool) -> None:
    page = visit(hostile=hostile, page={"viewport": PHONE, "has_touch": True})
    page.page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    page.page.locator("#list button.open").nth(1).click()
    assert page.page.evaluate("document.documentElement.scrollWidth") <= 375


def test_embedded_audio_plays_without_the_folder(visit: Callable[..., Visit], make_run: Callable[..., RunData]) -> None:
    run = make_run(systems=("singer",), languages=("en",))
    written = reports.write(run, embed_audio=True)
    shutil.rmtree(run.folder / "audio")
    alone = run.folder / "mail" / "report.html"
    alone.parent.mkdir()
    written.html.rename(alone)
    page = visit(run=run)  # a report whose audio is gone says so and stays silent
    assert page.page.locator(".play").is_disabled()
    page.page.goto(alone.as_uri())
    page.page.locator("tr.detail button.w.h").nth(12).click()
    page.page.wait_for_function("() => { const a = document.querySelector('audio'); return a && a.currentTime > 1; }")
    assert page.audio("audio.currentSrc").startswith("data:audio/wav")


def test_a_run_without_scores_or_songs_is_still_a_page(
    visit: Callable[..., Visit], make_run: Callable[..., RunData]
) -> None:
    from dataclasses import replace

    run = make_run(systems=("singer",), languages=("en",))
    empty = replace(run, songs=(), scores=(), info=replace(run.info, evaluators=(), status="incomplete"))
    page = visit(run=empty)
    assert "This run has no songs yet." in page.page.locator("#songs").inner_text()
    assert "Nothing has been measured yet." in page.page.locator("#summary").inner_text()


@pytest.mark.slow
def test_ten_thousand_songs_do_not_freeze_the_page(visit: Callable[..., Visit]) -> None:
    page = visit(prompts_each=1000, audio=False)
    assert page.page.locator("#list tr.song").count() == 50
    assert page.page.locator("#page").inner_text() == "1–50 of 10,000"
    took = page.page.evaluate(
        """() => {
            const start = performance.now();
            document.querySelectorAll("#list thead button")[3].click();
            return performance.now() - start;
        }"""
    )
    assert took < 2000
    page.page.locator("#next").click()
    assert page.page.locator("#page").inner_text() == "51–100 of 10,000"
