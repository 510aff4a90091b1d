import pytest
import torch

from generation.songgeneration2.codec.chunks import chunk_starts, decoder_halo, encoder_halo, run_chunked
from generation.songgeneration2.codec.config import OFFICIAL, VaeConfig
from generation.songgeneration2.codec.stages import empty_stage
from generation.songgeneration2.codec.vae import Decoder, Encoder, split_posterior
from generation.songgeneration2.codec.weight_norm import fold_weight_norm

SMALL = VaeConfig(channels=8, multipliers=(1, 2), strides=(2, 4), latent_dim=8)


@pytest.fixture(params=[False, True], ids=["weight_norm", "folded"])
def vae(golden, request):
    record = golden("vae_a")
    encoder, decoder = Encoder(SMALL), Decoder(SMALL)
    encoder.load_state_dict(record.state("state_dict.encoder."))
    decoder.load_state_dict(record.state("state_dict.decoder."))
    if request.param:
        fold_weight_norm(encoder)
        fold_weight_norm(decoder)
    return encoder, decoder


def test_encoding_equals_the_reference(golden, close, vae):
    record = golden("vae_a")
    mean, std = split_posterior(vae[0](record["encode.waveform"]))
    close(mean, record["encode.mean"])
    close(std, record["encode.std"])
    close(mean + std * record["encode.noise"], record["encode.latents"])


def test_encoding_of_a_ragged_length_equals_the_reference(golden, close, vae):
    record = golden("vae_a")
    close(vae[0](record["encode_odd.waveform"]), record["encode_odd.pre_bottleneck"])


def test_chunked_encoding_equals_the_reference(golden, close, vae):
    record = golden("vae_a")
    found = run_chunked(vae[0], record["encode.waveform"], chunk=32, overlap=8, down=8)
    close(found, record["encode_chunked.c32_o8.pre_bottleneck"])


def test_decoding_equals_the_reference(golden, close, vae):
    record = golden("vae_a")
    close(vae[1](record["decode.latents"]), record["decode.waveform"])


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(("chunk", "overlap"), [(32, 8), (48, 12), (64, 32), (150, 32)])
def test_chunked_decoding_equals_the_reference(golden, close, vae, chunk, overlap, batch):
    record = golden("vae_a")
    found = run_chunked(vae[1], record["decode.latents"], chunk=chunk, overlap=overlap, up=8, batch=batch)
    close(found, record[f"decode_chunked.c{chunk}_o{overlap}"])


def test_default_chunks_equal_the_reference(golden, close, vae):
    record = golden("vae_a")
    found = run_chunked(vae[1], record["decode_chunked_default.latents"], chunk=128, overlap=32, up=8)
    close(found, record["decode_chunked_default.waveform"])


def test_chunks_with_enough_halo_equal_one_pass(golden, close, vae):
    latents = golden("vae_a")["decode.latents"]
    overlap = 2 * decoder_halo(SMALL)
    close(run_chunked(vae[1], latents, chunk=60, overlap=overlap, up=8), vae[1](latents))


def test_a_clip_shorter_than_one_chunk_is_decoded_whole(golden, close, vae):
    latents = golden("vae_a")["decode.latents"][..., :20]
    close(run_chunked(vae[1], latents, chunk=128, overlap=32, up=8), vae[1](latents))


def test_chunk_starts_of_the_published_lengths():
    assert chunk_starts(1000, 128, 32) == [*range(0, 865, 96), 872]
    assert chunk_starts(750, 128, 32) == [*range(0, 577, 96), 622]
    assert chunk_starts(128, 128, 32) == [0]


def thin(strides):
    """The published strides on one channel per layer: the same reach, a fraction of the work."""
    return VaeConfig(channels=1, multipliers=(1,) * len(strides), strides=strides, latent_dim=1)


def filled(module):
    for name, parameter in module.named_parameters():
        parameter.data = torch.full_like(parameter, 0.0 if name.endswith(("alpha", "beta")) else 0.3)
    return module.double()


def test_decoder_halo_covers_the_receptive_field():
    config = thin(OFFICIAL.vae.strides)
    decoder = filled(Decoder(config))
    latents = torch.zeros(1, 1, 41, dtype=torch.float64)
    impulse = latents.clone()
    impulse[..., 20] = 1.0
    touched = (decoder(impulse) - decoder(latents)).abs().amax(1)[0] > 0
    frames = torch.nonzero(touched).flatten() // config.ratio
    assert decoder_halo(OFFICIAL.vae) == 10
    assert 20 - frames.min() <= 10
    assert frames.max() - 20 <= 10
    assert 20 - frames.min() >= 8  # the test would pass emptily if nothing spread


def test_encoder_halo_covers_the_receptive_field():
    config = thin(OFFICIAL.vae.strides)
    encoder = filled(Encoder(config))
    wave = torch.zeros(1, 2, 41 * config.ratio, dtype=torch.float64)
    impulse = wave.clone()
    impulse[..., 20 * config.ratio : 21 * config.ratio] = 1.0
    touched = torch.nonzero((encoder(impulse) - encoder(wave)).abs().amax(1)[0] > 0).flatten()
    halo = encoder_halo(OFFICIAL.vae)
    assert halo <= 16
    assert 20 - touched.min() <= halo
    assert touched.max() - 20 <= halo
    assert 20 - touched.min() >= 5


def test_official_tensor_counts():
    assert len(empty_stage("encoder", OFFICIAL).state_dict()) == 183
    assert len(empty_stage("decoder", OFFICIAL).state_dict()) == 182


def test_odd_channel_layout_is_named():
    state = empty_stage("decoder", OFFICIAL).state_dict()
    assert tuple(state["layers.1.layers.1.weight_v"].shape) == (2048, 1024, 20)
    assert tuple(state["layers.1.layers.1.weight_g"].shape) == (2048, 1, 1)
    assert "layers.7.bias" not in state
