"""What a tracker is told of a run: one entry for each system."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from evalkit.store import RunData, SystemInfo
from reports.exports.choice import ALL, aggregates
from reports.index import Index, make_index

FILES = ("report.html", "report.md", "scores.csv", "compare.html")
"""Kept with the entry of every system that is no reference, if they are there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One system of a run.

    Attributes:
        reference: Beside the candidate: a reference or a calibration system.
        key: The same whenever this system of this run is logged, so that logging again updates.
        params: What was asked for, and with what.
        metrics: Aggregates in the metric's stored unit (a rate of 12.4 % is 0.124): ``wer``, ``wer/ci_low``,
            ``wer/ci_high``, ``wer/prompts``, ``wer/without_value`` and ``wer/de`` for a language. What has no value is
            left out; ``prompts`` and ``without_value`` are always there.
        signatures: How each metric came about.
        files: To be kept with it.
    """

    key: str
    run_id: str
    system: str
    reference: bool
    params: dict[str, str]
    metrics: dict[str, float]
    signatures: dict[str, str]
    files: tuple[Path, ...]

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.system} · {self.run_id}"


class Logger(Protocol):
    """One tracker."""

    def check(self) -> None:
        """Raise `evalkit.errors.MissingDependencyError` if its package is not installed."""
        ...

    def log(self, entries: Sequence[Entry], project: str, where: str | None) -> list[str]:
        """Send the entries.

        Args:
            entries: From `make_entries`.
            project: Name of the experiment or project; made if it does not exist.
            where: Address of the server or store; None for the tracker's own default.

        Returns:
            Where each entry can be found: an address or an id.

        Raises:
            EvalkitError: the tracker refused, or could not be reached.
        """
        ...


def make_entries(run: RunData) -> list[Entry]:
    """Reduce a run to what a tracker is told."""
    index = make_index(run)
    return [_entry(index, system) for system in index.systems]


def default_project(run: RunData) -> str:
    """Runs of one suite share a project."""
    return f"evalkit-{run.info.suite.name}"


def metric_key(*parts: str) -> str:
    """A name that every tracker accepts.

    >>> metric_key("wer", "pt-BR"), metric_key("a b<c", "x")
    ('wer/pt-BR', 'a_b_c/x')
    """
    return "/".join(re.sub(r"[^A-Za-z0-9_.-]", "_", part) or "_" for part in parts)


def _entry(index: Index, system: SystemInfo) -> Entry:
    info = index.run.info
    metrics: dict[str, float] = {}
    signatures: dict[str, str] = {}
    measures = [measure for measure in index.measures if measure.signature]
    for found in aggregates(index, measures, [system.name]):
        name, summary = found.measure.name, found.summary
        if name in signatures and signatures[name] != found.measure.signature:
            continue  # measured in two ways: the declared one stands
        signatures[name] = found.measure.signature
        if found.language != ALL:
            if summary.estimate is not None:
                metrics[metric_key(name, found.language)] = summary.estimate
            continue
        for ending, value in (
            ("", summary.estimate),
            ("ci_low", summary.ci_low),
            ("ci_high", summary.ci_high),
            ("prompts", float(summary.n)),
            ("without_value", float(summary.n_missing)),
        ):
            if value is not None:
                metrics[metric_key(name, ending) if ending else metric_key(name)] = value
    for score in index.run.set_scores:
        if score.system == system.name and score.value is not None:
            whole = score.group == ALL
            metrics[metric_key(score.metric) if whole else metric_key(score.metric, score.group)] = score.value
            signatures.setdefault(score.metric, score.signature)
    aside = system.reference or bool(system.calibration)
    songs = [song for song in index.songs if song.system == system.name]
    metrics["songs"] = float(len(songs))
    metrics["failed_songs"] = float(sum(song.status == "failed" for song in songs))
    return Entry(
        key=hashlib.sha256(f"{info.run_id}\n{system.name}".encode("utf-8", "replace")).hexdigest(),
        run_id=info.run_id,
        system=system.name,
        reference=aside,
        params=_params(index, system),
        metrics=metrics,
        signatures=signatures,
        files=() if aside else tuple(p for name in FILES if (p := index.run.folder / name).is_file()),
    )


def _params(index: Index, system: SystemInfo) -> dict[str, str]:
    info = index.run.info
    environment = info.environment
    found = {
        "suite": info.suite.name,
        "suite_version": info.suite.version,
        "suite_sha256": info.suite.sha256,
        "system": system.name,
        "spec": system.spec,
        "seed": str(info.seed),
        "takes": str(info.takes),
        "limit": "" if info.limit is None else str(info.limit),
        "profile": info.profile,
        "status": info.status,
        "created": info.created,
        "git_commit": str(environment.get("git_commit") or ""),
        "git_dirty": str(environment.get("git_dirty", "")),
        "device": str(environment.get("device") or ""),
    }
    known = {model.name: model for model in info.models}
    for name in system.models:
        if name in known:
            found[f"model/{name}"] = known[name].sha256
    return {key: value for key, value in found.items() if value}
