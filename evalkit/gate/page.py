"""The result of a gate as one self-contained HTML file, for a pull request's artifacts or a mail."""

from dataclasses import dataclass

from evalkit.gate import wording, writers
from evalkit.gate.result import Check, GateResult
from reports import assets

STYLES = ("base.css", "gate.css")
SCRIPTS = ("common.js",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """The interval of a loss on an axis of its own; positions in percent, worse to the right."""

    zero: float
    margin: float
    at: float
    low: float
    high: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One check as the page shows it; ``effect`` is ``pass``, ``warn`` or ``block``."""

    cells: tuple[str, ...]
    title: str
    effect: str
    verdict: str
    reason: str
    facts: tuple[str, ...]
    drawing: Drawing | None


def to_html(result: GateResult) -> str:
    """The page as text; equal results give equal text."""
    script, digest = assets.script(SCRIPTS)
    return (
        assets.environment()
        .get_template("gate.html.j2")
        .render(
            result=result,
            headline=writers.headline(result),
            effect=_effect_of(result),
            conclusion=wording.plain(result.conclusion),
            notices=[wording.plain(notice) for notice in result.notices],
            head=writers.HEAD,
            rows=[_row(check) for check in result.checks],
            style=assets.style(STYLES),
            script=script,
            script_digest=digest,
        )
    )


def _effect_of(result: GateResult) -> str:
    if not result.passed:
        return "block"
    return "warn" if any(check.warns for check in result.checks) else "pass"


def _row(check: Check) -> Row:
    return Row(
        cells=writers.row(check),
        title=wording.plain(check.title),
        effect="block" if check.blocks else "warn" if check.warns else "pass",
        verdict=check.verdict,
        reason=wording.plain(check.reason),
        facts=tuple(writers.provenance(check)),
        drawing=_drawing(check),
    )


def _drawing(check: Check) -> Drawing | None:
    if check.low is None or check.high is None or check.difference is None or check.margin is None:
        return None
    ends = (0.0, check.margin, check.low, check.high, check.difference)
    pad = 0.08 * (max(ends) - min(ends)) or 1.0
    start, width = min(ends) - pad, max(ends) - min(ends) + 2 * pad

    def place(number: float) -> float:
        return round(100 * (number - start) / width, 2)

    return Drawing(
        zero=place(0.0),
        margin=place(check.margin),
        at=place(check.difference),
        low=place(check.low),
        high=place(check.high),
        label=f"Worse by {wording.width(check, check.difference)}, 95 % interval {wording.interval(check)}, "
        f"margin {wording.width(check, check.margin)}",
    )
