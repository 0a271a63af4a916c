"""The sampled softmax against its formula, and its gradient in the mean over samples."""

from functools import partial

import pytest
import torch
from recgrela_train.fitting import loss, sampled_loss
from recgrela_train.fitting.loss import full_softmax_loss
from recgrela_train.fitting.negatives import NegativeSampler
from recgrela_train.fitting.seen import Histories
from test_loss import draw_histories
from torch.nn.functional import embedding

POSITIONS, ITEMS, SIZE, COUNT = 37, 50, 8, 12


def sampled_softmax_loss(hidden, weight, targets, sampler, histories=None):
    """The loss against rows of a table."""
    vectors = partial(embedding, weight=weight, sparse=True)
    return sampled_loss.sampled_softmax_loss(hidden, vectors, targets, sampler, histories)


def draw_case(dtype=torch.float64, scale=0.5):
    generator = torch.Generator().manual_seed(5)
    hidden = torch.randn(POSITIONS, SIZE, generator=generator, dtype=dtype)
    weight = torch.randn(ITEMS + 1, SIZE, generator=generator, dtype=dtype) * scale
    targets = torch.randint(1, ITEMS + 1, (POSITIONS,), generator=generator)
    return hidden.requires_grad_(), weight.requires_grad_(), targets


class Fixed(NegativeSampler):
    """Always draws the same sample, in which an item is twice."""

    def __init__(self):
        super().__init__(COUNT, ITEMS)
        torch.manual_seed(3)
        items = super().draw()
        self.items = torch.cat([items[:5], items[4:-1]])

    def draw(self):
        return self.items


def plain(hidden, weight, targets, sampler):
    """The formula in one piece: column 0 is the target."""
    items = sampler.draw()
    own = (hidden * weight[targets]).sum(1) - sampler.log_count(targets)
    others = hidden @ weight[items].T - sampler.log_count(items)
    others = others.masked_fill(items == targets[:, None], -torch.inf)
    logits = torch.cat([own[:, None], others], 1)
    return torch.nn.functional.cross_entropy(logits, torch.zeros_like(targets))


def with_gradients(function, hidden, weight, targets, *of, factor=1.0):
    value = function(hidden, weight, targets, *of)
    grad_hidden, grad_weight = torch.autograd.grad(value * factor, (hidden, weight))
    dense = grad_weight.to_dense() if grad_weight.is_sparse else grad_weight
    return value.detach(), grad_hidden, dense


@pytest.mark.parametrize("rows", [1, 7, 36, 37, 1000])
def test_it_is_its_formula_whatever_the_chunk(monkeypatch, rows):
    monkeypatch.setattr(loss, "CHUNK_LOGITS", rows * COUNT)
    monkeypatch.setattr(loss, "MIN_ROWS", 1)
    hidden, weight, targets = draw_case()
    sampler = Fixed()
    targets[:3] = sampler.items[4]  # accidental hits: the item that is in the sample twice
    assert (sampler.items == targets[0]).sum() == 2
    assert not torch.isin(targets, sampler.items).all()
    case = hidden, weight, targets, sampler
    got = with_gradients(sampled_softmax_loss, *case, factor=3.0)
    for a, b in zip(got, with_gradients(plain, *case, factor=3.0), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("histories", [None, draw_histories()[0]], ids=["all", "unseen"])
def test_a_sample_of_all_items_is_the_full_softmax(histories):
    case = draw_case()
    if histories:  # targets are unseen items
        case[2].copy_((~draw_histories()[1]).int().argmax(1) + 1)
    got = with_gradients(sampled_softmax_loss, *case, NegativeSampler(ITEMS, ITEMS), histories)
    expected = with_gradients(full_softmax_loss, *case, histories)
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-8)


def test_a_position_that_has_seen_the_whole_sample_adds_nothing():
    hidden, weight, targets = draw_case()
    sampler = Fixed()
    rows = torch.ones(POSITIONS).long()
    rows[:5] = 0  # these have seen all of the sample
    always = torch.stack([sampler.items, torch.zeros_like(sampler.items)])
    histories = Histories(always, torch.zeros(2, 2).long(), 1, rows, torch.zeros_like(rows))
    targets[:5] = next(i for i in range(1, ITEMS + 1) if i not in sampler.items)
    value, grad_hidden, _ = with_gradients(
        sampled_softmax_loss, hidden, weight, targets, sampler, histories
    )
    others = with_gradients(sampled_softmax_loss, hidden[5:], weight, targets[5:], sampler)
    torch.testing.assert_close(value * POSITIONS, others[0] * (POSITIONS - 5))
    assert not grad_hidden[:5].any()
    assert grad_hidden[5:].any(1).all()


def mean_over_draws(case, sampler, draws):
    """Means over samples of loss and gradients."""
    torch.manual_seed(7)
    sums = [0.0, 0.0, 0.0]
    for _ in range(draws):
        one = with_gradients(sampled_softmax_loss, *case, sampler)
        sums = [total + value / draws for total, value in zip(sums, one, strict=True)]
    return sums


def test_the_mean_gradient_over_draws_approaches_that_of_the_full_softmax():
    case = draw_case(scale=0.3)
    expected = with_gradients(full_softmax_loss, *case)
    errors = []
    for count in (5, 15, 40):
        got = mean_over_draws(case, NegativeSampler(count, ITEMS), draws=600)
        errors.append(
            [float((a - b).norm() / b.norm()) for a, b in zip(got, expected, strict=True)]
        )
    for few, some, many in list(zip(*errors, strict=True))[1:]:  # hidden, table
        assert few > 2 * some > 8 * many
        assert many < 0.03


class Uncorrected(NegativeSampler):
    """A sampler that takes no account of how often it draws an item."""

    def log_count(self, items):
        return torch.zeros(items.shape)


def test_with_the_correction_the_true_distribution_is_the_optimum():
    # One-hot rows make the scores of each position free. Targets are weighted by their share.
    torch.manual_seed(2)
    truth = torch.softmax(torch.randn(ITEMS, dtype=torch.float64), 0)
    weight = torch.cat([torch.zeros(1, ITEMS), torch.eye(ITEMS)]).double().requires_grad_()
    hidden = truth.log().repeat(ITEMS, 1)
    targets = torch.arange(1, ITEMS + 1)
    norms = []
    for sampler in (NegativeSampler(COUNT, ITEMS), Uncorrected(COUNT, ITEMS)):
        total = torch.zeros(ITEMS, dtype=torch.float64)
        for _ in range(400):
            scores = hidden.clone().requires_grad_()
            loss = sampled_softmax_loss(scores, weight, targets, sampler)
            (gradient,) = torch.autograd.grad(loss, scores)
            total += truth @ gradient * ITEMS / 400
        norms.append(float(total.norm() / truth.norm()))
    corrected, uncorrected = norms
    assert corrected < 0.1  # draws are not quite independent
    assert uncorrected > 10 * corrected


def test_only_rows_of_targets_and_of_the_sample_have_gradients():
    (hidden, weight, targets), sampler = draw_case(), Fixed()
    sampled_softmax_loss(hidden, weight, targets, sampler).backward()
    assert weight.grad.is_sparse
    rows = weight.grad.coalesce().indices()[0]
    assert set(rows.tolist()) == {*targets.tolist(), *sampler.items.tolist()}


def test_scores_far_apart_have_a_finite_loss():
    case = *draw_case(torch.float32, scale=100), Fixed()
    got = with_gradients(sampled_softmax_loss, *case)
    for a, b in zip(got, with_gradients(plain, *case), strict=True):
        assert a.isfinite().all()
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def test_under_autocast_the_products_are_in_its_type_and_the_loss_is_float32():
    case = *draw_case(torch.float32), Fixed()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = with_gradients(sampled_softmax_loss, *case)
    assert all(tensor.dtype == torch.float32 for tensor in got)
    for a, b in zip(got, with_gradients(plain, *case), strict=True):
        torch.testing.assert_close(a, b, rtol=0.02, atol=0.02)
        assert not torch.equal(a, b)
