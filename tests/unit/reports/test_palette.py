"""Text on its backgrounds: WCAG 2.1 AA wants a contrast of 4.5 to 1 in both themes."""

import re
from importlib.resources import files

import pytest

PAIRS = re.compile(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)")
PALETTE = {
    name: (light, dark)
    for name, light, dark in PAIRS.findall(files("reports").joinpath("templates", "base.css").read_text("utf-8"))
}
TEXTS = ("ink", "soft", "accent", "wait", "sub", "del", "ins")


def luminance(colour: str) -> float:
    channels = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_black_on_white_is_21() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("text", "ground"),
    [(text, ground) for text in TEXTS for ground in ("paper", "sheet", "sunk")]
    + [("wait", "wait-wash"), ("accent", "accent-wash"), ("sheet", "accent")],
)
def test_text_can_be_read(theme: int, text: str, ground: str) -> None:
    assert contrast(PALETTE[text][theme], PALETTE[ground][theme]) >= 4.5


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("system", range(6))
def test_marks_of_systems_stand_out(theme: int, system: int) -> None:
    assert contrast(PALETTE[f"s{system}"][theme], PALETTE["sheet"][theme]) >= 3
