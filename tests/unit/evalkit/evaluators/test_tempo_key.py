"""Tempo, key and register of the voice as scores: what is right, what is not applicable, what stays the same."""

from collections.abc import Mapping

import numpy as np
import pytest

from evalkit.errors import ConfigError
from evalkit.evaluators.tempo_key import TempoKeyEvaluator
from evalkit.evaluators.vocal_gender import VocalGenderEvaluator, gender
from evalkit.signal.f0 import F0Track
from evalkit.types import Audio, Clip, FloatArray, Prompt, Score, Song, Tags

RATE = 16_000


def song(bpm: float = 100.0, duration_s: float = 16.0) -> FloatArray:
    """A drum on every beat over a held chord of C major."""
    time = np.arange(round(duration_s * RATE)) / RATE
    phase = time % (60.0 / bpm)
    drum = 0.4 * np.sin(2 * np.pi * 1200 * phase) * np.exp(-60 * phase)
    chord = sum(0.05 * np.sin(2 * np.pi * hz * time) for hz in (261.63, 329.63, 392.0, 523.25))
    return (drum + chord).astype(np.float32)


def voice(hz: FloatArray | float, duration_s: float = 8.0) -> FloatArray:
    """A pulse-like tone with many harmonics, at one pitch or gliding over given ones."""
    time = np.arange(round(duration_s * RATE)) / RATE
    line = np.interp(time, np.linspace(0, duration_s, np.size(hz)), np.atleast_1d(hz))
    phase = 2 * np.pi * np.cumsum(line) / RATE
    return (0.2 * sum(np.sin(n * phase) / n for n in range(1, 12))).astype(np.float32)


def clip(tags: Tags, mix: FloatArray, vocals: FloatArray | None = None) -> Clip:
    audio = {
        name: Audio(samples=x[None], sample_rate=RATE)
        for name, x in (("mix", mix), ("vocals", vocals))
        if x is not None
    }
    stems = {name: sound for name, sound in audio.items() if name != "mix"}
    made = Song(prompt_id="p", system="s", take=0, seed=1, status="ok")
    return Clip(prompt=Prompt(id="p", language="en", tags=tags), song=made, mix=audio["mix"], stems=stems)


def tempo(tags: Tags, mix: FloatArray) -> Mapping[str, Score]:
    return {
        score.metric: score for score in TempoKeyEvaluator({}, lambda name: pytest.fail(name)).score(clip(tags, mix))
    }


def sung(tags: Tags, vocals: FloatArray | None) -> Mapping[str, Score]:
    evaluator = VocalGenderEvaluator({}, lambda name: pytest.fail(name))
    return {score.metric: score for score in evaluator.score(clip(tags, song(), vocals))}


@pytest.mark.parametrize(
    ("asked", "acc1", "acc2"), [(100, 1, 1), (103.9, 1, 1), (105, 0, 0), (200, 0, 1), (50, 0, 1), (130, 0, 0)]
)
def test_the_tempo_asked_for(asked: float, acc1: int, acc2: int) -> None:
    found = tempo(Tags(bpm=asked), song(100.0))
    assert found["tempo_bpm"].value == pytest.approx(100.0, rel=0.01)
    assert (found["tempo_acc1"].value, found["tempo_acc2"].value) == (acc1, acc2)
    assert found["tempo_acc1"].details["wanted_bpm"] == asked


def test_no_tempo_and_no_key_in_the_prompt() -> None:
    found = tempo(Tags(genre="pop"), song())
    assert found["tempo_acc1"].status == found["tempo_acc2"].status == "not_applicable"
    assert "names no tempo" in found["tempo_acc1"].reason
    assert found["key_score"].status == "not_applicable"
    assert found["tempo_bpm"].status == found["key_margin"].status == "ok"


@pytest.mark.parametrize(
    ("asked", "wanted"), [("C major", 1.0), ("F major", 0.5), ("A minor", 0.3), ("C minor", 0.2), ("E major", 0.0)]
)
def test_the_key_asked_for(asked: str, wanted: float) -> None:
    found = tempo(Tags(other=("slow", f"in {asked}")), song())
    assert found["key_score"].value == wanted
    assert found["key_score"].details == {"found": "C major", "wanted": asked}


def test_silence_has_neither() -> None:
    found = tempo(Tags(bpm=100), np.zeros(160_000, np.float32))
    assert {score.status for score in found.values()} == {"not_applicable"}


def test_a_short_song_fails() -> None:
    assert {score.status for score in tempo(Tags(bpm=100), song(duration_s=3.0)).values()} == {"failed"}
    assert {score.status for score in sung(Tags(gender="male"), None).values()} == {"not_applicable"}


@pytest.mark.parametrize(
    ("hz", "asked", "hit"),
    [(120.0, "male", 1), (120.0, "female", 0), (280.0, "female", 1), (280.0, "man", 0), (120.0, "duet", 0)],
)
def test_register_and_gender(hz: float, asked: str, hit: int) -> None:
    found = sung(Tags(gender=asked), voice(hz))
    assert found["vocal_f0"].value == pytest.approx(hz, rel=0.02)
    assert found["f0_gender_acc"].value == hit
    assert found["f0_gender_decided"].value == 1


def test_between_the_registers_nothing_is_said() -> None:
    found = sung(Tags(gender="female"), voice(190.0))
    assert found["f0_gender_acc"].status == "not_applicable"
    assert "between the registers" in found["f0_gender_acc"].reason
    assert found["f0_gender_decided"].value == 0


def test_low_and_high_seconds_are_a_mixed_song() -> None:
    both = np.concatenate([voice(120.0, 4.0), voice(280.0, 4.0)])
    assert sung(Tags(gender="mixed"), both)["f0_gender_acc"].value == 1
    few = np.concatenate([voice(120.0, 9.0), voice(280.0, 1.0)])
    assert sung(Tags(gender="male"), few)["f0_gender_acc"].value == 1


def test_what_cannot_be_said_about_a_voice() -> None:
    assert "no vocal stem" in sung(Tags(gender="male"), None)["vocal_f0"].reason
    assert "0.0 s only" in sung(Tags(gender="male"), np.zeros(160_000, np.float32))["vocal_f0"].reason
    found = sung(Tags(), voice(120.0))
    assert found["vocal_f0"].status == "ok"
    assert "no gender" in found["f0_gender_acc"].reason
    assert gender(F0Track(hz=np.zeros(100, np.float32))) is None


def test_options_are_refused() -> None:
    for make in (TempoKeyEvaluator, VocalGenderEvaluator):
        with pytest.raises(ConfigError, match="has no options, got 'x'"):
            make({"x": 1}, lambda name: pytest.fail(name))


def test_gain_changes_nothing() -> None:
    for gain in (0.5, 2.0):
        loud, soft = (tempo(Tags(bpm=100, other=("C major",)), g * song()) for g in (1.0, gain))
        for name, score in loud.items():
            assert soft[name].value == pytest.approx(score.value, rel=1e-3), name
