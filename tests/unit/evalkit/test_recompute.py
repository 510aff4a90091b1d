"""What is computed again when something changes: only what depends on it."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from evalkit import runner
from evalkit.audio import save_flac
from evalkit.cache import ResultCache
from evalkit.evaluators.base import ok
from evalkit.files import file_sha256
from evalkit.scoring import Scorer
from evalkit.store import EvaluatorInfo
from evalkit.types import Audio, Clip, Metric, Prompt, Score, Song

PROMPT = Prompt(id="p", language="en")


class Transcribes:
    """Two metrics from one costly thing that is kept by content, as transcripts and embeddings are."""

    def __init__(self, name: str, costly: str, counts: Counter[str]) -> None:
        self.name, self.costly, self.counts = name, costly, counts

    def score(self, clip: Clip) -> list[Score]:
        def compute() -> dict[str, Any]:
            self.counts[self.costly] += 1
            return {"peak": float(abs(clip.mix.samples).max())}

        self.counts[self.name] += 1
        peak = clip.derived.stored("mix", self.costly, compute)["peak"]
        return [ok(clip, self.name, self.name, peak, f"{self.name}|{self.costly}")]


def info(name: str, costly: str) -> EvaluatorInfo:
    metric = Metric(name=name, title=name, unit="", direction="none", source="test")
    return EvaluatorInfo(name=name, version="1", metrics=(metric,), signatures={name: f"{name}|{costly}"})


def test_a_changed_metric_recomputes_only_itself(tmp_path: Path, make_sine: Callable[..., Audio]) -> None:
    path = "audio/s/p.take0.flac"
    save_flac(make_sine(), tmp_path / path)
    song = Song(prompt_id="p", system="s", take=0, seed=1, status="ok", path=path, sha256=file_sha256(tmp_path / path))
    store = ResultCache(tmp_path / "cache")
    counts: Counter[str] = Counter()
    scores: list[Score] = []

    def evaluate(**metrics: str) -> Counter[str]:
        counts.clear()
        infos = [info(name, costly) for name, costly in metrics.items()]
        loaded: Any = {name: Transcribes(name, costly, counts) for name, costly in metrics.items()}
        for task in runner.pending([song], {"p": PROMPT}, scores, infos):
            reports: list[Any] = []
            Scorer(tmp_path, infos, models={}, store=store, loaded=loaded)((task,), reports.append)
            scores.extend(reports[-1].scores)
        return Counter(counts)

    assert evaluate(wer="asr-1", cer="asr-1") == {"wer": 1, "cer": 1, "asr-1": 1}, "one transcript for both"
    assert evaluate(wer="asr-1", cer="asr-1") == {}, "nothing changed"
    assert evaluate(wer="asr-1", per="asr-1") == {"per": 1}, "a new metric finds the transcript"
    assert evaluate(wer="asr-2", cer="asr-1") == {"wer": 1, "asr-2": 1}, "another recogniser is asked for its own"
    scores.clear()
    assert evaluate(wer="asr-1", cer="asr-1") == {"wer": 1, "cer": 1}, "another run over the same audio"
    for record in (tmp_path / "cache").rglob("*.npz"):
        record.write_bytes(record.read_bytes()[:40])
    scores.clear()
    assert evaluate(wer="asr-1", cer="asr-1") == {"wer": 1, "cer": 1, "asr-1": 1}, "a damaged record is computed again"
    assert {score.value for score in scores} == {0.5}
