"""SongEval: five ratings of a whole song, by a program of yours that runs the published model."""

import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from evalkit.audio import RESAMPLER
from evalkit.errors import ConfigError, EvalkitError, ModelError
from evalkit.evaluators._outside import OutsideProgram
from evalkit.evaluators.base import ModelLocator, make_signature, ok, too_short, without_value
from evalkit.registry import suggestion
from evalkit.signal.heard import LEVEL, heard
from evalkit.types import Clip, Metric, Score

SAMPLE_RATE = 24_000
LIMIT_S = 600.0
ASPECTS = ("coherence", "musicality", "memorability", "clarity", "naturalness")
_OPTIONS = ("command", "revision")
_SAID = {
    "coherence": "How well the whole holds together.",
    "musicality": "How musical it is.",
    "memorability": "How well it stays in mind.",
    "clarity": "How clear its structure is.",
    "naturalness": "How natural breath and phrasing of the voice are.",
}
_WHY_NOT = (
    "SongEval and the MuQ it needs are for non-commercial use and pin packages that cannot be installed beside "
    "evalkit's; evalkit speaks to a program that has them"
)


class SongEvalEvaluator:
    """Ratings of the whole mix from 1 to 5, for research only.

    The program is started once for each worker and given a line of JSON for each song, ``{"path": "/…/song.wav"}``:
    mono, 24 kHz, at the common level. It answers with one line, ``{"coherence": 3.1, "musicality": …,
    "memorability": …, "clarity": …, "naturalness": …}`` or ``{"error": "why not"}``.

    Args:
        options: ``command`` (a list: program and arguments; without it nothing is measured) and ``revision`` (what the
            program runs, for the signature).
        locate: Not used.
    """

    name: ClassVar[str] = "songeval"
    version: ClassVar[str] = "1"
    metrics: ClassVar[tuple[Metric, ...]] = tuple(
        Metric(
            name=f"se_{aspect}",
            title=f"SongEval, {aspect}",
            unit="",
            direction="higher",
            bounds=(1.0, 5.0),
            source="ASLP-lab SongEval",
            licence="CC BY-NC-SA 4.0; MuQ: CC BY-NC 4.0",
            description=f"{_SAID[aspect]} Trained on English and Chinese songs.",
        )
        for aspect in ASPECTS
    )

    @classmethod
    def required_models(cls, options: Mapping[str, Any]) -> Sequence[str]:
        """None that evalkit fetches."""
        return ()

    def __init__(self, options: Mapping[str, Any], locate: ModelLocator) -> None:
        for key in options:
            if key not in _OPTIONS:
                raise ConfigError(f"The evaluator songeval has no option {key!r}.", suggestion(key, list(_OPTIONS)))
        command = options.get("command", [])
        if not isinstance(command, list) or not all(isinstance(part, str) and part for part in command):
            raise ConfigError(f"The option command of songeval needs a list of texts, not {command!r}.")
        self._command: list[str] = command
        self._revision = str(options.get("revision", "unnamed" if command else "none"))
        self._program: OutsideProgram | None = None

    def signature(self, metric: str) -> str:
        """Program, level and rate in one line."""
        parts = {"program": self._revision, "level": LEVEL, "resample": RESAMPLER, "rate": str(SAMPLE_RATE)}
        return make_signature(metric, self.version, parts)

    def score(self, clip: Clip) -> list[Score]:
        """Five ratings."""
        if not self._command:
            raise ModelError(f"{_WHY_NOT}.", "Name it in a profile: songeval: {command: [python, my_songeval.py]}")
        if reason := too_short(clip):
            return [
                without_value(clip.song.id, self.name, metric.name, "failed", reason, self.signature(metric.name))
                for metric in self.metrics
            ]
        found = self._ask(clip)
        return [
            ok(clip, self.name, f"se_{aspect}", found[aspect], self.signature(f"se_{aspect}")) for aspect in ASPECTS
        ]

    def _ask(self, clip: Clip) -> dict[str, float]:
        import soundfile

        if self._program is None or not self._program.is_alive:
            self._program = OutsideProgram(self._command, self.name)
        with tempfile.TemporaryDirectory(prefix="evalkit-") as folder:
            path = Path(folder) / "song.wav"
            soundfile.write(str(path), heard(clip, "mix", SAMPLE_RATE).samples.T, SAMPLE_RATE, subtype="FLOAT")
            answer = self._program.ask({"path": str(path)}, LIMIT_S)
        found = {}
        for aspect in ASPECTS:
            value = answer.get(aspect)
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise EvalkitError(f"The program of songeval gave {value!r} for {aspect}, expected a number.")
            found[aspect] = float(value)
        return found


EVALUATOR = SongEvalEvaluator
