import gc
import itertools
import weakref

import pytest
import torch

from evalkit.errors import ConfigError, GenerationError, ShapeError
from generation.songgeneration2.lelm import stages, stepping
from generation.songgeneration2.lelm.conditions import fit_prompt, with_end_code
from generation.songgeneration2.lelm.generate import LelmRequest, generate, sing
from generation.songgeneration2.lelm.load import make_tiny_lelm
from generation.songgeneration2.lelm.model import teacher_forced
from generation.songgeneration2.lelm.pattern import SPECIAL
from generation.songgeneration2.lelm.sampling import SamplingParams, guide
from generation.songgeneration2.lelm.tower import KvCache, make_precision
from generation.songgeneration2.text.bpe import BytePairEncoder, byte_ranks

GREEDY = SamplingParams(temperature=0.0)
SHORT_SONGS = [
    LelmRequest(lyric="[verse] one two ; [outro-short]", tags="pop", max_frames=9, seed=1),
    LelmRequest(lyric="[chorus] three.", max_frames=30, seed=2, sampling=SamplingParams(top_p=0.7)),
    LelmRequest(lyric="[verse] four.", tags="Rock", max_frames=17, seed=3, prompt=torch.arange(300).view(3, 100)),
    LelmRequest(lyric="", max_frames=25, seed=4, instrumental=True, sampling=GREEDY),
    LelmRequest(lyric="[verse] five.", max_frames=30, seed=2, sampling=SamplingParams(draws="official", top_k=99)),
]


@pytest.fixture(scope="module")
def encoder():
    return BytePairEncoder(byte_ranks())


@pytest.fixture(scope="module")
def tiny():
    return make_tiny_lelm()


@pytest.fixture(scope="module")
def alone(tiny, encoder):
    return [generate(tiny, encoder, [request])[0] for request in SHORT_SONGS]


def test_company_changes_nothing(tiny, encoder, alone):
    together = generate(tiny, encoder, SHORT_SONGS)
    assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))
    backwards = generate(tiny, encoder, SHORT_SONGS[::-1], batch_size=2)[::-1]
    assert all(torch.equal(a, b) for a, b in zip(alone, backwards, strict=True))


def test_codes_have_their_length_type_and_range(alone):
    assert [tuple(codes.shape) for codes in alone] == [(3, request.max_frames) for request in SHORT_SONGS]
    assert all(codes.dtype == torch.int64 and 0 <= int(codes.min()) <= int(codes.max()) < 16384 for codes in alone)


@pytest.fixture(scope="module")
def ending(compact):
    """The recorded model with heads whose end code wins now and then."""
    _, expected = compact.load("lelm_generate_a")
    heads = {}
    for name, row in expected.items():
        if ".override_row16384." in name:
            stem = name.partition("row16384.")[2]
            heads[stem] = compact.weights[stem].clone()
            heads[stem][16384] = row
    return compact.model_with(heads)


def ending_songs(compact):
    return [compact.song(case, n, GREEDY) for case, n in (("full", 300), ("none", 60), ("full", 10), ("partial", 300))]


@pytest.fixture(scope="module")
def ended_alone(compact, ending):
    songs = ending_songs(compact)
    for song in songs:
        sing(ending, [song])
    assert len({song.codes.shape[1] for song in songs}) == 4, "the songs should end at different frames"
    return [song.codes.tolist() for song in songs]


def test_company_with_early_ends(compact, ending, ended_alone):
    together = ending_songs(compact)
    sing(ending, together)
    assert [song.codes.tolist() for song in together] == ended_alone


def test_looking_for_ends_now_and_then_changes_nothing(compact, ending, ended_alone, monkeypatch):
    # As on a GPU: songs run on behind their end for a while before anybody notices.
    monkeypatch.setattr(stages, "_time_to_look", lambda frame, limits, device: frame + 1 in limits or frame % 16 == 15)
    together = ending_songs(compact)
    sing(ending, together)
    assert [song.codes.tolist() for song in together] == ended_alone


def test_staged_loading_changes_nothing_and_keeps_one_tower(compact, monkeypatch):
    plain, staged = (compact.song("partial", 20, SamplingParams(), seed=5) for _ in range(2))
    sing(compact.model, [plain])
    model = compact.model_with({}, staged=True)
    load_first, load_second, first = model._load_first, model._load_second, []

    def loading_first():
        stage = load_first()
        first.append(weakref.ref(stage.tower))
        return stage

    def loading_second():
        gc.collect()
        assert first[0]() is None, "the first tower should be gone before the second is loaded"
        return load_second()

    monkeypatch.setattr(model, "_load_first", loading_first)
    monkeypatch.setattr(model, "_load_second", loading_second)
    sing(model, [staged])
    assert torch.equal(plain.codes, staged.codes)


def test_steps_at_fixed_shapes_sing_the_same(compact, monkeypatch):
    monkeypatch.setattr(stepping, "POSITION_BLOCK", 8)  # so that the songs cross several blocks

    def sung(**options):
        songs = [compact.song("partial", 20, GREEDY), compact.song("none", 12, SamplingParams(), seed=5)]
        sing(compact.model_with({}, **options), songs)
        return [song.codes.tolist() for song in songs]

    assert sung(fixed_steps=True) == sung()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("fixed_steps", [False, True], ids=["kernel by kernel", "CUDA graphs"])
def test_gpu_sings_the_same_in_float32(compact, fixed_steps):
    def sung(device, **options):
        songs = [compact.song("partial", 20, GREEDY), compact.song("none", 12, SamplingParams(), seed=5)]
        sing(compact.model_with({}, precision=make_precision("fp32", device), **options), songs)
        return [song.codes.tolist() for song in songs]

    assert sung("cuda", fixed_steps=fixed_steps) == sung("cpu")


def test_seed_decides(tiny, encoder):
    def codes(seed):
        return generate(tiny, encoder, [LelmRequest(lyric="[verse] a", max_frames=12, seed=seed)])[0]

    assert torch.equal(codes(1), codes(1))
    assert not torch.equal(codes(1), codes(2))


def test_longer_limit_continues_the_same_mixed_stream(tiny, encoder):
    short, long = (
        generate(tiny, encoder, [LelmRequest(lyric="[verse] a", max_frames=frames, sampling=GREEDY)])[0]
        for frames in (8, 20)
    )
    # The stems lag by ten seconds: what they hear of the mixed stream does depend on where it ends.
    assert torch.equal(short[0], long[0, :8])


def test_end_at_the_first_frame_gives_an_empty_song(compact):
    prefix = compact.prefixes("none")[0]
    with compact.model.first_stage() as first:
        inputs = torch.cat([prefix, first.embed(torch.full((2, 1), SPECIAL))], dim=1)
        states = first.tower.forward(inputs, KvCache(first.tower, 2, inputs.shape[1]), 0, slice(0, 2))[:, -1]
    # A head that answers the guided state of slot 0 with the end code and all else with nothing.
    head = torch.zeros_like(compact.weights["transformer.lm_head.weight"])
    head[16384] = guide(states[0], states[1], GREEDY.cfg_coef)
    song = compact.song("none", 30, GREEDY)
    sing(compact.model_with({"transformer.lm_head.weight": head}), [song])
    assert tuple(song.codes.shape) == (3, 0)


def test_progress_reaches_its_total(tiny, encoder):
    seen = []
    generate(tiny, encoder, SHORT_SONGS[:2], progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (2 * (9 + 30), 2 * (9 + 30))
    assert all(a[0] <= b[0] for a, b in itertools.pairwise(seen))


@pytest.mark.parametrize("name", ["bf16", "fp16"])
def test_half_weights_stay_close(compact, name):
    _, expected = compact.load("lelm_forward_a")
    exact = teacher_forced(compact.model, *compact.prefixes("full"), expected["sequence"][0])
    half = teacher_forced(
        compact.model_with({}, precision=make_precision(name)), *compact.prefixes("full"), expected["sequence"][0]
    )
    assert half.hidden1.dtype == torch.float32
    difference = float((half.hidden2 - exact.hidden2).norm() / exact.hidden2.norm())
    assert 0 < difference < {"bf16": 0.05, "fp16": 0.005}[name]


def test_bad_requests_are_refused(tiny, encoder):
    with pytest.raises(GenerationError, match="the model reads 1024"):
        generate(tiny, encoder, [LelmRequest(lyric="[verse] " + "a" * 1200, max_frames=2)])
    cut = generate(tiny, encoder, [LelmRequest(lyric="[verse] " + "a" * 1200, max_frames=2)], allow_cut=True)
    assert cut[0].shape == (3, 2)
    for frames in (0, 751):
        with pytest.raises(ConfigError, match=f"song of {frames} frames"):
            generate(tiny, encoder, [LelmRequest(lyric="", max_frames=frames)])
    with pytest.raises(ConfigError, match="Batch size"):
        generate(tiny, encoder, [], batch_size=0)
    assert generate(tiny, encoder, []) == []


def test_prompts_are_fitted_and_checked():
    assert fit_prompt(None, 5).tolist() == [[16385] * 5] * 3
    assert fit_prompt(torch.ones(3, 7, dtype=torch.int32), 5).tolist() == [[1] * 5] * 3
    part = torch.tensor([[1, 2], [16385, 3], [4, 16385]])
    assert fit_prompt(part, 3).tolist() == [[1, 2, 16385], [16385, 3, 16385], [4, 16385, 16385]]
    assert with_end_code(part).tolist() == [[16384, 1, 2], [16385, 16385, 16385], [16384, 4, 16385]]
    for bad in (torch.zeros(2, 4), torch.zeros(1, 3, 4), torch.full((3, 2), 16386), torch.full((3, 2), -1)):
        with pytest.raises(ShapeError):
            fit_prompt(bad, 4)
