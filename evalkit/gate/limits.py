"""Demands on the candidate alone: absolute limits, failed songs, sample rate, and whether the run is complete."""

from collections.abc import Sequence
from dataclasses import replace

from evalkit.comparison import MIN_PAIRS
from evalkit.gate import wording
from evalkit.gate.demands import Demand
from evalkit.gate.result import Check, exceeds
from evalkit.gate.rules import Rules
from evalkit.pairing import Side
from evalkit.stats import prompt_values
from evalkit.types import BINARY_UNIT

MAX_MISSING = 0.05
"""Share of the songs or pairs that may be missing."""

SHOWN_SONGS = 3


def run_checks(side: Side, rules: Rules, who: str) -> list[Check]:
    """Completeness, failed songs and sample rate of the candidate."""
    songs = list(side.songs.values())
    failed = [song for song in songs if song.status == "failed"]
    broken = len(failed) > rules.max_failed_songs
    example = f" For example {failed[0].id}: {failed[0].reason}" if failed else ""
    checks = [
        *incomplete(side, who),
        Check(
            id="failed_songs",
            kind="limit",
            title="Failed songs",
            verdict="hard_fail" if broken else "pass",
            reason=f"{len(failed)} of {len(songs)} songs failed; at most {rules.max_failed_songs} may.{example}",
            candidate=float(len(failed)),
            limit=float(rules.max_failed_songs),
            n=len(songs),
        ),
    ]
    if rules.sample_rate is not None:
        made = [song for song in songs if song.status == "ok"]
        other = [song for song in made if song.sample_rate != rules.sample_rate]
        example = f", for example {other[0].id} with {other[0].sample_rate} Hz" if other else ""
        checks.append(
            Check(
                id="sample_rate",
                kind="limit",
                title="Sample rate",
                verdict="hard_fail" if other else "pass" if made else "insufficient_data",
                reason=f"{len(other)} of {len(made)} songs do not have {rules.sample_rate} Hz{example}.",
                candidate=float(len(other)),
                limit=0.0,
                n=len(made),
            )
        )
    return checks


def incomplete(side: Side, who: str) -> list[Check]:
    """One check if the run was never finished or lacks songs of the system; none if it is complete."""
    info = side.run.info
    expected = len(side.run.prompts) * info.takes
    if info.status == "complete" and len(side.songs) >= expected:
        return []
    return [
        Check(
            id=f"{who} complete",
            kind="run",
            title=f"Complete {who}",
            verdict="incomplete",
            reason=(
                f"The {who}'s run {info.run_id} is {info.status}: {len(side.songs)} of {expected} songs of "
                f"{side.system}. Finish it with evalkit run --resume."
            ),
            n=len(side.songs),
            n_missing=max(0, expected - len(side.songs)),
        )
    ]


def limit_checks(side: Side, found: Sequence[Demand]) -> list[Check]:
    """One check for each limit."""
    checks = []
    for demand in found:
        for name, limit in (("max", demand.max), ("min", demand.min)):
            if limit is not None:
                checks.append(_limit(side, demand, name, limit))
    return checks


def _limit(side: Side, demand: Demand, name: str, limit: float) -> Check:
    metric = demand.metric
    check = Check(
        id=f"{demand.id} {name}",
        kind="limit",
        title=demand.title,
        verdict="insufficient_data",
        reason="",
        policy=demand.policy,
        metric=metric.name,
        language=demand.language,
        unit="" if metric.unit == BINARY_UNIT else metric.unit,
        as_percent=metric.as_percent,
        limit=limit,
        candidate_signature=" + ".join(side.signatures(metric.name)),
    )
    if demand.of_set:
        return _set_limit(side, demand, check, name, limit)
    return (_each_song if demand.each_song else _mean)(side, demand, check, name, limit)


def _mean(side: Side, demand: Demand, check: Check, name: str, limit: float) -> Check:
    asked = demand.own_prompts - side.not_applicable(demand.metric.name)
    values = prompt_values(side.scores(demand.metric.name), demand.metric, side.prompt_of, asked)
    n, mean = len(values.prompt_ids), values.estimate
    check = replace(check, candidate=mean, n=n, n_missing=values.n_missing)
    if mean is None:
        return replace(check, reason=_nothing(side, demand))
    text = f"The mean is {wording.value(check, mean)}, {_allowed(check, name)}."
    if _breaks(mean, name, limit):
        return replace(check, verdict="hard_fail", reason=text)
    if values.n_missing > MAX_MISSING * (n + values.n_missing):
        return replace(check, reason=f"{values.n_missing} of {n + values.n_missing} prompts have no value. {text}")
    return replace(check, verdict="pass", reason=text)


def _each_song(side: Side, demand: Demand, check: Check, name: str, limit: float) -> Check:
    outside = side.not_applicable(demand.metric.name)
    asked = {song.id for song in side.songs.values() if song.prompt_id in demand.own_prompts - outside}
    found = {s.song_id: s.value for s in side.scores(demand.metric.name) if s.value is not None and s.song_id in asked}
    missing = len(asked) - len(found)
    check = replace(check, n=len(found), n_missing=missing)
    if not found:
        return replace(check, reason=_nothing(side, demand))
    worst = sorted(found, key=lambda song_id: (found[song_id] if name == "min" else -found[song_id], song_id))
    check = replace(check, candidate=found[worst[0]])
    broken = [song_id for song_id in worst if _breaks(found[song_id], name, limit)]
    if broken:
        shown = ", ".join(f"{song_id} ({wording.value(check, found[song_id])})" for song_id in broken[:SHOWN_SONGS])
        text = f"{len(broken)} of {len(found)} songs break the limit; {_allowed(check, name)}: {shown}."
        return replace(check, verdict="hard_fail", reason=text)
    text = f"The worst song has {wording.value(check, found[worst[0]])}, {_allowed(check, name)}."
    if missing > MAX_MISSING * len(asked):
        return replace(check, reason=f"{missing} of {len(asked)} songs have no value. {text}")
    return replace(check, verdict="pass", reason=text)


def _set_limit(side: Side, demand: Demand, check: Check, name: str, limit: float) -> Check:
    group = demand.language or "all"
    for score in side.run.set_scores:
        if (score.system, score.group, score.metric) == (side.system, group, demand.metric.name):
            check = replace(check, candidate=score.value, n=score.n, candidate_signature=score.signature)
            if score.value is None:
                return replace(check, reason=f"There is no value: {score.reason}")
            text = f"The set has {wording.value(check, score.value)}, {_allowed(check, name)}."
            verdict = "hard_fail" if _breaks(score.value, name, limit) else "pass"
            if verdict == "pass" and score.n < MIN_PAIRS:
                return replace(check, reason=f"{score.n} songs; at least {MIN_PAIRS} are needed. {text}")
            return replace(check, verdict="hard_fail" if verdict == "hard_fail" else "pass", reason=text)
    return replace(check, reason=f"The run has no {demand.metric.name} of the group {group}.")


def _breaks(value: float, name: str, limit: float) -> bool:
    return exceeds(value, limit) if name == "max" else exceeds(limit, value)


def _allowed(check: Check, name: str) -> str:
    return f"at {'most' if name == 'max' else 'least'} {wording.value(check, check.limit)} is allowed"


def _nothing(side: Side, demand: Demand) -> str:
    reasons = [score.reason for score in side.scores(demand.metric.name) if score.value is None]
    why = f": {reasons[0]}" if reasons else ""
    return f"No song of the candidate has a value of {demand.metric.name}{why}"
