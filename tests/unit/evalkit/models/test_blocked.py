"""Blocked matrices multiply as plain ones do."""

import pytest

from evalkit.models import blocked
from evalkit.models.blocked import BlockedMatrix

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("has_onednn", [True, False])
@pytest.mark.parametrize("n_out", [1024, 1000, 7])
@pytest.mark.parametrize("n_rows", [1, 5, 40, 80])
def test_products_are_the_plain_ones(
    monkeypatch: pytest.MonkeyPatch, has_onednn: bool, n_out: int, n_rows: int
) -> None:
    if has_onednn and not blocked.HAS_ONEDNN:
        pytest.skip("this build of PyTorch has no oneDNN")
    monkeypatch.setattr(blocked, "HAS_ONEDNN", has_onednn)
    generator = torch.Generator().manual_seed(n_out + n_rows)
    weight = torch.randn(n_out, 96, generator=generator)
    rows = torch.randn(n_rows, 96, generator=generator)
    product = BlockedMatrix(weight, 40).product(rows)
    assert product.shape == (n_rows, n_out)
    torch.testing.assert_close(product, rows @ weight.T, rtol=1e-4, atol=1e-4)
