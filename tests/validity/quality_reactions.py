"""Do the measures of the sound notice what was done to it, and do the others stay?"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from validity import damage
from validity.songs import make_clip, sing
from validity.table import Expected, Reaction

from evalkit.evaluators.base import EVALUATORS
from evalkit.models.files import ModelFiles
from evalkit.types import Clip


class Claim(NamedTuple):
    """What one metric should do under a damage."""

    evaluator: str
    metric: str
    expected: Expected
    tolerance: float = 0.0


def technical(metric: str, expected: Expected, tolerance: float = 0.0) -> Claim:
    return Claim("technical", metric, expected, tolerance)


DAMAGES: dict[str, tuple[tuple[float, ...], Callable[[float], Callable], tuple[Claim, ...]]] = {
    "white noise, dB below the song": (
        (-60.0, -30.0, -20.0, -10.0, 0.0),
        lambda level_db: damage.noise(-level_db),
        (
            technical("noise_floor", "rises"),
            technical("stereo_corr", "falls"),
            technical("clip_percent", "stays"),
            technical("dropout", "stays"),
            technical("loop_stuck", "stays"),
            technical("dur_s", "stays"),
        ),
    ),
    "driven into clipping, dB": (
        (0.0, 3.0, 6.0, 9.0, 12.0),
        damage.clipping,
        (
            technical("clip_percent", "rises"),
            technical("crest", "falls"),
            technical("plr", "falls"),
            technical("dropout", "stays"),
            technical("loop_stuck", "stays"),
            technical("stereo_corr", "stays", 0.1),
        ),
    ),
    "low-pass, Hz": (
        (4000.0, 8000.0, 12_000.0, 16_000.0, 22_000.0),
        damage.low_pass,
        (
            technical("bandwidth_hz", "rises"),
            technical("rolloff99", "rises"),
            technical("clip_percent", "stays"),
            technical("dropout", "stays"),
            technical("loop_stuck", "stays"),
            technical("lufs_i", "stays", 1.5),
            technical("stereo_corr", "stays", 0.1),
        ),
    ),
    "share of the way to mono": (
        (0.0, 0.5, 0.75, 0.9, 0.99),
        damage.narrowed,
        (
            technical("side_mid_db", "falls"),
            technical("stereo_corr", "rises"),
            technical("bandwidth_hz", "stays", 1500.0),
            technical("clip_percent", "stays"),
            technical("dropout", "stays"),
            technical("loop_stuck", "stays"),
            technical("lufs_i", "stays", 1.5),
        ),
    ),
    "gain, dB": (
        (-12.0, -9.0, -6.0, -3.0, 0.0),
        damage.gain,
        (
            technical("lufs_i", "rises"),
            technical("true_peak_dbtp", "rises"),
            technical("lra", "stays", 0.2),
            technical("crest", "stays", 0.01),
            technical("bandwidth_hz", "stays"),
            technical("noise_floor", "stays", 0.5),
            technical("hum", "stays", 0.01),
            technical("stereo_corr", "stays", 0.01),
            technical("mono_loss", "stays", 0.01),
            technical("dropout", "stays"),
            Claim("pitch", "tuning_deviation", "stays", 0.5),
        ),
    ),
    "holes of 0.5 s": (
        (0.0, 1.0, 2.0, 4.0, 8.0),
        lambda count: damage.holes(count, 0.5),
        (
            technical("silence_ratio", "rises"),
            technical("dropout", "stays"),
            technical("clip_percent", "stays"),
            technical("loop_stuck", "stays"),
            technical("lufs_i", "stays", 1.0),
        ),
    ),
    "one hole of so many seconds": (
        (0.0, 0.5, 1.0, 2.0, 3.0),
        lambda length_s: damage.holes(1, length_s),
        (technical("max_inner_sil", "rises"), technical("dropout", "stays"), technical("loop_stuck", "stays")),
    ),
    "holes of 0.1 s": (
        (0.0, 1.0, 2.0, 4.0, 8.0),
        lambda count: damage.holes(count, 0.1),
        (
            technical("dropout", "rises"),
            technical("clip_percent", "stays"),
            technical("lufs_i", "stays", 0.5),
            technical("true_peak_dbtp", "stays", 0.5),
        ),
    ),
    "clicks per minute": (
        (0.0, 15.0, 30.0, 60.0, 120.0),
        damage.crackled,
        (
            technical("click_rate", "rises"),
            technical("dropout", "stays"),
            technical("lufs_i", "stays", 0.2),
            technical("hum", "stays", 1.0),
        ),
    ),
    "mains hum, dB relative to the song": (
        (-80.0, -50.0, -40.0, -30.0, -20.0),
        damage.humming,
        (
            technical("hum", "rises"),
            technical("noise_floor", "stays", 1.0),
            technical("dropout", "stays"),
            technical("bandwidth_hz", "stays"),
        ),
    ),
}
"""Name to amounts, the damage of an amount, and what should happen."""

VOICE_DAMAGES: dict[str, tuple[tuple[float, ...], Callable[[float], Callable], tuple[Claim, ...]]] = {
    "noise on the voice, dB below it": (
        (-60.0, -30.0, -20.0, -10.0, 0.0),
        lambda level_db: damage.noise(-level_db),
        (
            Claim("dnsmos", "dnsmos_bak", "falls"),
            Claim("dnsmos", "dnsmos_ovrl", "falls"),
            Claim("distillmos", "distillmos", "falls"),
        ),
    ),
    "voice low-passed, Hz": (
        (1000.0, 2000.0, 4000.0, 8000.0),
        damage.low_pass,
        (Claim("distillmos", "distillmos", "rises"),),
    ),
    "voice, gain in dB": (
        (-6.0, 0.0, 6.0),
        damage.gain,
        # One per cent of the range from 1 to 5.
        (
            Claim("dnsmos", "dnsmos_sig", "stays", 0.04),
            Claim("dnsmos", "dnsmos_bak", "stays", 0.04),
            Claim("dnsmos", "dnsmos_ovrl", "stays", 0.04),
            Claim("distillmos", "distillmos", "stays", 0.04),
        ),
    ),
}


VOICE_S = 12.0
"""So much of a song is enough for the voice, whose networks are slow."""


def clip_of(name: str, seconds: float | None = None) -> Clip:
    """A song of the singer, or its beginning, as the evaluators get it."""
    song = sing(name)
    n_samples = None if seconds is None else round(seconds * song.rate)
    stems = (song.vocals.samples[:, :n_samples], song.accompaniment.samples[:, :n_samples])
    return make_clip(song.prompt, *stems, song.rate)


def react(
    songs: Sequence[str],
    damages: dict[str, tuple[tuple[float, ...], Callable[[float], Callable], tuple[Claim, ...]]],
    only: Iterable[str] | None = None,
    *,
    seconds: float | None = None,
    every: int = 1,
) -> list[Reaction]:
    """Measure what all claims are about.

    Args:
        songs: Names from `validity.songs`.
        damages: `DAMAGES` or `VOICE_DAMAGES`.
        only: Names of damages; all if None.
        seconds: Only the beginning of each song.
        every: Only each so manieth amount, counted from the first.
    """
    found = []
    for name in damages if only is None else only:
        doses, make, claims = damages[name]
        doses = doses[::every]
        tables: dict[Claim, dict[str, list[float]]] = {claim: {} for claim in claims}
        for song in songs:
            whole = clip_of(song, seconds)
            for dose in doses:
                clip = damage.damaged(whole, make(dose))
                scores = {evaluator: _scores(clip, evaluator) for evaluator in {claim.evaluator for claim in claims}}
                for claim in claims:
                    score = scores[claim.evaluator][claim.metric]
                    assert score.value is not None, f"{name} {dose}: {claim.metric}: {score.reason}"
                    tables[claim].setdefault(song, []).append(score.value)
        found += [
            Reaction(
                change=name,
                doses=doses,
                metric=claim.metric,
                values=tables[claim],
                expected=claim.expected,
                tolerance=claim.tolerance,
            )
            for claim in claims
        ]
    return found


_LOADED: dict[str, object] = {}


def _scores(clip: Clip, name: str):
    if name not in _LOADED:
        _LOADED[name] = EVALUATORS.get(name)({}, ModelFiles().locate)
    return {score.metric: score for score in _LOADED[name].score(clip)}  # type: ignore[attr-defined]
