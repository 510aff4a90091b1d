"""A suite to hand to whoever makes the songs elsewhere, and the check of what comes back.

`write` makes a folder with the lyrics, a manifest to fill in and a page of instructions; the folder system reads it
as it is once the audio lies in it; `check` says song by song what is missing or cannot be used.
"""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evalkit import lyrics
from evalkit.audio import load
from evalkit.errors import AudioError, ConfigError, StoreError
from evalkit.files import cannot_write, write_atomically
from evalkit.types import Prompt, Suite
from generation.systems.folder import EXTENSIONS, MANIFEST, STEMS, read_folder

MARKER = "evalkit-handout.json"
FORMAT = "evalkit-handout"
VERSION = 1
EXTENSION = ".wav"

COLUMNS = ("prompt_id", "take", "file", *STEMS, "language", "duration_s", "tags", "lyrics")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One song, or the folder, that cannot be used as it is.

    Attributes:
        place: File, and line where there is one.
        message: What was found.
        hint: What to do.
        fatal: Whether the song (or the folder) cannot be used at all.
    """

    place: str
    message: str
    hint: str = ""
    fatal: bool = True


def write(suite: Suite, prompts: Sequence[Prompt], takes: int, out: Path) -> list[Path]:
    """Write the folder.

    Args:
        suite: Where the prompts come from.
        prompts: Those wanted, in order.
        takes: Songs wanted for each.
        out: Folder, made if it is not there; audio that lies in it stays.

    Returns:
        The files written.

    Raises:
        ConfigError: ``out`` belongs to another suite or is no folder.
    """
    songs = [(prompt, take) for prompt in prompts for take in range(takes)]
    marker = {
        "format": FORMAT,
        "version": VERSION,
        "suite": {"name": suite.name, "version": suite.version, "sha256": suite.sha256},
        "takes": takes,
        "prompts": [prompt.id for prompt in prompts],
    }
    _refuse_other(out, marker)
    rows = [_row(prompt, take) for prompt, take in songs]
    contents = {
        MANIFEST: _to_csv(rows),
        "manifest.jsonl": "".join(_to_json(_record(prompt, take)) + "\n" for prompt, take in songs).encode(),
        "README.md": _readme(suite, prompts, takes).encode(),
        MARKER: (json.dumps(marker, ensure_ascii=False, indent=1) + "\n").encode(),
    }
    contents |= {f"lyrics/{prompt.id}.txt": (lyrics.to_lines(prompt.sections) + "\n").encode() for prompt in prompts}
    written = []
    for name, content in contents.items():
        path = out / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(path.parent, error) from error
        write_atomically(path, content)
        written.append(path)
    return written


def is_handout(folder: Path) -> bool:
    """Whether a folder was written by `write`."""
    return (folder / MARKER).is_file()


def check(folder: Path) -> tuple[list[Trouble], int]:
    """Compare what came back with what was asked for; every file is decoded.

    Returns:
        All troubles, and the number of songs that can be used.
    """
    try:
        asked = _read_marker(folder)
        found = read_folder(folder)
    except (ConfigError, StoreError) as error:
        return [Trouble(place=str(folder), message=error.message, hint=error.hint)], 0
    wanted = [(prompt_id, take) for prompt_id in asked["prompts"] for take in range(asked["takes"])]
    troubles = []
    usable = 0
    for prompt_id, take in wanted:
        own = _song_troubles(folder, prompt_id, take, found)
        troubles += own
        usable += not any(trouble.fatal for trouble in own)
    for prompt_id, take in sorted(found.keys() - set(wanted)):
        message = f"Prompt {prompt_id}, take {take}, was not asked for and is not used."
        troubles.append(Trouble(place=str(folder / MANIFEST), message=message, fatal=False))
    named = {path.resolve() for mix, stems in found.values() for path in (mix, *stems.values()) if path is not None}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in EXTENSIONS and path.resolve() not in named:
            troubles.append(
                Trouble(
                    place=str(path),
                    message=f"No line of {MANIFEST} names this file.",
                    hint="Name it in the column file, or remove it.",
                    fatal=False,
                )
            )
    return troubles, usable


def _song_troubles(
    folder: Path, prompt_id: str, take: int, found: dict[tuple[str, int], tuple[Path | None, dict[str, Path]]]
) -> list[Trouble]:
    manifest = str(folder / MANIFEST)
    if (prompt_id, take) not in found:
        message = f"Prompt {prompt_id}, take {take}, has no line."
        return [Trouble(place=manifest, message=message, hint="Put the line back; see README.md.")]
    mix, stems = found[prompt_id, take]
    troubles = []
    for what, path in (("song", mix), *stems.items()):
        name = f"The {what} of prompt {prompt_id}, take {take},"
        if path is None or not path.is_file():
            there = [] if path is None else [path.with_suffix(e) for e in EXTENSIONS if path.with_suffix(e).is_file()]
            hint = f"There is {there[0].name}: write that into {MANIFEST}." if there else ""
            troubles.append(Trouble(place=str(path or folder), message=f"{name} is not there.", hint=hint))
            continue
        try:
            audio = load(path)
        except AudioError as error:
            troubles.append(Trouble(place=str(path), message=f"{name} cannot be used: {error.message}"))
            continue
        if not audio.samples.any():
            message = f"{name} is silent from beginning to end."
            troubles.append(Trouble(place=str(path), message=message, hint="Is it the right file?", fatal=False))
    return troubles


def _read_marker(folder: Path) -> dict[str, Any]:
    path = folder / MARKER
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["format"] != FORMAT or raw["version"] != VERSION:
            raise ValueError(f"format {raw['format']!r}, version {raw['version']!r}")
        takes, prompts = raw["takes"], raw["prompts"]
        if not isinstance(takes, int) or not all(isinstance(name, str) for name in prompts):
            raise ValueError("takes or prompts")
        return {"takes": takes, "prompts": prompts, "suite": raw["suite"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{path} was changed or damaged ({error}).", "Write it again: evalkit template --suite NAME --out FOLDER"
        ) from error


def _refuse_other(out: Path, marker: dict[str, Any]) -> None:
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out} is a file.", "Give --out a folder.")
    if is_handout(out):
        before = _read_marker(out)["suite"]
        if before != marker["suite"]:
            raise ConfigError(
                f"{out} is for suite {before['name']} {before['version']} already.", "Give --out another folder."
            )
        return
    if (out / MANIFEST).exists():
        raise ConfigError(f"{out} holds a {MANIFEST} of its own.", "Give --out a new folder.")


def _row(prompt: Prompt, take: int) -> list[str]:
    duration = "" if prompt.duration_s is None else f"{prompt.duration_s:g}"
    sheet = [prompt.language, duration, prompt.description, lyrics.to_lines(prompt.sections)]
    return [prompt.id, str(take), file_name(prompt.id, take), "", "", *(_no_formula(text) for text in sheet)]


def file_name(prompt_id: str, take: int) -> str:
    """Where a song is expected, relative to the folder."""
    return f"{prompt_id}.take{take}{EXTENSION}"


def _no_formula(text: str) -> str:
    # Spreadsheets run what begins like this; these columns are only read by people.
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _record(prompt: Prompt, take: int) -> dict[str, Any]:
    return {
        "prompt_id": prompt.id,
        "take": take,
        "file": file_name(prompt.id, take),
        "language": prompt.language,
        "duration_s": prompt.duration_s,
        "description": prompt.description,
        "tags": {key: value for key, value in asdict(prompt.tags).items() if value},
        "lyrics": prompt.lyrics,
        "sections": [{"label": section.label, "lines": list(section.lines)} for section in prompt.sections],
    }


def _to_csv(rows: Sequence[Sequence[str]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    return out.getvalue().encode("utf-8-sig")  # the mark makes spreadsheets read UTF-8


def _to_json(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False)


def _readme(suite: Suite, prompts: Sequence[Prompt], takes: int) -> str:
    languages = ", ".join(dict.fromkeys(prompt.language for prompt in prompts))
    first = file_name(prompts[0].id, 0) if prompts else file_name("id", 0)
    n_songs = len(prompts) * takes
    each = "one song" if takes == 1 else f"{takes} songs (takes 0 to {takes - 1})"
    return f"""# Songs wanted: {suite.name} {suite.version}

Please make {each} for each of {len(prompts)} lyrics, {n_songs} in all (languages: {languages}).

1. Every lyric is a file in `lyrics/`; what is in brackets names the section and is not sung. `manifest.csv` opens in
   any spreadsheet and has the same lyrics with the style (`tags`) and the length in seconds; `manifest.jsonl` is the
   same for programs.
2. Take the first song that your system makes for a lyric and its tags. Please do not choose the best of several: all
   systems are compared on what they make at the first try.
3. Put the audio into this folder under the name in the column `file`, for example `{first}`. WAV or FLAC at the
   system's own sample rate is best; MP3, OGG and AIFF work too: then change the name in the column `file`.
4. If your system gives stems, put them beside the song and name them in the columns `vocals` and `accompaniment`.
   Leave both empty otherwise.
5. If a song cannot be made, leave its line as it is and its file out. It counts as failed; the rest is measured.

Do not change `prompt_id` and `take`. Please add a line on how the songs were made: system and version, date, settings.

To check the folder (every file is opened):

```
evalkit validate FOLDER
```

To measure it:

```
evalkit run --suite {suite.name} --takes {takes} --system NAME=FOLDER
```

Licence of the lyrics: {suite.licence}.
"""
