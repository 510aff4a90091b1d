"""A folder of songs to compare with, opened like the songs of a run."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from evalkit.audio import load
from evalkit.cache import ResultCache
from evalkit.derived import Derived, record_key
from evalkit.errors import ConfigError
from evalkit.files import file_sha256
from evalkit.types import Clip, Prompt, SetSong, Song

EXTENSIONS = frozenset({".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff", ".opus"})


class ReferenceSet:
    """All audio files below a folder, known by their content: names and places do not matter.

    Args:
        folder: Searched with its subfolders.

    Raises:
        ConfigError: there is no such folder, or no audio in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.expanduser()
        if not self.folder.is_dir():
            raise ConfigError(f"There is no reference folder {self.folder}.", "Name a folder of audio files.")
        found = (path for path in self.folder.rglob("*") if path.suffix.lower() in EXTENSIONS and path.is_file())
        self.files: Sequence[Path] = sorted(found)
        if not self.files:
            raise ConfigError(
                f"The reference folder {self.folder} holds no audio files.",
                f"Looked for {', '.join(sorted(EXTENSIONS))}.",
            )

    @cached_property
    def digests(self) -> Mapping[Path, str]:
        """SHA-256 of each file; those of files that look untouched are remembered."""
        memory = ResultCache()
        found = {}
        for path in self.files:
            state = path.stat()
            key = record_key(f"{path.resolve()} {state.st_size} {state.st_mtime_ns}", "digest")
            record = memory.get(key)
            if record is None:
                record = {"sha256": file_sha256(path)}
                memory.put(key, record)
            found[path] = str(record["sha256"])
        return found

    @property
    def signature(self) -> str:
        """How many different songs there are, and the beginning of a digest over all of them."""
        digests = sorted(set(self.digests.values()))
        return f"{len(digests)}songs@{sha256(chr(10).join(digests).encode()).hexdigest()[:12]}"

    def songs(self, beside: Derived) -> list[SetSong]:
        """The songs in the order of their digests, each once.

        Args:
            beside: Results of any song of the run; those of the reference are kept in the same place.
        """
        by_digest = {digest: path for path, digest in sorted(self.digests.items(), reverse=True)}
        return [reference_song(path, digest, beside) for digest, path in sorted(by_digest.items())]


def reference_song(path: Path, digest: str, beside: Derived) -> SetSong:
    """An audio file from outside the run, opened like a song of it.

    Args:
        path: The file.
        digest: Its SHA-256.
        beside: Results of any song of the run; those of this file are kept in the same place.
    """
    name = f"reference-{digest[:12]}"
    prompt = Prompt(id=name, language="und")
    song = Song(prompt_id=name, system="reference", take=0, seed=0, status="ok", path=path.name, sha256=digest)
    derived = beside.of_other({"mix": digest})
    return SetSong(
        prompt=prompt,
        song=song,
        derived=derived,
        open=lambda: Clip(prompt=prompt, song=song, mix=load(path), derived=derived),
    )
