"""Songs, worst first: values, reasons, audio links, lyrics, and what the page draws of each."""

import base64
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from evalkit.errors import StoreError
from evalkit.store import RunData
from evalkit.types import Prompt, Song, Tags
from reports import lyric_view, numbers
from reports.index import Index
from reports.report import Fact, Measure, SongView
from reports.view_summary import STATUS_LABELS, headline

MAX_DETAILED = 400
"""Songs of a huge run that keep lyrics and spectrogram in the page: about 40 kB each."""

STEM_LABELS = {"vocals": "Vocals", "accompaniment": "Accompaniment"}
MIME_TYPES = {
    ".flac": "audio/flac",
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".m4a": "audio/mp4",
}


def make_songs(index: Index, *, embed_audio: bool) -> tuple[SongView, ...]:
    """All songs, worst first by the first headline measure; songs without that value come last."""
    chosen = headline(index)
    ordered = worst_first(index, chosen[0]) if chosen else list(index.songs)
    place_of = {system.name: place for place, system in enumerate(index.systems)}
    return tuple(
        _song(index, song, place_of[song.system], detailed=place < MAX_DETAILED, embed_audio=embed_audio)
        for place, song in enumerate(ordered)
    )


def songs_note(index: Index, *, embed_audio: bool) -> str:
    """What was left out of a huge report, or nothing."""
    if len(index.songs) <= MAX_DETAILED:
        return ""
    what = "Lyrics, spectrograms and embedded audio" if embed_audio else "Lyrics and spectrograms"
    return (
        f"{what} are kept in this page for the {MAX_DETAILED} worst of {len(index.songs):,} songs; "
        "scores and links for all. The rest is in the run folder."
    )


def worst_first(index: Index, measure: Measure) -> list[Song]:
    """Songs by badness in the measure's own direction, then in suite order; without a value, then calibration last."""

    def badness(song: Song) -> float | None:
        score = index.scores.get(song.id, {}).get(measure.index)
        if score is None or score.value is None:
            return None
        return _badness(measure, score.value * measure.scale)

    calibration = {system.name for system in index.systems if system.calibration}
    keyed = [(song, badness(song)) for song in index.songs]
    ordered = sorted(keyed, key=lambda item: (item[0].system in calibration, item[1] is None, -(item[1] or 0.0)))
    return [song for song, _ in ordered]


def _badness(measure: Measure, shown: float) -> float:
    if measure.direction == "lower":
        return shown
    if measure.direction == "higher":
        return -shown
    if measure.direction == "target" and measure.good is not None:
        low, high = measure.good
        return max(0.0 if low is None else low - shown, 0.0 if high is None else shown - high, 0.0)
    return 0.0


def _song(index: Index, song: Song, system: int, *, detailed: bool, embed_audio: bool) -> SongView:
    prompt = index.prompt(song)
    scores = index.scores.get(song.id, {})
    language = index.language(song)
    values = []
    for measure in index.measures:
        score = scores.get(measure.index)
        missing = score is None or score.value is None
        values.append(None if missing else round(score.value * measure.scale, measure.digits))  # type: ignore[union-attr,operator]
    ordered = [scores[key] for key in sorted(scores)]
    return SongView(
        id=song.id,
        prompt_id=song.prompt_id,
        system=system,
        take=song.take,
        language=language,
        status=song.status,
        reason=song.reason,
        description=prompt.description or prompt.tags.description if prompt else "",
        tags=tuple(tag for _, tag in tags_of(prompt.tags)) if prompt else (),
        duration=numbers.duration(song.duration_s),
        values=tuple(values),
        missing={
            key: (STATUS_LABELS[score.status], score.reason)
            for key, score in sorted(scores.items())
            if score.value is None
        },
        counts=lyric_view.edit_counts(ordered),
        audio=_audio(index.run, song),
        facts=_facts(song, prompt),
        detail=_detail(index, song, language, embed_audio=embed_audio) if detailed else None,
    )


def tags_of(tags: Tags) -> list[tuple[str, str]]:
    """Tags as (dimension, tag), in a fixed order."""
    single = (("gender", tags.gender), ("genre", tags.genre), ("emotion", tags.emotion))
    found = [(name, tag) for name, tag in single if tag]
    found += [("instrument", tag) for tag in tags.instruments]
    found += [("other", tag) for tag in tags.other]
    if tags.bpm is not None:
        found.append(("bpm", f"{tags.bpm:g} bpm"))
    return found


def files_of(song: Song) -> list[tuple[str, str]]:
    """The mix and the stems of a song as (label, path), vocals first."""
    mix = [("Mix", song.path)] if song.path else []
    stems = sorted(song.stems.items(), key=lambda stem: (stem[0] not in STEM_LABELS, stem[0] != "vocals", stem[0]))
    return mix + [(STEM_LABELS.get(name, name), path) for name, path in stems]


def _audio(run: RunData, song: Song) -> tuple[tuple[str, str | None], ...]:
    # Quoting leaves no scheme in a link, whatever a path claims to be.
    there = os.path.isfile  # much quicker than Path over 30,000 files
    return tuple((label, quote(path) if there(f"{run.folder}/{path}") else None) for label, path in files_of(song))


def _facts(song: Song, prompt: Prompt | None) -> tuple[Fact, ...]:
    facts = [Fact(label="Seed", value=str(song.seed))]
    if prompt is not None and prompt.duration_s is not None:
        facts.append(Fact(label="Asked for", value=numbers.duration(prompt.duration_s)))
    if song.duration_s is not None:
        facts.append(Fact(label="Length", value=f"{song.duration_s:.2f}{numbers.NBSP}s"))
    if song.sample_rate:
        channels = {1: "mono", 2: "stereo"}.get(song.channels or 0, f"{song.channels} channels")
        facts.append(Fact(label="Format", value=f"{song.sample_rate / 1000:g}{numbers.NBSP}kHz {channels}"))
    if song.generation_s is not None:
        facts.append(Fact(label="Made in", value=numbers.wall_time(song.generation_s)))
    if song.sha256:
        facts.append(Fact(label="SHA-256", value=song.sha256[:16] + "…"))
    facts += [Fact(label=str(key), value=_short(value)) for key, value in sorted(song.params.items())]
    return tuple(facts)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value) if isinstance(value, float) else str(value)
    return text if len(text) <= 120 else text[:119] + "…"


def _detail(index: Index, song: Song, language: str, *, embed_audio: bool) -> Mapping[str, Any]:
    prompt = index.prompt(song)
    scores: Sequence[Any] = [score for _, score in sorted(index.scores.get(song.id, {}).items())]
    position = {(index.metrics[k].name): k for k in reversed(range(len(index.metrics)))}
    transcripts = lyric_view.transcripts(scores, language)
    for entry in transcripts:
        entry["metric"] = position[entry["metric"]]
    detail: dict[str, Any] = {"transcripts": transcripts, "overview": index.run.overview(song)}
    if prompt is not None:
        detail["lyrics"] = [[section.label, list(section.lines)] for section in prompt.sections]
    if embed_audio:
        detail["audio"] = [data_uri(index.run.folder, path) for _, path in files_of(song)]
    return detail


def data_uri(folder: Path, path: str) -> str | None:
    """An audio file of a run as a data URI; None if it is not there.

    Raises:
        StoreError: the path leads out of the run folder.
    """
    file = (folder / path).resolve()
    if not file.is_relative_to(folder.resolve()):
        raise StoreError(f"The audio path {path!r} leads out of the run folder; it is not embedded.")
    if not file.is_file():
        return None
    mime = MIME_TYPES.get(file.suffix.lower(), "application/octet-stream")
    return f"data:{mime};base64,{base64.b64encode(file.read_bytes()).decode('ascii')}"
