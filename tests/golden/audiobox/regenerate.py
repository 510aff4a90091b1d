"""Writes a small seeded checkpoint in the published layout and what the published code says of two windows with it.

Run by hand beside ``audiobox_aesthetics==0.0.4`` (installed with ``--no-deps``), torch, huggingface_hub and
safetensors: ``python regenerate.py``; review the difference.
"""

import json
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
N_SAMPLES = 16_000
LENGTHS = (16_000, 9_000)


def windows():
    """Two windows of one second at 16 kHz, the second with silence behind 9,000 samples [2, time]."""
    rng = np.random.default_rng(4)
    found = (0.1 * rng.standard_normal((2, N_SAMPLES))).astype(np.float32)
    found[1, LENGTHS[1] :] = 0.0
    return found


def main():
    import torch
    from audiobox_aesthetics.model import aes
    from safetensors.torch import save_file

    config = dict(aes.DEFAULT_AUDIO_CFG.__dict__)
    config |= {
        "encoder_layers": 2,
        "encoder_embed_dim": 16,
        "encoder_ffn_embed_dim": 32,
        "encoder_attention_heads": 2,
        "conv_feature_layers": "[(8,10,5)] + [(8,3,2)] * 4 + [(8,2,2)] * 2",
        "conv_pos": 16,
        "conv_pos_groups": 4,
        "num_buckets": 32,
    }
    aes.DEFAULT_AUDIO_CFG = aes.WavLMConfig(config)
    torch.manual_seed(0)
    target = {axis: {"mean": 5.0 + index, "std": 1.5 + index} for index, axis in enumerate(aes.AXES_NAME)}
    options = {
        "proj_num_layer": 3,
        "proj_ln": True,
        "proj_act_fn": "gelu",
        "proj_dropout": 0.1,
        "nth_layer": 3,
        "use_weighted_layer_sum": True,
        "precision": "32",
        "normalize_embed": True,
        "output_dim": 1,
        "target_transform": target,
        "freeze_encoder": True,
    }
    model = aes.AesMultiOutput(**options).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape))
    wave = torch.from_numpy(windows())[:, None]
    mask = torch.zeros_like(wave, dtype=torch.bool)
    for row, length in enumerate(LENGTHS):
        mask[row, :, :length] = True
    with torch.no_grad():
        found = model({"wav": wave, "mask": mask})
    expected = {axis: (found[axis] * target[axis]["std"] + target[axis]["mean"]).tolist() for axis in aes.AXES_NAME}
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, HERE / "model.safetensors")
    (HERE / "config.json").write_text(json.dumps(options, indent=1, sort_keys=True) + "\n")
    (HERE / "expected.json").write_text(json.dumps(expected, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
