"""What the measures of style do when the prompt is another, or a song is played faster, softer or from another file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from validity.songs import SungSong, make_clip, sing
from validity.table import Reaction

from evalkit import runfolder
from evalkit.audio import load, save_flac
from evalkit.evaluators._tag_metrics import average_precision
from evalkit.evaluators.base import EVALUATORS
from evalkit.evaluators.tempo_key import OCTAVES, is_near
from evalkit.models.files import ModelFiles
from evalkit.types import Audio, Clip, Score, Tags

EVALUATOR_NAMES = ("tags", "tempo-key", "vocal-gender")
FASTER = (0.0, 0.05, 0.1, 0.2)


def scores(clip: Clip, *names: str) -> dict[str, Score]:
    locate = ModelFiles().locate
    made = (EVALUATORS.get(name)({}, locate) for name in names or EVALUATOR_NAMES)
    return {score.metric: score for evaluator in made for score in evaluator.score(clip)}


def clip_of(song: SungSong, *, faster: float = 0.0, tags: Tags | None = None, gain: float = 1.0) -> Clip:
    """A song, played faster (and so higher) by a share, under another prompt, or at another level."""
    rate = round(song.rate * (1.0 + faster))
    prompt = replace(song.prompt, tags=tags or song.prompt.tags)
    return make_clip(prompt, gain * song.vocals.samples, gain * song.accompaniment.samples, rate)


def faster(names: Sequence[str]) -> list[Reaction]:
    """Played faster, as a tape would be: tempo and pitch of the voice rise together, the steadiness stays."""
    measured: dict[str, dict[str, list[float]]] = {}
    for name in names:
        for dose in FASTER:
            found = scores(clip_of(sing(name), faster=dose), "tempo-key", "vocal-gender")
            for metric in ("tempo_bpm", "vocal_f0", "tempo_stability"):
                value = found[metric].value
                assert value is not None, found[metric].reason
                measured.setdefault(metric, {}).setdefault(name, []).append(value)
    return [
        Reaction(
            change="played faster", doses=FASTER, metric=metric, values=values,
            expected="stays" if metric == "tempo_stability" else "rises", tolerance=0.03,
        )
        for metric, values in measured.items()
    ]  # fmt: skip


def wrong_prompts(song: SungSong) -> dict[str, Tags]:
    """The song's tags with one of them changed."""
    tags = song.prompt.tags
    assert tags.bpm is not None
    return {
        "tempo": replace(tags, bpm=tags.bpm * 1.25),
        "gender": replace(tags, gender="male" if tags.gender == "female" else "female"),
        "genre": replace(tags, genre="classical" if tags.genre == "rock" else "metal"),
    }


def unchanged(name: str, place: Path) -> list[tuple[str, dict[str, Score], dict[str, Score]]]:
    """A song beside copies that sound the same: softer, louder, from another file, after another song."""
    song = sing(name)
    plain = scores(clip_of(song))
    cases = [(f"{20 * np.log10(gain):+.0f} dB", scores(clip_of(song, gain=gain))) for gain in (0.5, 2.0)]
    copies = []
    for stem in (song.vocals, song.accompaniment):
        # 24 bits, as the run folder has it.
        save_flac(Audio(samples=0.4 * stem.samples, sample_rate=stem.sample_rate), place / "copy.flac")
        copies.append(load(place / "copy.flac").samples / np.float32(0.4))
    cases.append(("FLAC", scores(make_clip(song.prompt, copies[0], copies[1], song.rate))))
    return [(label, plain, found) for label, found in cases]


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossed:
    """A measure with the song's own prompt, and with all other prompts that ask for something else."""

    metric: str
    own: float
    others: float
    chance: str
    n: int


def crossed(folder: Path) -> list[Crossed]:
    """Own prompt against others, from what a run over a suite has recorded about each song."""
    run = runfolder.load(folder)
    rows: dict[str, list[Mapping[str, Any]]] = {}
    for score in run.scores:
        if score.status == "ok" and score.evaluator in EVALUATOR_NAMES:
            rows.setdefault(score.metric, []).append(score.details)

    def row(metric: str, hit: Any, wanted: str, chance: str) -> Crossed:
        found = rows[metric]
        own = [hit(one, one[wanted]) for one in found]
        others = [hit(one, other[wanted]) for one in found for other in found if other[wanted] != one[wanted]]
        return Crossed(
            metric=metric, own=float(np.mean(own)), others=float(np.mean(others)), chance=chance, n=len(found)
        )

    def share(metric: str) -> str:
        return f"{np.mean([one['chance'] for one in rows[metric]]):.0%}"

    def first(one: Mapping[str, Any], wanted: str) -> bool:
        return one["heard"][0] == wanted

    def fits(one: Mapping[str, Any], bpm: float) -> bool:
        return any(is_near(one["found_bpm"] * by, bpm) for by in OCTAVES)

    return [
        row("tempo_acc1", lambda one, bpm: is_near(one["found_bpm"], bpm), "wanted_bpm", "–"),
        row("tempo_acc2", fits, "wanted_bpm", "–"),
        row("f0_gender_acc", lambda one, gender: one["found"] == gender, "wanted", "33%"),
        row("tagger_gender_acc", first, "wanted", share("tagger_gender_acc")),
        row("tagger_gender_vocals_acc", first, "wanted", share("tagger_gender_vocals_acc")),
        row("tagger_genre_acc", first, "wanted", share("tagger_genre_acc")),
        row("tagger_genre_top3", lambda one, genre: genre in one["heard"][:3], "wanted", "21%"),
        row("tagger_emotion_acc", first, "wanted", share("tagger_emotion_acc")),
        row(
            "tagger_instrument_ap",
            lambda one, wanted: average_precision(one["heard"], wanted),
            "wanted",
            share("tagger_instrument_ap"),
        ),
    ]  # fmt: skip
