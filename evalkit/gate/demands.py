"""Turns rules into single demands: one metric on one group of songs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from evalkit.errors import ConfigError
from evalkit.gate.rules import Policy, Rule, Rules
from evalkit.pairing import Side, orientation
from evalkit.registry import suggestion
from evalkit.types import Metric

VACUOUS_MARGIN = 0.5
"""A rate may not be allowed to lose this much: who writes 1 for a rate means a point, which is 0.01."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What a rule asks of one group of songs.

    Attributes:
        id: Unique among the demands of a gate.
        metric: With the rule's direction or range in place of its own.
        language: BCP-47 tag if the group is a language.
        prompts: Shared prompts of the group, for differences.
        own_prompts: All the candidate's prompts of the group, for limits.
        takes: Takes for each prompt in the candidate's run.
        of_set: Whether the metric is measured on whole sets of songs.
        margin: For the statistical check; None if there is none.
        threshold: For the comparison of means; None if there is none.
        max: Upper limit; None if there is none.
        min: Lower limit; None if there is none.
        each_song: Whether the limits hold for every song.
    """

    id: str
    title: str
    metric: Metric
    language: str | None
    prompts: frozenset[str]
    own_prompts: frozenset[str]
    takes: int
    policy: Policy
    of_set: bool
    margin: float | None
    threshold: float | None
    max: float | None
    min: float | None
    each_song: bool


def demands(
    ours: Side, theirs: Side | None, rules: Rules, shared: Sequence[str], notices: list[str], *, optional: bool
) -> list[Demand]:
    """All demands of a gate, in the order of its rules.

    Args:
        ours: The candidate.
        theirs: The baseline, if there is one.
        rules: The rules.
        shared: Prompts asked of both.
        notices: What was passed over is added here.
        optional: Rules about metrics that neither run has, or whose model was on neither machine, are passed over;
            otherwise they are demands nobody meets.

    Raises:
        ConfigError: a rule asks what its metric cannot answer.
    """
    sides = [ours] if theirs is None else [theirs, ours]
    song_metrics = {name: metric for side in sides for name, metric in side.run.metrics.items()}
    set_metrics = {name: metric for side in sides for name, metric in side.run.set_metrics.items()}
    found: list[Demand] = []
    skipped: list[str] = []
    for number, rule in enumerate(rules.rules, start=1):
        metric = song_metrics.get(rule.metric) or set_metrics.get(rule.metric)
        if optional and (metric is None or _lacks_model(sides, rule.metric)):
            skipped.append(rule.metric)
            continue
        if metric is None:
            known = [*song_metrics, *set_metrics]
            notices.append(f"Rule {number}: neither run has a metric {rule.metric!r}. {suggestion(rule.metric, known)}")
            metric = Metric(name=rule.metric, title=rule.metric, unit="", direction="lower", source="unknown")
        meant = _meant(metric, rule)
        _check(rule, meant, number, of_set=rule.metric in set_metrics and rule.metric not in song_metrics)
        found += [
            _demand(ours, rule, rules, meant, language, shared, song_metrics, set_metrics)
            for language in _languages(ours, theirs, rule, shared)
        ]
    if skipped:
        notices.append(f"Default rules passed over, because neither run measured it: {', '.join(skipped)}.")
    return _numbered(found)


def _lacks_model(sides: Sequence[Side], metric: str) -> bool:
    """Whether all that is known of a metric, on every side, is that its model was not there."""
    statuses = {score.status for side in sides for score in side.scores(metric)}
    return statuses == {"missing_model"}


def _demand(
    ours: Side,
    rule: Rule,
    rules: Rules,
    metric: Metric,
    language: str | None,
    shared: Sequence[str],
    song_metrics: dict[str, Metric],
    set_metrics: dict[str, Metric],
) -> Demand:
    def chosen(prompt_id: str) -> bool:
        return (language is None or ours.run.prompts[prompt_id].language == language) and (
            rule.prompts is None or any(fnmatchcase(prompt_id, pattern) for pattern in rule.prompts)
        )

    return Demand(
        id=rule.metric + (f"[{language}]" if language else ""),
        title=rule.title or metric.title,
        metric=metric,
        language=language,
        prompts=frozenset(filter(chosen, shared)),
        own_prompts=frozenset(filter(chosen, ours.run.prompts)),
        takes=max(1, ours.run.info.takes),
        policy=rule.policy or rules.policy,
        of_set=rule.metric in set_metrics and rule.metric not in song_metrics,
        margin=rule.tested_margin,
        threshold=rule.threshold,
        max=rule.max,
        min=rule.min,
        each_song=rule.each_song,
    )


def _languages(ours: Side, theirs: Side | None, rule: Rule, shared: Sequence[str]) -> list[str | None]:
    if rule.languages is None:
        return [None]
    if rule.languages != "each":
        return list(dict.fromkeys(rule.languages))
    prompts = shared if theirs is not None else list(ours.run.prompts)
    return list(dict.fromkeys(ours.run.prompts[prompt_id].language for prompt_id in prompts))


def _meant(metric: Metric, rule: Rule) -> Metric:
    if rule.direction is not None:
        return replace(metric, direction=rule.direction)
    if rule.good is not None:
        low, high = (end if math.isfinite(end) else None for end in rule.good)
        return replace(metric, direction="target", good=(low, high))
    return metric


def _check(rule: Rule, metric: Metric, number: int, *, of_set: bool) -> None:
    place = f"Rule {number} ({metric.name})"
    compares = rule.tested_margin is not None or rule.threshold is not None
    if of_set and compares:
        raise ConfigError(
            f"{place}: {metric.name} is one number for a whole set of songs, so there are no pairs to compare.",
            "Give it max or min.",
        )
    if of_set and (rule.each_song or rule.prompts is not None):
        raise ConfigError(f"{place}: {metric.name} has no value for single songs.", "Leave out each_song and prompts.")
    if compares and orientation(metric) == 0:
        raise ConfigError(
            f"{place}: {metric.name} only describes; neither more nor less of it is worse.",
            'Add direction = "lower" or "higher" (which is better), or good = [low, high].',
        )
    for name, size in (("margin", rule.margin), ("threshold", rule.threshold)):
        if metric.as_percent and size is not None and size >= VACUOUS_MARGIN:
            raise ConfigError(
                f"{place}: a {name} of {size:g} would allow a loss of {100 * size:g} points.",
                f"Rates lie between 0 and 1, so one point is 0.01: {name} = {size / 100:g}",
            )


def _numbered(found: list[Demand]) -> list[Demand]:
    """Give demands on the same metric and group, from several rules, ids of their own."""
    seen: dict[str, int] = {}
    out = []
    for demand in found:
        seen[demand.id] = seen.get(demand.id, 0) + 1
        out.append(replace(demand, id=f"{demand.id} #{seen[demand.id]}") if seen[demand.id] > 1 else demand)
    return out
