import numpy as np
import pytest
from scipy.signal import firwin, oaconvolve, welch

from evalkit.evaluators._spectrum import (
    bandwidth,
    mains_hum,
    measure_spectrum,
    noise_floor,
    rolloff,
    shelf_drop,
    stationary_peaks,
)
from evalkit.signal.frames import NotMeasurable, cell_sums
from evalkit.types import Audio


def audio(samples, sample_rate=48000):
    return Audio(samples=np.atleast_2d(samples).astype(np.float32), sample_rate=sample_rate)


def white(seed=0, duration_s=8.0, level=0.1, sample_rate=48000):
    return np.random.default_rng(seed).normal(0, level, round(duration_s * sample_rate))


def low_passed(cutoff_hz, seed=0, sample_rate=48000, taps=1023):
    return oaconvolve(
        white(seed, sample_rate=sample_rate), firwin(taps, cutoff_hz, fs=sample_rate, window=("kaiser", 12)), "same"
    )


def tone(frequency_hz, amplitude, duration_s=8.0, sample_rate=48000):
    return amplitude * np.sin(2 * np.pi * frequency_hz * np.arange(round(duration_s * sample_rate)) / sample_rate)


@pytest.fixture(scope="module")
def silent():
    return measure_spectrum(audio(np.zeros((2, 48000))))


def test_agrees_with_scipy_welch():
    samples = np.stack([white(1), low_passed(5000.0)])
    found = measure_spectrum(audio(samples))
    hz, theirs = welch(samples, 48000, "hann", 8192, 4096, detrend=False, scaling="density")
    assert found.frequencies_hz == pytest.approx(hz)
    ours = found.power[1:-1] / (48000 / 8192)
    assert ours == pytest.approx(theirs.mean(axis=0)[1:-1], rel=1e-3)


def test_frame_power_is_the_mean_square():
    found = measure_spectrum(audio(tone(1000.0, 0.5)))
    assert found.frame_power == pytest.approx(np.full(len(found.frame_power), 0.125), rel=1e-3)


@pytest.mark.parametrize("cutoff_hz", [4000.0, 8000.0, 16_000.0])
@pytest.mark.parametrize("sample_rate", [44100, 48000])
def test_bandwidth_of_low_passed_noise(cutoff_hz, sample_rate):
    found = bandwidth(measure_spectrum(audio(low_passed(cutoff_hz, sample_rate=sample_rate), sample_rate)))
    assert found == pytest.approx(cutoff_hz, abs=250.0)
    assert found >= cutoff_hz - 20


def test_bandwidth_of_white_noise_is_all_there_is():
    assert bandwidth(measure_spectrum(audio(white(sample_rate=16000), 16000))) == 8000.0


def test_bandwidth_does_not_depend_on_gain():
    samples = low_passed(9000.0)
    assert bandwidth(measure_spectrum(audio(samples))) == bandwidth(measure_spectrum(audio(samples * 0.1)))


def test_pauses_do_not_change_the_long_term_spectrum():
    samples = low_passed(9000.0)
    samples[-9600:] *= np.hanning(19_200)[9600:]  # a cut would be a click, which has a wide spectrum of its own
    padded = measure_spectrum(audio(np.concatenate([samples, np.zeros(480_000)])))
    assert bandwidth(padded) == pytest.approx(bandwidth(measure_spectrum(audio(samples))), abs=12.0)


def test_rolloff_of_white_noise_and_of_a_tone():
    assert rolloff(measure_spectrum(audio(white()))) == pytest.approx(0.99 * 24000, abs=60.0)
    assert rolloff(measure_spectrum(audio(tone(3000.0, 0.2)))) == pytest.approx(3000.0, abs=12.0)


def test_shelf_is_found_where_it_is_and_grows_with_its_depth():
    noise, low = white(2), low_passed(16_000.0, seed=2)
    drops = []
    for share in (1.0, 0.3, 0.03, 0.0):
        drop, cutoff_hz = shelf_drop(measure_spectrum(audio(share * noise + (1 - share) * low)))
        drops.append(drop)
        if share < 1.0:
            assert cutoff_hz == pytest.approx(16_000.0, rel=0.04)
    assert drops == sorted(drops)
    assert drops[0] < 5.0
    # Down to 3 % is a step of 30.5 dB over an eighth of an octave.
    assert drops[2] == pytest.approx(8 * 30.5, rel=0.1)
    assert drops[3] > 300.0


def test_gentle_slope_is_no_shelf():
    n = 48000 * 8
    spectrum = np.fft.rfft(white(3))
    hz = np.fft.rfftfreq(n, 1 / 48000)
    pink = np.fft.irfft(spectrum / np.maximum(hz, 20.0) * 1000, n)  # 6 dB per octave
    drop, _ = shelf_drop(measure_spectrum(audio(pink * 0.1)))
    assert drop == pytest.approx(6.0, abs=3.0)


def test_noise_floor_rises_with_the_hiss_and_ignores_gain():
    beat = np.tile(np.concatenate([tone(500.0, 0.3, 0.5), np.zeros(24000)]), 8)
    floors = [noise_floor(measure_spectrum(audio(beat + white(4, level=level)))) for level in (1e-4, 1e-3, 1e-2)]
    assert floors[0] < floors[1] < floors[2]
    # A third of white noise lies between 8 and 16 kHz; the loud parts are a tone of 0.3 (power 0.045).
    for floor, level in zip(floors, (1e-4, 1e-3, 1e-2), strict=True):
        assert floor == pytest.approx(10 * np.log10(level**2 / 3 / 0.045), abs=1.0)
    quieter = noise_floor(measure_spectrum(audio((beat + white(4, level=1e-3)) * 0.25)))
    assert quieter == pytest.approx(floors[1], abs=0.01)
    assert noise_floor(measure_spectrum(audio(beat))) < -90.0


@pytest.mark.parametrize("line_hz", [50.0, 60.0, 150.0])
def test_hum_is_found_at_its_line(line_hz):
    samples = np.stack([white(5, level=0.01)] * 2) + tone(line_hz, 0.01)
    clip = audio(samples)
    height_db, found_hz = mains_hum(clip, cell_sums(clip).powers)
    assert found_hz == line_hz
    assert height_db > 25.0


def test_hum_grows_with_the_hum():
    heights = []
    for amplitude in (0.0, 0.001, 0.01, 0.1):
        clip = audio(white(6, level=0.01) + tone(50.0, amplitude))
        heights.append(mains_hum(clip, cell_sums(clip).powers)[0])
    assert heights[0] < 10.0
    assert heights == sorted(heights)
    assert heights[2] - heights[1] == pytest.approx(20.0, abs=3.0)


def test_hum_under_music_is_heard_in_the_pauses():
    music = white(7, duration_s=20.0, level=0.2)
    music[48000 * 8 : 48000 * 14] *= 1e-3
    clip = audio(music + tone(50.0, 0.003, duration_s=20.0))
    assert mains_hum(clip, cell_sums(clip).powers)[0] > 20.0


def test_a_bass_note_at_the_line_is_no_hum_if_it_ends():
    note = tone(50.0, 0.05, duration_s=20.0)
    note[: 48000 * 15] = 0.0
    clip = audio(white(10, duration_s=20.0, level=0.01) + note)
    assert mains_hum(clip, cell_sums(clip).powers)[0] < 10.0


def test_stationary_lines_are_counted():
    lines_hz = [6000.0, 9000.0, 12_000.0, 15_000.0]
    for count in range(5):
        samples = white(8) + sum((tone(hz, 0.01) for hz in lines_hz[:count]), np.zeros(384_000))
        found = stationary_peaks(measure_spectrum(audio(samples)))
        assert [hz for hz, _ in found] == pytest.approx(lines_hz[:count], abs=6.0)
        assert all(height > 10.0 for _, height in found)


def test_passing_notes_and_low_tones_are_no_stationary_peaks():
    samples = white(9) + tone(1000.0, 0.1)
    for start, hz in enumerate((5100.0, 8000.0, 6300.0, 11_000.0, 8000.0)):
        samples[start * 48000 : (start + 1) * 48000] += tone(hz, 0.02, 1.0)
    assert stationary_peaks(measure_spectrum(audio(samples))) == []


@pytest.mark.parametrize("measure", [bandwidth, rolloff, shelf_drop, noise_floor, stationary_peaks])
def test_silence_has_no_spectrum(measure, silent):
    with pytest.raises(NotMeasurable, match="nothing louder than -60 dBFS"):
        measure(silent)


def test_silence_has_no_hum():
    clip = audio(np.zeros(480_000))
    with pytest.raises(NotMeasurable, match="windows with any sound"):
        mains_hum(clip, cell_sums(clip).powers)


def test_low_rates_have_no_high_band():
    found = measure_spectrum(audio(white(sample_rate=8000), 8000))
    for measure, match in ((shelf_drop, "10 kHz"), (noise_floor, "8 kHz"), (stationary_peaks, "5 kHz")):
        with pytest.raises(NotMeasurable, match=match):
            measure(found)


def test_too_short_for_a_window():
    with pytest.raises(NotMeasurable, match="8192"):
        measure_spectrum(audio(np.ones(8191)))
