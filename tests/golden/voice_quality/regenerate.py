"""Writes ``expected.json``: what the published packages say of four signals. Run it by hand, review the difference.

In an environment of its own, where nothing of evalkit is needed:
``pip install --no-deps speechmos==0.0.1.1 distillmos==0.9.1 xls-r-sqa==0.1.0`` beside numpy, torch, torchaudio and
onnxruntime; then ``python regenerate.py``. DNSMOS's second network (P.808) wants librosa's mel bands and is not checked
here: a stand-in gives it zeros, which changes nothing in the three scores of P.835.
"""

import json
import sys
import types
from pathlib import Path

import numpy as np

SAMPLE_RATE = 16_000


def signals():
    """Name to one channel at 16 kHz: a synthetic voice, with noise, short, and clipped."""

    def voice(duration_s, seed):
        n = round(duration_s * SAMPLE_RATE)
        t = np.arange(n) / SAMPLE_RATE
        rng = np.random.default_rng(seed)
        notes = 220.0 * 2.0 ** (rng.integers(-3, 9, size=int(2 * duration_s) + 2) / 12)
        f0 = notes[(2 * t).astype(int)] * 2 ** (0.3 / 12 * np.sin(2 * np.pi * 5.5 * t))
        phase = 2 * np.pi * np.cumsum(f0) / SAMPLE_RATE
        tone = sum(
            np.sin(k * phase) * sum(np.exp(-(((k * f0 - c) / 180.0) ** 2)) for c in (500.0, 1500.0, 2600.0))
            for k in range(1, 16)
        )
        beat = 0.5 + 0.5 * np.clip(4 * np.sin(2 * np.pi * t), -1, 1)
        return 0.2 * beat * tone + 0.001 * rng.standard_normal(n)

    clean = voice(14.3, 1)
    noise = np.random.default_rng(2).standard_normal(len(clean))
    found = {
        "clean": clean,
        "noisy": clean + 0.05 * noise,
        "short": voice(6.0, 3),
        "clipped": np.clip(6 * clean, -0.3, 0.3),
    }
    return {name: samples.astype(np.float32) for name, samples in found.items()}


def main():
    librosa = types.ModuleType("librosa")
    librosa.feature = types.SimpleNamespace(melspectrogram=lambda **kwargs: np.zeros((120, 900), np.float32))
    librosa.power_to_db = lambda values, ref: values
    sys.modules["librosa"] = librosa
    import torch
    from distillmos import ConvTransformerSQAModel
    from speechmos import dnsmos

    model = ConvTransformerSQAModel().eval()
    expected = {}
    for name, samples in signals().items():
        scores = dnsmos.run(samples, SAMPLE_RATE)
        with torch.no_grad():
            mos = model(torch.from_numpy(samples)[None]).item()
        expected[name] = {
            "distillmos": mos,
            **{f"dnsmos_{key}": float(scores[f"{key}_mos"]) for key in ("sig", "bak", "ovrl")},
        }
    text = json.dumps(expected, indent=1, sort_keys=True)
    (Path(__file__).parent / "expected.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
