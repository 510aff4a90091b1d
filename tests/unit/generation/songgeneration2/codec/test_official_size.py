"""The published dimensions without their memory: shapes only."""

import pytest
import torch

from generation.songgeneration2.codec.config import OFFICIAL
from generation.songgeneration2.codec.stages import empty_stage


def meta(*shape):
    return torch.empty(shape, device="meta")


def test_the_decoder_gives_1920_stereo_samples_per_latent():
    assert empty_stage("decoder", OFFICIAL)(meta(1, 64, 7)).shape == (1, 2, 7 * 1920)


def test_the_encoder_gives_mean_and_scale_of_64_channels():
    assert empty_stage("encoder", OFFICIAL)(meta(1, 2, 3 * 1920)).shape == (1, 128, 3)


def test_the_estimator_gives_the_velocity_of_64_channels():
    estimator = empty_stage("flow", OFFICIAL).estimator
    time = estimator.embed_time(meta(2))
    assert time.blocks.shape == (2, 6, 2200)
    assert estimator(meta(2, 1000, 2200), time).shape == (2, 1000, 64)


@pytest.mark.parametrize("name", ["mixed", "stems"])
def test_the_tokenizers_read_1024_channels_at_25_hz(name):
    tokenizer = empty_stage(name, OFFICIAL).eval()
    encoder = tokenizer.bestrq["model"]
    mel = meta(1, 128, 400)
    states = encoder.conformer(encoder.conv(mel), tokenizer.streams[0].layer)
    assert states[-1].shape == (1, 100, 1024)
    assert len(states) == {"mixed": 7, "stems": 8}[name]
