import pytest
import torch

from generation.songgeneration2.codec.config import RvqConfig
from generation.songgeneration2.codec.rvq import ResidualVQ
from generation.songgeneration2.codec.weight_norm import fold_weight_norm

CONFIG = RvqConfig(input_dim=40, codebook_size=512, codebook_dim=8)


@pytest.fixture(params=[False, True], ids=["weight_norm", "folded"])
def quantiser(golden, request):
    module = ResidualVQ(CONFIG)
    module.load_state_dict(golden("rvq_a").state("state_dict.", ("stale_counter",)))
    return fold_weight_norm(module) if request.param else module


def test_codes_and_latents_equal_the_reference(golden, close, quantiser):
    record = golden("rvq_a")
    close(quantiser.project(record["forward.input"]), record["forward.latents"])
    assert torch.equal(quantiser.encode(record["forward.input"]), record["forward.codes"][:, 0])


def test_decoding_equals_the_reference(golden, close, quantiser):
    record = golden("rvq_a")
    close(quantiser.decode(record["forward.codes"][:, 0]), record["from_codes.quantized"])


def test_decoding_of_other_codes_equals_the_reference(golden, close, quantiser):
    record = golden("rvq_a")
    close(quantiser.decode(record["from_codes2.codes"][:, 0]), record["from_codes2.quantized"])


def test_the_code_with_the_smallest_angle_wins_whatever_its_length():
    module = ResidualVQ(RvqConfig(input_dim=2, codebook_size=3, codebook_dim=2))
    level = module.level
    level.in_proj.weight_v.copy_(torch.eye(2)[..., None])
    level.in_proj.weight_g.fill_(1)
    level.in_proj.bias.zero_()
    level.codebook.weight.copy_(torch.tensor([[0.1, 0.0], [0.0, 9.0], [5.0, 5.0]]))
    features = torch.tensor([[[7.0, 0.1, 1.0], [1.0, 2.0, 0.9]]])
    assert module.encode(features).tolist() == [[0, 1, 2]]


def test_a_decoder_only_quantiser_has_no_encoder_weights():
    names = ResidualVQ(CONFIG, encode=False).state_dict()
    assert not any("in_proj" in name for name in names)
    assert len(names) == 4
