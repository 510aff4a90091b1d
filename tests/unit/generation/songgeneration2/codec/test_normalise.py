import pytest
import torch

from generation.songgeneration2.codec.normalise import LatentNorm

STATISTICS = ("counts", "sum_x", "sum_x2")


def loaded(record, case, *, learn):
    module = LatentNorm(8, learn=learn)
    module.load_state_dict({name: record[f"{case}.before.{name}"].clone() for name in STATISTICS})
    return module


@pytest.mark.parametrize("case", ["fresh", "second_call_counts_below_10", "counts_above_10_still_learning", "frozen"])
def test_projection_statistics_and_restoring_equal_the_reference(golden, close, case):
    record = golden("normfeat_a")
    module = loaded(record, case, learn=True)
    close(module.project(record[f"{case}.input"]), record[f"{case}.projected"])
    for name in STATISTICS:
        close(getattr(module, name), record[f"{case}.after.{name}"])
    close(module.restore(record[f"{case}.projected"]), record[f"{case}.returned"])


def test_statistics_never_move_unless_asked(golden):
    record = golden("normfeat_a")
    module = loaded(record, "fresh", learn=False)
    module.project(record["fresh.input"])
    assert torch.equal(module.counts, record["fresh.before.counts"])


def test_known_statistics():
    module = LatentNorm(1)
    module.load_state_dict(
        {"counts": torch.tensor([200_000.0]), "sum_x": torch.tensor([4e5]), "sum_x2": torch.tensor([2.6e6])}
    )
    assert module.project(torch.tensor([[[5.0, 2.0]]])).flatten().tolist() == pytest.approx([1.0, 0.0])
