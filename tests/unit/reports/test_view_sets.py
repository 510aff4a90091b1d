"""Metrics of whole sets in the report."""

from dataclasses import replace

from evalkit.store import EvaluatorInfo
from evalkit.types import Metric, SetScore
from reports import html
from reports.index import make_index
from reports.view import make_report

DISTANCE = Metric(name="kad", title="Kernel distance", unit="", direction="lower", source="arXiv 2502.15602")
EVALUATOR = EvaluatorInfo(name="distance", version="1", metrics=(DISTANCE,), signatures={"kad": "kad|v:1"}, scope="set")


def with_sets(run, scores):
    info = replace(run.info, evaluators=(*run.info.evaluators, EVALUATOR))
    return replace(run, info=info, set_scores=tuple(scores))


def kad(system: str, value: float | None, **changes) -> SetScore:
    fields = {"system": system, "group": "all", "evaluator": "distance", "metric": "kad", "value": value, "n": 60}
    return SetScore(**{**fields, "status": "ok", "signature": "kad|v:1", **changes})


def test_sets_have_rows_with_intervals_and_reasons(make_run):
    run = make_run()
    first, second = (system.name for system in run.info.systems[:2])
    scores = [
        kad(first, 1.5, ci_low=1.0, ci_high=2.0),
        kad(first, 3.0, group="fr", n=12),
        kad(second, None, status="not_applicable", reason="12 songs; 50 are needed <b>"),
        kad(second, 9.0, signature="kad|v:0"),
    ]
    report = make_report(make_index(with_sets(run, scores)))
    (group,) = (group for group in report.groups if group.of_sets)
    assert [row.slice for row in group.rows] == ["", "French"]
    everything, french = group.rows
    assert everything.estimates[0].interval == "1.00–2.00"
    assert everything.estimates[0].n_text.startswith("60")
    assert everything.estimates[1].value is None
    assert "50 are needed" in everything.estimates[1].missing[0].reason
    assert french.estimates[0].few
    assert french.estimates[1].missing[0].label == "not evaluated"
    assert "kad" not in {measure.name for measure in report.measures}, "no single song has it"


def test_the_page_shows_them_as_text(make_run):
    run = make_run()
    name = run.info.systems[0].name
    scores = [kad(name, None, status="not_applicable", reason="<script>window.hacked = 9</script>")]
    page = html.render(make_report(make_index(with_sets(run, scores))))
    assert "Kernel distance" in page
    assert "<script>window.hacked = 9" not in page
