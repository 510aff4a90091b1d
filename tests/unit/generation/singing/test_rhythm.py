import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.singing.phrase import Phrase
from generation.singing.rhythm import make_grid, make_rhythm


def make_phrase(natural_s, floor_s=None):
    floor_s = floor_s or [0.6 * value for value in natural_s]
    return Phrase(text="x", natural_s=tuple(natural_s), floor_s=tuple(floor_s), lead_s=0.5, tail_s=0.3, inside=None)


@pytest.mark.parametrize(
    ("bpm", "per_beat", "unit_s"), [(88, 4, 0.17045), (176, 2, 0.17045), (100, 4, 0.15), (45, 8, 0.16667)]
)
def test_grid_divides_the_beat_nearest_to_170_ms(bpm, per_beat, unit_s):
    grid = make_grid(bpm)
    assert grid.per_beat == per_beat
    assert grid.unit_s == pytest.approx(unit_s, abs=1e-4)
    assert grid.per_bar * grid.unit_s == pytest.approx(240 / bpm)


def test_even_syllables_get_even_units_and_the_last_note_is_longer():
    grid = make_grid(100)
    rhythm = make_rhythm(make_phrase([0.13] * 8), grid, "en")
    assert rhythm.units[:7] == (1,) * 7
    assert rhythm.units[-1] * grid.unit_s >= 0.35
    assert rhythm.length_units == grid.per_bar
    assert rhythm.starts == tuple(range(8))


def test_chinese_is_sung_slower():
    grid = make_grid(100)
    phrase = make_phrase([0.2] * 12)
    assert sum(make_rhythm(phrase, grid, "zh").units[:-1]) > sum(make_rhythm(phrase, grid, "en").units[:-1])


@given(
    natural_s=st.lists(st.floats(0.05, 0.6), min_size=1, max_size=40),
    bpm=st.floats(40, 240),
    gap_s=st.floats(0, 1),
    half_bars=st.booleans(),
)
def test_no_note_is_shorter_than_its_floor_and_the_line_fits_its_bars(natural_s, bpm, gap_s, half_bars):
    grid = make_grid(bpm)
    phrase = make_phrase(natural_s)
    rhythm = make_rhythm(phrase, grid, "en", gap_s=gap_s, half_bars=half_bars)
    assert len(rhythm.units) == phrase.n_notes
    for units, floor_s in zip(rhythm.units, phrase.floor_s, strict=True):
        assert units * grid.unit_s >= floor_s - 1e-5
    assert sum(rhythm.units) * grid.unit_s + max(0.3, gap_s) <= rhythm.length_units * grid.unit_s + 1e-6
    assert rhythm.length_units % (grid.per_bar // 2 if half_bars else grid.per_bar) == 0
