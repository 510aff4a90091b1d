import numpy as np
import pytest

from generation.singing import espeak
from generation.singing.espeak_voice import EspeakVoice
from generation.singing.phonemes import LANGUAGES
from generation.singing.phrase import Note
from generation.singing.pitch import midi_to_hz


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_syllables(language):
    text = {"zh": "我走在街道", "ja": "猫が踊る", "ko": "나는 걷고", "ru": "Я иду по улице"}.get(
        language, "banana luna"
    )
    (phrase,) = EspeakVoice(language).prepare(text)
    assert phrase.n_notes >= 3
    assert all(natural_s >= floor_s > 0 for natural_s, floor_s in zip(phrase.natural_s, phrase.floor_s, strict=True))


def test_fallback_is_audible_and_sings_the_melody():
    import pyworld

    voice = EspeakVoice("en")
    (phrase,) = voice.prepare("Morning yellow moon")
    pitches = [(50.0, 52.0, 54.0, 55.0)[index % 4] for index in range(phrase.n_notes)]
    notes = tuple(Note(start_s=index * 0.35, duration_s=0.35, pitch=p) for index, p in enumerate(pitches))
    samples, lead_s = voice.sing(phrase, notes)
    assert samples.size / voice.sample_rate == pytest.approx(lead_s + 0.35 * phrase.n_notes + phrase.tail_s, abs=0.05)
    assert 0.01 < np.sqrt(np.mean(samples**2)) < 0.5

    f0_hz, times_s = pyworld.harvest(samples.astype(np.float64), voice.sample_rate, f0_floor=60, f0_ceil=500)
    errors = []
    for note in notes:
        inside = (times_s > lead_s + note.start_s + 0.06) & (times_s < lead_s + note.start_s + 0.2) & (f0_hz > 0)
        errors.extend(1200 * np.log2(f0_hz[inside] / midi_to_hz(note.pitch)))
    assert len(errors) > 50
    assert np.median(np.abs(errors)) < 50


def test_what_was_spoken_before_leaves_no_trace():
    first = espeak.speak("hold on", "en-us").samples
    espeak.speak("walking down the street", "de")
    assert np.array_equal(espeak.speak("hold on", "en-us").samples, first)


def test_nothing_to_sing_gives_no_phrase():
    assert EspeakVoice("fr").prepare("☀ 😀") == []
