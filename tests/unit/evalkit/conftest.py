"""Runs in memory, made of tables of numbers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from evalkit.runfolder import RunWriter
from evalkit.store import EvaluatorInfo, RunData, RunInfo, SuiteInfo, SystemInfo
from evalkit.types import Metric, Prompt, Score, Song

SHA = "5" * 64


def metric(name: str, **options: Any) -> Metric:
    return Metric(
        name=name,
        title=options.pop("title", name.upper()),
        unit=options.pop("unit", ""),
        direction=options.pop("direction", "lower"),
        source="test",
        **options,
    )


PER = metric("per", aggregate="ratio", as_percent=True)
LOUDNESS = metric("loudness", unit="LU")
QUALITY = metric("quality", direction="higher")
PEAK = metric("peak", unit="dB", direction="target", good=(None, -1.0))
WIDTH = metric("width", direction="none")
CLIPPED = metric("clipped", unit="0/1", as_percent=True)


def make_run(
    table: Mapping[Metric, Any],
    *,
    name: str = "run",
    system: str = "singer",
    languages: Sequence[str] = ("en",),
    signature: str = "v1",
    sha256: str = SHA,
    lyrics: str = "la la",
    counts: Any = 100,
    status: str = "complete",
    failed: Sequence[int] = (),
    first: int = 0,
    takes: int | None = None,
    **info: Any,
) -> RunData:
    """A run of one system.

    Args:
        table: Metric to values [prompts] or [prompts, takes]; NaN has failed, infinity does not apply.
        counts: Denominators of ratios, a number or as the values.
        failed: Places of prompts whose songs all failed.
        first: Number of the first prompt.
    """
    values = {m: np.atleast_2d(np.asarray(v, dtype=float).T).T for m, v in table.items()}
    n, k = next(iter(values.values())).shape
    column = np.asarray(counts, dtype=float)
    below = np.broadcast_to(column.reshape(-1, 1) if column.ndim == 1 else column, (n, k))
    prompts = [
        Prompt(id=f"p{first + i:04d}", language=languages[(first + i) % len(languages)], lyrics=f"{lyrics} {first + i}")
        for i in range(n)
    ]
    songs, scores = [], []
    for i, prompt in enumerate(prompts):
        for take in range(k):
            bad = i in failed
            song = Song(
                prompt_id=prompt.id, system=system, take=take, seed=take, sample_rate=48_000,
                status="failed" if bad else "ok", reason="it broke" if bad else "", path=None if bad else "x.flac",
            )  # fmt: skip
            songs.append(song)
            if bad:
                continue
            for m, found in values.items():
                scores.append(_score(song, m, float(found[i, take]), float(below[i, take]), signature))
    signatures = {m.name: signature for m in values}
    return RunData(
        folder=Path("runs") / name,
        info=RunInfo(
            run_id=name, created="2026-01-01T00:00:00Z", status=status, command="evalkit run",
            suite=SuiteInfo(name="suite", version="1", sha256=sha256, licence="MIT", n_prompts=n),
            systems=(SystemInfo(name=system, spec=system, title=system),),
            evaluators=(EvaluatorInfo(name="e", version="1", metrics=tuple(values), signatures=signatures),),
            prompts=tuple(prompts), takes=takes or k, **info,
        ),
        prompts={prompt.id: prompt for prompt in prompts},
        songs=tuple(songs),
        scores=tuple(scores),
    )  # fmt: skip


def _score(song: Song, m: Metric, value: float, below: float, signature: str) -> Score:
    status = "failed" if np.isnan(value) else "not_applicable" if np.isinf(value) else "ok"
    ok = status == "ok"
    return Score(
        song_id=song.id, evaluator="e", metric=m.name, value=value if ok else None, status=status,
        reason="" if ok else "no number", signature=signature,
        details={"numerator": value * below, "denominator": below} if ok and m.aggregate == "ratio" else {},
    )  # fmt: skip


def sung(
    seed: Sequence[int], n: int, k: int = 1, *, collapse: float = 0.02, worse: float = 0.0, system_seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Phone error rates with the heavy tail of real singers [prompts, takes], and phones of each lyric [prompts].

    The songs (difficulty and length) follow from ``seed``, the singing from ``system_seed`` too. Most lyrics lie near
    10 %; a take collapses now and then and then misses more than half.
    """
    songs = np.random.default_rng([*seed, 1])
    difficulty, phones = songs.beta(1.6, 16.0, (n, 1)) + 0.01, songs.integers(60, 400, (n, 1))
    rng = np.random.default_rng([*seed, 2, system_seed])
    rate = rng.beta(difficulty * 18, (1 - difficulty) * 18, (n, k))
    rate = np.where(rng.random((n, k)) < collapse, rng.uniform(0.5, 1.0, (n, k)), rate) + worse
    return rng.binomial(phones, np.clip(rate, 0, 1)) / phones, phones[:, 0]


@pytest.fixture(scope="session", name="metric")
def _metric() -> Any:
    return metric


@pytest.fixture(scope="session", name="make_run")
def _make_run() -> Any:
    return make_run


@pytest.fixture(scope="session", name="sung")
def _sung() -> Any:
    return sung


@pytest.fixture(scope="session")
def kinds() -> Any:
    """One metric of each kind."""
    return SimpleNamespace(per=PER, loudness=LOUDNESS, quality=QUALITY, peak=PEAK, width=WIDTH, clipped=CLIPPED)


@pytest.fixture(scope="session")
def write_run() -> Any:
    """Write a run in memory to a folder, without audio."""

    def write(run: RunData, folder: Path) -> Path:
        with RunWriter(folder, run.info) as writer:
            for song in run.songs:
                writer.add_song(song)
            writer.add_scores(run.scores)
        return folder

    return write
