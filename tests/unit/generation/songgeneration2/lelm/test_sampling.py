import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.errors import ConfigError
from generation.songgeneration2.lelm.sampling import (
    SamplingParams,
    choose_mixed,
    choose_stems,
    keep_top_k,
    keep_top_p,
    penalise,
    pick,
)

V = 16385


def test_penalty_once_per_code_whatever_sign_and_never_the_end():
    logits = torch.zeros(1, V)
    logits[0, :3] = torch.tensor([2.2, -2.2, 1.0])
    logits[0, 16384] = 5.0
    window = torch.tensor([[0, 0, 1, 16384, 16385]])
    official = penalise(logits, window, SamplingParams())
    assert official[0, :3].tolist() == pytest.approx([2.0, -2.0, 1.0])
    assert official[0, 16384] == 5.0
    corrected = penalise(logits, window, SamplingParams(penalty_rule="corrected"))
    assert corrected[0, :3].tolist() == pytest.approx([2.0, -2.42, 1.0])
    assert logits[0, 0] == pytest.approx(2.2), "the input stays"


def test_penalty_window():
    logits = torch.ones(1, V)
    window = torch.arange(60)[None]
    changed = (penalise(logits, window, SamplingParams()) != 1).nonzero()[:, 1]
    assert changed.tolist() == list(range(10, 60))
    assert torch.equal(penalise(logits, window, SamplingParams(record_window=0)), logits)
    assert torch.equal(penalise(logits, window[:, :0], SamplingParams()), logits)


def test_top_k_keeps_ties_and_normalises():
    kept = keep_top_k(torch.tensor([0.1, 0.3, 0.2, 0.2, 0.2]), 2)
    assert kept.tolist() == pytest.approx([0, 0.3 / 0.9, 0.2 / 0.9, 0.2 / 0.9, 0.2 / 0.9])
    whole = torch.tensor([0.5, 0.5])
    assert keep_top_k(whole, 9) is whole


def test_top_p_drops_what_lies_behind_more_than_p():
    probabilities = torch.tensor([0.1, 0.5, 0.1, 0.3])
    assert keep_top_p(probabilities, 0.6).nonzero()[:, 0].tolist() == [1, 3]
    assert keep_top_p(probabilities, 0.0).nonzero()[:, 0].tolist() == [1]
    assert keep_top_p(probabilities, 1.0).sum() == pytest.approx(1.0)


@settings(deadline=None)
@given(
    st.lists(st.floats(0, 1, width=32), min_size=2, max_size=40).filter(lambda w: sum(w) > 1e-3),
    st.floats(0, 1, exclude_max=True),
)
def test_pick_never_takes_weight_zero(weights, uniform):
    weights = torch.tensor(weights)
    assert weights[int(pick(weights, torch.tensor(uniform, dtype=torch.float64)))] > 0


def test_pick_follows_the_weights():
    weights = torch.tensor([0.0, 1.0, 0.0, 3.0, 4.0]).expand(20_000, -1)
    uniforms = torch.rand(20_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    shares = pick(weights, uniforms).bincount(minlength=5) / 20_000
    assert shares.tolist() == pytest.approx([0, 0.125, 0, 0.375, 0.5], abs=0.012)


def test_choice_of_streams():
    logits = torch.full((1, V), -5.0)
    logits[0, 7] = 4.0
    never = None
    assert choose_mixed(logits, SamplingParams(temperature=0.0), never).tolist() == [7]
    assert choose_stems(logits[None].expand(1, 2, -1), SamplingParams(), never).tolist() == [[7, 7]]
    kept = []
    choose_mixed(logits, SamplingParams(top_k=1), lambda weights: kept.append(weights) or weights.argmax(-1))
    assert kept[0].nonzero().tolist() == [[0, 7]]


@pytest.mark.parametrize(
    ("field", "value"), [("temperature", -1), ("top_k", 0), ("top_p", 1.5), ("record_window", -1), ("penalty", 0)]
)
def test_bad_parameters_are_refused(field, value):
    with pytest.raises(ConfigError, match=field):
        SamplingParams(**{field: value})
