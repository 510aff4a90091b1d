"""The tagger's style scores, with networks that say what the test wants."""

import itertools
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.derived import Derived
from evalkit.errors import ConfigError
from evalkit.evaluators._tag_metrics import average_precision, chance_precision, kappa
from evalkit.evaluators.tags import TagsEvaluator
from evalkit.models import musicnn
from evalkit.models.musicnn import MusicnnEmbedder
from evalkit.types import Audio, Clip, FloatArray, Prompt, Score, SetSong, Song, Tags


def clip(tags: Tags, *, stem: bool = True, duration_s: float = 8.0) -> Clip:
    audio = Audio(samples=np.ones((1, round(1000 * duration_s)), np.float32), sample_rate=1000)
    song = Song(prompt_id="p", system="s", take=0, seed=1, status="ok")
    prompt = Prompt(id="p", language="en", tags=tags)
    return Clip(prompt=prompt, song=song, mix=audio, stems={"vocals": audio} if stem else {}, derived=Derived())


@pytest.fixture
def hear(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, float]]:
    """What stands out by source; everything else is as usual."""
    heard: dict[str, dict[str, float]] = {"mix": {}, "vocals": {}}
    codes = {"mix": 0.0, "vocals": 1.0}

    def windows(self: MusicnnEmbedder, song: Clip | SetSong, source: str = "mix") -> FloatArray:
        return np.full((2, 200), codes[source], np.float32)

    def tags(self: MusicnnEmbedder, windows: FloatArray) -> Mapping[str, tuple[float, float]]:
        said = heard["vocals" if windows[0, 0] else "mix"]
        return {tag: (0.5, said.get(tag, 0.0)) for tag in musicnn.TAGS[self._training]}

    monkeypatch.setattr(MusicnnEmbedder, "windows", windows)
    monkeypatch.setattr(MusicnnEmbedder, "tags", tags)
    return heard


def scores(song: Clip) -> Mapping[str, Score]:
    return {score.metric: score for score in TagsEvaluator({}, lambda name: Path(name)).score(song)}


def test_each_dimension_is_right_when_its_words_stand_out(hear: dict[str, dict[str, float]]) -> None:
    hear["mix"] |= {"jazz": 3.0, "sad": 2.0, "piano": 2.0, "strings": 3.0, "violin": 3.0, "cello": 3.0, "female": 4.0}
    hear["vocals"] |= {"man": 5.0}
    found = scores(clip(Tags(gender="female", genre="swing", emotion="sorrowful", instruments=("cello", "piano"))))
    for name in ("genre_acc", "genre_top3", "genre_kappa", "emotion_acc", "emotion_kappa", "instrument_ap"):
        assert found[f"tagger_{name}"].value == 1.0, name
    assert found["tagger_gender_acc"].value == 1.0
    assert found["tagger_gender_vocals_acc"].value == 0.0
    assert found["tagger_gender_vocals_kappa"].value == -1.0
    assert found["tagger_genre_acc"].details["wanted"] == "jazz"
    assert found["tagger_genre_acc"].details["margin"] == pytest.approx(3.0)
    assert [metric.name for metric in TagsEvaluator.metrics] == list(found)


def test_another_genre_is_wrong_and_costs_less_than_chance(hear: dict[str, dict[str, float]]) -> None:
    hear["mix"] |= {"metal": 3.0, "heavy metal": 3.0, "jazz": 1.0}
    found = scores(clip(Tags(genre="jazz")))
    assert (found["tagger_genre_acc"].value, found["tagger_genre_top3"].value) == (0.0, 1.0)
    assert found["tagger_genre_kappa"].value == pytest.approx(-1 / 13)
    assert found["tagger_genre_acc"].details["heard"][0] == "metal"


def test_what_is_not_asked_for_is_not_scored(hear: dict[str, dict[str, float]]) -> None:
    found = scores(clip(Tags(genre="latin", instruments=("saxophone",)), stem=False))
    assert {score.status for score in found.values()} == {"not_applicable"}
    assert found["tagger_genre_acc"].reason == "The tagger has no word for 'latin'."
    assert found["tagger_emotion_acc"].reason == "The prompt asks for no emotion."
    assert found["tagger_gender_vocals_acc"].reason == "The system gives no vocal stem."


def test_a_short_song_fails(hear: dict[str, dict[str, float]]) -> None:
    assert {score.status for score in scores(clip(Tags(genre="jazz"), duration_s=2.0)).values()} == {"failed"}


def test_average_precision_agrees_with_a_plain_definition() -> None:
    ranked = "abcdefg"
    for wanted in itertools.combinations(ranked, 3):
        places = [ranked.index(name) + 1 for name in wanted]
        plain = np.mean([sum(p <= place for p in places) / place for place in places])
        assert average_precision(ranked, wanted) == pytest.approx(plain)


@pytest.mark.parametrize(("n_wanted", "n_classes"), [(1, 7), (2, 7), (3, 7), (6, 7), (1, 2)])
def test_chance_is_the_mean_over_all_orders(n_wanted: int, n_classes: int) -> None:
    names = [str(index) for index in range(n_classes)]
    every = [average_precision(names, wanted) for wanted in itertools.combinations(names, n_wanted)]
    assert chance_precision(n_wanted, n_classes) == pytest.approx(np.mean(every))


@given(st.lists(st.booleans(), min_size=1), st.floats(0.01, 0.9))
def test_the_mean_of_kappas_is_the_kappa_of_the_mean(hits: list[bool], chance: float) -> None:
    assert np.mean([kappa(float(hit), chance) for hit in hits]) == pytest.approx(kappa(float(np.mean(hits)), chance))


def test_options_are_refused() -> None:
    with pytest.raises(ConfigError, match="has no options, got 'x'"):
        TagsEvaluator({"x": 1}, lambda name: Path(name))


def test_the_signature_names_both_networks_and_the_classes() -> None:
    signature = TagsEvaluator({}, lambda name: Path(name)).signature("tagger_genre_acc")
    assert "musicnn-msd@" in signature
    assert "musicnn-mtt@" in signature
    assert "style-1/tagger-1" in signature
    assert "input:vocals" in TagsEvaluator({}, lambda name: Path(name)).signature("tagger_gender_vocals_acc")
