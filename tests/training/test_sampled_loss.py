"""The sampled softmax against its formula and, in the mean over samples, the full softmax."""

import pytest
import torch
from recgrela_train.fitting import sampled_loss
from recgrela_train.fitting.loss import full_softmax_loss
from recgrela_train.fitting.negatives import Negatives, NegativeSampler
from recgrela_train.fitting.sampled_loss import sampled_softmax_loss

POSITIONS, ITEMS, SIZE = 37, 50, 8
CPU = torch.device("cpu")


def draw_case(dtype=torch.float64, scale=0.5):
    generator = torch.Generator().manual_seed(5)
    hidden = torch.randn(POSITIONS, SIZE, generator=generator, dtype=dtype)
    weight = torch.randn(ITEMS + 1, SIZE, generator=generator, dtype=dtype) * scale
    targets = torch.randint(1, ITEMS + 1, (POSITIONS,), generator=generator)
    return hidden.requires_grad_(), weight.requires_grad_(), targets


def draw_negatives(count=12, seed=3):
    torch.manual_seed(seed)
    return NegativeSampler(count, ITEMS).draw(CPU)


def plain(hidden, weight, targets, negatives):
    """The formula in one piece: column 0 is the target."""
    items, log_probability = negatives
    own = (hidden * weight[targets]).sum(1, keepdim=True)
    others = hidden @ weight[items].T - log_probability
    others = others.masked_fill(items == targets[:, None], -torch.inf)
    logits = torch.cat([own, others], 1)
    return torch.nn.functional.cross_entropy(logits, torch.zeros_like(targets))


def with_gradients(function, hidden, weight, targets, *of, factor=1.0):
    value = function(hidden, weight, targets, *of)
    grad_hidden, grad_weight = torch.autograd.grad(value * factor, (hidden, weight))
    dense = grad_weight.to_dense() if grad_weight.is_sparse else grad_weight
    return value.detach(), grad_hidden, dense


@pytest.mark.parametrize("rows", [1, 7, 36, 37, 1000])
def test_it_is_its_formula_whatever_the_chunk(monkeypatch, rows):
    negatives = draw_negatives()
    monkeypatch.setattr(sampled_loss, "CHUNK_LOGITS", rows * len(negatives.items))
    monkeypatch.setattr(sampled_loss, "MIN_ROWS", 1)
    case = (*draw_case(), negatives)
    assert torch.isin(case[2], negatives.items).any()  # accidental hits, masked in the formula
    assert not torch.isin(case[2], negatives.items).all()
    got = with_gradients(sampled_softmax_loss, *case, factor=3.0)
    for a, b in zip(got, with_gradients(plain, *case, factor=3.0), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-8)


def test_a_sample_of_all_items_is_the_full_softmax():
    case, negatives = draw_case(), draw_negatives(ITEMS)
    got = with_gradients(sampled_softmax_loss, *case, negatives)
    for a, b in zip(got, with_gradients(full_softmax_loss, *case), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def mean_over_draws(case, count, draws=1000):
    """Means over samples of loss and gradients."""
    torch.manual_seed(7)
    sampler, sums = NegativeSampler(count, ITEMS), [0.0, 0.0, 0.0]
    for _ in range(draws):
        one = with_gradients(sampled_softmax_loss, *case, sampler.draw(CPU))
        sums = [total + value / draws for total, value in zip(sums, one, strict=True)]
    return sums


def relative_errors(case, count):
    expected = with_gradients(full_softmax_loss, *case)
    got = mean_over_draws(case, count)
    return [float((a - b).norm() / b.norm()) for a, b in zip(got, expected, strict=True)]


def test_the_mean_gradient_over_draws_approaches_that_of_the_full_softmax():
    case = draw_case(scale=0.3)
    few, some, many = (relative_errors(case, count) for count in (5, 15, 40))
    for a, b, c in zip(few, some, many, strict=True):  # loss, hidden, table
        assert a > 1.5 * b > 3 * c
    assert max(many) < 0.03


def test_the_correction_makes_the_divisor_unbiased():
    hidden, weight, targets = draw_case()
    torch.manual_seed(7)
    sampler, position, draws = NegativeSampler(12, ITEMS), slice(0, 1), 4000
    args = hidden[position], weight, targets[position]
    with torch.no_grad():
        # Of one position, exp(loss) is Z over exp(score of the target).
        ratio = torch.stack(
            [sampled_softmax_loss(*args, sampler.draw(CPU)).exp() for _ in range(draws)]
        )
        expected = full_softmax_loss(*args).exp()
        assert float(ratio.mean() / expected) == pytest.approx(1, abs=0.01)
        uncorrected = [
            sampled_softmax_loss(*args, Negatives(items, torch.zeros(len(items)))).exp()
            for items, _ in (sampler.draw(CPU) for _ in range(200))
        ]
        assert torch.stack(uncorrected).mean() < 0.6 * expected


def test_only_rows_of_targets_and_of_the_sample_have_gradients():
    (hidden, weight, targets), negatives = draw_case(), draw_negatives()
    sampled_softmax_loss(hidden, weight, targets, negatives).backward()
    assert weight.grad.is_sparse
    rows = weight.grad.coalesce().indices()[0]
    assert set(rows.tolist()) == {*targets.tolist(), *negatives.items.tolist()}


def test_scores_far_apart_have_a_finite_loss():
    case, negatives = draw_case(torch.float32, scale=100), draw_negatives()
    got = with_gradients(sampled_softmax_loss, *case, negatives)
    for a, b in zip(got, with_gradients(plain, *case, negatives), strict=True):
        assert a.isfinite().all()
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def test_under_autocast_the_products_are_in_its_type_and_the_loss_is_float32():
    case, negatives = draw_case(torch.float32), draw_negatives()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = with_gradients(sampled_softmax_loss, *case, negatives)
    assert all(tensor.dtype == torch.float32 for tensor in got)
    for a, b in zip(got, with_gradients(plain, *case, negatives), strict=True):
        torch.testing.assert_close(a, b, rtol=0.02, atol=0.02)
        assert not torch.equal(a, b)
