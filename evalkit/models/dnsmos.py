"""DNSMOS P.835: what listeners would say of a voice, its background, and both together.

The published network for 16 kHz speech, read as data out of the ``speechmos`` wheel. It was trained on speech in noise,
so on singing it compares versions of a system and says nothing absolute.

Source: Reddy et al., "DNSMOS P.835", ICASSP 2022.
"""

from pathlib import Path
from typing import Any, cast

import numpy as np

from evalkit.errors import ModelError
from evalkit.types import FloatArray

MODEL = "dnsmos"
FILE = "sig_bak_ovr.onnx"
LICENCE = "MIT"

SAMPLE_RATE = 16_000
WINDOW_SAMPLES = 144_160
"""9.01 seconds."""
HOP_SAMPLES = 16_000

OUTPUTS = ("sig", "bak", "ovrl")
_CURVES = (
    (-0.08397278, 1.22083953, 0.0052439),
    (-0.13166888, 1.60915514, -0.39604546),
    (-0.06766283, 1.11546468, 0.04602535),
)
"""Published polynomials from the network's outputs to the scale of listeners, highest power first."""


def window_starts(n_samples: int) -> list[int]:
    """First sample of each window: one a second, as published; a rest behind the last whole second is not heard."""
    n_windows = int(n_samples // SAMPLE_RATE - WINDOW_SAMPLES / SAMPLE_RATE) + 1
    return [index * HOP_SAMPLES for index in range(max(1, n_windows))]


def lengthened(samples: FloatArray) -> FloatArray:
    """What is shorter than a window is doubled until it is not, as published [time]."""
    while len(samples) < WINDOW_SAMPLES:
        samples = np.concatenate([samples, samples])
    return samples


class Dnsmos:
    """The network, on one thread of the CPU.

    Args:
        folder: Of the model ``dnsmos``.

    Raises:
        ModelError: the file is no such network.
    """

    batch = 4

    def __init__(self, folder: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        try:
            self._session: Any = onnxruntime.InferenceSession(
                str(folder / FILE), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime has its own family of errors, derived from nothing useful
            raise ModelError(
                f"{folder / FILE} cannot be loaded: {error}", f"Run: evalkit models pull {MODEL}"
            ) from None

    def predict(self, windows: FloatArray) -> FloatArray:
        """Opinion scores of windows.

        Args:
            windows: One channel at 16 kHz [windows, 144160].

        Returns:
            `OUTPUTS`, about 1 to 5, higher is better [windows, 3].
        """
        raw = self._session.run(None, {"input_1": np.ascontiguousarray(windows, dtype=np.float32)})[0]
        columns = [np.polyval(curve, raw[:, index].astype(np.float64)) for index, curve in enumerate(_CURVES)]
        return cast(FloatArray, np.stack(columns, axis=1).astype(np.float32))
