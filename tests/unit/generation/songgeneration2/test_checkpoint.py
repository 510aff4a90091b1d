import datetime
import pickle

import pytest
import torch
from safetensors.torch import save_file

from evalkit.errors import ModelError
from generation.songgeneration2.checkpoint import Checkpoint, open_checkpoint

TENSORS = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.ones(4, dtype=torch.bfloat16)}
SHAPES = {"a.weight": (2, 3), "b": (4,)}


@pytest.fixture(params=["safetensors", "archive"])
def file(request, tmp_path):
    path = tmp_path / "model.bin"  # the suffix must not matter
    if request.param == "safetensors":
        save_file(TENSORS, path)
    else:
        torch.save(TENSORS, path)
    return path


def test_reads_both_formats_lazily_and_converts(file):
    checkpoint = open_checkpoint(file)
    checkpoint.check(SHAPES)
    assert set(checkpoint.names) == set(TENSORS)
    assert checkpoint.shape("a.weight") == (2, 3)
    assert torch.equal(checkpoint.tensor("a.weight"), TENSORS["a.weight"])
    assert checkpoint.tensor("b", dtype=torch.float32).dtype == torch.float32


def test_every_kind_of_mismatch_is_named():
    checkpoint = Checkpoint.from_tensors({"a.weight": torch.empty(3, 2), "c": torch.empty(1)}, "model.pt")
    with pytest.raises(ModelError, match="1 missing: b") as caught:
        checkpoint.check(SHAPES)
    assert "1 not known: c" in str(caught.value)
    assert "a.weight is [3, 2], expected [2, 3]" in str(caught.value)


def test_ignored_names_may_be_there_or_not():
    Checkpoint.from_tensors({**TENSORS, "hubert.x": torch.empty(1)}).check(SHAPES, ignored=("hubert.*", "other"))


@pytest.mark.parametrize("kept", [0.3, 0.95])
def test_truncated_file_is_refused(file, kept):
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(ModelError, match="truncated"):
        open_checkpoint(file)


def test_empty_absent_and_foreign_files_are_refused(tmp_path):
    path = tmp_path / "model.pt"
    with pytest.raises(ModelError, match="does not exist"):
        open_checkpoint(path)
    path.write_bytes(b"")
    with pytest.raises(ModelError, match="is empty"):
        open_checkpoint(path)
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(ModelError, match="neither"):
        open_checkpoint(path)


class Bomb:
    def __reduce__(self):
        return (open, ("/nonexistent/evil", "w"))


@pytest.mark.parametrize("payload", [Bomb(), datetime.date(2020, 1, 1)])
def test_pickled_object_is_refused_and_never_run(tmp_path, payload):
    path = tmp_path / "model.pt"
    torch.save({"a": torch.ones(1), "x": payload}, path)
    with pytest.raises(ModelError, match="pickled Python object"):
        open_checkpoint(path)
    path.write_bytes(pickle.dumps({"x": payload}))
    with pytest.raises(ModelError, match="pickle"):
        open_checkpoint(path)


def test_wrapped_state_dict_and_plain_values(tmp_path):
    path = tmp_path / "model.ckpt"
    torch.save({"state_dict": TENSORS, "epoch": 3}, path)
    assert open_checkpoint(path, entry="state_dict").shape("b") == (4,)
    with pytest.raises(ModelError, match="not tensors: state_dict, epoch"):
        open_checkpoint(path)
    with pytest.raises(ModelError, match="no dictionary named 'ema'"):
        open_checkpoint(path, entry="ema")
