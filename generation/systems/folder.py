"""A folder of songs made elsewhere, matched to prompts by a manifest or by file name."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from evalkit.errors import ConfigError, GenerationError
from evalkit.types import Prompt
from generation.base import Generated, ModelLocator, ProgressCallback

EXTENSIONS = (".flac", ".wav", ".mp3", ".ogg", ".opus", ".aiff", ".aif")
MANIFEST = "manifest.csv"
STEMS = ("vocals", "accompaniment")


@dataclass(slots=True)
class _Entry:
    mix: Path | None = None
    stems: dict[str, Path] = field(default_factory=dict)


class FolderSystem:
    """Songs that already exist.

    Without a manifest files are called ``<prompt id>.<ext>`` (take 0) or ``<prompt id>.take<k>.<ext>``, stems
    ``….vocals.<ext>`` and ``….accompaniment.<ext>``. With ``manifest.csv`` the columns are ``prompt_id``, ``file`` and
    optionally ``take``, ``vocals``, ``accompaniment``; paths are relative to the folder.
    """

    title: ClassVar[str] = "A folder of audio made elsewhere (NAME=FOLDER)"
    notes: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def required_models(cls, variant: str) -> Sequence[str]:
        """None."""
        return ()

    def __init__(self, variant: str, locate: ModelLocator) -> None:
        """Index the folder ``variant``.

        Raises:
            ConfigError: two files claim one song, or the manifest is wrong (file and line are named).
        """
        self._folder = Path(variant)
        manifest = self._folder / MANIFEST
        self._entries = _read_manifest(manifest) if manifest.is_file() else _index(self._folder)
        self._by_manifest = manifest.is_file()

    def generate(self, prompt: Prompt, *, take: int, seed: int, progress: ProgressCallback | None = None) -> Generated:
        """Hand over the file of this prompt and take."""
        entry = self._entries.get((prompt.id, take))
        if entry is None or entry.mix is None:
            where = MANIFEST if self._by_manifest else f"as {prompt.id}.take{take}.flac or the like"
            raise GenerationError(f"No song for prompt {prompt.id}, take {take}, in {self._folder} ({where}).")
        missing = [path for path in (entry.mix, *entry.stems.values()) if not path.is_file()]
        if missing:
            raise GenerationError(f"{MANIFEST} names {missing[0].name} for prompt {prompt.id}, which is not there.")
        return Generated(mix=entry.mix, stems=dict(entry.stems), params={"file": entry.mix.name})

    def close(self) -> None:
        """Nothing to free."""


def read_folder(folder: Path) -> dict[tuple[str, int], tuple[Path | None, dict[str, Path]]]:
    """What a folder says it holds: (prompt id, take) to the song and its stems; the files need not be there.

    Raises:
        ConfigError: two files claim one song, or the manifest is wrong (file and line are named).
    """
    manifest = folder / MANIFEST
    entries = _read_manifest(manifest) if manifest.is_file() else _index(folder)
    return {key: (entry.mix, dict(entry.stems)) for key, entry in entries.items()}


def _index(folder: Path) -> dict[tuple[str, int], _Entry]:
    entries: dict[tuple[str, int], _Entry] = {}
    for path in sorted(folder.iterdir()):
        if not path.is_file() or path.suffix.lower() not in EXTENSIONS:
            continue
        name, stem = path.stem, ""
        for candidate in STEMS:
            if name.endswith("." + candidate):
                name, stem = name.removesuffix("." + candidate), candidate
        prompt_id, dot, tail = name.rpartition(".take")
        take = 0
        if dot and tail.isascii() and tail.isdigit():
            name, take = prompt_id, int(tail)
        _put(entries, name, take, stem, path, f"{folder}")
    return entries


def _read_manifest(path: Path) -> dict[tuple[str, int], _Entry]:
    entries: dict[tuple[str, int], _Entry] = {}
    root = path.parent.resolve()
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            missing = {"prompt_id", "file"} - set(rows.fieldnames or ())
            if missing:
                raise ConfigError(f"{path}, line 1: the column {sorted(missing)[0]!r} is missing.", _COLUMNS)
            for row in rows:
                place = f"{path}, line {rows.line_num}"
                prompt_id, take = (row["prompt_id"] or "").strip(), (row.get("take") or "0").strip()
                if not (take.isascii() and take.isdigit() and len(take) < 7):
                    raise ConfigError(f"{place}: take is {take!r}, expected 0, 1, 2 …")
                for column, stem in (("file", ""), *((stem, stem) for stem in STEMS)):
                    value = (row.get(column) or "").strip()
                    if not value and stem:
                        continue
                    found = (root / value.replace("\0", "")).resolve()
                    if not value or "\0" in value or not found.is_relative_to(root):
                        raise ConfigError(
                            f"{place}: {column} is {value!r}, expected a file inside the folder.", _COLUMNS
                        )
                    _put(entries, prompt_id, int(take), stem, found, place)
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path} is not a CSV file in UTF-8: {error}.", _COLUMNS) from error
    return entries


_COLUMNS = "Columns: prompt_id, file, and optionally take, vocals, accompaniment."


def _put(entries: dict[tuple[str, int], _Entry], prompt_id: str, take: int, stem: str, path: Path, place: str) -> None:
    entry = entries.setdefault((prompt_id, take), _Entry())
    before = entry.stems.get(stem) if stem else entry.mix
    if before is not None:
        what = f"{stem} of prompt" if stem else "prompt"
        raise ConfigError(f"{place}: {before.name} and {path.name} both claim {what} {prompt_id}, take {take}.")
    if stem:
        entry.stems[stem] = path
    else:
        entry.mix = path


SYSTEM = FolderSystem
