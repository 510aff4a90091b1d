"""CLAP scores with vectors that say what the test wants."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from evalkit.audio import save_flac
from evalkit.derived import Derived
from evalkit.errors import ModelError
from evalkit.evaluators.clap import ClapEvaluator
from evalkit.evaluators.clap_control import ClapControlEvaluator
from evalkit.models.clap import ClapEmbedder
from evalkit.style import classes
from evalkit.style.sentences import sentence
from evalkit.types import Audio, Clip, FloatArray, Prompt, Score, SetSong, Song, Tags

DIM = 512
TAGS = Tags(gender="female", genre="jazz", emotion="sad", instruments=("piano", "guitar"))


class Plain(ClapEmbedder):
    """Every text has a direction of its own; a song has what it was told to have, by the prompt's id."""

    def __init__(self, songs: Mapping[str, FloatArray] | None = None) -> None:
        super().__init__({}, lambda name: Path(name))
        self.songs = dict(songs or {})

    def check(self) -> None:
        pass

    def is_cut(self, text: str) -> bool:
        return len(text) > 300

    def text(self, texts: Sequence[str]) -> FloatArray:
        return np.stack([direction(text) for text in texts])

    def prepare(self, songs: Sequence[Clip | SetSong], source: str = "mix") -> None:
        self.prepared = [song.prompt.id for song in songs]

    def windows(self, song: Clip | SetSong, source: str = "mix") -> FloatArray:
        if isinstance(song, Clip) and song.mix.duration_s <= 10.0 and "reference" in self.songs:
            return self.songs["reference"]
        return self.songs[song.prompt.id]


def direction(text: str) -> FloatArray:
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
    vector = np.random.default_rng(seed).standard_normal(DIM)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def of_class(dimension: classes.DimensionName, name: str) -> FloatArray:
    texts = classes.load().dimensions[dimension].sentences(name)
    return np.mean([direction(text) for text in texts], axis=0, keepdims=True).astype(np.float32)


def prompt(tags: Tags = TAGS, id: str = "p", audio: str | None = None) -> Prompt:
    return Prompt(id=id, language="en", tags=tags, description=tags.description, prompt_audio_path=audio)


def clip(asked: Prompt, duration_s: float = 20.0) -> Clip:
    audio = Audio(samples=np.ones((1, round(100 * duration_s)), np.float32), sample_rate=100)
    song = Song(prompt_id=asked.id, system="s", take=0, seed=1, status="ok")
    return Clip(prompt=asked, song=song, mix=audio, derived=Derived())


def scores(windows: FloatArray, asked: Prompt | None = None, **others: FloatArray) -> Mapping[str, Score]:
    evaluator = ClapEvaluator({}, lambda name: Path(name), Plain({"p": windows, **others}))
    return {score.metric: score for score in evaluator.score(clip(asked or prompt()))}


def test_mean_minimum_and_spread_over_windows() -> None:
    text = direction(sentence(TAGS))
    away = np.zeros(DIM, np.float32)
    away[int(np.argmin(np.abs(text)))] = 1.0
    away = away - (away @ text) * text
    away /= np.linalg.norm(away)
    found = scores(np.stack([5.0 * text, 0.1 * away]))  # lengths must not matter
    assert found["clap_ta"].value == pytest.approx(2**-0.5, abs=1e-5)
    assert found["clap_ta_min"].value == pytest.approx(0.0, abs=1e-5)
    assert found["clap_ta_std"].value == pytest.approx(0.5, abs=1e-5)
    assert found["clap_ta"].details["windows"] == [1.0, pytest.approx(0.0, abs=1e-4)]
    assert found["clap_r1"].value == 1.0
    assert found["clap_r1"].details["of"] == 10
    assert found["clap_ta_tags"].value < 0.3
    assert list(found) == [metric.name for metric in ClapEvaluator.metrics]


def test_the_style_line_is_another_metric() -> None:
    found = scores(direction(TAGS.description)[None])
    assert found["clap_ta_tags"].value == pytest.approx(1.0, abs=1e-5)
    assert found["clap_ta"].value < 0.3


@pytest.mark.parametrize(("dimension", "name"), [("genre", "jazz"), ("emotion", "sad"), ("gender", "female")])
def test_zero_shot_classes(dimension: classes.DimensionName, name: str) -> None:
    right = scores(of_class(dimension, name))
    assert right[f"clap_{dimension}_acc"].value == 1.0
    assert right[f"clap_{dimension}_kappa"].value == 1.0
    other = next(each for each in classes.load().dimensions[dimension].names if each != name)
    wrong = scores(of_class(dimension, other))
    count = len(classes.load().dimensions[dimension].names)
    assert wrong[f"clap_{dimension}_acc"].value == 0.0
    assert wrong[f"clap_{dimension}_kappa"].value == pytest.approx(-1 / (count - 1))
    assert wrong[f"clap_{dimension}_acc"].details["heard"][0] == other


def test_an_ambiguous_instrument_is_neither_right_nor_wrong() -> None:
    both = of_class("instrument", "piano") + of_class("instrument", "acoustic guitar")
    assert scores(both)["clap_instrument_ap"].value == 1.0


def test_unspecified_dimensions_are_not_scored() -> None:
    found = scores(direction("x")[None], prompt(Tags(bpm=100)))
    assert {name for name, score in found.items() if score.status == "ok"} == {"clap_ta_tags"}
    assert found["clap_genre_acc"].reason == "The prompt asks for no genre."
    assert found["clap_aa"].reason == "The prompt has no audio."


def test_prompt_audio(tmp_path: Path) -> None:
    path = tmp_path / "prompt.flac"
    save_flac(Audio(samples=np.full((1, 3000 * 8), 0.1, np.float32), sample_rate=2000), path)
    song = direction("song")[None]
    found = scores(song, prompt(audio=str(path)), reference=song)
    assert found["clap_aa"].value == pytest.approx(1.0, abs=1e-5)
    assert found["clap_aa"].details["reference_s"] == 10.0
    gone = scores(song, prompt(audio=str(tmp_path / "gone.wav")))
    assert gone["clap_aa"].status == "missing_audio"


def test_a_long_text_is_warned_about() -> None:
    tags = Tags(genre="jazz", instruments=tuple(f"piano number {i}" for i in range(30)))
    assert "cut off" in scores(direction("x")[None], prompt(tags))["clap_ta"].details["warning"]


def test_a_short_song_fails() -> None:
    evaluator = ClapEvaluator({}, lambda name: Path(name), Plain())
    assert {score.status for score in evaluator.score(clip(prompt(), 2.0))} == {"failed"}


def test_songs_that_will_be_embedded_are_embedded_together() -> None:
    plain = Plain()
    songs = [clip(prompt(id="a")), clip(prompt(id="short"), 2.0), clip(prompt(id="b"))]
    ClapEvaluator({}, lambda name: Path(name), plain).prepare(songs)
    assert plain.prepared == ["a", "b"]


def test_without_weights_the_model_is_missing_whatever_is_stored() -> None:
    def locate(name: str) -> Path:
        raise ModelError(f"The model {name} is not there.")

    with pytest.raises(ModelError, match="clap-music is not there"):
        ClapEvaluator({}, locate).score(clip(prompt()))


def sets(songs: Mapping[str, FloatArray], styles: Mapping[str, Tags]) -> Mapping[str, object]:
    evaluator = ClapControlEvaluator({}, lambda name: Path(name), Plain(songs))
    asked = [
        SetSong(
            prompt=prompt(tags, id=name),
            song=Song(prompt_id=name, system="s", take=0, seed=1, status="ok"),
            derived=Derived(),
            open=lambda: pytest.fail("opened"),
        )
        for name, tags in styles.items()
    ]
    return {score.metric: score for score in evaluator.score_set(asked)}


STYLES = {name: Tags(genre=name) for name in ("jazz", "rock", "folk", "metal", "pop")}


def test_matched_songs_beat_shuffled_prompts() -> None:
    found = sets({name: direction(sentence(tags))[None] for name, tags in STYLES.items()}, STYLES)
    plain = np.array([direction(sentence(tags)) for tags in STYLES.values()])
    wanted = (plain @ plain.T)[~np.eye(5, dtype=bool)].mean()
    assert found["clap_shuffled"].value == pytest.approx(wanted, abs=1e-5)
    assert found["clap_lift"].value == pytest.approx(1.0 - wanted, abs=1e-5)
    assert found["clap_lift"].ci_low > 0.5


def test_songs_that_ignore_their_prompt_have_no_lift() -> None:
    same = direction("always the same song")[None]
    found = sets(dict.fromkeys(STYLES, same), STYLES)
    assert found["clap_lift"].ci_low < 0.0 < found["clap_lift"].ci_high


def test_one_style_cannot_be_shuffled() -> None:
    found = sets({"jazz": direction("x")[None]}, {"jazz": STYLES["jazz"]})
    assert found["clap_lift"].status == "not_applicable"
