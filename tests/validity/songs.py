"""Short songs of the embedded singer, sung once and kept in the cache by what they are made from."""

import hashlib
import itertools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import generation
from evalkit import lyrics
from evalkit.audio import decoded_sha256, load, save_flac
from evalkit.cache import ResultCache, cache_dir
from evalkit.derived import Derived
from evalkit.models.files import ModelFiles
from evalkit.types import Audio, Clip, Prompt, Song, Tags

SEED = 7
MARGIN_S = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class SungSong:
    """A song with its stems and the times of its lines."""

    prompt: Prompt
    vocals: Audio
    accompaniment: Audio
    params: dict[str, Any] = field(hash=False)

    @property
    def rate(self) -> int:
        return self.vocals.sample_rate

    @property
    def lines(self) -> list[tuple[float, float]]:
        """Begin and end of each line in seconds."""
        return [(line["start_s"], line["end_s"]) for line in self.params["lines"]]

    def sections(self) -> list[tuple[float, float]]:
        """Begin and end of each sung section: halfway between the last line before and the first line after."""
        found, at = [], 0
        for section in self.prompt.sections:
            if section.is_sung:
                found.append((self.lines[at][0], self.lines[at + len(section.lines) - 1][1]))
                at += len(section.lines)
        cuts = [(before[1] + after[0]) / 2 for before, after in itertools.pairwise(found)]
        starts = [max(0.0, found[0][0] - 0.3), *cuts]
        return list(zip(starts, [*cuts, found[-1][1] + 0.3], strict=True))


def make_prompt(name: str, language: str, text: str, **tags: Any) -> Prompt:
    parsed = lyrics.parse(text)
    return Prompt(id=name, language=language, lyrics=lyrics.to_official(parsed), sections=parsed, tags=Tags(**tags))


PROMPTS = {
    prompt.id: prompt
    for prompt in (
        make_prompt(
            "three-en",
            "en",
            "[verse]\nPaint the morning yellow and blue\nOpen the curtains and bring in the view\n"
            "[chorus]\nThunder rolls along the highway\nEngines roar beneath the rain\n"
            "[bridge]\nWillow leaves are drifting slowly\nUnderneath an open sky",
            gender="female", genre="pop", emotion="happy", instruments=("piano", "drums"), bpm=116,
        ),
        make_prompt(
            "chorus-en",
            "en",
            "[verse]\nCoffee growing cold at midnight\n[chorus]\nWe are dancing over the bridge\n"
            "Every step is a brand new wish\n[verse]\nSilver river, slow and deep\n[chorus]\n"
            "We are dancing over the bridge\nEvery step is a brand new wish",
            gender="male", genre="rock", emotion="energetic", instruments=("electric guitar", "drums"), bpm=126,
        ),
        make_prompt(
            "three-es",
            "es",
            "[verse]\nCanta la noche sobre el mar\ny la luna vuelve a casa\n"
            "[chorus]\nQuiero bailar hasta el amanecer\ncon las estrellas en mis manos\n"
            "[bridge]\nLa calle duerme en silencio\nbajo la lluvia de abril",
            gender="female", genre="folk", emotion="calm", instruments=("acoustic guitar",), bpm=104,
        ),
        make_prompt(
            "chorus-it",
            "it",
            "[verse]\nLa mattina profuma di pane\n[chorus]\nCanta con me questa canzone\nfinché la notte se ne va\n"
            "[verse]\nUna barca torna dal mare\n[chorus]\nCanta con me questa canzone\nfinché la notte se ne va",
            gender="female", genre="pop", emotion="happy", instruments=("piano", "bass"), bpm=112,
        ),
    )
}  # fmt: skip


def sing(name: str, *, whole: bool = False) -> SungSong:
    """A song, from the cache if the same code sang the same prompt before.

    Args:
        name: Of `PROMPTS`.
        whole: With the band's intro and outro; else from 1.5 s before the first line to 1.5 s after the last, so that
            Whisper needs to listen once.
    """
    prompt = PROMPTS[name]
    folder = cache_dir() / "validity" / _key(prompt)
    if not (folder / "params.json").exists():
        from generation.systems.singer import Singer

        made = Singer("", ModelFiles().locate).generate(prompt, take=0, seed=SEED)
        for stem in ("vocals", "accompaniment"):
            save_flac(made.stems[stem], folder / f"{stem}.flac")
        (folder / "params.json").write_text(json.dumps(made.params))
    song = SungSong(
        prompt=prompt,
        vocals=load(folder / "vocals.flac"),
        accompaniment=load(folder / "accompaniment.flac"),
        params=json.loads((folder / "params.json").read_text()),
    )
    return song if whole else _cropped(song)


def _cropped(song: SungSong) -> SungSong:
    start_s = max(0.0, song.lines[0][0] - MARGIN_S)
    span = slice(round(start_s * song.rate), round((song.lines[-1][1] + MARGIN_S) * song.rate))
    moved = [{"start_s": start - start_s, "end_s": end - start_s} for start, end in song.lines]
    vocals, band = (
        Audio(samples=np.ascontiguousarray(stem.samples[:, span]), sample_rate=song.rate)
        for stem in (song.vocals, song.accompaniment)
    )
    return SungSong(prompt=song.prompt, vocals=vocals, accompaniment=band, params={"lines": moved})


def make_clip(prompt: Prompt, vocals: np.ndarray, accompaniment: np.ndarray, rate: int) -> Clip:
    """What the evaluators are given; transcripts are kept on disk by the audio's content."""
    mix = Audio(samples=(vocals + accompaniment).astype(np.float32), sample_rate=rate)
    voice = Audio(samples=vocals.astype(np.float32), sample_rate=rate)
    return Clip(
        prompt=prompt,
        song=Song(prompt_id=prompt.id, system="singer", take=0, seed=SEED, status="ok"),
        mix=mix,
        stems={"vocals": voice},
        derived=Derived({"mix": decoded_sha256(mix), "vocals": decoded_sha256(voice)}, ResultCache()),
    )


def _key(prompt: Prompt) -> str:
    root = Path(generation.__file__).parent
    digest = hashlib.sha256(f"{prompt.lyrics}\n{prompt.language}\n{prompt.tags}\n{SEED}".encode())
    for folder in ("singing", "band"):
        for path in sorted((root / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
