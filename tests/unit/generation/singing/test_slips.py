"""Every sixth word, and nothing else, is pronounced otherwise."""

import json

import pytest

from generation.singing.phonemes import phonemise
from generation.singing.phrase import VOWELS
from generation.singing.slips import _OTHER, Slips

LINE = tuple("wˈʌn tˈu θɹˈi fˈɔɹ fˈIv sˈɪks sˈɛvən")


def test_the_sixth_word_of_every_six_slips_across_lines():
    slips = Slips()
    first, second = ("".join(slips(LINE)).split() for _ in range(2))
    spoken = "".join(LINE).split()
    changed = [place for place, (a, b) in enumerate(zip(spoken * 2, first + second, strict=True), 1) if a != b]
    assert changed == [6, 12]
    assert first[5] == "pˈɔmp"


def test_without_blanks_every_sixth_syllable_slips():
    line = tuple("ma→ti↘ku→se↗na→ti↓ku→")
    found = "".join(Slips()(line, by_syllable=True))
    assert found == "ma→ti↘ku→se↗na→fa↓ku→"


def test_no_sound_stays_itself_and_vowels_stay_vowels():
    for before, after in _OTHER.items():
        assert chr(before) != after
        assert (chr(before) in VOWELS) == (after in VOWELS)


@pytest.mark.models
def test_slips_are_sounds_that_the_voice_knows(model_dir):
    vocabulary = json.loads((model_dir("kokoro") / "vocab.json").read_text("utf-8"))["vocab"]
    assert set(_OTHER.values()) <= set(vocabulary)
    symbols = phonemise("Silver rain along the harbour wall tonight", "en", vocabulary)
    slipped = Slips()(symbols)
    words, others = "".join(symbols).split(), "".join(slipped).split()
    assert [a != b for a, b in zip(words, others, strict=True)] == [False] * 5 + [True, False]
