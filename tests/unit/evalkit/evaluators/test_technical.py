import inspect
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.errors import ConfigError
from evalkit.evaluators.base import EVALUATORS
from evalkit.evaluators.technical import EVALUATOR, TechnicalEvaluator
from evalkit.types import Audio, Clip, Prompt, Song

ROOT = Path(__file__).parents[4]
STEREO = ("stereo_corr", "stereo_corr_p5", "side_mid_db", "mono_loss")


def locate(name):
    raise AssertionError(f"technical needs no model, asked for {name}")


def make_clip(samples, sample_rate=48000, duration_s=None, **stems):
    def audio(part):
        return Audio(samples=np.atleast_2d(part).astype(np.float32), sample_rate=sample_rate)

    return Clip(
        prompt=Prompt(id="p", language="en", duration_s=duration_s),
        song=Song(prompt_id="p", system="s", take=1, seed=0, status="ok"),
        mix=audio(samples),
        stems={name: audio(part) for name, part in stems.items()},
    )


def song(seed=0, duration_s=8.0, sample_rate=48000, channels=2):
    rng = np.random.default_rng(seed)
    n = round(duration_s * sample_rate)
    t = np.arange(n) / sample_rate
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * 1.3 * t)
    both = [swell * (0.2 * np.sin(2 * np.pi * 330 * t) + rng.normal(0, 0.03, n)) for _ in range(channels)]
    return np.stack(both)


def measure(clip, **options):
    return {score.metric: score for score in TechnicalEvaluator(options, locate).score(clip)}


def value(metric, samples, **options):
    return measure(make_clip(samples, **options))[metric].value


def test_is_registered_and_needs_nothing():
    assert "technical" in EVALUATORS.names()
    assert not any("loudness" in name or "frames" in name for name in EVALUATORS.names())
    assert EVALUATORS.get("technical") is EVALUATOR
    assert EVALUATOR.name == "technical"
    assert EVALUATOR.required_models({}) == ()


def test_import_is_cheap():
    heavy = {"torch", "pandas", "transformers", "scipy.signal", "scipy.stats"}
    code = f"import sys, evalkit.evaluators.technical; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_every_metric_is_scored_in_declared_order_with_its_signature():
    evaluator = TechnicalEvaluator({}, locate)
    scores = evaluator.score(make_clip(song(), duration_s=10.0, vocals=song(1), accompaniment=song(2)))
    names = [metric.name for metric in evaluator.metrics]
    assert len(names) == len(set(names)) == 28
    assert [score.metric for score in scores] == names
    assert {score.status for score in scores} == {"ok"}
    json.dumps([dict(score.details) for score in scores], allow_nan=False)
    for score in scores:
        assert score.song_id == "s/p.take1"
        assert score.evaluator == "technical"
        assert score.signature == evaluator.signature(score.metric)
    assert evaluator.signature("lufs_i") == "lufs_i|branch:raw|rate:native|v:1"
    assert evaluator.signature("vocal_acc_ratio") == "vocal_acc_ratio|branch:raw|rate:native|stems:native|v:1"


def test_metrics_are_declared_with_care():
    for metric in TechnicalEvaluator.metrics:
        assert metric.title
        assert metric.source
        assert metric.description.endswith(".")
        assert (metric.direction == "target") == (metric.good is not None), metric.name


def test_documentation_has_a_row_for_each_metric():
    page = (ROOT / "docs" / "evaluators" / "technical.md").read_text(encoding="utf-8")
    for metric in TechnicalEvaluator.metrics:
        assert f"\n| `{metric.name}` |" in page, metric.name


def test_repeats_bit_for_bit_and_leaves_the_samples_alone():
    clip = make_clip(song())
    before = clip.mix.samples.copy()
    clip.mix.samples.setflags(write=False)
    evaluator = TechnicalEvaluator({}, locate)
    first = evaluator.score(clip)
    evaluator.score(make_clip(song(7)))
    assert evaluator.score(clip) == first
    assert np.array_equal(clip.mix.samples, before)


def test_full_scale_sine():
    t = np.arange(48000 * 6) / 48000
    wave = np.sin(2 * np.pi * 997 * t)
    found = {name: score.value for name, score in measure(make_clip(np.stack([wave, wave]))).items()}
    assert found["lufs_i"] == pytest.approx(-0.04, abs=0.1)
    assert found["true_peak_dbtp"] == pytest.approx(0.0, abs=0.2)
    assert found["crest"] == pytest.approx(3.01, abs=0.01)
    assert found["plr"] == pytest.approx(found["true_peak_dbtp"] - found["lufs_i"], abs=1e-9)
    assert found["lra"] == pytest.approx(0.0, abs=0.01)
    assert found["clip_rate"] == found["silence_ratio"] == found["dropout"] == found["click_rate"] == 0.0
    assert found["stereo_corr"] == pytest.approx(1.0)
    assert found["mono_loss"] == pytest.approx(0.0, abs=1e-9)
    assert found["rolloff99"] == pytest.approx(997.0, abs=12.0)
    assert found["dur_s"] == 6.0


def test_silence_is_said_and_not_guessed():
    found = measure(make_clip(np.zeros((2, 48000 * 6))))
    values = {name: score.value for name, score in found.items() if score.status == "ok"}
    assert values == {
        "clip_rate": 0.0,
        "clip_percent": 0.0,
        "dc_offset": 0.0,
        "silence_ratio": 1.0,
        "click_rate": 0.0,
        "dropout": 0.0,
        "loop_stuck": 0.0,
        "dur_s": 6.0,
    }
    others = [score for score in found.values() if score.status != "ok"]
    assert {score.status for score in others} == {"not_applicable"}
    assert all(score.reason for score in others)


def test_mono_and_surround_have_no_stereo_image():
    for channels, reason in ((1, "mono"), (6, "not 6")):
        found = measure(make_clip(song(channels=channels)))
        for name in STEREO:
            assert found[name].status == "not_applicable"
            assert reason in found[name].reason
        assert found["lufs_i"].status == "ok"


def test_equal_channels_are_mono():
    found = measure(make_clip(np.tile(song(channels=1), (2, 1))))
    assert found["side_mid_db"].status == "not_applicable"
    assert "mono" in found["side_mid_db"].reason
    assert found["stereo_corr_p5"].value == pytest.approx(1.0)


def test_too_short_is_refused_by_its_length_but_the_length_is_kept():
    found = measure(make_clip(song(duration_s=3.2), duration_s=20.0))
    assert found["lufs_i"].status == "failed"
    assert found["lufs_i"].reason == "bad_audio: 3.20 s long, at least 5 s are needed"
    assert found["dur_s"].value == pytest.approx(3.2)
    assert found["dur_ratio"].value == pytest.approx(0.16)
    assert {score.status for name, score in found.items() if not name.startswith("dur_")} == {"failed"}
    assert measure(make_clip(song(duration_s=3.2)), min_duration_s=3)["lufs_i"].status == "ok"


def test_empty_and_low_rate_clips_are_refused():
    empty = measure(make_clip(np.zeros((1, 0))), min_duration_s=0)
    assert empty["lufs_i"].reason == "bad_audio: no samples"
    assert empty["dur_s"].value == 0.0
    assert "4000 Hz" in measure(make_clip(song(sample_rate=4000), 4000))["crest"].reason


@given(n=st.integers(1, 30_000), channels=st.integers(1, 3), sample_rate=st.sampled_from([8000, 11025, 48000]))
@settings(max_examples=25, deadline=None)
def test_any_tiny_clip_gets_an_answer(n, channels, sample_rate):
    samples = np.random.default_rng(n).normal(0, 0.1, (channels, n))
    found = measure(make_clip(samples, sample_rate), min_duration_s=0.0)
    assert len(found) == 28
    assert {score.status for score in found.values()} <= {"ok", "not_applicable"}


@pytest.mark.parametrize("sample_rate", [8000, 22050, 44100, 96000])
def test_any_rate_gets_an_answer(sample_rate):
    found = measure(make_clip(song(sample_rate=sample_rate), sample_rate))
    assert found["lufs_i"].value == pytest.approx(value("lufs_i", song()), abs=0.5)
    for metric in TechnicalEvaluator.metrics:
        score = found[metric.name]
        if score.value is not None:
            low, high = metric.bounds
            assert low is None or score.value >= low
            assert high is None or score.value <= high


def test_stems_give_the_ratio_of_voice_to_accompaniment():
    found = measure(make_clip(song(), vocals=song(1), accompaniment=0.5 * song(1)))
    assert found["vocal_acc_ratio"].value == pytest.approx(6.02, abs=0.01)
    sparse = np.concatenate([song(1), np.zeros_like(song(1))], axis=1)
    paused = measure(make_clip(song(), vocals=sparse, accompaniment=0.5 * song(1)))
    assert paused["vocal_acc_ratio"].value == pytest.approx(6.02, abs=0.2)
    assert measure(make_clip(song()))["vocal_acc_ratio"].reason == "the system makes no vocals stem"
    silent = measure(make_clip(song(), vocals=0 * song(), accompaniment=song()))["vocal_acc_ratio"]
    assert silent.reason.startswith("vocals stem: nothing louder")


def test_rates_are_per_minute():
    samples = song(duration_s=12.0)
    samples[:, [100_000, 300_000, 500_000]] += 0.5
    samples[:, 200_000:204_800] = 0.0
    found = measure(make_clip(samples))
    assert found["click_rate"].value == pytest.approx(15.0)
    assert found["click_rate"].details["positions_s"] == pytest.approx([2.083, 6.25, 10.416], abs=0.003)
    assert found["dropout"].value == pytest.approx(5.0)
    clipped = song(duration_s=6.0)
    clipped[:, 1000:1010] = 1.0
    found = measure(make_clip(clipped))
    assert found["clip_rate"].value == pytest.approx(100.0)
    assert found["clip_percent"].value == pytest.approx(100 * 10 / 288_000)
    assert found["clip_rate"].details["count"] == 20


def worse(name):
    """A corruption of growing strength, from none to strong."""
    base = song(3)
    rng = np.random.default_rng(4)

    def dropouts(count):
        out = base.copy()
        for start in np.linspace(48000, 330_000, count).astype(int):
            out[:, start : start + 4800] = 0.0
        return out

    def clicks(count):
        out = base.copy()
        out[:, np.linspace(30_000, 360_000, count).astype(int)] += 0.5
        return out

    t = np.arange(base.shape[1]) / 48000
    hiss = rng.normal(0, 1, base.shape)
    swap = np.stack([base[0], -base[0]])
    return {
        "clip_rate": [np.clip(base * gain, -1, 1) for gain in (1, 4, 8)],
        "dc_offset": [base + offset for offset in (0, 0.01, 0.1)],
        "dropout": [dropouts(count) for count in (0, 2, 5)],
        "click_rate": [clicks(count) for count in (0, 3, 9)],
        "noise_floor": [base + level * hiss for level in (0, 0.05, 0.2)],
        "hum": [base + level * np.sin(2 * np.pi * 50 * t) for level in (0, 0.01, 0.1)],
        "mono_loss": [(1 - share) * base[0] + share * swap for share in (0, 0.7, 0.95)],
        "max_inner_sil": [np.concatenate([base, np.zeros((2, n)), base], axis=1) for n in (0, 48000, 144_000)],
        "spec_peaks": [
            base + sum((0.02 * np.sin(2 * np.pi * 2000 * k * t) for k in range(3, 3 + count)), np.zeros_like(t))
            for count in (0, 2, 5)
        ],
    }[name]


@pytest.mark.parametrize(
    "metric",
    [
        "clip_rate",
        "dc_offset",
        "dropout",
        "click_rate",
        "noise_floor",
        "hum",
        "mono_loss",
        "max_inner_sil",
        "spec_peaks",
    ],
)
def test_more_of_a_fault_makes_the_number_worse(metric):
    found = [value(metric, samples) for samples in worse(metric)]
    assert found[0] < found[1] < found[2]


@pytest.mark.parametrize("gain", [0.1, 0.5])
def test_gain_moves_levels_and_nothing_else(gain):
    plain, quiet = measure(make_clip(song())), measure(make_clip(gain * song()))
    step_db = 20 * np.log10(gain)
    for name in ("lufs_i", "true_peak_dbtp"):
        assert quiet[name].value - plain[name].value == pytest.approx(step_db, abs=1e-3)
    for name in ("lra", "plr", "crest", "bandwidth_hz", "rolloff99", "shelf_drop", "noise_floor", "hum", *STEREO):
        assert quiet[name].value == pytest.approx(plain[name].value, abs=2e-3), name


@pytest.mark.parametrize("options", [{"min_duration": 3}, {"min_duration_s": -1}, {"min_duration_s": "5"}])
def test_wrong_options_are_refused(options):
    with pytest.raises(ConfigError, match="min_duration"):
        TechnicalEvaluator(options, locate)


def test_every_definition_says_what_it_is():
    from evalkit.evaluators import _dynamics, _repetition, _spectrum, _stereo
    from evalkit.signal import loudness

    functions = [
        getattr(module, name)
        for module, names in {
            loudness: ["integrated_loudness", "loudness_range", "true_peak"],
            _dynamics: ["crest_factor", "clipped_samples", "dc_offset", "find_silence", "find_clicks", "find_dropouts"],
            _spectrum: ["bandwidth", "rolloff", "shelf_drop", "noise_floor", "stationary_peaks", "mains_hum"],
            _stereo: ["frame_correlations", "side_mid_ratio", "mono_loss"],
            _repetition: ["longest_loop"],
        }.items()
        for name in names
    ]
    for function in functions:
        text = inspect.getdoc(function)
        assert "silen" in text.lower() or "Raises" in text, function.__name__
