"""Singing with the real network: is it the melody we asked for?"""

import numpy as np
import pytest

from generation.singing.kokoro import FRAME_S, style_of, voice_table
from generation.singing.kokoro_voice import KokoroVoice, fit_frames, stretch_map
from generation.singing.phonemes import LANGUAGES
from generation.singing.phrase import Note
from generation.singing.pitch import midi_to_hz
from generation.singing.voices import VOICES

PITCHES = (60.0, 62.0, 64.0, 65.0, 64.0, 62.0)


def make_notes(pitches, length_s=0.35):
    return tuple(Note(start_s=index * length_s, duration_s=length_s, pitch=p) for index, p in enumerate(pitches))


def test_vendored_voices_cover_every_language():
    assert set(VOICES) == set(LANGUAGES)
    for voice in {name for pair in VOICES.values() for name in pair}:
        table = voice_table(voice)
        assert table.shape == (161, 256)
        assert np.isfinite(table).all()
        assert 0.5 < np.abs(table).max() < 5
    halfway = (voice_table("ff_siwis") + voice_table("im_nicola")) / 2
    assert voice_table("im_nicola+ff_siwis") == pytest.approx(halfway)
    assert np.array_equal(style_of("af_heart", 12)[0], voice_table("af_heart")[11])
    assert np.array_equal(style_of("af_heart", 5000)[0], voice_table("af_heart")[160])


def test_frames_put_onsets_on_the_notes_and_leave_consonants_alone():
    natural = np.array([15, 2, 4, 3, 3, 2, 5, 4], dtype=np.int64)
    nuclei = [(2, 3), (5, 6)]
    fitted = fit_frames(natural, natural.astype(np.float32), nuclei, make_notes((60, 62), 0.5))
    assert fitted.tolist() == [15, 2, 14, 3, 3, 20, 5, 4]
    assert fitted[2:5].sum() * FRAME_S == pytest.approx(0.5)


def test_rounding_never_adds_up():
    natural = np.full(40, 2, dtype=np.int64)
    nuclei = [(index, index + 1) for index in range(2, 38, 2)]
    notes = make_notes([60] * len(nuclei), 0.187)
    fitted = fit_frames(natural, natural.astype(np.float32), nuclei, notes)
    onsets_s = np.array([fitted[2:start].sum() for start, _ in nuclei]) * FRAME_S
    assert np.abs(onsets_s - [note.start_s for note in notes]).max() <= FRAME_S / 2 + 1e-9


def test_stretching_by_one_changes_nothing_and_order_is_kept():
    natural = np.array([3, 1, 4], dtype=np.int64)
    assert stretch_map(natural, natural) == pytest.approx(np.arange(16))
    stretched = stretch_map(natural, np.array([3, 1, 20], dtype=np.int64))
    assert stretched.size == 48
    assert np.all(np.diff(stretched) >= 0)
    assert stretched[-1] == pytest.approx(15)


@pytest.mark.models
def test_rendered_pitch_is_the_melody(model_dir):
    import pyworld

    voice = KokoroVoice(model_dir("kokoro"), "af_heart", "en")
    (phrase,) = voice.prepare("Morning yellow moon")
    notes = make_notes([PITCHES[index % 6] for index in range(phrase.n_notes)])
    samples, lead_s = voice.sing(phrase, notes)
    assert samples.dtype == np.float32
    assert np.abs(samples).max() < 1.0
    assert lead_s > 0.2

    f0_hz, times_s = pyworld.harvest(samples.astype(np.float64), voice.sample_rate, f0_floor=80, f0_ceil=800)
    errors = []
    for note in notes:
        # Past the glide, before the next consonant.
        inside = (times_s > lead_s + note.start_s + 0.05) & (times_s < lead_s + note.start_s + 0.18) & (f0_hz > 0)
        errors.extend(1200 * np.log2(f0_hz[inside] / midi_to_hz(note.pitch)))
    assert len(errors) > 50
    assert np.median(np.abs(errors)) < 50


@pytest.mark.models
def test_long_lines_become_several_phrases_and_silent_ones_none(model_dir):
    voice = KokoroVoice(model_dir("kokoro"), "af_heart", "en")
    assert len(voice.prepare("la la la la " * 15)) == 3
    assert voice.prepare("😀 !!! ☀") == []
