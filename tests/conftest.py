"""Fixtures shared by all tests: no network, seeded clips, model folders."""

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from evalkit.errors import EvalkitError
from evalkit.types import Audio

os.environ.setdefault("OMP_NUM_THREADS", "1")
if shutil.which("nvidia-smi") is None:
    os.environ.setdefault("TRITON_INTERPRET", "1")  # GPU kernels are then run by Python; read when Triton is imported


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every connection that leaves this machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else ""
        if self.family in (socket.AF_INET, socket.AF_INET6) and host not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"A test tried to connect to {address!r}.")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def model_dir() -> Callable[[str], Path]:
    """Folder of a registered model, or skip: pulled by ``evalkit models pull embedded``, or below EVALKIT_MODELS."""

    def find(name: str) -> Path:
        from evalkit.models.files import ModelFiles

        try:
            return ModelFiles().locate(name)
        except EvalkitError as error:
            pytest.skip(f"needs the model files of {name}: {error}")

    return find


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20261122)


@pytest.fixture
def make_sine() -> Callable[..., Audio]:
    """Sine of a frequency in Hz, amplitude in full scale, duration in seconds."""

    def make(
        f0_hz: float = 440.0,
        duration_s: float = 6.0,
        *,
        amplitude: float = 0.5,
        sample_rate: int = 48_000,
        channels: int = 2,
        phase: float = 0.0,
    ) -> Audio:
        time = np.arange(round(duration_s * sample_rate)) / sample_rate
        wave = (amplitude * np.sin(2 * np.pi * f0_hz * time + phase)).astype(np.float32)
        return Audio(samples=np.repeat(wave[None], channels, axis=0), sample_rate=sample_rate)

    return make


@pytest.fixture
def make_noise() -> Callable[..., Audio]:
    """White Gaussian noise, independent in each channel."""

    def make(
        duration_s: float = 6.0,
        *,
        level: float = 0.1,
        sample_rate: int = 48_000,
        channels: int = 2,
        seed: int = 0,
    ) -> Audio:
        shape = (channels, round(duration_s * sample_rate))
        samples = (level * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)
        return Audio(samples=samples, sample_rate=sample_rate)

    return make
