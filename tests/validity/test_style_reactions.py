"""The measures of style notice a wrong tempo, another voice and another genre, and nothing that cannot be heard."""

from collections.abc import Callable
from pathlib import Path

import pytest
from validity import style_reactions as style
from validity.songs import sing
from validity.table import render

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.models, pytest.mark.timeout(900)]

SONGS = ("three-en", "chorus-en")


@pytest.fixture(autouse=True)
def _models(model_dir: Callable[[str], Path]) -> None:
    for name in ("kokoro", "gm-soundfont", "musicnn"):
        model_dir(name)


@pytest.mark.parametrize("name", SONGS)
def test_a_song_fits_its_own_prompt_and_not_another(name: str) -> None:
    song = sing(name)
    own = style.scores(style.clip_of(song))
    for metric in ("tempo_acc1", "f0_gender_acc", "tagger_gender_acc", "tagger_gender_vocals_acc"):
        assert own[metric].value == 1.0, (metric, own[metric].details, own[metric].reason)
    wrong = style.wrong_prompts(song)
    assert style.scores(style.clip_of(song, tags=wrong["tempo"]), "tempo-key")["tempo_acc2"].value == 0.0
    other = style.scores(style.clip_of(song, tags=wrong["gender"]), "tags", "vocal-gender")
    for metric in ("f0_gender_acc", "tagger_gender_acc", "tagger_gender_vocals_acc"):
        assert other[metric].value == 0.0, metric
    genre = style.scores(style.clip_of(song, tags=wrong["genre"]), "tags")
    assert genre["tagger_genre_acc"].details["margin"] < own["tagger_genre_acc"].details["margin"]


def test_a_song_played_faster_is_faster() -> None:
    reactions = style.faster(SONGS)
    failed = [one for one in reactions if not one.holds]
    assert not failed, "\n" + render(failed)
    tempo = next(one for one in reactions if one.metric == "tempo_bpm")
    for values in tempo.values.values():
        assert values == pytest.approx([values[0] * (1 + dose) for dose in style.FASTER], rel=0.02)


def test_what_cannot_be_heard_changes_nothing(tmp_path: Path) -> None:
    for label, plain, found in style.unchanged("three-en", tmp_path):
        for metric, score in plain.items():
            assert found[metric].status == score.status, (label, metric)
            if score.value is None:
                continue
            # A hundredth of the metric's range; of a tempo or a pitch, of its value.
            scale = abs(score.value) if metric in ("tempo_bpm", "vocal_f0") else 1.0
            assert found[metric].value == pytest.approx(score.value, abs=0.01 * scale), (label, metric)
            margins = [one.details.get("margin", 0.0) for one in (score, found[metric])]
            assert margins[0] == pytest.approx(margins[1], abs=0.05), (label, metric)
