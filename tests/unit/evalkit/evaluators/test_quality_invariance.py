"""What must not matter to the measures of sound and voice: container, order, batches, gain, a second look."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from evalkit.audio import load, save_flac
from evalkit.derived import Derived
from evalkit.evaluators.audiobox import AudioboxEvaluator
from evalkit.evaluators.distillmos import DistillMosEvaluator
from evalkit.evaluators.dnsmos import DnsmosEvaluator
from evalkit.evaluators.pitch import PitchEvaluator
from evalkit.evaluators.technical import TechnicalEvaluator
from evalkit.models.audiobox import Audiobox
from evalkit.models.musicnn import MusicnnEmbedder
from evalkit.types import Audio, Clip, Prompt, Song

RATE = 48_000
AUDIOBOX = Path(__file__).parents[3] / "golden" / "audiobox"


def voice(seed, duration_s=6.2):
    """A stereo song of one voice: notes with vibrato and a little noise, rounded as 24 bits round."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(duration_s * RATE)) / RATE
    notes = 57 + rng.integers(0, 12, size=int(duration_s) * 2 + 2)
    midi = notes[(2 * t).astype(int)] + 0.4 * np.sin(2 * np.pi * 5.5 * t)
    phase = 2 * np.pi * np.cumsum(440.0 * 2.0 ** ((midi - 69) / 12)) / RATE
    wave = 0.1 * sum(np.sin(k * phase) / k for k in range(1, 9))
    both = np.stack([wave, 0.8 * wave]) + 0.002 * rng.standard_normal((2, len(t)))
    return (np.round(both * 2**23) / 2**23).astype(np.float32)


def clip(samples, sample_rate=RATE):
    audio = Audio(samples=samples, sample_rate=sample_rate)
    return Clip(
        prompt=Prompt(id="p", language="en"),
        song=Song(prompt_id="p", system="s", take=0, seed=1, status="ok"),
        mix=audio,
        stems={"vocals": audio},
    )


def make(name, model_dir):
    return {
        "technical": lambda: TechnicalEvaluator({}, model_dir),
        "pitch": lambda: PitchEvaluator({}, model_dir),
        "audiobox": lambda: AudioboxEvaluator({}, lambda _: AUDIOBOX),
        "dnsmos": lambda: DnsmosEvaluator({}, model_dir),
        "distillmos": lambda: DistillMosEvaluator({}, model_dir),
    }[name]()


SLOW = [pytest.param(name, marks=[pytest.mark.models, pytest.mark.slow]) for name in ("dnsmos", "distillmos")]
ALL = ["technical", "pitch", "audiobox", *SLOW]


def values(evaluator, song):
    return {score.metric: score.value for score in evaluator.score(song)}


@pytest.mark.parametrize("name", ALL)
def test_container_order_and_a_second_look(name, model_dir, tmp_path):
    evaluator = make(name, model_dir)
    samples = voice(1)
    save_flac(Audio(samples=samples, sample_rate=RATE), tmp_path / "a.flac")
    soundfile.write(tmp_path / "a.wav", samples.T, RATE, subtype="PCM_24")
    flac, wav = (load(tmp_path / name) for name in ("a.flac", "a.wav"))
    first = values(evaluator, clip(flac.samples))
    values(evaluator, clip(voice(2)))
    assert values(evaluator, clip(wav.samples)) == first
    other = make(name, model_dir)
    values(other, clip(voice(2)))
    assert values(other, clip(samples)) == first
    assert any(value is not None for value in first.values())


@pytest.mark.parametrize("name", ["pitch", "audiobox", *SLOW])
@pytest.mark.parametrize("gain_db", [-6.0, 6.0])
def test_six_decibels_move_nothing_by_one_per_cent_of_its_range(name, gain_db, model_dir):
    evaluator = make(name, model_dir)
    spans = {"tuning_deviation": 25.0, "pitch_range": 12.0, "vibrato_rate": 5.0, "vibrato_extent": 100.0}
    ranges = {metric.name: spans.get(metric.name, 1.0 if metric.as_percent else 4.0) for metric in evaluator.metrics}
    plain = values(evaluator, clip(voice(3)))
    louder = values(evaluator, clip(voice(3) * np.float32(10.0 ** (gain_db / 20.0))))
    for metric, value in plain.items():
        assert (louder[metric] is None) == (value is None)
        if value is not None:
            assert louder[metric] == pytest.approx(value, abs=0.01 * ranges[metric])


@pytest.mark.models
def test_embeddings_do_not_depend_on_gain_or_container(model_dir):
    embedder = MusicnnEmbedder({}, model_dir)
    samples = voice(4, 6.5)
    plain = embedder.windows(clip(samples))
    louder = embedder.windows(clip(samples * np.float32(2.0)))
    spread = np.ptp(plain)
    assert np.abs(louder - plain).max() < 0.01 * spread
    assert np.array_equal(embedder.windows(clip(samples.copy())), plain)


def test_batches_do_not_matter(monkeypatch):
    song = clip(voice(5, 12.5))
    whole = values(AudioboxEvaluator({}, lambda _: AUDIOBOX), song)
    monkeypatch.setattr(Audiobox, "batch", 1)
    alone = values(AudioboxEvaluator({}, lambda _: AUDIOBOX), replace(song, derived=Derived()))
    for metric, value in whole.items():
        assert alone[metric] == pytest.approx(value, abs=1e-4)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.models
@pytest.mark.parametrize("cls", [DnsmosEvaluator, DistillMosEvaluator])
def test_batches_of_windows_do_not_matter(cls, model_dir):
    evaluator = cls({}, model_dir)
    whole = values(evaluator, clip(voice(6)))
    evaluator.network.batch = 1
    for metric, value in values(evaluator, clip(voice(6))).items():
        assert value == pytest.approx(whole[metric], abs=1e-4)


@pytest.mark.slow
@pytest.mark.long
def test_the_number_of_workers_does_not_matter(tmp_path):
    (tmp_path / "sound.yaml").write_text("name: sound\nevaluators:\n  technical: {}\n  pitch: {}\n  distance: {}\n")

    def evalkit(*arguments):
        command = [sys.executable, "-m", "evalkit", *arguments]
        subprocess.run(
            command, cwd=tmp_path, check=True, capture_output=True, env={**os.environ, "EVALKIT_OFFLINE": "1"}
        )

    evalkit("generate", "--suite", "smoke", "--system", "tone", "--out", "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    found = []
    for run, workers in (("one", "1"), ("two", "2")):
        evalkit("evaluate", run, "--profile", "sound.yaml", "--workers", workers)
        rows = [json.loads(line) for line in (tmp_path / run / "scores.jsonl").read_text().splitlines()]
        found.append({(row["song_id"], row["metric"]): (row["value"], row["status"], row["details"]) for row in rows})
    assert found[0] == found[1]
    assert len(found[0]) == 3 * 34
