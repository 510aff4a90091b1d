"""A made-up run: two systems, several languages, failures, missing models, hostile text, real (tiny) audio."""

import base64
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from evalkit.store import EvaluatorInfo, ModelInfo, RunData, RunInfo, StageTiming, SuiteInfo, SystemInfo, overview_path
from evalkit.types import Metric, Prompt, Score, Section, Song, Tags

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--autoplay-policy=no-user-gesture-required",
]

SAMPLE_RATE = 8000

HOSTILE = (
    "<script>window.hacked = 1; alert(1)</script>",
    "\"><img src=x onerror='window.hacked = 2'>",
    "</script><script>window.hacked = 3</script><!--",
    "javascript:window.hacked=4",
    "{{ 7 * 7 }} {% raw %} ${window.hacked = 5}",
    "مرحبا بالعالم ‮ reversed",
    "👩‍🎤🎶 emoji \u2028 line separator",
    "x" * 10_000,
)

LYRICS = {
    "en": (
        ("verse", ("Silver rain along the harbour wall", "Every window hums a quiet tune")),
        ("chorus", ("Hold the morning in your open hands", "Hold the light until it knows your name")),
        ("verse", ("Paper boats are sailing down the street", "Carry all the words we never said")),
    ),
    "fr": (
        ("verse", ("La nuit descend sur les toits de la ville", "Et ton prénom traverse la fumée")),
        ("chorus", ("Reste encore avant que le jour se lève", "Reste encore au bord de mes chansons")),
    ),
    "zh": (
        ("verse", ("月光落在河边的小路上", "我听见远方有人在歌唱")),
        ("chorus", ("请你慢慢走不要回头", "让夜风带走所有的忧愁")),
    ),
    "ja": (
        ("verse", ("ゆれる灯りの下で君を待つ", "小さな声で名前を呼んだ")),
        ("chorus", ("朝が来るまで歌おう", "消えない星のように")),
    ),
    "ar": (("verse", ("يا ليل طال السهر والقلب يحكي لك", "والنجم فوق البحر يسمع صوتي")),),
}

METRICS = (
    Metric(
        name="wer_vocals", title="Word error rate, vocal stem", unit="", direction="lower", source="evalkit definition",
        bounds=(0.0, None), aggregate="ratio", as_percent=True, headline=True,
        description="Substituted, missing and added words by words of the lyrics.",
    ),
    Metric(
        name="wer", title="Word error rate, mix", unit="", direction="lower", source="evalkit definition",
        bounds=(0.0, None), aggregate="ratio", as_percent=True, headline=True,
    ),
    Metric(
        name="wer_vocals_song_mean", title="Word error rate, mean of songs", unit="", direction="lower",
        source="evalkit definition", bounds=(0.0, None), as_percent=True,
    ),
)  # fmt: skip
TECHNICAL = (
    Metric(
        name="lufs_i", title="Integrated loudness", unit="LUFS", direction="target", source="ITU-R BS.1770-4",
        good=(-16.0, -12.0), headline=True,
    ),
    Metric(
        name="true_peak_dbtp", title="True peak", unit="dBTP", direction="target", source="ITU-R BS.1770-4",
        good=(None, -1.0),
    ),
    Metric(
        name="bandwidth_hz", title="Bandwidth", unit="Hz", direction="higher", source="evalkit definition",
        bounds=(0.0, None),
    ),
    Metric(name="clipped", title="Clipped", unit="0/1", direction="lower", source="evalkit definition", bounds=(0, 1)),
    Metric(name="dc_offset", title="DC offset", unit="", direction="none", source="evalkit definition"),
)  # fmt: skip
CLAP = (
    Metric(
        name="clap_ta", title="Tags heard in the audio", unit="", direction="higher", source="Wu et al. 2023",
        bounds=(-1.0, 1.0), licence="Apache-2.0",
    ),
)  # fmt: skip


def fake_run(
    folder: Path,
    *,
    languages: tuple[str, ...] = ("en", "fr", "zh", "ja", "ar"),
    prompts_each: int = 3,
    systems: tuple[str, ...] = ("singer", "other"),
    hostile: bool = False,
    audio: bool = True,
    takes: int = 1,
    seed: int = 7,
    duration_s: float = 6.0,
) -> RunData:
    """A run as the other rooms would leave it behind; files only if ``audio``."""
    generator = np.random.default_rng(seed)
    prompts = {}
    for language in languages:
        for number in range(1, prompts_each + 1):
            prompt = _prompt(language, number, HOSTILE[len(prompts) % len(HOSTILE)] if hostile else "")
            prompts[prompt.id] = prompt
    songs = []
    scores = []
    for place, (prompt, system) in enumerate((p, s) for p in prompts.values() for s in systems):
        for take in range(takes):
            reason = HOSTILE[place % len(HOSTILE)] if hostile else "the program ended with exit code 3"
            failed = place % 13 == 9
            song = _song(folder, prompt, system, take, failed, reason, duration_s, audio, generator)
            songs.append(song)
            scores += _scores(song, prompt, duration_s, reason, generator, worse=system == systems[-1])
    return RunData(
        folder=folder,
        info=_info(systems, len(prompts), takes, len(songs), HOSTILE[1] if hostile else ""),
        prompts=prompts,
        songs=tuple(songs),
        scores=tuple(scores),
        notices=("The last line of scores.jsonl was torn and has been dropped.",) if hostile else (),
    )


def _prompt(language: str, number: int, hostile: str) -> Prompt:
    sections = (Section(label="intro-short"), *(Section(label=a, lines=b) for a, b in LYRICS[language]))
    tags = Tags(
        gender=("female", "male")[number % 2],
        genre=("pop", "folk", "jazz")[number % 3],
        emotion=("calm", "bright")[number % 2],
        instruments=("piano", "acoustic guitar")[: 1 + number % 2],
        bpm=80.0 + 10 * number,
        other=(hostile,) if hostile else (),
    )
    return Prompt(
        id=f"{language}-{number:02d}",
        language=language,
        sections=sections,
        tags=tags,
        description=tags.description,
        duration_s=30.0,
    )


def _song(
    folder: Path,
    prompt: Prompt,
    system: str,
    take: int,
    failed: bool,
    reason: str,
    duration_s: float,
    audio: bool,
    generator: np.random.Generator,
) -> Song:
    if failed:
        return Song(prompt_id=prompt.id, system=system, take=take, seed=1, status="failed", reason=reason)
    path = f"audio/{system}/{prompt.id}.take{take}.wav"
    stems = {name: path.replace(".wav", f".{name}.wav") for name in ("vocals", "accompaniment")}
    if audio:
        time = np.arange(int(duration_s * SAMPLE_RATE)) / SAMPLE_RATE
        for place, file in enumerate((path, *stems.values())):
            target = folder / file
            target.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(target, 0.1 * np.sin(2 * np.pi * 220 * (place + 1) * time), SAMPLE_RATE)
        (folder / overview_path(path)).write_text(json.dumps(_overview(duration_s, generator)))
    return Song(
        prompt_id=prompt.id,
        system=system,
        take=take,
        seed=1000 + take,
        status="ok",
        path=path,
        stems=stems,
        sha256="ab" * 32,
        sample_rate=SAMPLE_RATE,
        channels=1,
        duration_s=duration_s,
        params={"temperature": 0.9},
        generation_s=4.2,
    )


def _overview(duration_s: float, generator: np.random.Generator) -> dict[str, Any]:
    columns, mels = 400, 64
    beat = np.abs(np.sin(np.arange(columns) * 0.13)) ** 2
    peaks = (40 + 180 * beat * generator.uniform(0.6, 1.0, columns)).astype(np.uint8)
    tone = np.exp(-((np.arange(mels)[None] - 14 - 9 * np.sin(np.arange(columns) / 31)[:, None]) ** 2) / 9)
    overtone = np.exp(-((np.arange(mels)[None] - 34 - 9 * np.sin(np.arange(columns) / 31)[:, None]) ** 2) / 12)
    noise = generator.uniform(0.2, 0.42, (columns, mels)) * np.linspace(1.2, 0.5, mels)
    levels = np.clip(noise + (0.75 * tone + 0.45 * overtone) * (0.4 + 0.6 * beat[:, None]), 0, 1)
    return {
        "duration_s": duration_s,
        "peaks": _base64(peaks),
        "spectrogram": {
            "n_mels": mels, "n_frames": columns, "f_min_hz": 30.0, "f_max_hz": 4000.0, "floor_db": -80.0,
            "data": _base64((levels * 255).astype(np.uint8)),
        },
    }  # fmt: skip


def _base64(values: Any) -> str:
    return base64.b64encode(values.tobytes()).decode("ascii")


def _align(prompt: Prompt, duration_s: float, rate: float, generator: np.random.Generator) -> dict[str, Any]:
    spaced = prompt.language not in ("zh", "ja")
    tokens = [
        (word, index, line)
        for index, section in enumerate(prompt.sections)
        for line, text in enumerate(section.lines)
        for word in (text.lower().split() if spaced else text)
    ]
    step = duration_s / (len(tokens) + 2)
    alignment = []
    for place, (word, section, line) in enumerate(tokens):
        draw = generator.uniform()
        op = "sub" if draw < rate / 2 else "del" if draw < rate * 0.8 else "hit"
        timed = {"start": None, "end": None} if op == "del" else {"start": place * step, "end": (place + 0.9) * step}
        heard = {"sub": word[::-1], "del": None, "hit": word}[op]
        alignment.append(
            {"op": op, "ref": word, "hyp": heard, "section": section, "line": line, **timed, "backing": place == 4}
        )
        if draw > 1 - rate / 4:
            extra = {"op": "ins", "ref": None, "hyp": "ooh" if spaced else "啊", "section": section, "line": line}
            alignment.append({**extra, "start": (place + 0.9) * step, "end": (place + 1) * step, "backing": False})
    ops = [item["op"] for item in alignment]
    counts = {name: ops.count(op) for op, name in
              (("hit", "hits"), ("sub", "substitutions"), ("del", "deletions"), ("ins", "insertions"))}  # fmt: skip
    errors = len(ops) - counts["hits"]
    return {
        "numerator": errors,
        "denominator": len(tokens),
        **counts,
        "language": prompt.language,
        "transcript": " ".join(item["hyp"] for item in alignment if item["hyp"]),
        "alignment": alignment,
        "sections": [{"index": k, "label": s.label} for k, s in enumerate(prompt.sections)],
        "flags": [],
    }


def _scores(
    song: Song, prompt: Prompt, duration_s: float, reason: str, generator: np.random.Generator, *, worse: bool
) -> list[Score]:
    if song.status == "failed":
        return [
            _missing(song, evaluator, metric, "missing_audio", "the song was not made")
            for evaluator, metrics in (("lyrics", METRICS), ("technical", TECHNICAL), ("clap", CLAP))
            for metric in metrics
        ]
    found = []
    for name, rate in (("vocals", 0.12 if worse else 0.07), ("mix", 0.3 if worse else 0.16)):
        details = _align(prompt, duration_s, rate * generator.uniform(0.1, 2), generator) | {"input": name}
        metric = METRICS[0] if name == "vocals" else METRICS[1]
        value = details["numerator"] / details["denominator"]
        found.append(_score(song, "lyrics", metric, value, details))
        if name == "vocals":
            found.append(_score(song, "lyrics", METRICS[2], value))
    values = (generator.normal(-14.5, 1.5), generator.normal(-1.2, 0.4), generator.normal(15_000, 900),
              float(generator.uniform() < 0.1), generator.normal(0, 1e-4))  # fmt: skip
    found += [_score(song, "technical", metric, float(value)) for metric, value in zip(TECHNICAL, values, strict=True)]
    if prompt.language == "ar":
        found[-1] = _missing(song, "technical", TECHNICAL[-1], "failed", reason)
    hint = "the model clap-music is not there; get it with: evalkit models pull clap-music"
    return [*found, _missing(song, "clap", CLAP[0], "missing_model", hint)]


def _score(song: Song, evaluator: str, metric: Metric, value: float, details: dict[str, Any] | None = None) -> Score:
    return Score(
        song_id=song.id,
        evaluator=evaluator,
        metric=metric.name,
        value=value,
        status="ok",
        signature=signature(metric),
        details=details or {},
    )


def _missing(song: Song, evaluator: str, metric: Metric, status: Any, reason: str) -> Score:
    return Score(
        song_id=song.id,
        evaluator=evaluator,
        metric=metric.name,
        value=None,
        status=status,
        reason=reason,
        signature=signature(metric),
    )


def signature(metric: Metric) -> str:
    """What the fake evaluators sign with."""
    return f"{metric.name}|asr:whisper-base|beam:5|v:1"


def _info(systems: tuple[str, ...], n_prompts: int, takes: int, n_songs: int, hostile: str) -> RunInfo:
    evaluators = tuple(
        EvaluatorInfo(
            name=name,
            version="1",
            options={"engine": "faster-whisper"} if name == "lyrics" else {},
            metrics=metrics,
            signatures={metric.name: signature(metric) for metric in metrics},
            models=("whisper-base",) if name == "lyrics" else (),
        )
        for name, metrics in (("lyrics", METRICS), ("technical", TECHNICAL), ("clap", CLAP))
    )
    return RunInfo(
        run_id="multilingual-singer-20261122T213000Z",
        created="2026-11-22T21:30:00+00:00",
        finished="2026-11-22T21:34:05+00:00",
        status="complete",
        command="evalkit run --suite multilingual",
        suite=SuiteInfo(
            name="multilingual",
            version="1.0.0",
            sha256="cd" * 32,
            licence="CC0-1.0",
            description="Short songs in many languages, written for evalkit.",
            n_prompts=n_prompts,
        ),
        systems=tuple(
            SystemInfo(
                name=name,
                spec=name if place == 0 else f"{name}=/data/{name}",
                title="Singer, the embedded baseline" if place == 0 else name.capitalize(),
                notes={
                    "*": "A baseline and a test signal, not a competitor." + hostile,
                    "ja": "The recogniser, not the singer, is the limit here; left out of claims.",
                }
                if place == 0
                else {},
                models=("kokoro",) if place == 0 else (),
            )
            for place, name in enumerate(systems)
        ),
        evaluators=evaluators,
        models=(
            ModelInfo(name="whisper-base", licence="MIT", source="pypi:example==1.0", sha256="ef" * 32),
            ModelInfo(name="kokoro", licence="Apache-2.0", source="pypi:other==2.0", sha256="01" * 32),
        ),
        takes=takes,
        environment={
            "python": "3.11.9", "platform": "Linux-6.1-x86_64", "cpu": "x86", "n_cpus": 2, "device": "cpu",
            "git_commit": "d743dc7", "git_dirty": True, "packages": {"numpy": "2.4.0", "faster-whisper": "1.2.1"},
        },
        timings={
            "generate": StageTiming(wall_s=81.0, busy_s=150.0, audio_s=900.0, n_songs=n_songs, peak_memory_mb=812.0),
            "evaluate": StageTiming(wall_s=140.0, busy_s=260.0, audio_s=900.0, n_songs=n_songs),
        },
    )  # fmt: skip


@pytest.fixture(scope="module")
def make_shared_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., RunData]:
    """As `make_run`, for tests that only look."""

    def make(**options: Any) -> RunData:
        return fake_run(tmp_path_factory.mktemp("run"), **options)

    return make


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., RunData]:
    """Builds a run in a fresh folder; options as in `fake_run`."""

    def make(name: str = "run", **options: Any) -> RunData:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        return fake_run(folder, **options)

    return make


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium, or skip."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no chromium on the path; set CHROMIUM to its executable")
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield found
        found.close()
