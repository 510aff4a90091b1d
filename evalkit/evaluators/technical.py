"""Technical metrics of the audio itself: loudness, peaks, clipping, silence, spectrum, stereo, faults.

No model, no resampling: everything is measured on the decoded samples at their own rate and channels (the raw branch).
All definitions are functions in the modules ``_loudness``, ``_dynamics``, ``_spectrum``, ``_stereo`` and
``_repetition``; what they share about a clip is `Analysis`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from evalkit.errors import ConfigError
from evalkit.evaluators._analysis import Analysis
from evalkit.evaluators._dynamics import crest_factor, dc_offset, find_clicks, find_dropouts, high_band_cells
from evalkit.evaluators._repetition import longest_loop
from evalkit.evaluators._spectrum import bandwidth, mains_hum, noise_floor, rolloff, shelf_drop, stationary_peaks
from evalkit.evaluators._stereo import mono_loss, side_mid_ratio
from evalkit.evaluators._technical_metrics import METRICS
from evalkit.evaluators.base import MIN_DURATION_S, ModelLocator, make_signature, ok, too_short, without_value
from evalkit.registry import suggestion
from evalkit.signal.frames import NotMeasurable
from evalkit.signal.loudness import loudness_range
from evalkit.types import Clip, Metric, Score

Measured = float | tuple[float, dict[str, Any]]

MIN_SAMPLE_RATE = 8000
LENGTH_METRICS = frozenset({"dur_s", "dur_ratio"})
_MAX_POSITIONS = 20


class TechnicalEvaluator:
    """All technical metrics in one pass over the decoded song.

    Options:
        min_duration_s: Shorter songs are refused as ``failed``; only their length is measured. 5 by default.
    """

    name: ClassVar[str] = "technical"
    version: ClassVar[str] = "1"
    metrics: ClassVar[tuple[Metric, ...]] = METRICS

    @classmethod
    def required_models(cls, options: Mapping[str, Any]) -> Sequence[str]:
        """None: this is arithmetic."""
        return ()

    def __init__(self, options: Mapping[str, Any], locate: ModelLocator) -> None:
        for key in options:
            if key != "min_duration_s":
                raise ConfigError(
                    f"The evaluator technical has no option {key!r}.", suggestion(key, ["min_duration_s"])
                )
        minimum = options.get("min_duration_s", MIN_DURATION_S)
        if isinstance(minimum, bool) or not isinstance(minimum, int | float) or not 0.0 <= minimum < math.inf:
            raise ConfigError(f"The option min_duration_s of technical needs seconds, 0 or more, not {minimum!r}.")
        self._min_duration_s = float(minimum)

    def signature(self, metric: str) -> str:
        """How the value comes about, in one line."""
        parts = {"branch": "raw", "rate": "native"}
        if metric == "vocal_acc_ratio":
            parts["stems"] = "native"
        return make_signature(metric, self.version, parts)

    def score(self, clip: Clip) -> list[Score]:
        """One score for each metric, in declared order."""
        refusal = self._refusal(clip)
        analysis = Analysis(clip)
        scores = []
        for metric in self.metrics:
            signature = self.signature(metric.name)
            common = (clip.song.id, self.name, metric.name)
            if refusal and metric.name not in LENGTH_METRICS:
                scores.append(without_value(*common, "failed", refusal, signature))
                continue
            try:
                measured = _MEASURES[metric.name](analysis)
            except NotMeasurable as reason:
                scores.append(without_value(*common, "not_applicable", str(reason), signature))
                continue
            value, details = measured if isinstance(measured, tuple) else (measured, {})
            scores.append(ok(clip, self.name, metric.name, value, signature, **details))
        return scores

    def _refusal(self, clip: Clip) -> str:
        """Why the clip cannot be measured, or an empty string."""
        if clip.mix.samples.shape[1] == 0:
            return "bad_audio: no samples"
        if reason := too_short(clip, self._min_duration_s):
            return reason
        if clip.mix.sample_rate < MIN_SAMPLE_RATE:
            return f"bad_audio: a sample rate of {clip.mix.sample_rate} Hz, at least {MIN_SAMPLE_RATE} Hz are needed"
        return ""


def _peak_to_loudness(analysis: Analysis) -> Measured:
    """True peak in dBTP less integrated loudness in LUFS."""
    return 20.0 * math.log10(analysis.true_peak) - analysis.loudness


def _clip_share(analysis: Analysis) -> float:
    """Clipped samples of all channels as a share of all samples."""
    return analysis.clipped / analysis.audio.samples.size


def _silence(field: str) -> Callable[[Analysis], Measured]:
    def measure(analysis: Analysis) -> Measured:
        if analysis.silence.is_everywhere:
            raise NotMeasurable("silent throughout")
        return float(getattr(analysis.silence, field))

    return measure


def _shelf(analysis: Analysis) -> Measured:
    drop, cutoff_hz = shelf_drop(analysis.spectrum)
    return drop, {"cutoff_hz": round(cutoff_hz, 1)}


def _hum(analysis: Analysis) -> Measured:
    height_db, line_hz = mains_hum(analysis.audio, analysis.powers)
    return height_db, {"line_hz": line_hz}


def _peaks(analysis: Analysis) -> Measured:
    found = sorted(stationary_peaks(analysis.spectrum), key=lambda peak: (-peak[1], peak[0]))
    listed = [[round(hz, 1), round(height_db, 2)] for hz, height_db in found[:_MAX_POSITIONS]]
    return float(len(found)), {"peaks_hz_db": listed, "max_height_db": listed[0][1] if listed else 0.0}


def _clicks(analysis: Analysis) -> Measured:
    found = find_clicks(high_band_cells(analysis.audio))
    positions = [round(int(position) / 1000.0, 3) for position in found[:_MAX_POSITIONS]]
    return len(found) / analysis.audio.duration_s * 60.0, {"count": len(found), "positions_s": positions}


def _dropouts(analysis: Analysis) -> Measured:
    found = find_dropouts(analysis.powers)
    positions = [round(start_s, 3) for start_s, _ in found[:_MAX_POSITIONS]]
    return len(found) / analysis.audio.duration_s * 60.0, {"count": len(found), "positions_s": positions}


def _side_mid(analysis: Analysis) -> Measured:
    analysis.check_stereo()
    return side_mid_ratio(analysis.sums)


def _mono_loss(analysis: Analysis) -> Measured:
    analysis.check_stereo()
    return mono_loss(*analysis.weighted)


def _vocal_ratio(analysis: Analysis) -> Measured:
    vocals = analysis.stem_loudness("vocals")
    accompaniment = analysis.stem_loudness("accompaniment")
    return vocals - accompaniment, {"vocals_lufs": round(vocals, 3), "accompaniment_lufs": round(accompaniment, 3)}


def _loop(analysis: Analysis) -> Measured:
    stretch_s, lag_s = longest_loop(analysis.audio)
    return stretch_s, {"lag_s": round(lag_s, 4)}


def _duration_ratio(analysis: Analysis) -> Measured:
    wanted_s = analysis.clip.prompt.duration_s
    if not wanted_s:
        raise NotMeasurable("the prompt asks for no length")
    return analysis.audio.duration_s / wanted_s, {"requested_s": wanted_s}


_MEASURES: Mapping[str, Callable[[Analysis], Measured]] = {
    "lufs_i": lambda a: a.loudness,
    "lra": lambda a: loudness_range(a.loudness_blocks),
    "true_peak_dbtp": lambda a: 20.0 * math.log10(a.true_peak),
    "plr": _peak_to_loudness,
    "crest": lambda a: crest_factor(a.peak, a.power),
    "clip_rate": lambda a: (_clip_share(a) * a.audio.sample_rate * 60.0, {"count": a.clipped}),
    "clip_percent": lambda a: 100.0 * _clip_share(a),
    "dc_offset": lambda a: dc_offset(a.sums.totals, a.audio.samples.shape[1]),
    "silence_ratio": lambda a: a.silence.ratio,
    "lead_sil": _silence("lead_s"),
    "trail_sil": _silence("trail_s"),
    "max_inner_sil": _silence("max_inner_s"),
    "bandwidth_hz": lambda a: bandwidth(a.spectrum),
    "rolloff99": lambda a: rolloff(a.spectrum),
    "shelf_drop": _shelf,
    "noise_floor": lambda a: noise_floor(a.spectrum),
    "hum": _hum,
    "spec_peaks": _peaks,
    "click_rate": _clicks,
    "stereo_corr": lambda a: float(np.mean(a.correlations)),
    "stereo_corr_p5": lambda a: float(np.percentile(a.correlations, 5.0)),
    "side_mid_db": _side_mid,
    "mono_loss": _mono_loss,
    "vocal_acc_ratio": _vocal_ratio,
    "dropout": _dropouts,
    "loop_stuck": _loop,
    "dur_s": lambda a: a.audio.duration_s,
    "dur_ratio": _duration_ratio,
}

EVALUATOR = TechnicalEvaluator
