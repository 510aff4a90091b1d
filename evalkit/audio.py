"""The only file that opens audio.

Reading and writing by soundfile, resampling by soxr at its highest quality (`RESAMPLER` goes into signatures).
"""

import hashlib
import math
from pathlib import Path

import numpy as np
import soundfile
import soxr

from evalkit.errors import AudioError
from evalkit.types import Audio, FloatArray

RESAMPLER = f"soxr{soxr.__version__}-vhq"
MAX_DURATION_S = 1800.0
"""Longest file that is decoded; a longer one is refused, so that memory stays below about 700 MB per file."""

MAX_CHANNELS = 8
MAX_SAMPLES = round(MAX_DURATION_S) * 96_000
"""Of all channels: half an hour of stereo at 48 kHz, or less of more; 700 MB in memory."""


def load(path: Path, *, max_duration_s: float = MAX_DURATION_S) -> Audio:
    """Decode a whole file to float32 at its own rate and channels.

    Args:
        path: Any format libsndfile reads (WAV, FLAC, OGG, MP3, AIFF ...).
        max_duration_s: Refuse longer files.

    Returns:
        The decoded clip.

    Raises:
        AudioError: missing, unreadable, empty, too long, too many channels, or with NaN or infinite samples.
    """
    if not path.is_file():
        raise AudioError(f"There is no audio file {path}.")
    try:
        info = soundfile.info(str(path))
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise AudioError(f"{path.name} is not an audio file that can be read ({_reason(error)}).") from error
    if info.frames <= 0:
        raise AudioError(f"{path.name} holds no audio (0 samples).")
    _check_riff_length(path)
    if info.channels > MAX_CHANNELS:
        raise AudioError(f"{path.name} has {info.channels} channels; at most {MAX_CHANNELS} are accepted.")
    if info.frames * info.channels > MAX_SAMPLES:
        raise AudioError(
            f"{path.name} holds {info.frames * info.channels:,} samples; at most {MAX_SAMPLES:,} are read."
        )
    duration_s = info.frames / info.samplerate
    if duration_s > max_duration_s:
        raise AudioError(
            f"{path.name} is {duration_s / 60:.0f} minutes long; at most {max_duration_s / 60:.0f} are accepted."
        )
    try:
        samples, sample_rate = soundfile.read(str(path), dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise AudioError(f"{path.name} breaks off or is damaged ({_reason(error)}).") from error
    if samples.shape[0] == 0:
        raise AudioError(f"{path.name} holds no audio (0 samples).")
    if samples.shape[0] < info.frames:
        raise AudioError(f"{path.name} breaks off: {samples.shape[0]} of {info.frames} samples are there.")
    check_finite(samples, path.name)
    return Audio(samples=np.ascontiguousarray(samples.T), sample_rate=int(sample_rate))


def check_finite(samples: FloatArray, name: str) -> None:
    """Refuse NaN and infinite samples, saying how many there are."""
    bad = int(samples.size - np.count_nonzero(np.isfinite(samples)))
    if bad:
        raise AudioError(f"{name} holds {bad} samples that are NaN or infinite.")


def save_flac(audio: Audio, path: Path) -> None:
    """Write 24-bit FLAC; samples beyond full scale are refused rather than clipped.

    Raises:
        AudioError: the audio is empty, not finite or exceeds [-1, 1], or the disk does not take it.
    """
    if audio.samples.shape[1] == 0:
        raise AudioError(f"Nothing to write into {path.name}: the audio has no samples.")
    check_finite(audio.samples, path.name)
    peak = float(np.max(np.abs(audio.samples)))
    if peak > 1.0:
        raise AudioError(f"{path.name} would clip: its peak is {peak:.3f}.", "Scale the audio before it is written.")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    try:
        soundfile.write(str(partial), audio.samples.T, audio.sample_rate, format="FLAC", subtype="PCM_24")
        partial.replace(path)
    except (soundfile.SoundFileError, RuntimeError, OSError) as error:
        partial.unlink(missing_ok=True)
        raise AudioError(f"{path.name} cannot be written ({_reason(error)}).", "Free some space and resume.") from error


def resample(audio: Audio, sample_rate: int) -> Audio:
    """Change the rate; the duration is kept within one sample. The same rate returns the clip itself."""
    if sample_rate == audio.sample_rate:
        return audio
    samples = soxr.resample(audio.samples.T, audio.sample_rate, sample_rate, quality="VHQ").T
    return Audio(samples=np.ascontiguousarray(samples, dtype=np.float32), sample_rate=sample_rate)


def to_mono(audio: Audio) -> Audio:
    """Mean of the channels."""
    if audio.channels == 1:
        return audio
    return Audio(samples=audio.samples.mean(axis=0, keepdims=True, dtype=np.float32), sample_rate=audio.sample_rate)


def decoded_sha256(audio: Audio) -> str:
    """Digest of the decoded samples, rate and channels: equal for the same audio in another container."""
    digest = hashlib.sha256(f"{audio.sample_rate}/{audio.channels}/".encode())
    digest.update(np.ascontiguousarray(audio.samples).tobytes())
    return digest.hexdigest()


def rms_db(samples: FloatArray) -> float:
    """Level in dBFS (full-scale square wave = 0); -inf for silence."""
    power = float(np.mean(np.square(samples, dtype=np.float64))) if samples.size else 0.0
    return 10.0 * math.log10(power) if power > 0 else -math.inf


def _check_riff_length(path: Path) -> None:
    """Refuse a WAV that is shorter than its header says; libsndfile reads what is left without a word."""
    with path.open("rb") as file:
        head = file.read(8)
    declared = int.from_bytes(head[4:8], "little") + 8
    # A program that writes to a pipe cannot know the length and puts 0 or the largest number there.
    if head[:4] != b"RIFF" or declared == 8 or declared >= 0xFFFF_FF00:
        return
    size = path.stat().st_size
    if size < declared:
        raise AudioError(f"{path.name} breaks off: {size:,} of the {declared:,} bytes its header names are there.")


def _reason(error: Exception) -> str:
    return str(error).rsplit(":", maxsplit=1)[-1].strip().rstrip(".") or type(error).__name__
