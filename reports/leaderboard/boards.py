"""Which entries may stand beside each other: the same suite file, the same prompts, the same signatures.

A board never holds two signatures of one metric, so a column never does either. An entry that lacks some metrics joins
the board it agrees with; an entry that disagrees in a single signature goes to another board.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from evalkit.types import Metric
from reports import numbers
from reports.leaderboard.entry import ALL, Entry
from reports.report import Measure

Meaning = tuple[str, str, str]
"""Signature, way of aggregation and unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One metric, measured in one way."""

    metric: Metric
    measure: Measure
    meaning: Meaning


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """Entries that may be compared.

    Attributes:
        name: Safe as a folder name; the same as long as suite, prompts and signatures are.
        languages: Prompt id to language.
        columns: In declared order.
        entries: In order of time.
    """

    name: str
    languages: Mapping[str, str]
    columns: tuple[Column, ...]
    entries: tuple[Entry, ...]

    @property
    def codes(self) -> list[str]:
        """Languages in suite order."""
        return list(dict.fromkeys(self.languages.values()))

    @property
    def lines(self) -> dict[tuple[str, bool], list[Entry]]:
        """The entries of each system over time; the last is the current one."""
        found: dict[tuple[str, bool], list[Entry]] = {}
        for entry in self.entries:
            found.setdefault(entry.key, []).append(entry)
        return dict(sorted(found.items()))

    @property
    def headline(self) -> list[Column]:
        """Columns marked as headline; if there is none, the first three."""
        return [column for column in self.columns if column.metric.headline] or list(self.columns[:3])

    def prompts(self, code: str | None) -> list[str]:
        """Prompts of one language, or all."""
        return [name for name, found in self.languages.items() if code is None or found == code]


def make_boards(entries: Sequence[Entry]) -> list[Board]:
    """Sort entries into boards.

    Args:
        entries: In any order.

    Returns:
        Boards of the same suite follow each other, those with more prompts and newer entries first.
    """
    groups: dict[tuple[str, tuple[str, ...]], list[Entry]] = {}
    for entry in sorted(entries, key=lambda entry: entry.order):
        groups.setdefault((entry.suite.sha256, tuple(sorted(entry.languages))), []).append(entry)
    boards = [board for group in groups.values() for board in _split(group)]
    newest: dict[str, str] = {}
    for board in boards:
        sha256 = board.entries[0].suite.sha256
        newest[sha256] = max(newest.get(sha256, ""), board.entries[-1].created)
    boards.sort(key=lambda board: board.name)
    boards.sort(key=lambda board: board.entries[-1].created, reverse=True)
    boards.sort(key=lambda board: -len(board.languages))
    boards.sort(key=lambda board: board.entries[0].suite.sha256)
    boards.sort(key=lambda board: newest[board.entries[0].suite.sha256], reverse=True)
    return boards


def _split(entries: Sequence[Entry]) -> list[Board]:
    """Entries of one set of prompts, by what their signatures allow; the most complete and newest lead."""
    by_protocol: dict[str, list[Entry]] = {}
    for entry in entries:
        by_protocol.setdefault(_text(_protocol(entry)), []).append(entry)
    ordered = sorted(by_protocol.items())
    ordered.sort(key=lambda item: item[1][-1].created, reverse=True)
    ordered.sort(key=lambda item: len(item[1][0].metrics), reverse=True)
    protocols: list[dict[str, Meaning]] = []
    members: list[list[Entry]] = []
    for _, group in ordered:
        protocol = _protocol(group[0])
        for known, joined in zip(protocols, members, strict=True):
            shared = protocol.keys() & known.keys()
            if shared and all(protocol[name] == known[name] for name in shared):
                known.update(protocol)
                joined.extend(group)
                break
        else:
            protocols.append(protocol)
            members.append(list(group))
    return [_board(protocol, joined) for protocol, joined in zip(protocols, members, strict=True)]


def _protocol(entry: Entry) -> dict[str, Meaning]:
    return {name: measured.meaning for name, measured in entry.metrics.items()}


def _text(protocol: Mapping[str, Meaning]) -> str:
    return json.dumps(sorted(protocol.items()))


def _board(protocol: Mapping[str, Meaning], members: Sequence[Entry]) -> Board:
    entries = sorted(members, key=lambda entry: entry.order)
    # What a metric means is told by the newest run that was measured here; a submission may leave it out.
    tellers = sorted(reversed(entries), key=lambda entry: (entry.self_reported, -len(entry.metrics)))
    names = list(dict.fromkeys(name for entry in tellers for name in entry.metrics))
    newest = entries[-1]
    text = newest.suite.sha256 + json.dumps(sorted(newest.languages)) + _text(protocol)
    return Board(
        name=f"{_safe(newest.suite.name)}-{hashlib.sha256(text.encode()).hexdigest()[:8]}",
        languages=newest.languages,
        columns=tuple(_column(name, protocol[name], tellers) for name in names),
        entries=tuple(entries),
    )


def _column(name: str, meaning: Meaning, tellers: Sequence[Entry]) -> Column:
    having = [entry.metrics[name] for entry in tellers if name in entry.metrics]
    metric, measure = having[0].metric, having[0].measure
    values = []
    for measured in having:
        estimate = measured.sets[ALL].estimate if ALL in measured.sets else None
        estimate = measured.values.estimate if measured.values is not None else estimate
        if estimate is not None:
            values.append(estimate * measure.scale)
    digits = numbers.digits_for(values, percent=metric.as_percent, unit=metric.unit)
    return Column(metric=metric, measure=replace(measure, title=metric.title, digits=digits), meaning=meaning)


def _safe(name: str) -> str:
    kept = "".join(char if char.isascii() and (char.isalnum() or char in "._-") else "-" for char in name[:40])
    return kept.strip("-.").lower() or "suite"
