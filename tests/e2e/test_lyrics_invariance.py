"""What must not change a lyric score: repetition, file format, level, order. With the real singer and Whisper."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks import loader
from evalkit import audio as audio_door
from evalkit.derived import Derived
from evalkit.evaluators.lyrics import LyricsEvaluator
from evalkit.types import Audio, Clip, Score, Song
from generation.systems.singer import SYSTEM

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.models, pytest.mark.timeout(900)]

PROMPTS = ("en-01", "es-01")
NEURAL_LIMIT = 0.01
"""A gain moves no rate by more than one per cent."""


@pytest.fixture(scope="module")
def model_folder() -> Callable[[str], Path]:
    from evalkit.errors import EvalkitError
    from evalkit.models.files import ModelFiles

    def find(name: str) -> Path:
        try:
            return ModelFiles().locate(name)
        except EvalkitError as error:
            pytest.skip(f"needs the model files of {name}: {error}")

    return find


@pytest.fixture(scope="module")
def songs(model_folder: Callable[[str], Path]) -> Mapping[str, Clip]:
    """Two short songs with their vocal stems."""
    for name in SYSTEM.required_models(""):
        model_folder(name)
    singer = SYSTEM("", model_folder)
    prompts = {prompt.id: prompt for prompt in loader.load("smoke").prompts}
    clips = {}
    for name in PROMPTS:
        made = singer.generate(prompts[name], take=0, seed=7)
        assert isinstance(made.mix, Audio)
        vocals = made.stems["vocals"]
        assert isinstance(vocals, Audio)
        song = Song(prompt_id=name, system="singer", take=0, seed=7, status="ok")
        clips[name] = Clip(prompt=prompts[name], song=song, mix=made.mix, stems={"vocals": vocals})
    return clips


@pytest.fixture(scope="module")
def subject(model_folder: Callable[[str], Path]) -> LyricsEvaluator:
    model_folder("whisper-base")
    return LyricsEvaluator({}, model_folder)


@pytest.fixture(scope="module")
def plain(songs: Mapping[str, Clip], subject: LyricsEvaluator) -> Mapping[str, list[Score]]:
    return {name: subject.score(clip) for name, clip in songs.items()}


def changed(clip: Clip, change: Callable[[Audio, str], Audio]) -> Clip:
    """The song with other audio, and nothing remembered of the old."""
    stems = {name: change(audio, name) for name, audio in clip.stems.items()}
    return replace(clip, mix=change(clip.mix, "mix"), stems=stems, derived=Derived())


def test_the_songs_are_understood(plain: Mapping[str, list[Score]]) -> None:
    """Else nothing below would mean much."""
    for scores in plain.values():
        found = {score.metric: score.value for score in scores}
        assert found["per_vocals"] is not None
        assert found["per_vocals"] < 0.4
        assert found["lang_acc"] == 1.0
        assert found["collapse_rate"] == found["section_omission_rate"] == 0.0


def test_again_in_another_order_by_another_evaluator(
    songs: Mapping[str, Clip], plain: Mapping[str, list[Score]], model_folder: Callable[[str], Path]
) -> None:
    other = LyricsEvaluator({}, model_folder)
    for name in reversed(PROMPTS):
        assert other.score(replace(songs[name], derived=Derived())) == plain[name]


def test_another_file_format(
    songs: Mapping[str, Clip], plain: Mapping[str, list[Score]], subject: LyricsEvaluator, tmp_path: Path
) -> None:
    name = PROMPTS[1]
    by_format = []
    for ending, subtype in (("flac", "PCM_24"), ("wav", "PCM_24"), ("wav", "FLOAT")):

        def save(audio: Audio, source: str, ending: str = ending, subtype: str = subtype) -> Audio:
            path = tmp_path / f"{source}.{ending}"
            soundfile.write(path, audio.samples.T, audio.sample_rate, subtype=subtype)
            return audio_door.load(path)

        by_format.append(subject.score(changed(songs[name], save)))
    assert by_format[0] == by_format[1]
    values = [
        [score.value for score in scores if score.metric.startswith(("wer", "cer", "per"))] for scores in by_format
    ]
    assert values[0] == values[2] == [s.value for s in plain[name] if s.metric.startswith(("wer", "cer", "per"))]


@pytest.mark.parametrize("gain_db", [6.0, -6.0])
def test_a_gain_moves_no_rate_by_more_than_one_per_cent(
    songs: Mapping[str, Clip], plain: Mapping[str, list[Score]], subject: LyricsEvaluator, gain_db: float
) -> None:
    factor = np.float32(10.0 ** (gain_db / 20.0))
    for name, clip in songs.items():
        louder = changed(clip, lambda audio, _: replace(audio, samples=audio.samples * factor))
        for before, after in zip(plain[name], subject.score(louder), strict=True):
            assert (before.value is None) == (after.value is None)
            if before.value is not None and after.value is not None:
                slack = 0.05 if before.metric in ("late_start", "early_end", "sing_rate") else NEURAL_LIMIT
                assert after.value == pytest.approx(before.value, abs=slack), before.metric
