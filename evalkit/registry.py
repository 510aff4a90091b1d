"""Names to things, imported on first use.

A registry lists the modules of a package (`pkgutil`, nothing is imported) and the entry points of other distributions.
The module's file name is the registered name; the thing itself is one attribute of it.
"""

import difflib
import importlib
import pkgutil
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar, cast

from evalkit.errors import ConfigError

T = TypeVar("T")


class Registry(Generic[T]):
    """Lazy registry over one package and one entry-point group.

    Args:
        kind: What is registered, for messages, e.g. ``"evaluator"``.
        package: Dotted name of the package whose modules are the entries.
        attribute: Name of the object inside each module, e.g. ``"EVALUATOR"``.
        group: Entry-point group through which others add theirs; each points to the object itself.
    """

    def __init__(self, kind: str, package: str, attribute: str, group: str) -> None:
        self.kind = kind
        self._package = package
        self._attribute = attribute
        self._group = group

    def names(self) -> list[str]:
        """All registered names, sorted; nothing is imported but the package itself."""
        return sorted({*self._own(), *self._foreign()})

    def get(self, name: str) -> T:
        """Import and return one entry.

        Raises:
            ConfigError: the name is unknown (with a suggestion), or registered twice.
        """
        own, foreign = self._own(), self._foreign()
        if name in own and name in foreign:
            raise ConfigError(
                f"The {self.kind} {name!r} exists in evalkit and in the entry point {foreign[name].value!r}.",
                "Rename the entry point.",
            )
        if name in own:
            module = importlib.import_module(f"{self._package}.{own[name]}")
            return cast(T, getattr(module, self._attribute))
        if name in foreign:
            return cast(T, foreign[name].load())
        raise ConfigError(f"Unknown {self.kind} {name!r}.", suggestion(name, self.names()))

    def _own(self) -> dict[str, str]:
        path = importlib.import_module(self._package).__path__
        modules = (info.name for info in pkgutil.iter_modules(path))
        # A dash in the public name reads better than an underscore; a module cannot have one.
        return {name.replace("_", "-"): name for name in modules if not name.startswith("_") and name != "base"}

    def _foreign(self) -> dict[str, Any]:
        return {point.name: point for point in entry_points(group=self._group)}


def suggestion(name: str, known: list[str]) -> str:
    """The hint for an unknown name: the nearest one if any is near, and all that exist."""
    near = difflib.get_close_matches(name, known, n=1)
    did_you_mean = f"Did you mean {near[0]!r}? " if near else ""
    return f"{did_you_mean}Available: {', '.join(known) if known else 'none'}."
