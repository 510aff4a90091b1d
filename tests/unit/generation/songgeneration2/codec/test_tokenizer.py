import pytest
import torch

from generation.songgeneration2.codec.config import OFFICIAL, CodecConfig, MusicFMConfig, RvqConfig
from generation.songgeneration2.codec.mel import MelSpectrogram, filterbank
from generation.songgeneration2.codec.musicfm import MusicFM
from generation.songgeneration2.codec.resample import Halve, halving_kernel
from generation.songgeneration2.codec.stages import empty_stage
from generation.songgeneration2.codec.tokenizer import (
    code_count,
    limit_peak,
    repeated,
    separate_tokenizer,
)

CONFIG = CodecConfig(
    rvq=RvqConfig(input_dim=48, codebook_size=256, codebook_dim=8),
    musicfm=MusicFMConfig(conv_dim=6, dim=48, depth=5, heads=4, inner=72),
    vocal_layer=4,
    bgm_layer=2,
)
UNUSED = ("cls_token", "pos_conv_embed", "state_dict.model.linear", "stale_counter")
MEL = "preprocessor_melspec_2048.mel_stft"
BUFFERS = {f"{MEL}.spectrogram.window": torch.hann_window(2048), f"{MEL}.mel_scale.fb": filterbank(128)}


def encoder(record, depth):
    """The encoder with as many layers as wanted, weights from the record."""
    module = MusicFM(CONFIG.musicfm, depth).eval()
    state = {**BUFFERS, **record.state("state_dict.model.", UNUSED)}
    module.load_state_dict({name: state[name] for name in module.state_dict()})
    return module


def separate(record):
    module = separate_tokenizer(CONFIG).eval()
    state = record.state("state_dict_rvq.", UNUSED)
    state |= {f"bestrq.model.{name}": tensor for name, tensor in encoder(record, 4).state_dict().items()}
    module.load_state_dict(state | {"rsq48tobestrq.kernel": halving_kernel()})
    return module


def test_window_and_filters_by_formula_equal_the_stored_ones(golden):
    record = golden("musicfm_a")
    for name, tensor in BUFFERS.items():
        assert torch.equal(tensor, record[f"state_dict.model.{name}"])


def test_mel_of_the_reference(golden):
    record = golden("musicfm_a")
    module = encoder(record, 1).preprocessor_melspec_2048
    wave = record["wave24"][:, : int(record["wave24_used_samples"])]
    assert torch.allclose(module.decibels(wave), record["mel_db"], atol=1e-3)
    assert torch.allclose(module(wave), record["mel_normalised"], atol=1e-4)


def test_stem_and_first_layer_equal_the_reference(golden, close):
    record = golden("musicfm_a")
    silence = encoder(record, 1)(torch.zeros(1, 9600))[0]
    close(silence, record["silence.hidden_0"])
    rows = len(record["batch2.hidden_1"])
    close(encoder(record, 1)(record["batch2.wave24"][:rows])[1], record["batch2.hidden_1"])


def test_every_hidden_state_equals_the_reference(golden, close):
    record = golden("musicfm_a")
    record["hidden_5"]
    for depth in (3, 5):
        states = encoder(record, depth)(record["wave24"])
        assert len(states) == depth + 1
        for index, state in enumerate(states):
            close(state, record[f"hidden_{index}"])
    close(encoder(record, 5)(torch.zeros(1, 9600))[-1], record["silence.hidden_last"])
    close(encoder(record, 5)(record["batch2.wave24"])[-1], record["batch2.hidden_last"])


def test_resampler_equals_the_reference(golden, close):
    record = golden("musicfm_a")
    module = Halve()
    module.kernel.copy_(halving_kernel())
    close(module(record["wave48_vocal"].mean(0, keepdim=True)), record["wave24"])


def test_resampler_keeps_what_is_below_its_limit():
    module = Halve()
    module.kernel.copy_(halving_kernel())
    time = torch.arange(4801) / 48_000
    wave = torch.sin(2 * torch.pi * 1000 * time)[None]
    halved = module(wave)
    assert halved.shape == (1, 2401)
    assert torch.allclose(halved[:, 50:-50], wave[:, ::2][:, 50:-50], atol=5e-3)


@pytest.mark.parametrize("name", ["vocal", "bgm"])
def test_features_and_codes_of_one_batch_equal_the_reference(golden, close, name):
    record = golden("musicfm_a")
    record["fetch.codes_bgm"]
    module = separate(record)
    stream = next(stream for stream in module.streams if stream.name == name)
    wave = record[f"wave48_{name}"][None]
    close(module.features(wave, stream).transpose(1, 2), record[f"fetch.emb_{name}"])
    assert torch.equal(module.encode_segments(wave, stream), record[f"fetch.codes_{name}"][:, 0])


def test_the_whole_wave_to_codes_call_equals_the_reference(golden):
    record = golden("musicfm_a")
    clips = {"vocal": record["wave48_vocal"], "bgm": record["wave48_bgm"][:, :-700]}
    codes = separate(record).encode(clips)
    for name, found in codes.items():
        assert torch.equal(found, record[f"sound2code.codes_{name}"][0, 0])


def test_code_counts():
    assert code_count(480_000) == 251
    assert code_count(1919) == 1
    assert code_count(44_063) == 23


def test_limiting_scales_both_channels_together():
    audio = torch.tensor([[0.5, -1.6], [0.2, 0.4]])
    assert torch.allclose(limit_peak(audio), audio / 2)
    assert limit_peak(audio / 2) is not None
    assert torch.equal(limit_peak(audio * 0.25), audio * 0.25)


def test_repetition_continues_the_clip():
    clip = torch.arange(7.0)[None]
    endless = torch.arange(100.0) % 7
    for start, length in [(0, 3), (0, 20), (5, 4), (30, 50)]:
        assert torch.equal(repeated(clip, start, length)[0], endless[start : start + length])


def test_louder_than_the_channel_limit_is_scaled_by_channel(golden):
    module = separate(golden("musicfm_a")) if "fetch.codes_vocal" in golden("musicfm_a") else None
    if module is None:
        pytest.skip("needs the quantisers of the full parity set")
    stream = module.streams[0]
    torch.manual_seed(0)
    wave = torch.rand(1, 2, 4800) * 1.6 - 0.8
    loud = wave.clone()
    loud[:, 0] *= 4
    limited = wave.clone()
    limited[:, 0] *= 0.9 / wave[:, 0].abs().max()
    assert torch.allclose(module.features(loud, stream), module.features(limited, stream), atol=1e-4)


def test_official_tensor_names():
    mixed, stems = (empty_stage(name, OFFICIAL).state_dict() for name in ("mixed", "stems"))
    layer = "bestrq.model.conformer.layers.5"
    assert tuple(mixed[f"{layer}.conv_module.pointwise_conv1.weight"].shape) == (2048, 1024, 1)
    assert tuple(mixed["bestrq.model.conv.linear.weight"].shape) == (1024, 16384)
    assert sum(name.startswith(layer + ".") for name in mixed) == 34
    assert sum("conformer.layers." in name for name in stems) == 7 * 34
    assert tuple(stems["rvq_bestrq_bgm_emb.quantizers.0.codebook.weight"].shape) == (16384, 32)


def test_mel_of_silence_is_the_floor():
    module = MelSpectrogram(128)
    module.load_state_dict({name[len("preprocessor_melspec_2048.") :]: tensor for name, tensor in BUFFERS.items()})
    assert torch.equal(module.decibels(torch.zeros(1, 4800)), torch.full((1, 128, 20), -100.0))
