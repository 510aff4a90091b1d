"""Systems that show how far the metrics go."""

from pathlib import Path

import numpy as np
import pytest
import scipy.signal

from evalkit import lyrics
from evalkit.audio import load as load_audio
from evalkit.errors import ConfigError, GenerationError
from evalkit.executors.local import LocalExecutor
from evalkit.runfolder import RunWriter, load
from evalkit.store import RunInfo, SuiteInfo
from evalkit.types import Prompt
from generation import calibration
from generation.base import SYSTEMS, Calibration
from generation.generate import generate, other_prompts, plan
from generation.spec import parse


def make_prompts(text: str) -> list[Prompt]:
    """``en:one zh:two``: language and lyric of each."""
    found = []
    for place, word in enumerate(text.split()):
        language, _, words = word.partition(":")
        lyric = f"[verse] {words.replace('_', ' ')} ; [outro-short]"
        found.append(
            Prompt(id=f"p{place}", language=language, lyrics=lyric, sections=lyrics.parse(lyric), duration_s=0.5)
        )
    return found


def confused(text: str) -> list[str]:
    prompts = make_prompts(text)
    found = other_prompts(prompts)
    return [found[prompt.id].id for prompt in prompts]


def test_another_prompt_is_the_next_of_the_language():
    assert confused("en:one zh:two en:three en:four zh:five") == ["p2", "p4", "p3", "p0", "p1"]


def test_another_prompt_has_other_lyrics_or_is_of_another_language():
    assert confused("en:one en:one en:two") == ["p2", "p2", "p0"]
    assert confused("en:one en:one zh:two zh:three") == ["p2", "p2", "p3", "p2"]
    assert confused("en:one en:one") == ["p0", "p1"], "there is nothing else to sing"


@pytest.mark.parametrize("n", [2, 3, 7])
def test_nobody_keeps_their_own_lyrics_and_each_is_used_once(n):
    found = confused(" ".join(f"en:{'abcdefg'[k]}" for k in range(n)))
    assert sorted(found) == [f"p{k}" for k in range(n)]
    assert all(other != f"p{k}" for k, other in enumerate(found))


def test_which_systems_are_added():
    said: list[str] = []
    specs = calibration.systems(make_prompts("en:one zh-CN:two"), said.append)
    assert [spec.name for spec in specs] == list(calibration.NAMES)
    assert all(spec.calibration and not spec.reference for spec in specs)
    assert not said
    assert [spec.name for spec in calibration.systems(make_prompts("en:one sv:two"), said.append)] == [
        "silence",
        "noise",
    ]
    assert "do not speak sv" in said[0]
    names = [spec.name for spec in calibration.systems(make_prompts("en:one"), said.append)]
    assert names == ["spoken", "silence", "noise"]
    assert "all prompts have the same lyrics" in said[-1]


@pytest.mark.parametrize("name", calibration.NAMES)
def test_each_says_what_it_is(name):
    cls = SYSTEMS.get(name)
    assert issubclass(cls, Calibration)
    assert cls.role == ("ceiling" if name == "spoken" else "floor")
    assert cls.title.startswith("Calibration: ")
    assert cls.notes["*"]


def make(name, prompt, seed=1):
    return SYSTEMS.get(name)("", lambda model: Path(model)).generate(prompt, take=0, seed=seed).mix


def test_silence_and_noise():
    (prompt,) = make_prompts("en:one")
    silent = make("silence", prompt)
    assert (silent.sample_rate, silent.duration_s, silent.channels) == (48_000, 0.5, 2)
    assert not silent.samples.any()
    long = Prompt(id="p", language="en", duration_s=8.0)
    noise = make("noise", long)
    assert noise.duration_s == 8.0
    assert np.sqrt(np.mean(noise.samples.astype(float) ** 2)) == pytest.approx(0.1, rel=1e-3)
    assert np.array_equal(noise.samples, make("noise", long).samples)
    assert not np.array_equal(noise.samples, make("noise", long, seed=2).samples)
    assert abs(np.corrcoef(noise.samples)[0, 1]) < 0.2
    hertz, power = scipy.signal.welch(noise.samples[0], 48_000, nperseg=8192)
    decades = [np.log10(power[(hertz > f) & (hertz < 2 * f)].mean()) for f in (100, 1000, 10_000)]
    assert np.diff(decades) == pytest.approx([-1, -1], abs=0.1), "10 dB a decade is 3 dB an octave"


def test_a_song_for_one_prompt_is_asked_with_another_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(SYSTEMS.get("silence"), "takes_another_prompt", True)
    prompts = tuple(
        Prompt(id=f"p{n}", language="en", lyrics=f"[verse] {n}", duration_s=0.3 + 0.1 * n) for n in range(3)
    )
    suite = SuiteInfo(name="s", version="1", sha256="0" * 64, licence="MIT", n_prompts=3)
    info = RunInfo(
        run_id="r", created="2026-01-01T00:00:00Z", status="running", command="", suite=suite, systems=(),
        prompts=prompts,
    )  # fmt: skip
    jobs = plan([parse("silence")], prompts, takes=1, seed=0)
    assert [(job.prompt.id, job.asked.id) for job in jobs] == [("p0", "p1"), ("p1", "p2"), ("p2", "p0")]
    assert [job.seed for job in jobs] == [job.seed for job in plan([parse("tone")], prompts, takes=1, seed=0)]
    with RunWriter(tmp_path, info) as writer:
        generate(jobs, writer, models={}, executor=LocalExecutor(1))
    for song in load(tmp_path).songs:
        asked = f"p{(int(song.prompt_id[1]) + 1) % 3}"
        assert song.params["lyrics_of"] == asked
        assert load_audio(tmp_path / str(song.path)).duration_s == pytest.approx(0.3 + 0.1 * int(asked[1]))


def test_variants_and_languages():
    with pytest.raises(ConfigError, match="has no variant 'opera'"):
        parse("spoken/opera")
    with pytest.raises(GenerationError, match=r"do not know the language 'sv'.*They speak en, zh"):
        make("spoken", Prompt(id="p", language="sv"))


@pytest.mark.models
def test_speech_has_words_pauses_and_no_music(model_dir):
    prompt = make_prompts("en:Silver_rain_along_the_harbour_wall")[0]
    system = SYSTEMS.get("spoken")("", model_dir)
    shares = []
    first = system.generate(prompt, take=0, seed=3, progress=shares.append)
    again = system.generate(prompt, take=0, seed=3)
    mix = first.mix
    assert np.array_equal(mix.samples, again.mix.samples)
    assert np.array_equal(mix.samples[0], mix.samples[1])
    assert first.stems["vocals"] is mix
    assert mix.duration_s == 6.0
    assert shares[-1] == 1.0
    assert np.abs(mix.samples).max() <= 0.9
    frames = np.abs(mix.samples[0][: len(mix.samples[0]) // 480 * 480]).reshape(-1, 480).max(axis=1)
    assert frames[:40].max() < 0.01, "half a second of silence before the first word"
    assert np.mean(frames > 0.02) > 0.15


def test_espeak_speaks_without_any_model():
    prompt = make_prompts("en:Silver_rain_along_the_harbour_wall")[0]
    made = SYSTEMS.get("spoken")("espeak", lambda name: Path(name)).generate(prompt, take=0, seed=3)
    assert made.mix.duration_s == 6.0
    assert made.params["skipped_lines"] == []
    empty = SYSTEMS.get("spoken")("espeak", lambda name: Path(name)).generate(
        Prompt(id="p", language="en"), take=0, seed=3
    )
    assert not empty.mix.samples.any()
