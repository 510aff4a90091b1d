"""A gate as pytest tests: one test for each check.

Two ways, both with ``--evalkit-run`` and ``--evalkit-baseline``:

* ``pytest gates.toml`` collects one test for each check of the rules file.
* A test with the argument ``evalkit_check`` runs once for each check; one with ``evalkit_gate`` gets the whole result.

A test fails exactly where the check blocks, so pytest fails exactly where ``evalkit gate`` would. A check that is
inconclusive and may pass gives an `EvalkitGateWarning`.
"""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from evalkit.gate.result import Check, GateResult

_OPTIONS = {
    "--evalkit-run": "Run folder of the candidate.",
    "--evalkit-baseline": "Run folder or baseline file to hold it against.",
    "--evalkit-rules": "gates.toml, for tests with evalkit_check or evalkit_gate; without it the default rules.",
    "--evalkit-system": "Candidate, if its run has several systems.",
    "--evalkit-baseline-system": "System of the baseline; default: the candidate's name, or the only one.",
}
_results: pytest.StashKey[dict[Path | None, Any]] = pytest.StashKey()


class EvalkitGateWarning(UserWarning):
    """A check is inconclusive, and its policy lets it pass."""


class CheckError(Exception):
    """A check blocks."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of a gate."""
    group = parser.getgroup("evalkit", "evalkit gate")
    for name, text in _OPTIONS.items():
        group.addoption(name, metavar="PATH" if name.count("-") == 3 else "NAME", help=text)


def pytest_collect_file(parent: pytest.Collector, file_path: Path) -> "RulesFile | None":
    """A rules file named on the command line, where there is a run to judge."""
    config = parent.config
    if file_path.suffix != ".toml" or config.getoption("--evalkit-run") is None:
        return None
    named = {(config.invocation_params.dir / str(name).partition("::")[0]).resolve() for name in config.args}
    return RulesFile.from_parent(parent, path=file_path) if file_path.resolve() in named else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One run of a test for each check, if it asks for one."""
    if "evalkit_check" in metafunc.fixturenames:
        checks = _result(metafunc.config).checks
        metafunc.parametrize("evalkit_check", checks, ids=[_name(check) for check in checks])


@pytest.fixture(scope="session")
def evalkit_gate(pytestconfig: pytest.Config) -> "GateResult":
    """The whole result: `evalkit.gate.result.GateResult`."""
    return _result(pytestconfig)


class RulesFile(pytest.File):
    """A rules file; its items are the checks of the gate."""

    def collect(self) -> Iterator["CheckItem"]:
        """Judge, and give one item for each check."""
        for check in _result(self.config, self.path).checks:
            yield CheckItem.from_parent(self, name=_name(check), check=check)


class CheckItem(pytest.Item):
    """One check."""

    def __init__(self, *, check: "Check", **options: Any) -> None:
        super().__init__(**options)
        self.check = check

    def runtest(self) -> None:
        """Fail if the check blocks."""
        demand(self.check)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The reason alone: a traceback would tell nothing."""
        if isinstance(excinfo.value, CheckError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where it comes from, for the report."""
        return self.path, None, f"gate: {self.name}"


def demand(check: "Check") -> None:
    """Raise `CheckError` if a check blocks; warn if it only warns.

    Args:
        check: Of `evalkit.gate.result.GateResult.checks`.
    """
    from evalkit.gate import wording, writers

    text = f"{wording.verdict(check)}: {wording.name(check)}: {wording.plain(check.reason)}"
    if check.blocks:
        raise CheckError(f"{text}\n{writers.facts(check)}")
    if check.warns:
        warnings.warn(EvalkitGateWarning(text), stacklevel=2)


def _result(config: pytest.Config, rules: Path | None = None) -> "GateResult":
    """The gate's result, judged once for each rules file."""
    from evalkit.errors import EvalkitError

    known = config.stash.setdefault(_results, {})
    given = config.getoption("--evalkit-rules")
    path = rules or (Path(given) if given else None)
    if path not in known:
        try:
            known[path] = _judge(config, path)
        except EvalkitError as error:
            raise pytest.UsageError(str(error)) from error
    found: GateResult = known[path]
    return found


def _judge(config: pytest.Config, rules: Path | None) -> "GateResult":
    from evalkit.gate.judge import judge_files

    folder, baseline = config.getoption("--evalkit-run"), config.getoption("--evalkit-baseline")
    if folder is None or baseline is None:
        missing = "--evalkit-run" if folder is None else "--evalkit-baseline"
        raise pytest.UsageError(f"The gate needs {missing}. See docs/gates.md")
    return judge_files(
        Path(folder),
        Path(baseline),
        rules,
        candidate_system=config.getoption("--evalkit-system"),
        baseline_system=config.getoption("--evalkit-baseline-system"),
    )


def _name(check: "Check") -> str:
    return check.id.replace(" ", "-")
