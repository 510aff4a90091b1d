"""What the page plays and lists: songs, prompts, and the values of every pair, as rows for its script.

Which of the two systems is called A is decided by the prompt alone, so that a listener cannot learn it from the order
and finds it again on the next visit.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from evalkit.baseline import BaselineData
from evalkit.contrasts import Contrasts
from evalkit.pairing import orientation
from evalkit.stats import PromptValues
from evalkit.store import RunData
from evalkit.types import Prompt, Song
from reports import numbers
from reports.compare.contenders import Contender
from reports.compare.page import MetricView
from reports.view_songs import data_uri, files_of, tags_of

MAX_DETAILED = 1_000
"""Songs that keep their waveform, and their audio if it is embedded: those of the prompts that differ most."""

MAX_LYRICS = 4_000


@dataclass(slots=True)
class Album:
    """Songs and prompts that the page knows, each once, however many opponents there are.

    Args:
        out: Folder of the page; links are relative to it.
        embed_audio: Put the audio of detailed songs into the page.
    """

    out: Path
    embed_audio: bool = False
    songs: list[dict[str, Any]] = field(default_factory=list)
    prompts: list[dict[str, Any]] = field(default_factory=list)
    details: dict[int, dict[str, Any]] = field(default_factory=dict)
    _songs: dict[tuple[int, str], int] = field(default_factory=dict)
    _prompts: dict[tuple[int, str], int] = field(default_factory=dict)
    _prefixes: dict[int, str | None] = field(default_factory=dict)

    def song(self, run: RunData, song: Song) -> int:
        """Place of a song in ``songs``."""
        key = (id(run), song.id)
        if key not in self._songs:
            self._songs[key] = len(self.songs)
            row: dict[str, Any] = {"a": self._audio(run, song), "n": numbers.duration(song.duration_s), "k": song.take}
            if song.status != "ok":
                row["x"] = song.reason
            self.songs.append(row)
        return self._songs[key]

    def prompt(self, run: RunData, prompt: Prompt) -> int:
        """Place of a prompt in ``prompts``."""
        key = (id(run), prompt.id)
        if key not in self._prompts:
            self._prompts[key] = len(self.prompts)
            self.prompts.append(
                {
                    "p": prompt.id,
                    "l": prompt.language,
                    "d": prompt.description or prompt.tags.description,
                    "t": [tag for _, tag in tags_of(prompt.tags)],
                    "y": _lyrics(prompt),
                }
            )
        return self._prompts[key]

    def detail(self, run: RunData, song: Song) -> None:
        """Keep the waveform of a song, while there is room."""
        place = self._songs[id(run), song.id]
        if place in self.details or len(self.details) >= MAX_DETAILED:
            return
        overview = run.overview(song)
        found: dict[str, Any] = {}
        if overview is not None:  # the waveform is a fiftieth of the spectrogram, and enough to seek by
            found["overview"] = {key: overview[key] for key in ("duration_s", "peaks") if key in overview}
        if self.embed_audio:
            found["audio"] = [data_uri(run.folder, path) for _, path in files_of(song)]
        self.details[place] = found

    def _audio(self, run: RunData, song: Song) -> list[tuple[str, str | None]]:
        prefix = self._prefix(run)
        there = os.path.isfile  # much quicker than Path over tens of thousands of files
        return [
            (label, prefix + quote(path) if prefix is not None and there(f"{run.folder}/{path}") else None)
            for label, path in files_of(song)
        ]

    def _prefix(self, run: RunData) -> str | None:
        """From the page to a run's folder; None for a baseline file, which has no audio."""
        if id(run) not in self._prefixes:
            base = None
            if not run.folder.is_file():
                relative = os.path.relpath(run.folder.resolve(), self.out.resolve())
                base = "" if relative == "." else quote(Path(relative).as_posix()) + "/"
            self._prefixes[id(run)] = base
        return self._prefixes[id(run)]


def make_data(
    album: Album, candidate: Contender, opponent: Contender, contrasts: Contrasts, metrics: Sequence[MetricView]
) -> Mapping[str, Any]:
    """Rows of one duel: prompts, their songs on both sides, and both values of every metric."""
    ours, theirs = (_by_prompt(contender) for contender in (candidate, opponent))
    place_of = {prompt_id: place for place, prompt_id in enumerate(contrasts.prompt_ids)}
    values = []
    for view in metrics:
        row = contrasts.row(view.measure.name)
        shown = [
            _column(side, place_of, view.measure.scale, view.measure.digits + 2)
            for side in (row.candidate_values, row.baseline_values)
        ]
        values.append(shown)
    # A baseline file has lost the text of its prompts.
    texts = opponent.run if isinstance(candidate.run, BaselineData) else candidate.run
    rows = [
        {
            "p": album.prompt(texts, texts.prompts[prompt_id]),
            "c": [album.song(candidate.run, song) for song in ours.get(prompt_id, ())],
            "b": [album.song(opponent.run, song) for song in theirs.get(prompt_id, ())],
            "x": int(swapped(prompt_id)),
        }
        for prompt_id in contrasts.prompt_ids
    ]
    for prompt_id in _most_different(contrasts, metrics):
        for contender, songs in ((candidate, ours), (opponent, theirs)):
            for song in songs.get(prompt_id, ()):
                album.detail(contender.run, song)
    return {
        "rows": rows,
        "values": values,
        "measures": [
            {
                "name": view.measure.name,
                "title": view.measure.title,
                "suffix": view.measure.suffix,
                "digits": view.measure.digits,
                "sign": orientation(contrasts.row(view.measure.name).metric),
                "distance": view.compared != "value",
                "headline": view.measure.headline,
            }
            for view in metrics
        ],
    }


def swapped(prompt_id: str) -> bool:
    """Whether the opponent is A for this prompt; follows from the prompt alone."""
    return bool(hashlib.sha256(f"listening\n{prompt_id}".encode()).digest()[0] & 1)


def _by_prompt(contender: Contender) -> dict[str, list[Song]]:
    found: dict[str, list[Song]] = {}
    for song in sorted(contender.run.songs, key=lambda song: song.take):
        if song.system == contender.system:
            found.setdefault(song.prompt_id, []).append(song)
    return found


def _column(values: PromptValues, place_of: Mapping[str, int], scale: float, digits: int) -> list[float | None]:
    column: list[float | None] = [None] * len(place_of)
    for prompt_id, above, below in zip(values.prompt_ids, values.numerators, values.denominators, strict=True):
        if below > 0:
            column[place_of[prompt_id]] = round(float(above / below) * scale, digits)
    return column


def _most_different(contrasts: Contrasts, metrics: Sequence[MetricView]) -> list[str]:
    """Prompts by their difference in the first headline metric, then all others in suite order."""
    chosen = [view for view in metrics if view.measure.headline] or list(metrics[:1])
    if not chosen:
        return list(contrasts.prompt_ids)
    row = contrasts.row(chosen[0].measure.name)
    ours, theirs = row.candidate_values, row.baseline_values
    sizes = {
        prompt_id: abs(float(a / c - b / d))
        for prompt_id, a, c, b, d in zip(
            ours.prompt_ids, ours.numerators, ours.denominators, theirs.numerators, theirs.denominators, strict=True
        )
        if c > 0 and d > 0
    }
    return sorted(contrasts.prompt_ids, key=lambda prompt_id: -sizes.get(prompt_id, -1.0))


def _lyrics(prompt: Prompt) -> list[tuple[str, list[str]]]:
    room = MAX_LYRICS
    found = []
    for section in prompt.sections:
        lines = []
        for line in section.lines:
            if room > 0:
                lines.append(line[:room])
                room -= len(line)
        found.append((section.label[:60], lines))
    return found
