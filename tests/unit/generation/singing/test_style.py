import numpy as np
import pytest

from evalkit.types import Tags
from generation.singing.style import choose_style


def style_of(seed=0, **tags):
    return choose_style(Tags(**tags), np.random.default_rng(seed))


def test_tags_decide_tempo_mode_and_register():
    style = style_of(genre="Rock", emotion="sad", gender="male", bpm=132)
    assert (style.bpm, style.mode, style.is_male, style.genre) == (132, "minor", True, "rock")
    assert style.ignored_tags == ()
    assert style_of(emotion="happy").mode == "major"
    assert style_of(emotion="hopeful but lonely").mode == "major"


def test_genre_gives_the_tempo_if_none_is_asked_for():
    assert 72 <= style_of(genre="slow ballad").bpm <= 80
    assert 156 <= style_of(genre="rockabilly").bpm <= 164


def test_unknown_tags_change_nothing_and_are_listed():
    plain, odd = style_of(), style_of(genre="zydeco-core", emotion="beige", gender="robot", bpm=900, other=("vinyl",))
    assert odd.ignored_tags == ("genre: zydeco-core", "emotion: beige", "gender: robot", "vinyl", "bpm: 900")
    assert (odd.bpm, odd.key, odd.mode, odd.progression) == (plain.bpm, plain.key, plain.mode, plain.progression)


@pytest.mark.parametrize("mode", ["happy", "sad"])
@pytest.mark.parametrize("seed", range(6))
def test_progressions_hold_the_tonic_chord(mode, seed):
    style = style_of(seed, emotion=mode)
    tonic = [chord for chord in style.progression if chord.root == style.key]
    assert tonic
    assert all(chord.mode == style.mode for chord in tonic)
