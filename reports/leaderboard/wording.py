"""Signatures and protocols in words."""

from collections.abc import Mapping, Sequence

from reports import numbers
from reports.leaderboard.boards import Board

PARTS = {
    "agg": "aggregation",
    "asr": "speech recogniser",
    "beam": "beam size",
    "branch": "audio branch",
    "decode": "decoding",
    "ek": "evalkit version",
    "emb": "embedding",
    "engine": "recognition engine",
    "filter": "transcript filter",
    "g2p": "pronunciation",
    "lang": "language",
    "model": "model",
    "norm": "text normalisation",
    "rate": "sample rate",
    "ref": "reference set",
    "resample": "resampler",
    "select": "selection of takes",
    "sep": "vocal separation",
    "stems": "stems",
    "takes": "takes",
    "v": "evaluator version",
}
"""What the keys of a signature mean; others stand for themselves."""

MAX_METRICS = 4
ABSENT = "none"


def parse(signature: str) -> dict[str, str]:
    """The parts of a signature by key; the metric's name is left out.

    >>> parse("wer|sep:none|asr:base@1,x:y|beam:5")
    {'sep': 'none', 'asr': 'base@1,x:y', 'beam': '5'}
    """
    parts = (part.partition(":") for part in signature.split("|")[1:])
    return {key: value for key, _, value in parts}


def describe(signature: str) -> list[tuple[str, str]]:
    """The parts of a signature as (meaning, value)."""
    return [(PARTS.get(key, key), value or "yes") for key, value in parse(signature).items()]


def differences(board: Board, other: Board) -> list[str]:
    """Why two boards are two, a sentence for each reason; empty if the reason is the suite itself.

    Args:
        board: The one that is described.
        other: The one it is told apart from.
    """
    found = []
    if set(board.languages) != set(other.languages):
        ours, theirs = len(board.languages), len(other.languages)
        found.append(
            f"Other prompts were sung: {ours:,} here, {theirs:,} there, "
            f"{len(set(board.languages) & set(other.languages)):,} in both."
        )
    signatures = {column.metric.name: column.meaning for column in other.columns}
    changes: dict[tuple[str, str, str], list[str]] = {}
    for column in board.columns:
        theirs_meaning = signatures.get(column.metric.name)
        if theirs_meaning is None or theirs_meaning == column.meaning:
            continue
        for change in _changes(column.meaning, theirs_meaning):
            changes.setdefault(change, []).append(column.metric.name)
    found += [
        f"{what.capitalize()}: {here} here, {there} there ({_some(metrics)})."
        for (what, here, there), metrics in changes.items()
    ]
    if not found:
        found.append("The two share no metric.")
    return found


def _changes(here: Sequence[str], there: Sequence[str]) -> list[tuple[str, str, str]]:
    ours, theirs = parse(here[0]), parse(there[0])
    found = [
        (PARTS.get(key, key), ours.get(key) or ABSENT, theirs.get(key) or ABSENT)
        for key in {**ours, **theirs}
        if ours.get(key) != theirs.get(key)
    ]
    names = ("signature", "aggregation", "unit")
    if not found and here[0] != there[0]:
        found = [("signature", here[0], there[0])]
    found += [(names[k], here[k] or ABSENT, there[k] or ABSENT) for k in (1, 2) if here[k] != there[k]]
    return found


def _some(names: Sequence[str]) -> str:
    rest = len(names) - MAX_METRICS
    return ", ".join(names[:MAX_METRICS]) + (f" and {numbers.count(rest, 'more metric')}" if rest > 0 else "")


def protocol(board: Board) -> str:
    """One line that tells a board apart for a reader: what was heard with."""
    parts: Mapping[str, None] = dict.fromkeys(
        value.split("@")[0]
        for column in board.headline
        for key, value in parse(column.meaning[0]).items()
        if key in ("asr", "model", "emb")
    )
    return ", ".join(part for part in parts if part)
