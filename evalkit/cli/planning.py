"""What a run is about to do, said before it begins."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from evalkit import rates
from evalkit.cli.display import seconds
from evalkit.runner import Task
from evalkit.store import EvaluatorInfo
from generation.generate import Job

TYPICAL_DURATION_S = 60.0
"""Taken for a prompt that does not say how long its song should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Work before it is done.

    Attributes:
        sing_s: Processor seconds of singing, None if no run on such a machine tells.
        measure_s: The same of measuring.
        start_s: Seconds until workers have loaded.
        unknown: Systems and evaluators without a known rate.
    """

    n_to_sing: int
    n_to_measure: int
    audio_s: float
    systems: tuple[str, ...]
    evaluators: tuple[str, ...]
    models: tuple[str, ...]
    n_workers: int
    sing_s: float
    measure_s: float
    start_s: float
    unknown: tuple[str, ...]

    @property
    def sung_share(self) -> float:
        """Part of a song's work that is done when it is sung."""
        both = self.sing_s + self.measure_s
        return 0.6 if self.unknown or not both else min(0.95, self.sing_s / both)

    def text(self) -> str:
        """Two lines for people."""
        parts = []
        if self.n_to_sing:
            parts.append(f"sing {self.n_to_sing} songs with {', '.join(self.systems)}")
        if self.n_to_measure:
            parts.append(f"measure {self.n_to_measure} songs with {', '.join(self.evaluators)}")
        line = f"Plan: {'; '.join(parts)}. {seconds(self.audio_s)} of audio, {self.n_workers} workers"
        line += f", models: {', '.join(self.models)}." if self.models else ", no models."
        if self.unknown:
            return f"{line}\n  No estimate: {', '.join(self.unknown)} did not run on a machine like this before."
        about = seconds(self.start_s + (self.sing_s + self.measure_s) / self.n_workers)
        return f"{line}\n  About {about}, if it goes as fast as before on such a machine."


def make_plan(
    jobs: Sequence[Job],
    tasks: Sequence[Task],
    infos: Sequence[EvaluatorInfo],
    models: Sequence[str],
    n_workers: int,
) -> Plan:
    """Count the work and estimate its time.

    Args:
        jobs: Songs to sing; with ``infos``, they are measured too.
        tasks: Songs that are there and lack scores.
        infos: Evaluators; none if nothing is measured.
        models: Names, for the text.
        n_workers: Cores that compute at the same time.
    """
    known = rates.load()
    unknown: dict[str, None] = {}

    def cost(name: str, label: str, audio_s: float) -> float:
        if name not in known:
            unknown[label] = None
        return known.get(name, 0.0) * audio_s

    evaluators = [info for info in infos if info.scope == "song"]
    sing_s = measure_s = audio_s = 0.0
    for job in jobs:
        duration_s = job.prompt.duration_s or TYPICAL_DURATION_S
        audio_s += duration_s
        sing_s += cost(generation_rate_name(job.spec.name), job.spec.name, duration_s)
        measure_s += sum(cost(evaluation_rate_name(info), info.name, duration_s) for info in evaluators)
    for task in tasks:
        duration_s = task.song.duration_s or 0.0
        audio_s += duration_s
        wanted = [info for info in evaluators if info.name in task.evaluators]
        measure_s += sum(cost(evaluation_rate_name(info), info.name, duration_s) for info in wanted)
    return Plan(
        n_to_sing=len(jobs),
        n_to_measure=(len(jobs) if evaluators else 0) + len(tasks),
        audio_s=audio_s,
        systems=tuple(dict.fromkeys(job.spec.name for job in jobs)),
        evaluators=tuple(info.name for info in evaluators),
        models=tuple(dict.fromkeys(models)),
        n_workers=n_workers,
        sing_s=sing_s,
        measure_s=measure_s,
        start_s=known.get(START_RATE_NAME, 0.0),
        unknown=tuple(unknown),
    )


START_RATE_NAME = "start"
"""Under which the seconds of a run are kept that no worker computed."""


def generation_rate_name(system: str) -> str:
    """Under which a system's rate is kept."""
    return f"generate/{system}"


def evaluation_rate_name(info: EvaluatorInfo) -> str:
    """Under which an evaluator's rate is kept: another version or other options cost other time."""
    options = json.dumps(dict(info.options), sort_keys=True, default=str) if info.options else ""
    return f"evaluate/{info.name}/{info.version}{options}"
