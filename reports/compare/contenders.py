"""Who is compared with whom: the candidate comes first, every other run brings one or more opponents."""

from collections.abc import Sequence
from dataclasses import dataclass

from evalkit.errors import ConfigError
from evalkit.pairing import contenders
from evalkit.registry import suggestion
from evalkit.store import RunData, SystemInfo


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contender:
    """One system of one run."""

    run: RunData
    system: str

    @property
    def info(self) -> SystemInfo:
        """As the run declares it; a system that only songs name stands for itself."""
        for info in self.run.info.systems:
            if info.name == self.system:
                return info
        return SystemInfo(name=self.system, spec=self.system, title=self.system)


def choose(
    runs: Sequence[RunData], system: str | None = None, references: Sequence[str] = ()
) -> tuple[Contender, list[Contender]]:
    """The candidate and its opponents.

    Of each further run the system of the candidate's name is taken, or all that are not references if there is none;
    with a single run all its other systems. ``references`` names opponents instead, wherever they are. Calibration
    systems are no opponents.

    Args:
        runs: The candidate's run first.
        system: The candidate; needed if the first run has several systems that are not references.
        references: Names of opponents.

    Raises:
        ConfigError: a name is unknown, the candidate is not clear, or nobody is left to compare with.
    """
    first = runs[0]
    candidate = Contender(run=first, system=_candidate(first, system))
    if references:
        found = [
            Contender(run=run, system=name)
            for name in dict.fromkeys(references)
            for run in runs
            if name in contenders(run) and (run is not first or name != candidate.system)
        ]
        known = list(dict.fromkeys(name for run in runs for name in contenders(run) if name != candidate.system))
        for name in references:
            if name not in {opponent.system for opponent in found}:
                raise ConfigError(f"No run here has another system {name!r}.", suggestion(name, known))
        return candidate, found
    if len(runs) == 1:
        found = [Contender(run=first, system=name) for name in contenders(first) if name != candidate.system]
    else:
        found = [Contender(run=run, system=name) for run in runs[1:] for name in _opponents(run, like=candidate.system)]
    if not found:
        raise ConfigError(
            f"The run {first.info.run_id} holds nothing but {candidate.system!r}.",
            "Name a second run: evalkit compare CANDIDATE OTHER",
        )
    return candidate, found


def _candidate(run: RunData, system: str | None) -> str:
    names = contenders(run)
    if system is not None:
        if system not in names:
            raise ConfigError(f"The run {run.info.run_id} has no system {system!r}.", suggestion(system, names))
        return system
    own = _own(run)
    if len(own) != 1:
        raise ConfigError(
            f"The run {run.info.run_id} has {len(own)} systems: {', '.join(own)}.", "Name the candidate with --system."
        )
    return own[0]


def _opponents(run: RunData, like: str) -> list[str]:
    return [like] if like in contenders(run) else _own(run)


def _own(run: RunData) -> list[str]:
    references = {system.name for system in run.info.systems if system.reference}
    names = contenders(run)
    return [name for name in names if name not in references] or names
