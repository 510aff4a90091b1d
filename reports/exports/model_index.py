"""The results block of a Hugging Face model card: YAML for the head of its ``README.md``.

Source: the ``model-index`` metadata that ``huggingface_hub`` reads and writes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from reports import estimates
from reports.exports.choice import ALL, Aggregate, aggregates, choose, pick_system
from reports.index import Index
from reports.languages import title_of
from reports.report import Measure
from reports.tables import clean

TASK = {"type": "text-to-audio", "name": "Song generation"}


def to_model_index(index: Index, system: str | None = None, metrics: Sequence[str] = ()) -> str:
    """The block for one system.

    Percentages are given as percentages, as model cards do; unit, interval, number of prompts and signature stand in
    ``args``. What has no value is left out, since a card cannot say so.

    Args:
        index: A run, put in order.
        system: Its name; needed if the run has several that are no references.
        metrics: Names; by default the headline metrics.

    Raises:
        ConfigError: an unknown metric or system.
    """
    name = pick_system(index, system)
    measures = choose(index, metrics)
    by_language: dict[str, list[Aggregate]] = {}
    for found in aggregates(index, measures, [name]):
        if found.summary.estimate is not None:
            by_language.setdefault(found.language, []).append(found)
    results = [_result(index, code, found) for code, found in by_language.items()]
    content = {"model-index": [{"name": clean(name), "results": results}]}
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
    return text


def _result(index: Index, language: str, found: Sequence[Aggregate]) -> Mapping[str, Any]:
    suite = index.run.info.suite
    where = "" if language == ALL else f", {title_of(language)}"
    return {
        "task": dict(TASK),
        "dataset": {
            "name": clean(f"{suite.name} {suite.version}{where}"),
            "type": clean(suite.name),
            "config": language,
            "revision": suite.sha256,
        },
        "metrics": [_metric(aggregate) for aggregate in found],
        "source": {
            "name": "evalkit, " + clean(index.run.info.run_id),
            "url": "https://pypi.org/project/music-evalkit/",
        },
    }


def _metric(found: Aggregate) -> Mapping[str, Any]:
    measure, summary = found.measure, found.summary
    assert summary.estimate is not None
    digits = estimates.digits_of(measure, summary)
    unit = measure.suffix.strip()
    args: dict[str, Any] = {"unit": unit or "dimensionless", "prompts": summary.n, "without_value": summary.n_missing}
    if summary.ci_low is not None and summary.ci_high is not None:
        args["interval_95"] = [_shown(measure, end, digits) for end in (summary.ci_low, summary.ci_high)]
    args["signature"] = clean(measure.signature)
    return {
        "type": clean(measure.name),
        "value": _shown(measure, summary.estimate, digits),
        "name": clean(f"{measure.title} ({unit})" if unit else measure.title),
        "args": args,
    }


def _shown(measure: Measure, value: float, digits: int) -> float:
    return round(value * measure.scale, digits)
