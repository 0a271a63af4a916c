"""Dropout: probability, mean and gradient."""

import pytest
import torch
from recgrela_train.networks.dropout import Dropout, DropPath


@pytest.mark.parametrize("p", [0.1, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("shape", [(1_000_003,), (100, 101, 103)])
def test_the_stated_share_is_left_out_and_the_rest_scaled_up(p, shape):
    torch.manual_seed(1)
    out = Dropout(p)(torch.ones(shape))
    share = (out == 0).float().mean().item()
    assert abs(share - p) < 4 * (p * (1 - p) / out.numel()) ** 0.5 + 2**-16
    torch.testing.assert_close(
        out[out != 0].unique(), torch.tensor([1 / (1 - p)]), rtol=1e-4, atol=0
    )


def test_neighbours_fall_independently():
    torch.manual_seed(1)
    kept = (Dropout(0.5)(torch.ones(1_000_000)) != 0).float() - 0.5
    for lag in (1, 2, 3, 4):
        assert abs((kept[lag:] * kept[:-lag]).mean().item()) < 0.25 * 5e-3


def test_the_gradient_passes_where_the_number_did():
    torch.manual_seed(1)
    x = torch.randn(50, 3, dtype=torch.float64, requires_grad=True)
    out = Dropout(0.3)(x)
    out.sum().backward()
    torch.testing.assert_close(x.grad * x, out)


def test_the_seed_decides():
    def draw(seed):
        torch.manual_seed(seed)
        return Dropout(0.5)(torch.ones(1000))

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))


def test_nothing_is_left_out_in_evaluation_or_with_p_0():
    x = torch.randn(4, 5, 6)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0)(x) is x
    assert DropPath(0.5).eval()(x) is x


def test_drop_path_leaves_out_whole_rows():
    torch.manual_seed(1)
    out = DropPath(0.25)(torch.ones(10_000, 2, 3)).flatten(1)
    assert torch.equal(out.amin(1), out.amax(1))
    assert abs((out[:, 0] == 0).float().mean().item() - 0.25) < 0.02
    torch.testing.assert_close(out.max().item(), 1 / 0.75)
