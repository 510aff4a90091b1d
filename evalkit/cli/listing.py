"""What there is and what state it is in."""

from collections.abc import Sequence

from evalkit import profile
from evalkit.errors import ConfigError, EvalkitError
from evalkit.evaluators.base import EVALUATORS
from evalkit.models.files import ModelFiles
from evalkit.registry import suggestion

Row = dict[str, str]


def rows(what: str) -> list[Row]:
    """Rows of one list.

    Raises:
        ConfigError: there is no such list.
    """
    lists = {
        "suites": _suites,
        "systems": _systems,
        "evaluators": _evaluators,
        "models": _models,
        "profiles": _profiles,
    }
    if what not in lists:
        raise ConfigError(f"There is no list of {what!r}.", suggestion(what, list(lists)))
    return lists[what]()


def _suites() -> list[Row]:
    from benchmarks import loader

    found = []
    for name in loader.names():
        about = loader.describe(name)
        found.append(
            {
                "name": about.name,
                "version": about.version,
                "prompts": str(about.n_prompts),
                "languages": " ".join(about.languages),
                "description": about.description,
            }
        )
    return found


def _systems() -> list[Row]:
    from generation.base import SYSTEMS

    found = []
    for name in SYSTEMS.names():
        cls = SYSTEMS.get(name)
        needs = ", ".join(_unready(cls.required_models("")))
        spelling = {"folder": "LABEL=FOLDER", "command": "LABEL=cmd:PROGRAM ARGS"}.get(name, name)
        found.append({"name": spelling, "state": f"needs {needs}" if needs else "ready", "title": cls.title})
    return found


def _evaluators() -> list[Row]:
    found = []
    for name in EVALUATORS.names():
        cls = EVALUATORS.get(name)
        needs = ", ".join(_unready(cls.required_models({})))
        found.append(
            {
                "name": name,
                "version": cls.version,
                "state": f"needs {needs}" if needs else "ready",
                "metrics": " ".join(metric.name for metric in cls.metrics),
            }
        )
    return found


def _models() -> list[Row]:
    files = ModelFiles()
    found = []
    for name, model in files.registry.models.items():
        state = files.state(name)
        found.append(
            {
                "name": name,
                "state": state,
                "size": f"{model.size_bytes / 1e6:.0f} MB",
                "licence": model.licence,
                "remedy": "" if state == "ready" else f"evalkit models pull {name}",
                "title": model.title,
            }
        )
    for name, brought in files.registry.local.items():
        found.append(
            {
                "name": name,
                "state": "local only",
                "size": "",
                "licence": brought.licence,
                "remedy": "--weights DIR",
                "title": brought.title,
            }
        )
    return found


def _profiles() -> list[Row]:
    found = []
    for name in profile.names():
        loaded = profile.load(name)
        found.append({"name": name, "evaluators": " ".join(loaded.evaluators), "title": loaded.title})
    return found


def _unready(names: Sequence[str]) -> list[str]:
    files = ModelFiles()
    unready = []
    for name in names:
        try:
            if files.state(name) != "ready":
                unready.append(f"evalkit models pull {name}")
        except EvalkitError as error:
            unready.append(str(error))
    return unready
