from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from evalkit.errors import GenerationError, ShapeError
from generation.songgeneration2.codec.config import TINY, CodecConfig, FlowConfig, RvqConfig, VaeConfig, WindowConfig
from generation.songgeneration2.codec.renderer import PromptPart, Quirks, Renderer
from generation.songgeneration2.codec.stages import Stages
from generation.songgeneration2.codec.tiny import tiny_codec, tiny_source

CASES = {  # frames, prompt
    "n300": False,
    "n1000": False,
    "n1001": False,
    "n2600": False,
    "n6750": False,
    "n600_prompt10s": True,
    "n1700_prompt10s": True,
    "n900_prompt35s": True,
    "n500_prompt3s_mono": True,
    "n740_prompt10s": True,
    "n760_prompt10s": True,
}
STAND_IN = CodecConfig(
    rvq=RvqConfig(input_dim=5, codebook_size=40, codebook_dim=5),
    flow=FlowConfig(condition_dim=5),
    vae=VaeConfig(channels=1, multipliers=(1, 1), strides=(2, 4)),
)


class StandInFlow(nn.Module):
    """The recorded stand-in: a table of codes plus the number of the window; context frames are copied."""

    def __init__(self, table):
        super().__init__()
        self.table = table
        self.calls = 0

    def latents(self, request):
        made = 0.6 * (self.table[request.vocal, 0] + self.table[request.bgm, 1]) + 0.05 * self.calls
        self.calls += 1
        position = torch.arange(made.shape[1])[None, :, None]
        return torch.where(position < request.context_frames[:, None, None], request.context.mT, made).mT


class StandInDecoder(nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.weight = weight  # [2, 64, samples per frame]

    def forward(self, latents):
        return torch.einsum("bdt,cdf->bctf", latents, self.weight).flatten(2)


def stand_in_prompt(record, case):
    vocal, bgm = (record[f"{case}.prompt_{name}"] for name in ("vocal", "bgm"))
    vocal, bgm = (wave.expand(2, -1) for wave in (vocal, bgm))
    rate = 200
    first = 0 if vocal.shape[1] < 30 * rate else 20 * rate
    mix = (vocal + bgm)[:, first : first + 10 * rate]
    frames = mix.shape[1] // 8
    latents = torch.einsum("cts,dcs->dt", mix[:, : frames * 8].reshape(2, frames, 8), record["encoder"])
    part = PromptPart(
        vocal=record[f"{case}.prompt_codes_vocal"][0, 0].long(),
        bgm=record[f"{case}.prompt_codes_bgm"][0, 0].long(),
        latents=latents,
    )
    return {"mixed": part}


@pytest.mark.parametrize("whole", [True, False], ids=["window_by_window", "decoded_once"])
@pytest.mark.parametrize("case", CASES)
def test_windows_prompt_and_crossfade_equal_the_reference(golden, close, case, whole):
    record = golden("code2sound_a")
    codes = torch.stack([record[f"{case}.codes_{name}"][0, 0].long() for name in ("vocal", "vocal", "bgm")])
    stages = Stages(
        lambda name: {"flow": StandInFlow(record["code_table"]), "decoder": StandInDecoder(record["decoder"])}[name],
        STAND_IN,
    )
    prompt = stand_in_prompt(record, case) if CASES[case] else None
    song = Renderer(stages, whole_windows=whole).render(
        [codes], seeds=[0], prompts=[prompt], quirks=Quirks(prompt_shift=True), limit=False
    )[0]
    assert song.mix.sample_rate == 200
    close(torch.from_numpy(song.mix.samples), record[f"{case}.waveform"])


def test_without_the_quirk_the_prompt_does_not_shift_the_song(golden, close):
    record = golden("code2sound_a")
    case = "n500_prompt3s_mono"
    codes = torch.stack([record[f"{case}.codes_{name}"][0, 0].long() for name in ("vocal", "vocal", "bgm")])

    def render(quirks):
        stages = Stages(
            lambda name: {"flow": StandInFlow(record["code_table"]), "decoder": StandInDecoder(record["decoder"])}[
                name
            ],
            STAND_IN,
        )
        prompt = stand_in_prompt(record, case)
        return Renderer(stages).render([codes], seeds=[0], prompts=[prompt], quirks=quirks, limit=False)[0].mix.samples

    straight, shifted = render(Quirks()), render(Quirks(prompt_shift=True))
    assert straight.shape == shifted.shape == (2, 4000)
    assert np.allclose(straight[:, :-8], shifted[:, 8:], atol=1e-6)


QUICK = replace(
    TINY,
    vae=VaeConfig(channels=4, multipliers=(1, 2), strides=(2, 4)),
    window=WindowConfig(length=120, overlap=40),
    steps=3,
)
"""The tiny model with short windows and 8 samples per frame."""


def quick_codec(seed, *, keep=True):
    return Stages(tiny_source(seed, QUICK), QUICK, keep=keep)


@pytest.fixture(scope="module")
def stages():
    return quick_codec(1)


def codes_of(frames, seed):
    return torch.randint(0, 16384, (3, frames), generator=torch.Generator().manual_seed(seed))


def test_a_tiny_song_has_the_length_of_its_codes_and_is_not_silent():
    song = Renderer(tiny_codec(seed=1)).render([codes_of(250, 0)], seeds=[5])[0]
    assert song.mix.samples.shape == (2, 480_000)
    assert song.mix.sample_rate == 48_000
    assert song.vocals is None
    assert 0.02 < float(song.mix.samples.std()) < 0.5
    assert float(np.abs(song.mix.samples).max()) <= 1


def test_a_batch_equals_single_songs(stages):
    codes = [codes_of(60, 1), codes_of(290, 2), codes_of(121, 3)]
    together = Renderer(stages, batch_windows=2, batch_chunks=3).render(codes, seeds=[7, 8, 9])
    for index, song in enumerate(codes):
        alone = Renderer(stages).render([song], seeds=[7 + index])[0]
        assert alone.mix.samples.shape == (2, song.shape[1] * 8)
        assert np.abs(together[index].mix.samples - alone.mix.samples).max() < 1e-4


def test_by_default_a_song_has_the_same_bytes_in_any_batch(stages):
    codes = [codes_of(60, 1), codes_of(290, 2), codes_of(121, 3)]
    together = Renderer(stages).render(codes, "separate", seeds=[7, 8, 9])
    for index in (2, 0):
        alone = Renderer(stages).render([codes[index]], "separate", seeds=[7 + index])[0]
        assert np.array_equal(together[index].vocals.samples, alone.vocals.samples)


def test_decoding_once_equals_decoding_every_window_in_the_tiny_model(stages):
    codes = [codes_of(300, 4)]
    once = Renderer(stages).render(codes, seeds=[1])[0].mix.samples
    windows = Renderer(stages, whole_windows=True).render(codes, seeds=[1])[0].mix.samples
    assert np.abs(once - windows).max() < 1e-4


def test_seed_and_only_the_seed_changes_the_noise(stages):
    codes = [codes_of(50, 5)] * 3
    first, same, other = Renderer(stages).render(codes, seeds=[1, 1, 2])
    assert np.array_equal(first.mix.samples, same.mix.samples)
    assert not np.allclose(first.mix.samples, other.mix.samples)


def test_separate_gives_the_mix_and_both_stems_from_one_noise(stages):
    codes = codes_of(40, 6)
    renderer = Renderer(stages)
    song = renderer.render([codes], "separate", seeds=[3], limit=False)[0]
    assert song.vocals is not None
    for mode, found in [("mixed", song.mix), ("vocal", song.vocals), ("bgm", song.accompaniment)]:
        alone = renderer.render([codes], mode, seeds=[3], limit=False)[0].mix
        assert np.abs(found.samples - alone.samples).max() < 1e-4
    apart = renderer.render([codes], "separate", seeds=[3], quirks=Quirks(independent_noise=True), limit=False)[0]
    assert np.abs(apart.mix.samples - song.mix.samples).max() < 1e-4
    assert np.abs(apart.vocals.samples - song.vocals.samples).max() > 1e-3


def test_a_muted_stream_does_not_reach_the_stem(stages):
    codes = codes_of(40, 7)
    changed = codes.clone()
    changed[2] = changed[2].flip(0)
    renderer = Renderer(stages)
    one, other = renderer.render([codes, changed], "vocal", seeds=[3, 3])
    assert np.abs(one.mix.samples - other.mix.samples).max() < 1e-6
    one, other = renderer.render([codes, changed], "bgm", seeds=[3, 3])
    assert np.abs(one.mix.samples - other.mix.samples).max() > 1e-3


def test_the_mixed_row_is_not_rendered(stages):
    codes = codes_of(40, 8)
    changed = codes.clone()
    changed[0] = 0
    one, other = Renderer(stages).render([codes, changed], seeds=[3, 3])
    assert np.array_equal(one.mix.samples, other.mix.samples)


def test_stage_by_stage_gives_the_same_song():
    codes = [codes_of(30, 9)]
    kept, freed = quick_codec(2), quick_codec(2, keep=False)
    assert np.array_equal(
        Renderer(kept).render(codes, seeds=[0])[0].mix.samples, Renderer(freed).render(codes, seeds=[0])[0].mix.samples
    )
    with kept.use("decoder") as first, kept.use("decoder") as second:
        assert first is second
    with freed.use("decoder") as first:
        pass
    assert {parameter.device.type for parameter in first.parameters()} == {"meta"}


def test_a_loud_song_is_scaled_with_its_stems(stages):
    codes = codes_of(30, 10)
    loud = quick_codec(1)
    with loud.use("decoder") as decoder:
        decoder.layers[-1].weight.data *= 40
    song = Renderer(loud).render([codes], "separate", seeds=[3])[0]
    soft = Renderer(stages).render([codes], "separate", seeds=[3])[0]
    assert song.gain_db < 0
    peaks = [float(np.abs(clip.samples).max()) for clip in (song.mix, song.vocals, song.accompaniment)]
    assert max(peaks) == pytest.approx(1.0, abs=1e-5)
    assert max(peaks) <= 1.0
    factor = 40 * 10 ** (song.gain_db / 20)
    assert np.allclose(song.vocals.samples, soft.vocals.samples * factor, atol=1e-4)


def test_progress_grows_to_one(stages):
    seen = []
    Renderer(stages).render([codes_of(30, 11)] * 2, "separate", seeds=[0, 1], progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1.0)
    assert len(seen) >= 7


def test_songs_come_one_by_one(stages):
    codes = [codes_of(30, 14), codes_of(20, 15)]
    shares = []
    songs = Renderer(stages).stream(codes, "separate", seeds=[0, 1], progress=shares.append)
    first = next(songs)
    assert shares[-1] == pytest.approx(0.9)
    assert first.mix.samples.shape == (2, 240)
    assert [song.mix.samples.shape for song in songs] == [(2, 160)]
    assert Renderer(stages).render([], seeds=[]) == []


def test_a_song_that_fails_does_not_stop_the_others(stages):
    codes = [codes_of(30, 14), codes_of(0, 0), codes_of(20, 15)]
    shares = {0: [], 2: []}
    one, failed, other = Renderer(stages).stream(
        codes, seeds=[0, 1, 2], song_progress=lambda song, share: shares[song].append(share)
    )
    assert isinstance(failed, GenerationError)
    assert "no frames" in str(failed)
    assert np.abs(one.mix.samples - Renderer(stages).render(codes[:1], seeds=[0])[0].mix.samples).max() < 1e-4
    assert other.mix.samples.shape == (2, 160)
    for seen in shares.values():
        assert seen == sorted(seen)
        assert seen[-1] == pytest.approx(1.0)


def test_a_sound_that_is_not_finite_is_refused():
    broken = quick_codec(1)
    with broken.use("decoder") as decoder:
        decoder.layers[-1].weight.data.fill_(torch.nan)
    with pytest.raises(GenerationError, match="not finite"):
        Renderer(broken).render([codes_of(10, 0)], seeds=[0])


def test_bad_codes_are_refused_with_a_sentence(stages):
    renderer = Renderer(stages)
    with pytest.raises(GenerationError, match="no frames"):
        renderer.render([codes_of(0, 0)], seeds=[0])
    ended = codes_of(10, 0)
    ended[2, 4] = 16385
    with pytest.raises(GenerationError, match="code 16385 in its accompaniment stream at frame 4"):
        renderer.render([ended], seeds=[0])
    part = PromptPart(vocal=torch.zeros(1).long(), bgm=torch.zeros(1).long(), latents=torch.zeros(64, 1))
    with pytest.raises(GenerationError, match="not encoded for part vocal"):
        renderer.render([codes_of(10, 0)], "separate", seeds=[0], prompts=[{"mixed": part}])
    with pytest.raises(ShapeError, match="3, frames"):
        renderer.render([codes_of(10, 0)[:2]], seeds=[0])
    with pytest.raises(ShapeError, match="1 songs were given 2 seeds"):
        renderer.render([codes_of(10, 0)], seeds=[0, 1])


def test_a_prompt_is_continued(stages):
    """The first window keeps the prompt as context: other prompts give other songs, and the song keeps its length."""
    codes = codes_of(40, 12)
    prompt_codes = codes_of(31, 13)
    latents = torch.randn(64, 30, generator=torch.Generator().manual_seed(0))
    part = PromptPart(vocal=prompt_codes[1], bgm=prompt_codes[2], latents=latents)
    other = replace(part, latents=latents * 2)
    renderer = Renderer(stages)
    plain, one, two, again = renderer.render(
        [codes] * 4, seeds=[1] * 4, prompts=[None, {"mixed": part}, {"mixed": other}, {"mixed": part}]
    )
    assert one.mix.samples.shape == plain.mix.samples.shape
    assert np.abs(one.mix.samples - plain.mix.samples).max() > 1e-3
    assert np.abs(one.mix.samples - two.mix.samples).max() > 1e-3
    assert np.array_equal(one.mix.samples, again.mix.samples)
