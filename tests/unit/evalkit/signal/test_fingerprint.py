"""Copies are found at other gains, formats and places; other music is not."""

import io

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.signal.fingerprint import WINDOW_S, match, pairs_of_peaks

RATE = 16_000


def music(seed: int, duration_s: float = 24.0) -> np.ndarray:
    """Random notes with overtones and decays over a soft noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(duration_s * RATE)) / RATE
    samples = 1e-3 * rng.standard_normal(len(time))
    for start in np.arange(0.0, duration_s - 0.5, 0.125):
        hz = 440.0 * 2 ** ((rng.integers(48, 84) - 69) / 12)
        own = time[(time >= start) & (time < start + 0.5)] - start
        tone = sum(np.sin(2 * np.pi * n * hz * own) / n for n in range(1, 6) if n * hz < 7000)
        samples[round(start * RATE) : round(start * RATE) + len(own)] += 0.1 * np.exp(-6 * own) * tone
    return samples.astype(np.float32)


@pytest.fixture(scope="module")
def song() -> np.ndarray:
    return music(1)


@pytest.fixture(scope="module")
def prints(song: np.ndarray) -> np.ndarray:
    return pairs_of_peaks(song)


def through(samples: np.ndarray, kind: str, subtype: str) -> np.ndarray:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, RATE, format=kind, subtype=subtype)
    buffer.seek(0)
    return soundfile.read(buffer, dtype="float32")[0]


def test_the_same_recording_agrees_on_every_pair(prints: np.ndarray) -> None:
    found = match(prints, prints)
    assert found.share == 1.0
    assert found.start_s == found.other_start_s
    assert len(prints) > 300


@pytest.mark.parametrize("gain_db", [-30.0, -6.0, 12.0])
def test_gain_changes_nothing(song: np.ndarray, prints: np.ndarray, gain_db: float) -> None:
    found = match(pairs_of_peaks(song * np.float32(10 ** (gain_db / 20))), prints)
    assert found.share > 0.95


@pytest.mark.parametrize(
    ("kind", "subtype"), [("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III"), ("WAV", "PCM_16"), ("FLAC", "PCM_24")]
)
def test_another_format_and_place(song: np.ndarray, prints: np.ndarray, kind: str, subtype: str) -> None:
    offset = round(5.437 * RATE)
    piece = through(song[offset : offset + 12 * RATE], kind, subtype)
    found = match(pairs_of_peaks(piece), prints)
    assert found.share > 0.1
    assert found.hits >= 40
    # A codec may add a few hundredths of a second of delay.
    assert found.other_start_s - found.start_s == pytest.approx(5.437, abs=0.15)


def test_ten_seconds_inside_other_music_and_under_noise(song: np.ndarray, prints: np.ndarray) -> None:
    other = music(2)
    mixed = np.concatenate([other[: 7 * RATE], song[8 * RATE : 18 * RATE], other[7 * RATE :]])
    found = match(pairs_of_peaks(mixed), prints)
    assert found.hits >= 80
    assert found.other_start_s - found.start_s == pytest.approx(1.0, abs=0.05)
    noise = np.float32(0.1 * song.std()) * np.random.default_rng(0).standard_normal(len(song)).astype(np.float32)
    assert match(pairs_of_peaks(song + noise), prints).share > 0.2


def test_other_music_does_not_agree(prints: np.ndarray) -> None:
    found = [match(pairs_of_peaks(music(seed)), prints) for seed in range(2, 6)]
    assert max(one.hits for one in found) < 15
    assert max(one.share for one in found) < 0.04


def test_silence_and_short_clips_have_no_fingerprint(prints: np.ndarray) -> None:
    for samples in (np.zeros(RATE, np.float32), np.zeros(10, np.float32), np.zeros(0, np.float32)):
        empty = pairs_of_peaks(samples)
        assert empty.shape[1] == 2
        assert match(empty, prints).hits == match(prints, empty).hits == 0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 400), st.integers(5, 60))
def test_planted_pairs_are_counted(seed: int, shift: int, n: int) -> None:
    """A plain count over all pairs of equal hashes agrees with the histogram."""
    rng = np.random.default_rng(seed)
    one = np.stack([rng.integers(0, 500, 200), np.sort(rng.integers(0, 2000, 200))], axis=1)
    other = np.stack([rng.integers(0, 500, 200), rng.integers(0, 2000, 200)], axis=1)
    other[:n, 0] = one[:n, 0]
    other[:n, 1] = one[:n, 1] + shift
    other = other[np.argsort(other[:, 1], kind="stable")]
    found = match(one, other)
    window = round(WINDOW_S * RATE / 256)
    votes = {}
    for hash_, frame in one.tolist():
        for other_hash, other_frame in other.tolist():
            if hash_ == other_hash:
                votes.setdefault(other_frame - frame, set()).add((frame, hash_))
    best = 0
    for key in {near for vote in votes for near in (vote - 1, vote, vote + 1)}:
        near = sorted(votes.get(key - 1, set()) | votes.get(key, set()) | votes.get(key + 1, set()))
        best = max(best, *(sum(a <= b < a + window for b, _ in near) for a, _ in near))
    assert found.hits <= best, "never more than there are"
    assert found.hits >= min(best, len({(f, h) for h, f in one[:n].tolist() if f < one[0, 1] + window})) - 1
