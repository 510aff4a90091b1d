import numpy as np
import pytest

from generation.singing.phrase import Note
from generation.singing.pitch import midi_to_hz, pitch_curve


def test_note_frequencies_are_equal_temperament():
    assert midi_to_hz(69) == pytest.approx(440.0)
    assert midi_to_hz(60) == pytest.approx(261.6256, abs=1e-4)
    assert midi_to_hz(57) == pytest.approx(220.0)


def test_short_notes_are_straight_and_glide_in_70_ms():
    notes = (Note(start_s=0.0, duration_s=0.3, pitch=60), Note(start_s=0.3, duration_s=0.3, pitch=64))
    times_s = np.array([-0.2, 0.1, 0.26, 0.3, 0.34, 0.5, 0.9])
    assert pitch_curve(notes, times_s) == pytest.approx([60, 60, 60, 62, 64, 64, 64])


def test_long_note_swings_around_its_pitch_by_the_stated_depth_and_rate():
    note = Note(start_s=0.0, duration_s=2.0, pitch=62)
    times_s = np.arange(0.4, 1.9, 0.001)
    curve = pitch_curve((note,), times_s)
    assert curve.max() - 62 == pytest.approx(0.35, abs=0.01)
    assert 62 - curve.min() == pytest.approx(0.35, abs=0.01)
    upward = np.sum((curve[:-1] < 62) & (curve[1:] >= 62))
    assert upward / 1.5 == pytest.approx(5.4, abs=0.7)
