"""The whole singer, with its real models."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from evalkit import lyrics
from evalkit.errors import ConfigError, GenerationError
from evalkit.types import Prompt, Tags
from generation.systems.singer import SYSTEM

ONE_LINE = "[verse] Hold on ; [outro-short]"


def make_prompt(text=ONE_LINE, *, language="en", **fields):
    return Prompt(id="song", language=language, lyrics=text, sections=lyrics.parse(text), **fields)


def test_required_models():
    assert set(SYSTEM.required_models("")) == {"kokoro", "gm-soundfont"}
    assert set(SYSTEM.required_models("espeak")) == {"gm-soundfont"}
    with pytest.raises(ConfigError, match="opera"):
        SYSTEM.required_models("opera")


def test_unknown_language_names_the_ten():
    system = SYSTEM("", lambda name: Path(name))
    with pytest.raises(GenerationError, match=r"'sv'.*en, zh, es, ja, fr, de, pt, it, ko, ru"):
        system.generate(make_prompt(language="sv"), take=0, seed=1)


@pytest.mark.models
def test_a_song_is_complete(model_dir):
    shares = []
    prompt = make_prompt(tags=Tags(genre="pop", bpm=120, emotion="happy", other=("vinyl",)), language="en-US")
    song = SYSTEM("", model_dir).generate(prompt, take=0, seed=1, progress=shares.append)
    vocals, accompaniment = song.stems["vocals"], song.stems["accompaniment"]
    for audio in (song.mix, vocals, accompaniment):
        assert audio.sample_rate == 48_000
        assert audio.channels == 2
        assert audio.samples.shape == song.mix.samples.shape
        assert 0.01 < np.abs(audio.samples).max() <= 10 ** (-1 / 20)
    assert np.abs(song.mix.samples - vocals.samples - accompaniment.samples).max() < 1e-6
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    params = json.loads(json.dumps(song.params, allow_nan=False))
    assert params["bpm"] == 120
    assert params["ignored_tags"] == ["vinyl"]
    assert [line["text"] for line in params["lines"]] == ["Hold on"]

    # The voice sounds where the record says it does, and not before.
    line = params["lines"][0]
    mono = np.abs(vocals.samples.mean(axis=0))
    inside = mono[round(line["start_s"] * 48_000) : round(line["end_s"] * 48_000)]
    assert inside.mean() > 20 * mono[: round((line["start_s"] - 0.6) * 48_000)].mean()


@pytest.mark.models
def test_without_words_the_band_plays_alone(model_dir):
    song = SYSTEM("", model_dir).generate(make_prompt("", language="sv", duration_s=8.0), take=0, seed=1)
    assert song.mix.duration_s == pytest.approx(8.0, abs=3.0)
    assert np.abs(song.mix.samples).max() > 0.05
    assert not song.stems["vocals"].samples.any()
    assert song.params["voice"] is None


@pytest.mark.models
def test_lines_without_sound_are_skipped_and_recorded(model_dir):
    prompt = make_prompt("[verse] ١٢ 😀😀.Hold on.مرحبا")
    song = SYSTEM("espeak", model_dir).generate(prompt, take=0, seed=1)
    assert "مرحبا" in song.params["skipped_lines"]
    assert "Hold on" in [line["text"] for line in song.params["lines"]]


@pytest.mark.models
def test_only_unpronounceable_words_give_an_instrumental_song(model_dir):
    song = SYSTEM("espeak", model_dir).generate(make_prompt("[verse] مرحبا", duration_s=6), take=0, seed=1)
    assert song.params["lines"] == []
    assert np.abs(song.mix.samples).max() > 0.05


@pytest.mark.models
def test_endless_lyrics_are_refused_in_a_sentence(model_dir, monkeypatch):
    monkeypatch.setattr("generation.systems.singer._MAX_LINES", 5)
    prompt = make_prompt("[verse] go.we.go.we.go.we")
    with pytest.raises(GenerationError, match="too long for the embedded singer"):
        SYSTEM("espeak", model_dir).generate(prompt, take=0, seed=1)


@pytest.mark.models
def test_fallback_song_and_seeds(model_dir):
    def digest(seed):
        song = SYSTEM("espeak", model_dir).generate(make_prompt(), take=0, seed=seed)
        return hashlib.sha256(song.mix.samples.tobytes()).hexdigest()

    assert digest(1) == digest(1)
    assert digest(1) != digest(2)


_SCRIPT = """
import hashlib, sys
from pathlib import Path
from evalkit import lyrics
from evalkit.types import Prompt
from generation.systems.singer import SYSTEM
text = "[verse] Hold on"
prompt = Prompt(id="song", language="en", lyrics=text, sections=lyrics.parse(text))
folders = {"kokoro": Path(sys.argv[1]), "gm-soundfont": Path(sys.argv[2])}
song = SYSTEM("", folders.__getitem__).generate(prompt, take=0, seed=int(sys.argv[3]))
parts = [song.mix, song.stems["vocals"], song.stems["accompaniment"]]
print(hashlib.sha256(b"".join(part.samples.tobytes() for part in parts)).hexdigest())
"""


@pytest.mark.models
@pytest.mark.slow
def test_two_processes_make_the_same_bytes(model_dir):
    folders = [str(model_dir("kokoro")), str(model_dir("gm-soundfont"))]

    def digest(seed):
        command = [sys.executable, "-c", _SCRIPT, *folders, str(seed)]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=200).stdout

    first = digest(1)
    assert len(first.strip()) == 64
    assert digest(1) == first
    assert digest(2) != first
