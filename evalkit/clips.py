"""Opens the songs of a run folder for the evaluators."""

import json
from pathlib import Path

from evalkit.audio import load
from evalkit.derived import Derived, Store
from evalkit.errors import AudioError
from evalkit.files import file_sha256, write_atomically
from evalkit.overview import overview
from evalkit.store import overview_path
from evalkit.types import Clip, Prompt, SetSong, Song


def open_clip(folder: Path, song: Song, prompt: Prompt, store: Store | None = None) -> Clip:
    """Decode a song and its stems, once, and see to it that the picture the report draws of it is there.

    Args:
        folder: The run folder.
        song: From ``songs.jsonl``.
        prompt: Its prompt.
        store: Where derived results are kept beyond this song.

    Raises:
        AudioError: the song was not made, or its file is gone, changed or cannot be read.
    """
    if song.status != "ok" or song.path is None:
        raise AudioError(f"The song was not made: {song.reason}")
    path = folder / song.path
    if not path.is_file():
        raise AudioError(f"The file {song.path} is gone.")
    digest = file_sha256(path)
    if song.sha256 and digest != song.sha256:
        raise AudioError(f"The file {song.path} was changed after it was made (its SHA-256 differs).")
    mix = load(path)
    stems = {name: load(folder / stem) for name, stem in song.stems.items()}
    view = folder / overview_path(song.path)
    if not view.exists():
        write_atomically(view, json.dumps(overview(mix), separators=(",", ":")).encode())
    digests = {"mix": digest}
    if store is not None:
        digests |= {name: file_sha256(folder / stem) for name, stem in song.stems.items()}
    return Clip(prompt=prompt, song=song, mix=mix, stems=stems, derived=Derived(digests, store))


def unopened(folder: Path, song: Song, prompt: Prompt, store: Store | None = None) -> SetSong:
    """A song for set evaluators: stored results of its mix are found without decoding it."""
    digests = {"mix": song.sha256} if song.sha256 else {}
    return SetSong(
        prompt=prompt,
        song=song,
        derived=Derived(digests, store),
        open=lambda: open_clip(folder, song, prompt, store),
    )
