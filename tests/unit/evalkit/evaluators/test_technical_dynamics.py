import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.evaluators._dynamics import (
    clipped_samples,
    crest_factor,
    dc_offset,
    find_clicks,
    find_dropouts,
    find_silence,
    high_band_cells,
)
from evalkit.signal.frames import NotMeasurable, cell_edges, cell_sums, group
from evalkit.types import Audio


def audio(samples, sample_rate=48000):
    return Audio(samples=np.atleast_2d(samples).astype(np.float32), sample_rate=sample_rate)


def tone(duration_s, amplitude=0.3, sample_rate=48000, frequency_hz=440.0):
    return amplitude * np.sin(2 * np.pi * frequency_hz * np.arange(round(duration_s * sample_rate)) / sample_rate)


def music(seed=0, duration_s=12.0, sample_rate=48000):
    """Noise and tones that swell and fall twice a second."""
    n = round(duration_s * sample_rate)
    t = np.arange(n) / sample_rate
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * 2 * t)
    return swell * (np.random.default_rng(seed).normal(0, 0.03, n) + tone(duration_s, 0.2, sample_rate))


def silence(clip):
    sums = cell_sums(clip)
    return find_silence(sums.squares, sums.lengths, clip.sample_rate)


@given(n=st.integers(1, 200_000), sample_rate=st.sampled_from([8000, 11025, 22050, 44100, 48000, 96000]))
@settings(max_examples=40, deadline=None)
def test_cells_cover_every_sample_once(n, sample_rate):
    edges = cell_edges(n, sample_rate)
    assert edges[0] == 0
    assert edges[-1] == n
    assert np.all(np.diff(edges) > 0)
    assert np.all(np.diff(edges) <= sample_rate // 1000 + 1)


def test_cell_sums_have_no_seam_and_lose_nothing():
    samples = np.random.default_rng(1).normal(0, 0.1, (2, 44100 * 21 + 17)).astype(np.float32)
    sums = cell_sums(audio(samples, 44100))
    wide = samples.astype(np.float64)
    assert sums.lengths.sum() == samples.shape[1]
    assert sums.squares.sum(axis=1) == pytest.approx((wide**2).sum(axis=1), rel=1e-12)
    assert sums.totals.sum(axis=1) == pytest.approx(wide.sum(axis=1), rel=1e-9)
    assert sums.products.sum() == pytest.approx((wide[0] * wide[1]).sum(), rel=1e-9)
    assert group(sums.squares, 100)[0, 150] == pytest.approx((wide[0, 44100 * 15 : 44100 * 15 + 4410] ** 2).sum())


def test_crest_of_known_waves():
    assert crest_factor(0.5, 0.125) == pytest.approx(3.0103, abs=1e-4)
    assert crest_factor(0.7, 0.49) == pytest.approx(0.0, abs=1e-12)
    with pytest.raises(NotMeasurable, match="silence"):
        crest_factor(0.0, 0.0)


def test_clipping_is_counted_to_the_sample():
    samples = tone(2.0, 0.5)
    samples[1000:1005] = 1.0
    samples[2000:2003] = -1.0
    samples[3000:3002] = 1.0  # too short a run
    samples[4000:4002] = 1.0  # a change of sign ends a run
    samples[4002:4004] = -1.0
    assert clipped_samples(audio(samples)) == 8
    assert clipped_samples(audio(np.stack([samples, samples]))) == 16


def test_flat_tops_far_below_full_scale_are_not_clipping():
    samples = np.clip(tone(1.0, 0.9), -0.5, 0.5)
    assert clipped_samples(audio(samples)) == 0
    assert clipped_samples(audio(samples * 2)) > 1000


def test_full_scale_sine_is_not_clipped_but_an_overdriven_one_is_the_more_the_harder():
    counts = [
        clipped_samples(audio(np.clip(tone(1.0, drive, frequency_hz=997.0), -1, 1))) for drive in (1.0, 1.2, 2, 8)
    ]
    assert counts[0] == 0
    assert counts == sorted(set(counts))


def test_silence_and_tiny_clips_are_not_clipped():
    assert clipped_samples(audio(np.zeros(100))) == 0
    assert clipped_samples(audio(np.ones(2))) == 0
    assert clipped_samples(audio(np.ones(3))) == 3


@pytest.mark.parametrize("offset", [0.0, 0.001, -0.02, 0.3])
def test_dc_offset(offset):
    samples = np.stack([tone(2.0), tone(2.0) + offset])
    assert dc_offset(cell_sums(audio(samples)).totals, samples.shape[1]) == pytest.approx(abs(offset), abs=2e-6)


def test_silences_have_their_lengths():
    parts = [np.zeros(48000), tone(2.0), np.zeros(72000), tone(1.0), np.zeros(24000), tone(1.0), np.zeros(96000 + 960)]
    found = silence(audio(np.concatenate(parts)))
    assert found.lead_s == pytest.approx(1.0, abs=0.101)
    assert found.max_inner_s == pytest.approx(1.5, abs=0.101)
    assert found.trail_s == pytest.approx(2.02, abs=0.101)
    assert found.ratio == pytest.approx(5.02 / 9.02, abs=0.03)
    assert not found.is_everywhere


def test_silence_throughout_and_none_at_all():
    everywhere = silence(audio(np.full(48000, 0.0005)))
    assert everywhere.is_everywhere
    assert everywhere.ratio == 1.0
    nowhere = silence(audio(tone(3.0)))
    assert (nowhere.ratio, nowhere.lead_s, nowhere.trail_s, nowhere.max_inner_s) == (0.0, 0.0, 0.0, 0.0)


def test_silence_grows_with_the_pause():
    ratios = [silence(audio(np.concatenate([tone(3.0), np.zeros(n), tone(3.0)]))).ratio for n in (0, 24000, 96000)]
    assert ratios[0] < ratios[1] < ratios[2]


@pytest.mark.parametrize("count", [0, 1, 7, 30])
def test_inserted_clicks_are_found_where_they_are(count):
    samples = music()
    positions_s = 0.3 + np.arange(count) * (11.0 / max(1, count))
    samples[(positions_s * 48000).astype(int)] += 0.5
    found = find_clicks(high_band_cells(audio(samples)))
    assert len(found) == count
    assert found / 1000 == pytest.approx(positions_s, abs=0.003)


def test_click_in_one_channel_counts_once():
    samples = np.stack([music(1), music(2)])
    samples[1, 100_000] += 0.6
    assert len(find_clicks(high_band_cells(audio(samples)))) == 1


def test_longer_bursts_and_silence_are_no_clicks():
    samples = music()
    samples[200_000:202_400] += np.random.default_rng(5).normal(0, 0.5, 2400)  # 50 ms, as a cymbal
    assert len(find_clicks(high_band_cells(audio(samples)))) == 0
    assert len(find_clicks(high_band_cells(audio(np.zeros(96000))))) == 0


def test_a_beat_of_cymbals_over_quiet_notes_has_no_clicks():
    rng = np.random.default_rng(6)
    samples = tone(12.0, 0.1)
    decay = np.exp(-np.arange(9600) / (0.03 * 48000))
    for start in range(12_000, 560_000, 12_000):
        samples[start : start + 9600] += 0.2 * decay * rng.normal(0, 1, 9600)
    assert len(find_clicks(high_band_cells(audio(samples)))) <= 2


def test_clicks_need_room_above_10_khz():
    with pytest.raises(NotMeasurable, match="16000 Hz"):
        high_band_cells(audio(tone(1.0, sample_rate=16000), 16000))


@pytest.mark.parametrize("length_ms", [30, 100, 250])
def test_inserted_dropouts_are_found_where_they_are(length_ms):
    samples = music()
    positions_s = [2.0, 5.5, 9.1]
    for position_s in positions_s:
        start = int(position_s * 48000)
        samples[start : start + length_ms * 48] = 0.0
    found = find_dropouts(cell_sums(audio(samples)).powers)
    assert [start_s for start_s, _ in found] == pytest.approx(positions_s, abs=0.011)
    assert [length_s for _, length_s in found] == pytest.approx([length_ms / 1000] * 3, abs=0.011)


@pytest.mark.parametrize("length_ms", [5, 600])
def test_shorter_and_longer_holes_are_no_dropouts(length_ms):
    samples = music()
    samples[200_000 : 200_000 + length_ms * 48] = 0.0
    assert find_dropouts(cell_sums(audio(samples)).powers) == []


def test_notes_dying_away_are_no_dropouts():
    n = 48000 // 2
    note = tone(0.5) * np.exp(-np.arange(n) / (0.03 * 48000))
    assert find_dropouts(cell_sums(audio(np.tile(note, 20))).powers) == []


def test_music_and_silence_have_no_dropouts():
    assert find_dropouts(cell_sums(audio(music())).powers) == []
    assert find_dropouts(cell_sums(audio(np.zeros(48000))).powers) == []
    assert find_dropouts(cell_sums(audio(np.zeros(10))).powers) == []
