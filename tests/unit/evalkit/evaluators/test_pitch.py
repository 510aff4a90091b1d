"""Pitch of the vocal stem: tones of known pitch, tuning and vibrato, then the singer's own stems."""

from dataclasses import replace

import numpy as np
import pytest

from evalkit.errors import ConfigError
from evalkit.evaluators._notes import find_notes, find_vibrato, tuning_and_deviation
from evalkit.evaluators.pitch import PitchEvaluator
from evalkit.types import Audio, Clip, Prompt, Song

RATE = 48_000
FRAME_S = 0.01


def sung(midi, seed=0):
    """A harmonic voice that follows fractional MIDI numbers at 48 kHz; NaN is silence."""
    voiced = np.isfinite(midi)
    hz = 440.0 * 2.0 ** ((np.where(voiced, midi, 69.0) - 69.0) / 12.0)
    phase = 2 * np.pi * np.cumsum(hz) / RATE
    tone = sum(np.sin(k * phase) / k for k in range(1, 10))
    return (0.2 * voiced * tone + 0.0005 * np.random.default_rng(seed).standard_normal(len(midi))).astype(np.float32)


def melody(notes, note_s=0.6, gap_s=0.1, vibrato_hz=0.0, extent=0.0):
    """Notes one after the other, with pauses between them."""
    t = np.arange(round(note_s * RATE)) / RATE
    swing = extent / 100.0 * np.sin(2 * np.pi * vibrato_hz * t)
    parts = [part for note in notes for part in (note + swing, np.full(round(gap_s * RATE), np.nan))]
    return np.concatenate(parts)


def clip(stem):
    audio = Audio(samples=np.atleast_2d(stem), sample_rate=RATE)
    return Clip(
        prompt=Prompt(id="p", language="en"),
        song=Song(prompt_id="p", system="s", take=0, seed=1, status="ok"),
        mix=audio,
        stems={"vocals": audio},
    )


def measure(stem):
    return {score.metric: score for score in PitchEvaluator({}, lambda name: pytest.fail(name)).score(clip(stem))}


SCALE = [60, 62, 64, 65, 67, 69, 71, 72, 67, 64]


def test_a_scale_in_tune():
    found = measure(sung(melody(SCALE)))
    assert found["tuning_deviation"].value < 2.0
    assert found["tuning_deviation"].details["n_notes"] == 10
    assert found["pitch_range"].value == pytest.approx(12.0, abs=0.5)
    assert found["voiced_share"].value == pytest.approx(6 / 7, abs=0.06)
    assert found["voiced_share"].details["median_hz"] == pytest.approx(392, rel=0.01)
    assert found["vibrato_share"].value == 0.0
    assert found["vibrato_rate"].status == "not_applicable"
    assert found["vibrato_rate"].reason == "No long note has a vibrato."


@pytest.mark.parametrize("cents", [-40, -15, 30])
def test_another_tuning_is_no_fault(cents):
    found = measure(sung(melody(np.array(SCALE) + cents / 100)))["tuning_deviation"]
    assert found.value < 2.0
    assert found.details["tuning_cents"] == pytest.approx(cents, abs=2.0)


@pytest.mark.parametrize("cents", [10, 20, 35])
def test_notes_beside_the_semitones_are_found(cents):
    # Half of the notes too high, half too low: no tuning helps up to a quarter tone.
    wrong = np.array(SCALE) + np.where(np.arange(10) % 2, cents, -cents) / 100
    found = measure(sung(melody(wrong)))["tuning_deviation"].value
    # Beyond 25 cents a tuning between the two is nearer: 50 - cents.
    assert found == pytest.approx(min(cents, 50 - cents), abs=2.0)


@pytest.mark.parametrize(("rate_hz", "extent"), [(4.5, 30.0), (5.5, 60.0), (6.5, 100.0)])
def test_a_vibrato_has_its_rate_and_extent(rate_hz, extent):
    found = measure(sung(melody(SCALE[:6], note_s=1.0, vibrato_hz=rate_hz, extent=extent)))
    assert found["vibrato_share"].value == 1.0
    assert found["vibrato_rate"].value == pytest.approx(rate_hz, abs=0.2)
    assert found["vibrato_extent"].value == pytest.approx(extent, rel=0.1)
    assert found["tuning_deviation"].value < 6.0, "a vibrato is no wrong note"


def test_glides_are_no_notes():
    line = np.linspace(60.0, 72.0, RATE)
    pause = np.full(RATE // 5, np.nan)
    found = measure(sung(np.concatenate([line, pause] * 5)))
    assert find_notes(np.linspace(60.0, 72.0, 100), FRAME_S) == []
    assert found["tuning_deviation"].status == "not_applicable"
    assert "held long enough" in found["tuning_deviation"].reason
    assert found["pitch_range"].value == pytest.approx(10.8, abs=0.3)


def test_without_a_voice_there_is_nothing_to_measure():
    found = measure(np.zeros(8 * RATE, np.float32))
    assert found["voiced_share"].value == 0.0
    others = [score for name, score in found.items() if name != "voiced_share"]
    assert {score.status for score in others} == {"not_applicable"}
    assert "Only 0.0 s of the stem have a pitch" in others[0].reason
    evaluator = PitchEvaluator({}, lambda name: pytest.fail(name))
    no_stem = evaluator.score(replace(clip(sung(melody(SCALE))), stems={}))
    assert {(score.status, score.reason) for score in no_stem} == {
        ("not_applicable", "The system gives no vocal stem.")
    }
    short = evaluator.score(clip(sung(melody(SCALE[:4]))))
    assert {score.status for score in short} == {"failed"}


def test_scores_come_in_declared_order_and_repeat():
    evaluator = PitchEvaluator({}, lambda name: pytest.fail(name))
    song = clip(sung(melody(SCALE)))
    found = evaluator.score(song)
    assert [score.metric for score in found] == [metric.name for metric in evaluator.metrics]
    assert evaluator.score(clip(sung(melody(SCALE)))) == found
    with pytest.raises(ConfigError, match="takes none"):
        PitchEvaluator({"x": 1}, lambda name: None)


def test_gain_changes_nothing():
    plain, soft = measure(sung(melody(SCALE))), measure(sung(melody(SCALE)) * np.float32(0.5))
    for name in ("tuning_deviation", "pitch_range", "voiced_share"):
        assert soft[name].value == pytest.approx(plain[name].value, rel=0.01, abs=0.05)


def test_notes_and_tuning_by_hand():
    track = np.concatenate([np.full(50, 60.0), np.full(5, np.nan), np.full(30, 64.3), np.full(4, 67.0)])
    notes = find_notes(track, FRAME_S)
    assert [(note.start, note.n_frames, note.centre) for note in notes] == [
        (0, 50, 60.0),
        (55, 30, pytest.approx(64.3)),
    ]
    tuning, deviation = tuning_and_deviation(np.array([60.0, 64.3]), np.array([50.0, 30.0]))
    assert tuning == pytest.approx(0.0)
    assert deviation == pytest.approx(30.0 * 30 / 80)
    assert tuning_and_deviation(np.array([60.1, 72.1]), np.array([1.0, 1.0])) == (
        pytest.approx(10.0),
        pytest.approx(0.0),
    )
    assert find_vibrato(notes[0], FRAME_S) is None


def test_random_pitches_have_what_the_description_says():
    rng = np.random.default_rng(0)
    found = [tuning_and_deviation(rng.uniform(50, 70, 60), np.ones(60))[1] for _ in range(40)]
    assert np.mean(found) == pytest.approx(22.5, abs=2.0)
