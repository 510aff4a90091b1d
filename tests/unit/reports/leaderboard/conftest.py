"""Made-up runs for leaderboards: seeded, in memory, with a known quality for each system."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evalkit.store import EvaluatorInfo, ModelInfo, RunData, RunInfo, SuiteInfo, SystemInfo
from evalkit.types import Metric, Prompt, Score, Song
from reports.leaderboard import Source

LANGUAGES = ("en", "de", "fr", "es", "it", "pt", "zh", "ja", "ko", "ru")

METRICS = (
    Metric(
        name="wer", title="Word error rate", unit="", direction="lower", source="evalkit definition",
        bounds=(0.0, None), aggregate="ratio", as_percent=True, headline=True,
        description="Substituted, missing and added words by words of the lyrics.",
    ),
    Metric(
        name="clap_ta", title="Tags heard in the audio", unit="", direction="higher", source="Wu et al. 2023",
        bounds=(-1.0, 1.0), licence="Apache-2.0", headline=True,
    ),
    Metric(
        name="lufs_i", title="Integrated loudness", unit="LUFS", direction="target", source="ITU-R BS.1770-4",
        good=(-16.0, -12.0), headline=True,
    ),
    Metric(name="dur_s", title="Duration", unit="s", direction="none", source="evalkit definition"),
    Metric(
        name="songeval", title="Song quality", unit="", direction="higher", source="Yao et al. 2025",
        bounds=(1.0, 5.0), licence="CC-BY-NC-SA-4.0",
    ),
)  # fmt: skip

SIGNATURES = {
    "wer": "wer|sep:none|asr:whisper-base@753752d2|beam:5|norm:evalkit-lyrics-1|agg:pooled|v:1",
    "clap_ta": "clap_ta|emb:clap-music@0b1c|windows:10s|v:1",
    "lufs_i": "lufs_i|branch:raw|rate:native|v:1",
    "dur_s": "dur_s|branch:raw|v:1",
    "songeval": "songeval|model:songeval@1f|v:1",
}


def fake_source(
    system: str = "singer",
    *,
    created: str = "2026-11-01T12:00:00Z",
    quality: float = 0.0,
    languages: tuple[str, ...] = LANGUAGES,
    prompts_each: int = 4,
    seed: int = 0,
    suite: str = "multilingual",
    sha256: str = "cd" * 32,
    signatures: Mapping[str, str] = SIGNATURES,
    licence: str = "Apache-2.0",
    missing: int = 0,
    report: Path | None = None,
    run_id: str | None = None,
    status: Any = "complete",
    title: str = "",
    notes: Mapping[str, str] | None = None,
    version: str = "",
    made: str = "",
) -> Source:
    """One run of one system; ``quality`` 1 is one standard deviation of prompts better; the last prompts are missing.

    The difficulty of a prompt is the same for all systems.
    """
    prompts = {
        f"{code}-{number:02d}": Prompt(id=f"{code}-{number:02d}", language=code)
        for code in languages
        for number in range(1, prompts_each + 1)
    }
    difficulty = np.random.default_rng(1).normal(size=len(prompts))
    generator = np.random.default_rng([seed, *system.encode(), *created.encode()])
    songs, scores = [], []
    for place, (prompt, hard) in enumerate(zip(prompts.values(), difficulty, strict=True)):
        failed = place >= len(prompts) - missing
        song = Song(
            prompt_id=prompt.id, system=system, take=0, seed=1, status="failed" if failed else "ok",
            reason="the program ended with exit code 3" if failed else "",
        )  # fmt: skip
        songs.append(song)
        level = quality - hard + generator.normal(scale=0.4)
        for metric in METRICS:
            if metric.name in signatures:
                scores.append(_score(song, metric, level, signatures[metric.name], generator))
    info = RunInfo(
        run_id=run_id or f"{suite}-{system}-{created}",
        created=created,
        finished=created,
        status=status,
        command="evalkit run --suite multilingual",
        suite=SuiteInfo(name=suite, version="1", sha256=sha256, licence="MIT", n_prompts=len(prompts)),
        systems=(
            SystemInfo(name=system, spec=system, title=title or system, models=("weights",), notes=notes or {}),
        ),
        evaluators=(
            EvaluatorInfo(
                name="mixed", version="1",
                metrics=tuple(metric for metric in METRICS if metric.name in signatures), signatures=signatures,
            ),
        ),
        models=(ModelInfo(name="weights", licence=licence, source="hub", sha256="ef" * 32),),
        prompts=tuple(prompts.values()),
    )  # fmt: skip
    run = RunData(folder=Path("run"), info=info, prompts=prompts, songs=tuple(songs), scores=tuple(scores))
    return Source(
        run=run, path=Path("run"), report=report, self_reported=bool(version), version=version, made=made
    )  # fmt: skip


def _score(song: Song, metric: Metric, level: float, signature: str, generator: np.random.Generator) -> Score:
    head: dict[str, Any] = {
        "song_id": song.id, "evaluator": "mixed", "metric": metric.name, "signature": signature,
    }  # fmt: skip
    if song.status == "failed":
        return Score(**head, value=None, status="missing_audio", reason="the song was not made")
    if metric.name == "wer":
        words = 40
        errors = int(np.clip(round(words * (0.2 - 0.05 * level)), 0, 2 * words))
        details = {"numerator": errors, "denominator": words}
        return Score(**head, value=errors / words, status="ok", details=details)
    value = {
        "clap_ta": float(np.clip(0.3 + 0.05 * level, -1, 1)),
        "lufs_i": -14.0 + generator.normal(),
        "dur_s": 30.0 + abs(generator.normal()),
        "songeval": float(np.clip(3.0 + 0.3 * level, 1, 5)),
    }[metric.name]
    return Score(**head, value=float(value), status="ok")


@pytest.fixture
def make_source() -> Callable[..., Source]:
    return fake_source
