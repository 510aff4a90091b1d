import itertools

import numpy as np
import pytest

from evalkit import lyrics
from evalkit.types import Tags
from generation.singing.melody import chord_tones
from generation.singing.phrase import Phrase
from generation.singing.score import write_score
from generation.singing.style import choose_style

LYRICS = (
    "[intro-short] ; [verse] One.Two ; [chorus] Hook.Hook again ; [inst-short] ; "
    "[chorus] Hook.Hook again ; [outro-short]"
)


def make_phrase(text):
    natural_s = tuple(0.12 + 0.03 * (index % 4) for index in range(8))
    floor_s = tuple(0.6 * value for value in natural_s)
    return Phrase(text=text, natural_s=natural_s, floor_s=floor_s, lead_s=0.5, tail_s=0.3, inside=None)


def make_score(text=LYRICS, *, seed=1, duration_s=None, **tags):
    sections = lyrics.parse(text)
    style = choose_style(Tags(bpm=100, **tags), np.random.default_rng([seed, 0]))
    phrases = [[make_phrase(line) for line in section.lines] for section in sections]
    return write_score(sections, phrases, style, language="en", duration_s=duration_s, instruments=(), seed=seed)


def test_lines_begin_on_bars_of_their_own_section_in_order_and_do_not_overlap():
    score = make_score()
    plan = score.plan
    assert [line.phrase.text for line in score.lines] == ["One", "Two", "Hook", "Hook again", "Hook", "Hook again"]
    for line in score.lines:
        bar = line.start_s / plan.bar_s
        assert bar == pytest.approx(round(bar))
        assert plan.bars[round(bar)].section == line.section
    for line, following in itertools.pairwise(score.lines):
        assert line.end_s <= following.start_s
    assert score.lines[0].start_s >= 1.0
    assert score.lines[-1].end_s <= plan.duration_s


def test_onsets_lie_on_the_grid_and_beats_carry_chord_tones():
    score = make_score(emotion="sad")
    for line in score.lines:
        for note in line.notes:
            units = note.start_s / score.grid.unit_s
            assert units == pytest.approx(round(units), abs=1e-6)
            if round(units) % score.grid.per_beat == 0:
                bar = int((line.start_s + note.start_s) / score.plan.bar_s + 1e-6)
                assert int(note.pitch) % 12 in chord_tones(score.plan.bars[bar].chord)


def test_bars_are_numbered_inside_their_sections():
    bars = make_score().plan.bars
    assert [bar.section for bar in bars] == sorted(bar.section for bar in bars)
    for bar, following in itertools.pairwise(bars):
        assert bar.is_last_of_section == (following.section != bar.section)
        assert following.position == (0 if bar.is_last_of_section else bar.position + 1)
    assert bars[-1].is_last_of_section
    assert bars[-1].chord.root == make_score().plan.key


def test_repeated_chorus_is_sung_the_same():
    hooks = [line.notes for line in make_score().lines if line.phrase.text == "Hook"]
    assert hooks[0] == hooks[1]


@pytest.mark.parametrize("duration_s", [30.0, 45.0, 90.0])
def test_wished_length_is_met_within_a_bar(duration_s):
    score = make_score(duration_s=duration_s)
    assert score.plan.duration_s + 1.5 == pytest.approx(duration_s, abs=score.plan.bar_s)


def test_a_tight_wish_moves_lines_to_half_bars_on_the_beat():
    roomy, tight = make_score(), make_score(duration_s=10.0)
    assert tight.plan.duration_s <= roomy.plan.duration_s
    for line in tight.lines:
        halves = line.start_s / tight.plan.bar_s * 2
        assert halves == pytest.approx(round(halves))
        assert tight.plan.bars[int(halves / 2 + 1e-6)].section == line.section


def test_lines_are_never_cut_for_a_short_wish():
    assert len(make_score(duration_s=5.0).lines) == 6


@pytest.mark.parametrize("text", ["", "[intro-medium] ; [outro-long]", "[inst-short]"])
def test_without_words_there_is_still_a_song(text):
    score = make_score(text, duration_s=24.0)
    assert score.lines == ()
    assert score.plan.duration_s + 1.5 == pytest.approx(24.0, abs=score.plan.bar_s)
    assert make_score("").plan.duration_s + 1.5 == pytest.approx(20.0, abs=score.plan.bar_s)


def test_a_song_that_begins_with_words_gets_a_bar_before_them():
    score = make_score("[verse] One.Two")
    assert score.plan.bars[0].label == "intro-short"
    assert score.lines[0].start_s == pytest.approx(score.plan.bar_s)


def test_seeds_differ():
    one, other = make_score(seed=1), make_score(seed=2)
    assert [line.notes for line in one.lines] != [line.notes for line in other.lines]
