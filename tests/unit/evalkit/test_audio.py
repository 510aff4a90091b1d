"""The audio door: what may come in, and what comes out of it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit import audio
from evalkit.errors import AudioError, ShapeError
from evalkit.types import Audio


def write(path: Path, samples: np.ndarray, sample_rate: int = 48_000, subtype: str | None = None) -> Path:
    soundfile.write(str(path), samples, sample_rate, subtype=subtype)
    return path


@pytest.mark.parametrize(
    ("sample_rate", "channels", "subtype"),
    [(8_000, 1, "PCM_U8"), (192_000, 2, "PCM_24"), (44_100, 6, "PCM_16"), (48_000, 2, "FLOAT"), (22_050, 1, "PCM_16")],
)
def test_any_rate_width_and_channel_count_is_read(
    tmp_path: Path, sample_rate: int, channels: int, subtype: str
) -> None:
    samples = 0.5 * np.sin(np.arange(sample_rate // 10))[:, None] * np.ones(channels)
    clip = audio.load(write(tmp_path / "x.wav", samples, sample_rate, subtype))
    assert (clip.sample_rate, clip.samples.shape) == (sample_rate, (channels, sample_rate // 10))
    assert clip.samples.dtype == np.float32
    np.testing.assert_allclose(clip.samples[0], samples[:, 0], atol=0.01)


def test_what_is_no_audio_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("hello")
    write(tmp_path / "none.wav", np.zeros((0, 2)))
    whole = write(tmp_path / "whole.flac", np.random.default_rng(0).uniform(-0.5, 0.5, 48_000))
    (tmp_path / "cut.flac").write_bytes(whole.read_bytes()[:30_000])
    long = write(tmp_path / "long.wav", np.zeros(48_000))
    (tmp_path / "cut.wav").write_bytes(long.read_bytes()[:50_000])
    write(tmp_path / "nan.wav", np.array([0.0, np.nan, np.inf]), subtype="FLOAT")
    write(tmp_path / "wide.wav", np.zeros((10, 12)))
    for name, sentence in (
        ("gone.wav", "There is no audio file"),
        ("empty.wav", "not an audio file"),
        ("text.wav", "not an audio file"),
        ("none.wav", "holds no audio"),
        ("cut.flac", "breaks off"),
        ("cut.wav", "breaks off: 50,000 of the 96,044 bytes"),
        ("nan.wav", "2 samples that are NaN or infinite"),
        ("wide.wav", "12 channels; at most 8"),
        (".", "There is no audio file"),
    ):
        with pytest.raises(AudioError, match=sentence):
            audio.load(tmp_path / name)


def test_a_wav_from_a_pipe_has_no_length_in_its_header_and_is_read(tmp_path: Path) -> None:
    whole = write(tmp_path / "x.wav", np.full(4_800, 0.5)).read_bytes()
    for unknown in (b"\0\0\0\0", b"\xff\xff\xff\xff"):
        (tmp_path / "x.wav").write_bytes(whole[:4] + unknown + whole[8:])
        assert audio.load(tmp_path / "x.wav").duration_s == pytest.approx(0.1)


def test_a_long_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    # A header that promises three hours; nobody decodes it to find out.
    path = write(tmp_path / "long.wav", np.zeros(8_000 * 3 * 3600, dtype=np.int16), 8_000, "PCM_U8")
    with pytest.raises(AudioError, match="180 minutes long; at most 30"):
        audio.load(path)


def test_flac_round_trip_is_24_bit_exact(tmp_path: Path, rng: np.random.Generator) -> None:
    samples = (rng.integers(-(2**23), 2**23, size=(2, 1000)) / 2**23).astype(np.float32)
    path = tmp_path / "folder" / "x.flac"
    audio.save_flac(Audio(samples=samples, sample_rate=48_000), path)
    np.testing.assert_array_equal(audio.load(path).samples, samples)


def test_saving_refuses_what_would_be_another_sound(tmp_path: Path) -> None:
    for value, sentence in ((1.01, "would clip: its peak is 1.010"), (np.nan, "NaN")):
        clip = Audio(samples=np.full((1, 10), value, dtype=np.float32), sample_rate=48_000)
        with pytest.raises(AudioError, match=sentence):
            audio.save_flac(clip, tmp_path / "x.flac")
    with pytest.raises(AudioError, match="no samples"):
        audio.save_flac(Audio(samples=np.zeros((1, 0), dtype=np.float32), sample_rate=48_000), tmp_path / "x.flac")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_takes_no_more_leaves_no_scrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: str, *arguments: object, **options: object) -> None:
        Path(path).write_bytes(b"fLaC")
        raise soundfile.LibsndfileError(2)

    monkeypatch.setattr("soundfile.write", fail)
    with pytest.raises(AudioError, match=r"x\.flac cannot be written .*Free some space"):
        audio.save_flac(Audio(samples=np.zeros((1, 10), dtype=np.float32), sample_rate=48_000), tmp_path / "x.flac")
    assert list(tmp_path.iterdir()) == []


def test_resampling_keeps_pitch_level_and_length(make_sine: Callable[..., Audio]) -> None:
    clip = make_sine(1000.0, 1.0, sample_rate=44_100)
    changed = audio.resample(clip, 16_000)
    assert abs(changed.duration_s - clip.duration_s) <= 1 / 16_000
    spectrum = np.abs(np.fft.rfft(changed.samples[0] * np.hanning(16_000)))
    assert np.argmax(spectrum) == 1000
    assert audio.rms_db(changed.samples[:, 1000:-1000]) == pytest.approx(audio.rms_db(clip.samples), abs=0.02)
    assert audio.resample(clip, 44_100) is clip


def test_mono_is_the_mean_and_keeps_mono() -> None:
    samples = np.array([[1.0, 0.5], [0.0, -0.5]], dtype=np.float32)
    np.testing.assert_array_equal(audio.to_mono(Audio(samples=samples, sample_rate=1)).samples, [[0.5, 0.0]])


def test_equal_sound_in_another_container_has_an_equal_digest(tmp_path: Path, make_sine: Callable[..., Audio]) -> None:
    clip = make_sine(duration_s=0.2)
    audio.save_flac(clip, tmp_path / "x.flac")
    write(tmp_path / "x.wav", audio.load(tmp_path / "x.flac").samples.T, subtype="PCM_24")
    digests = {audio.decoded_sha256(audio.load(tmp_path / name)) for name in ("x.flac", "x.wav")}
    assert len(digests) == 1
    assert digests != {audio.decoded_sha256(audio.to_mono(audio.load(tmp_path / "x.flac")))}


def test_rms_of_known_signals() -> None:
    assert audio.rms_db(np.ones((2, 10), dtype=np.float32)) == pytest.approx(0.0)
    assert audio.rms_db(np.zeros((1, 10), dtype=np.float32)) == -np.inf
    assert audio.rms_db(np.zeros((1, 0), dtype=np.float32)) == -np.inf


def test_audio_refuses_wrong_arrays() -> None:
    for samples in (np.zeros(10, dtype=np.float32), np.zeros((0, 10), dtype=np.float32), np.zeros((1, 10))):
        with pytest.raises(ShapeError, match=r"float32 samples \[channels, time\]"):
            Audio(samples=samples, sample_rate=48_000)
    with pytest.raises(AudioError, match="must be positive"):
        Audio(samples=np.zeros((1, 1), dtype=np.float32), sample_rate=0)


@settings(max_examples=80, deadline=None)
@given(
    junk=st.binary(max_size=400), head=st.sampled_from([b"", b"RIFF\xff\xff\xff\xffWAVEfmt ", b"fLaC", b"OggS", b"ID3"])
)
def test_hostile_headers_end_in_a_sentence(tmp_path_factory: pytest.TempPathFactory, junk: bytes, head: bytes) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "x.wav"
    path.write_bytes(head + junk)
    try:
        clip = audio.load(path)
    except AudioError:
        return
    assert np.isfinite(clip.samples).all()
