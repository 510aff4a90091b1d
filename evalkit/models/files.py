"""The cache of model files: found, checked, fetched.

A model is a folder ``<cache>/models/<name>-<digest>/``; ``.source`` in it says where its bytes came from. Files are
checked whenever they are handed out, so a truncated or altered file is noticed before it can produce a number (see
`evalkit.models.checks` for what is hashed when). Downloads collect in ``<cache>/partial/<name>-<digest>/``, stay there
after a failure, and are moved in one step when every file is right. A lock beside that folder lets only one process
fetch a model; the others wait and find it done. Accepted licences are kept in ``<cache>/licences/``.
"""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from evalkit.cache import cache_dir
from evalkit.errors import EvalkitError, ModelError
from evalkit.files import write_atomically
from evalkit.models import checks, licences
from evalkit.models import registry as registries
from evalkit.models.hub import partial_path
from evalkit.models.registry import Licence, ModelSpec, Registry, Source
from evalkit.models.sources import disk_bytes, download_bytes, fetch

ModelState = Literal["ready", "missing", "damaged"]

SOURCE_FILE = ".source"
WAIT_S = 1.0
"""Between two looks at a download another process is busy with."""


PullProgress = Callable[[str, int, int], None]
"""Called with a model's name, the bytes that have arrived and the total."""


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
        cache = cache or cache_dir()
        self._root, self._partial, self._licences = cache / "models", cache / "partial", cache / "licences"
        own = os.environ.get("EVALKIT_MODELS")
        # A folder the user filled by hand, e.g. on a machine without any network; checked like everything else.
        self._own = Path(own).expanduser() if own else None

    def folder(self, spec: ModelSpec) -> Path:
        """Where the model lies or would lie."""
        return self._own_folder(spec) or self._root / _folder_name(spec)

    def problems(self, name: str, *, full: bool = False) -> list[str]:
        """Sentences on what is wrong with the model's files; none if they are all there and unaltered.

        Args:
            name: A registered model.
            full: Hash large files even if they were right before and look untouched.
        """
        spec = self.registry.get(name)
        return checks.problems(spec, self.folder(spec), full=full)

    def state(self, name: str) -> ModelState:
        """Ready, missing (no file is there), or damaged (some are missing, truncated or altered)."""
        spec = self.registry.get(name)
        if not any((self.folder(spec) / file).exists() for file in spec.files):
            return "missing"
        return "damaged" if self.problems(name) else "ready"

    def locate(self, name: str) -> Path:
        """Folder of a verified model.

        Raises:
            ModelError: a file is missing, truncated or altered, or the model is local only.
            ConfigError: no such model is registered.
        """
        problems = self.problems(name)
        if problems:
            raise ModelError(problems[0], f"Run: evalkit models pull {name}")
        return self.folder(self.registry.get(name))

    def origin(self, name: str) -> str:
        """Where the model's bytes came from: the source they were fetched from, else the folder they lie in."""
        spec = self.registry.get(name)
        folder = self.folder(spec)
        if self._own_folder(spec) is None:
            try:
                return (folder / SOURCE_FILE).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError):
                pass
        return f"folder:{folder}"

    def unaccepted(self, names: Sequence[str]) -> list[Licence]:
        """Licences that must be accepted before ``names`` (models or groups) can be fetched; each once."""
        terms = [spec.accept for spec in self.registry.expand(names) if spec.accept and self.problems(spec.name)]
        return [licence for licence in dict.fromkeys(terms) if not licences.is_accepted(licence, self._licences)]

    def accept(self, licence: Licence) -> Path:
        """Remember that the user accepted a licence; returns the file that says so."""
        return licences.accept(licence, self._licences)

    def check_automatic(self, name: str) -> None:
        """Refuse models a run must not fetch unasked: large ones from a hub, and those with a licence to accept.

        Raises:
            ModelError: with the command that fetches it.
        """
        spec = self.registry.get(name)
        if not spec.is_automatic:
            if self.state(name) == "damaged":
                raise ModelError(self.problems(name)[0], f"Run: evalkit models pull {name}")
            raise ModelError(
                f"The model {name} ({spec.size_bytes / 1e6:,.0f} MB, {spec.licence}) is not there and is not fetched "
                "unasked.",
                f"Run: evalkit models pull {self.registry.set_of(name)}",
            )

    def waits_for(self, names: Sequence[str]) -> bool:
        """Whether one of the models is not there and a run would not fetch it by itself."""
        registered = self.registry.models
        return any(
            name not in registered or (not registered[name].is_automatic and self.state(name) != "ready")
            for name in names
        )

    def pull(self, names: Sequence[str], progress: PullProgress | None = None) -> list[str]:
        """Fetch what is not there yet, verified file by file; goes on where an earlier attempt stopped.

        Args:
            names: Models or groups.
            progress: See `PullProgress`.

        Returns:
            Names of the models that were fetched.

        Raises:
            ModelError: no source gave the right bytes, downloads are forbidden, a licence was not accepted, or a model
                is local only.
        """
        missing = [spec for spec in self.registry.expand(names) if self.problems(spec.name)]
        if terms := self.unaccepted([spec.name for spec in missing]):
            raise ModelError(
                f"{terms[0].title} must be accepted first ({terms[0].url}): {terms[0].text}",
                f"Run: evalkit models pull {' '.join(names)} --accept-licence",
            )
        return [spec.name for spec in missing if self._pull_one(spec, progress or (lambda name, done, total: None))]

    def _own_folder(self, spec: ModelSpec) -> Path | None:
        folder = self._own / spec.name if self._own is not None else None
        return folder if folder is not None and folder.is_dir() else None

    def _pull_one(self, spec: ModelSpec, progress: PullProgress) -> bool:
        if own := self._own_folder(spec):
            raise ModelError(
                f"{self.problems(spec.name)[0]} The folder is yours (EVALKIT_MODELS); evalkit does not write there.",
                f"Repair or remove {own}, or unset EVALKIT_MODELS.",
            )
        if is_offline():
            raise ModelError(
                f"The model {spec.name} is not in the cache and EVALKIT_OFFLINE forbids downloads.",
                f"Unset EVALKIT_OFFLINE and run: evalkit models pull {spec.name}",
            )
        partial = self._partial / _folder_name(spec)

        def wait() -> None:
            progress(spec.name, min(_size(partial), spec.size_bytes), spec.size_bytes)

        try:
            self._root.mkdir(parents=True, exist_ok=True)
            self._partial.mkdir(parents=True, exist_ok=True)
            with _alone(Path(f"{partial}.lock"), wait):
                if not self.problems(spec.name):
                    return False  # another process was quicker
                self._fetch(spec, partial, progress)
        except OSError as error:
            raise ModelError(f"The model cache {self._root} cannot be written: {error}.", _CACHE_HINT) from error
        return True

    def _fetch(self, spec: ModelSpec, partial: Path, progress: PullProgress) -> None:
        target = self._root / _folder_name(spec)
        _prepare(spec, partial, target)
        failures = []
        for source in spec.sources:
            before = _size(partial)
            try:
                self._fetch_from(source, spec, partial, progress)
            except (EvalkitError, OSError) as error:
                failures.append(f"{source}: {error}")
                continue
            finally:
                if _size(partial) > before:
                    _note_source(partial, str(source))
            shutil.rmtree(target, ignore_errors=True)
            partial.rename(target)
            return
        hint = f"{_CACHE_HINT} Then run again: evalkit models pull {spec.name}"
        if _size(partial) == 0:
            shutil.rmtree(partial, ignore_errors=True)
        else:
            hint += f" (it goes on from {_size(partial) / 1e6:,.0f} MB)"
        raise ModelError(f"The model {spec.name} could not be fetched. " + " ".join(failures), hint)

    def _fetch_from(self, source: Source, spec: ModelSpec, partial: Path, progress: PullProgress) -> None:
        wanted = [name for name in spec.files if checks.problem(spec, partial, name)]
        needed, free = disk_bytes(source, spec, wanted, partial), shutil.disk_usage(partial).free
        if free < needed:
            raise ModelError(f"{needed / 1e6:,.0f} MB are needed in {partial}; {free / 1e6:,.0f} MB are free.")
        arrived, total = 0, download_bytes(source, spec, wanted)

        def count(n_bytes: int) -> None:
            nonlocal arrived
            arrived += n_bytes
            progress(spec.name, min(arrived, total), total)

        count(0)
        fetch(source, spec, wanted, partial, count)
        for name in wanted:
            if problem := checks.problem(spec, partial, name):
                (partial / name).unlink(missing_ok=True)
                raise ModelError(problem)


_CACHE_HINT = "Check the network and the disk; EVALKIT_CACHE names another cache folder."


def _folder_name(spec: ModelSpec) -> str:
    return f"{spec.name}-{spec.sha256[:12]}"


def _prepare(spec: ModelSpec, partial: Path, target: Path) -> None:
    """Make the folder downloads collect in; keep what is right or half there, drop the rest."""
    partial.mkdir(exist_ok=True)
    for name in spec.files:
        # What is still right in a damaged model need not be fetched again.
        if checks.problem(spec, partial, name) and not checks.problem(spec, target, name):
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).replace(partial / name)
            if (target / SOURCE_FILE).is_file():
                _note_source(partial, (target / SOURCE_FILE).read_text(encoding="utf-8").strip())
    kept = {partial / name for name in spec.files} | {partial_path(partial / name) for name in spec.files}
    kept |= {partial / checks.RECORD, partial / SOURCE_FILE}
    for path in sorted(partial.rglob("*"), reverse=True):
        if path.is_file() and path not in kept:
            path.unlink()  # e.g. wheels of a process that was killed
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()


@contextlib.contextmanager
def _alone(path: Path, wait: Callable[[], None]) -> Iterator[None]:
    """Hold a lock file; ``wait`` is called every now and then while another process holds it."""
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    while True:
        try:
            lock.acquire(timeout=WAIT_S)
            break
        except Timeout:
            wait()
    try:
        yield
    finally:
        lock.release()


def _note_source(partial: Path, source: str) -> None:
    """Add a source to those the files in ``partial`` came from; usually it is the only one."""
    path = partial / SOURCE_FILE
    sources = path.read_text(encoding="utf-8").strip().split(" + ") if path.is_file() else []
    write_atomically(path, (" + ".join(dict.fromkeys([*sources, source])) + "\n").encode())


def _size(folder: Path) -> int:
    """Bytes in a folder that may change meanwhile, evalkit's own notes left out."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() and not path.name.startswith(".") else 0
        except FileNotFoundError:  # moved meanwhile by the process that fetches
            continue
    return total
