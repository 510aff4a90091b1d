import pytest
import torch

from generation.songgeneration2.checkpoint import Checkpoint
from generation.songgeneration2.lelm.config import tiny_config
from generation.songgeneration2.lelm.linear import Padded, linear, pack
from generation.songgeneration2.lelm.model import Lelm
from generation.songgeneration2.lelm.random_weights import random_weights
from generation.songgeneration2.lelm.tower import KvCache


@pytest.fixture(scope="module")
def tower():
    model = Lelm(Checkpoint.from_tensors(random_weights(tiny_config())), tiny_config())
    with model.first_stage() as first:
        return first.tower


def states(tower, x, spans):
    cache = KvCache(tower, len(x), x.shape[1])
    with torch.inference_mode():
        return torch.cat([tower.forward(x[:, a:b], cache, a, slice(0, len(x))) for a, b in spans], dim=1)


def test_any_cut_into_spans_gives_the_same_states(tower):
    x = torch.randn(2, 12, tower.dim, generator=torch.Generator().manual_seed(0))
    whole = states(tower, x, [(0, 12)])
    for spans in ([(0, 1), (1, 12)], [(0, 7), (7, 8), (8, 12)], [(i, i + 1) for i in range(12)]):
        torch.testing.assert_close(states(tower, x, spans), whole, rtol=1e-5, atol=1e-5)


def test_positions_only_look_back(tower):
    x = torch.randn(1, 9, tower.dim, generator=torch.Generator().manual_seed(1))
    changed = x.clone()
    changed[:, 6:] += 1
    before, after = (states(tower, y, [(0, 9)]) for y in (x, changed))
    torch.testing.assert_close(before[:, :6], after[:, :6])
    assert not torch.allclose(before[:, 6:], after[:, 6:])


def test_step_at_fixed_shapes_equals_the_plain_step(tower):
    x = torch.randn(4, 5, tower.dim, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        plain, fixed = KvCache(tower, 4, 5), KvCache(tower, 4, 5)
        for cache in (plain, fixed):
            tower.forward(x[:2, :4], cache, 0, slice(0, 2))
        expected = tower.forward(x[:2, 4:], plain, 4, slice(0, 2))
        found = tower.step(x[:2, 4:], fixed, torch.tensor([4]), 2, 256)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(fixed.keys, plain.keys)
    assert fixed.keys.shape[3] == 256


def test_shared_unconditional_prefix_changes_nothing(tower):
    generator = torch.Generator().manual_seed(3)
    null = torch.randn(1, 6, tower.dim, generator=generator)
    songs = torch.randn(3, 2, 9, tower.dim, generator=generator)
    songs[:, 1, :6] = null
    rows = songs.flatten(0, 1)
    with torch.inference_mode():
        prefix = KvCache(tower, 1, 6)
        tower.forward(null, prefix, 0, slice(0, 1))
        plain, shared = KvCache(tower, 6, 9), KvCache(tower, 6, 9)
        shared.share(prefix, 6)
        for cache in (plain, shared):
            tower.forward(rows[:, :6], cache, 0, slice(0, 6))
        shared.keys[:, 1::2, :, :6] = torch.nan  # these copies must not be read
        for at in (6, 7, 8):
            expected = tower.forward(rows[:, at : at + 1], plain, at, slice(0, 6))
            found = tower.forward(rows[:, at : at + 1], shared, at, slice(0, 6))
            torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("shape", [(48, 32), (1024, 16), (4096, 8), (7, 5), (16, 2048), (1300, 1000)])
def test_a_packed_matrix_gives_the_usual_product(shape, dtype):
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(1)).to(dtype)
    packed = pack(weight.clone())
    # One song, a prefix, one song, several songs, and one song again in the layout of several.
    for rows in ((1, 1), (2, 1), (1, 100), (2, 1), (16, 1), (2, 1), (5, 20)):
        x = torch.randn(*rows, shape[1], generator=torch.Generator().manual_seed(2))
        found, expected = linear(x, packed), torch.nn.functional.linear(x, weight.float())
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5 * shape[1] ** 0.5)


def test_a_prefix_leaves_a_matrix_as_one_song_reads_it_best():
    packed = pack(torch.randn(48, 32, generator=torch.Generator().manual_seed(1)))
    x = torch.randn(2, 32, generator=torch.Generator().manual_seed(2))
    before = packed._pieces
    linear(torch.zeros(1, 603, 32), packed)
    linear(x, packed)
    assert packed._pieces is before


def test_a_matrix_elsewhere_is_left_alone():
    weight = torch.empty(32, 5, device="meta")
    assert pack(weight) is weight
    assert linear(torch.empty(2, 3, 5, device="meta"), weight).shape == (2, 3, 32)


def test_an_odd_matrix_elsewhere_is_padded_and_its_products_are_not():
    generator = torch.Generator().manual_seed(5)
    weight, rows = (torch.randn(n, 5, generator=generator) for n in (37, 3))
    padded = Padded(weight)
    torch.testing.assert_close(linear(rows, padded), rows @ weight.T)
    assert linear(rows.expand(2, 3, 5), padded).shape == (2, 3, 37)
    assert isinstance(pack(weight.to("meta")), Padded)
