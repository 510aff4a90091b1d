"""The whole accompaniment: with a tiny soundfont everywhere, with the real one where it is."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import generation.band as band
from evalkit.errors import ModelError
from evalkit.types import Audio
from generation.band.accompany import TAIL_S
from generation.singing.plan import SongPlan

MakePlan = Callable[..., SongPlan]
FPS = 200
SHORT = (("verse", 4), ("chorus", 4))


@pytest.fixture
def tiny(tmp_path: Path, make_sf2: Callable[..., bytes]) -> Path:
    path = tmp_path / "tiny.sf2"
    path.write_bytes(make_sf2([((36, -1200), (37, 300), (54, 1), (53, 0))]))
    return path


@pytest.fixture
def real(model_dir: Callable[[str], Path]) -> Path:
    return model_dir("gm-soundfont") / "TimGM6mb.sf2"


def digest(audio: Audio) -> str:
    return hashlib.sha256(audio.samples.tobytes()).hexdigest()


def rms_db(samples: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(np.square(samples, dtype=np.float64)) + 1e-20))


def check_contract(audio: Audio, plan: SongPlan) -> None:
    assert audio.sample_rate == 48_000
    assert audio.samples.shape == (2, round((plan.duration_s + TAIL_S) * 48_000))
    assert np.max(np.abs(audio.samples)) <= 0.9
    assert np.all(np.abs(audio.samples.mean(axis=1)) < 1e-3)
    assert -30 < rms_db(audio.samples) < -10
    assert rms_db(audio.samples[:, -2400:]) < -60


def test_contract_with_a_tiny_soundfont(make_plan: MakePlan, tiny: Path) -> None:
    plan = make_plan("rock", bpm=130.0)
    first = band.render(plan, seed=5, soundfont=tiny)
    check_contract(first, plan)
    assert digest(first) == digest(band.render(plan, seed=5, soundfont=tiny))
    assert digest(first) != digest(band.render(plan, seed=6, soundfont=tiny))


def test_missing_soundfont(make_plan: MakePlan, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="There is no soundfont"):
        band.render(make_plan(), seed=1, soundfont=tmp_path / "none.sf2")


def test_silent_plan(make_plan: MakePlan, tiny: Path) -> None:
    audio = band.render(make_plan(sections=(("silence", 2),)), seed=1, soundfont=tiny)
    assert np.all(audio.samples == 0)


PROGRAM = """
import hashlib, pathlib, sys
import generation.band as band
from generation.singing.plan import Bar, Chord, SongPlan
bars = tuple(
    Bar(section=0, label="chorus", position=i, chord=Chord(root=5 * i % 12, mode="major"), is_last_of_section=i == 2)
    for i in range(3)
)
plan = SongPlan(bpm=100.0, key=0, mode="major", genre="funk", emotion="happy", instruments=("flute",), bars=bars)
audio = band.render(plan, seed=11, soundfont=pathlib.Path(sys.argv[1]))
print(hashlib.sha256(audio.samples.tobytes()).hexdigest())
"""


def in_two_processes(path: Path) -> list[str]:
    return [
        subprocess.run(
            [sys.executable, "-c", PROGRAM, str(path)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        ).stdout
        for seed in ("1", "2")
    ]


def test_two_processes_agree_bit_for_bit(tiny: Path) -> None:
    first, second = in_two_processes(tiny)
    assert len(first.strip()) == 64
    assert first == second


def beat_s(audio: Audio, near_s: float) -> float:
    """Strongest period between 0.7 and 1.4 of a guess, from the autocorrelation of the onset strength."""
    mono = audio.samples.mean(axis=0)
    hop = 48_000 // FPS
    frames = np.lib.stride_tricks.sliding_window_view(mono, 1024)[::hop] * np.hanning(1024)
    flux = np.maximum(np.diff(np.log1p(100 * np.abs(np.fft.rfft(frames))), axis=0), 0).sum(axis=1)
    flux -= flux.mean()
    spectrum = np.fft.rfft(flux, 2 * len(flux))
    correlation = np.fft.irfft(np.abs(spectrum) ** 2)[: len(flux)]
    lags = np.arange(int(0.7 * near_s * FPS), int(1.4 * near_s * FPS))
    top = int(lags[np.argmax(correlation[lags])])
    a, b, c = correlation[top - 1 : top + 2]
    return float((top + 0.5 * (a - c) / (a - 2 * b + c)) / FPS)


@pytest.mark.models
@pytest.mark.parametrize(
    ("genre", "emotion", "bpm"),
    [
        ("pop", "happy", 96.0),
        ("rock", "energetic", 128.0),
        ("electronic", "", 122.0),
        ("jazz", "playful", 118.0),
        ("folk", "calm", 92.0),  # no drums at all
        ("ballad", "sad", 74.0),
    ],
)
def test_tempo_can_be_recovered(make_plan: MakePlan, real: Path, genre: str, emotion: str, bpm: float) -> None:
    plan = make_plan(genre, emotion, bpm=bpm)
    audio = band.render(plan, seed=2, soundfont=real)
    assert 60 / beat_s(audio, plan.beat_s) == pytest.approx(bpm, rel=0.015)


@pytest.mark.models
def test_genres_sound_different_and_keep_their_levels(make_plan: MakePlan, real: Path) -> None:
    bands = np.geomspace(60, 16_000, 25)
    profiles = {}
    for genre in ("pop", "rock", "folk", "jazz", "electronic", "ballad", "r&b", "country", "latin", "funk"):
        plan = make_plan(genre, bpm=150.0, sections=SHORT)
        audio = band.render(plan, seed=1, soundfont=real)
        check_contract(audio, plan)
        n = round(4 * plan.bar_s * 48_000)
        assert rms_db(audio.samples[:, n : 2 * n]) > rms_db(audio.samples[:, :n]) + 1.0, genre  # the chorus is fuller
        power = np.abs(np.fft.rfft(audio.samples.mean(axis=0))) ** 2
        place = np.digitize(np.fft.rfftfreq(audio.samples.shape[1], 1 / 48_000), bands)
        profiles[genre] = 10 * np.log10(np.bincount(place, power, minlength=26)[1:25])
    names = sorted(profiles)
    for index, one in enumerate(names):
        for other in names[index + 1 :]:
            difference_db = np.mean(np.abs(profiles[one] - profiles[other]))
            assert difference_db > 1.5, (one, other)


@pytest.mark.models
def test_two_processes_agree_on_the_real_soundfont(real: Path) -> None:
    first, second = in_two_processes(real)
    assert first == second


@pytest.mark.models
@pytest.mark.parametrize("name", ["piano", "acoustic guitar", "strings", "saxophone", "flute", "trumpet", "accordion"])
def test_a_requested_instrument_is_heard(make_plan: MakePlan, real: Path, name: str) -> None:
    from generation.band.arrange import arrange
    from generation.band.player import play
    from generation.band.soundfont import load

    plan = make_plan("pop", instruments=[name], sections=SHORT)
    parts = arrange(plan, seed=1)
    n_samples = round(plan.duration_s * 48_000)
    everyone = play(load(real), parts, n_samples=n_samples)
    alone = play(load(real), [part for part in parts if part.name == name], n_samples=n_samples)
    assert rms_db(alone) - rms_db(everyone) > -15  # within 15 dB of the full band
