"""One note at a time: pitch, loop, envelope, level, pan, filter, cutting."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from generation.band import effects, voice
from generation.band.player import SAMPLE_RATE, Note, Part, pan_gains, play
from generation.band.soundfont import SoundFont
from generation.band.zones import Envelope, regions

MakeFont = Callable[..., SoundFont]


def sound(
    font: SoundFont, *notes: tuple[int, int, float, float], duration_s: float = 2.0, pan: float = 0.0
) -> np.ndarray:
    """Dry stereo of notes (key, velocity, start, duration)."""
    events = tuple(Note(key=k, velocity=v, start_s=s, duration_s=d) for k, v, s, d in notes)
    part = Part(name="x", program=0, notes=events, reverb=0.0, pan=pan)
    return play(font, [part], n_samples=round(duration_s * SAMPLE_RATE))


def frequency_hz(wave: np.ndarray) -> float:
    """Peak of the spectrum, by a parabola through the logarithms of its three highest bins."""
    spectrum = np.log(np.abs(np.fft.rfft(wave * np.hanning(len(wave)), 4 * len(wave))) + 1e-12)
    top = int(np.argmax(spectrum))
    a, b, c = spectrum[top - 1 : top + 2]
    return float((top + 0.5 * (a - c) / (a - 2 * b + c)) * SAMPLE_RATE / (4 * len(wave)))


def level(wave: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(wave))))


@pytest.mark.parametrize("key", [33, 45, 57, 60, 64, 69, 76, 88, 96])
def test_pitch_within_five_cents(make_font: MakeFont, key: int) -> None:
    wave = sound(make_font(), (key, 100, 0.0, 2.0))[0]
    cents = 1200 * np.log2(frequency_hz(wave) / (440 * 2 ** ((key - 69) / 12)))
    assert abs(cents) < 1.0  # the contract says 5; the correction of -4 for 3.93 cents leaves 0.07


def test_interpolation_is_clean(make_font: MakeFont) -> None:
    wave = sound(make_font(), (64, 127, 0.0, 2.0), duration_s=1.0)[0]
    spectrum = np.abs(np.fft.rfft(wave * np.blackman(len(wave)))) ** 2
    top = int(np.argmax(spectrum))
    rest = spectrum.sum() - spectrum[top - 6 : top + 7].sum()
    assert 10 * np.log10(rest / spectrum.sum()) < -55


def test_data_that_ends_on_a_whole_sample(make_font: MakeFont) -> None:
    font = make_font([((53, 0),)])
    region = dataclasses.replace(regions(font, 0, 0)[0], sample_rate=SAMPLE_RATE, tune_cents=0.0)
    out = voice.tone(font.waves, region, region.root_key, 10_000, SAMPLE_RATE)  # at a ratio of exactly 1
    expected = font.waves[region.start : region.end] / 32_768
    assert len(out) - len(expected) in (0, 1)  # the cubic may reach the silence after the last sample
    np.testing.assert_allclose(out[: len(expected)], expected, atol=1e-7)


def test_tuning_generators(make_font: MakeFont) -> None:
    zone = ((51, 12), (52, 50), (56, 50), (54, 1), (53, 0))  # an octave and 50 cents up, quarter tones
    wave = sound(make_font([zone]), (71, 100, 0.0, 2.0))[0]
    assert frequency_hz(wave) == pytest.approx(880 * 2 ** ((50 + 100) / 1200), rel=3e-4)


def test_root_key_override(make_font: MakeFont) -> None:
    wave = sound(make_font([((58, 57), (54, 1), (53, 0))]), (57, 100, 0.0, 2.0))[0]
    assert frequency_hz(wave) == pytest.approx(440, rel=3e-4)


def test_loop_sustains_and_its_absence_ends(make_font: MakeFont) -> None:
    looped = sound(make_font(), (69, 100, 0.0, 2.0))[0]
    once = sound(make_font([((53, 0),)]), (69, 100, 0.0, 2.0))[0]
    first, last = slice(4800, 9600), slice(76_800, 86_400)
    assert level(looped[last]) == pytest.approx(level(looped[first]), rel=0.01)
    assert level(once[2400:3600]) > 0.05
    assert np.all(once[4800:] == 0)  # 4000 samples at 44.1 kHz are 91 ms


def test_loop_mode_three_plays_the_rest_on_release(make_font: MakeFont) -> None:
    data = 16_000 * np.sin(2 * np.pi * np.arange(4000) / 100)
    data[2100:] = 16_000 * np.sin(2 * np.pi * np.arange(1900) / 25)  # two octaves up after the loop
    zone = ((38, 3600), (53, 0))
    plain = sound(make_font([((54, 1), *zone)], data=data), (69, 100, 0.0, 0.5))[0]
    leaving = sound(make_font([((54, 3), *zone)], data=data), (69, 100, 0.0, 0.5))[0]
    np.testing.assert_allclose(leaving[:23_000], plain[:23_000], atol=1e-6)
    assert frequency_hz(plain[25_000:26_000]) == pytest.approx(440, rel=0.02)
    assert frequency_hz(leaving[25_000:26_000]) == pytest.approx(1760, rel=0.02)
    assert np.all(leaving[29_000:] == 0)


def test_release_ends_the_note(make_font: MakeFont) -> None:
    short = sound(make_font([((54, 1), (53, 0))]), (69, 100, 0.0, 0.5))[0]
    long = sound(make_font([((38, 0), (54, 1), (53, 0))]), (69, 100, 0.0, 0.5))[0]  # 100 dB in a second
    assert np.all(short[25_000:] == 0)
    drop = 20 * np.log10(level(long[24_000:24_960]) / level(long[33_600:34_560]))
    assert drop == pytest.approx(20.0, abs=0.1)  # 0.2 s of it
    assert np.all(long[24_000 + 39_000 :] == 0)


def test_envelope_known_answers() -> None:
    shape = Envelope(delay_s=0.1, attack_s=0.2, hold_s=0.1, decay_s=1.0, sustain_db=20.0)
    out = voice.held(shape, 60, 1000, 1000)
    assert np.all(out[:100] == 0)
    assert out[199] == pytest.approx(0.5)
    assert np.all(out[300:400] == 1)
    assert out[500] == pytest.approx(10 ** (-10 / 20), rel=1e-3)  # 10 dB after a tenth of the decay
    assert np.all(out[610:] == pytest.approx(0.1))


def test_envelope_scales_with_the_key() -> None:
    shape = Envelope(decay_s=1.0, sustain_db=100.0, key_to_decay=100.0)
    low, high = (voice.held(shape, key, 500, 1000) for key in (60, 72))
    assert 20 * np.log10(high[200]) == pytest.approx(2 * 20 * np.log10(low[200]), rel=0.02)


def test_velocity_is_louder(make_font: MakeFont) -> None:
    font = make_font()
    levels = [level(sound(font, (69, velocity, 0.0, 1.0))) for velocity in (32, 64, 127)]
    assert levels == sorted(levels)
    assert levels[2] / levels[1] == pytest.approx((127 / 64) ** 2, rel=1e-3)


def test_pan_law(make_font: MakeFont) -> None:
    for pan in (-1.0, -0.3, 0.0, 0.8, 1.0):
        left, right = pan_gains(pan)
        assert left**2 + right**2 == pytest.approx(1.0)
    assert pan_gains(-7) == (1.0, pytest.approx(0.0))
    hard_right = sound(make_font(), (69, 100, 0.0, 1.0), pan=1.0)
    assert level(hard_right[1]) > 0.05
    assert level(hard_right[0]) < 1e-6


def test_filter_darkens_and_its_sweep_opens_it(make_font: MakeFont, rng: np.random.Generator) -> None:
    data = rng.integers(-12_000, 12_000, 40_000)
    closed = ((8, 6900), (54, 1), (53, 0))  # 440 Hz
    swept = ((8, 6900), (11, 4800), (26, -12000), (28, 0), (29, 1000), *closed[1:])  # from 7 kHz down in a second

    def bright(zone: object, span: slice) -> float:
        wave = sound(make_font([zone], data=data, loop=(0, 40_000)), (69, 100, 0.0, 2.0))[0][span]
        spectrum = np.abs(np.fft.rfft(wave)) ** 2
        hertz = np.fft.rfftfreq(len(wave), 1 / SAMPLE_RATE)
        return float(spectrum[hertz > 2000].sum() / spectrum.sum())

    early, late = slice(1000, 6000), slice(60_000, 80_000)
    assert bright(((54, 1), (53, 0)), early) > 0.8
    assert bright(closed, early) < 0.05
    assert bright(swept, early) > 0.4
    assert bright(swept, late) < 0.05


def test_exclusive_class_cuts(make_font: MakeFont) -> None:
    zones = [((43, k | k << 8), (57, c), (38, 0), (54, 1), (53, 0)) for k, c in ((60, 1), (72, 1), (84, 2))]
    font = make_font(zones)
    cut = sound(font, (60, 100, 0.0, 1.5), (72, 100, 0.5, 0.1))[0]
    kept = sound(font, (60, 100, 0.0, 1.5), (84, 100, 0.5, 0.1))[0]
    late = slice(round(1.0 * SAMPLE_RATE), round(1.4 * SAMPLE_RATE))
    alone = sound(font, (72, 100, 0.5, 0.1))[0]
    np.testing.assert_allclose(cut[late], alone[late], atol=1e-6)
    assert level(kept[late]) > 0.05


def test_notes_outside_the_song_are_cut_off(make_font: MakeFont) -> None:
    out = sound(make_font(), (69, 100, 1.9, 5.0), (69, 100, 7.0, 1.0))
    assert out.shape == (2, 96_000)
    assert level(out[:, 91_500:]) > 0.05


def test_reverb_rings_and_fades() -> None:
    send = np.zeros(96_000, dtype=np.float32)
    send[1000] = 1.0
    wet = effects.reverb(send, SAMPLE_RATE)
    assert wet.shape == (2, 96_000)
    assert np.max(np.abs(wet[:, :1500])) < 1e-6
    assert level(wet[:, 5000:10_000]) > 5 * level(wet[:, 40_000:45_000]) > 0
    assert abs(np.corrcoef(wet)[0, 1]) < 0.2


def test_chorus_delays_without_changing_the_level() -> None:
    time = np.arange(96_000) / SAMPLE_RATE
    send = np.sin(2 * np.pi * 440 * time).astype(np.float32)
    wet = effects.chorus(send, SAMPLE_RATE)
    assert level(wet[:, 2000:]) == pytest.approx(level(send), rel=0.01)
    assert np.max(np.abs(wet[:, 2000:])) < 1.01


def test_master_levels(rng: np.random.Generator) -> None:
    mix = rng.standard_normal((2, 96_000)).astype(np.float32) * 7 + 3
    out = effects.master(mix, SAMPLE_RATE)
    assert np.max(np.abs(out)) <= 0.9
    assert abs(float(out[:, 9600:].mean())) < 1e-3
    assert 20 * np.log10(level(out)) == pytest.approx(effects.TARGET_RMS_DB, abs=0.3)
    assert np.all(effects.master(np.zeros((2, 100), dtype=np.float32), SAMPLE_RATE) == 0)
