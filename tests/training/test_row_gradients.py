"""Adam and clipping for sparse gradients, against PyTorch's optimisers and dense clipping."""

import pytest
import torch
from recgrela_train.fitting.row_gradients import RowAdam, clip_gradients
from torch import nn

ROWS, SIZE, STEPS = 20, 4, 30


def parameters():
    generator = torch.Generator().manual_seed(1)
    shapes = ((ROWS, SIZE), (3, 5))
    return [nn.Parameter(torch.randn(*shape, generator=generator)) for shape in shapes]


def gradients(step):
    """A sparse gradient with repeated rows, and a dense one."""
    generator = torch.Generator().manual_seed(step)
    rows = torch.randint(1, ROWS, (1, 6), generator=generator)
    values = torch.randn(6, SIZE, generator=generator)
    sparse = torch.sparse_coo_tensor(rows, values, (ROWS, SIZE), check_invariants=True)
    return sparse, torch.randn(3, 5, generator=generator)


def train(optimizers, tensors, steps):
    for step in steps:
        for optimizer in optimizers:
            optimizer.param_groups[0]["lr"] = 0.01 * (step + 1)
        for tensor, gradient in zip(tensors, gradients(step), strict=True):
            tensor.grad = gradient
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()


def test_tables_are_trained_as_by_sparse_adam_and_the_rest_as_by_adam():
    ours, theirs = parameters(), parameters()
    train([RowAdam(ours)], ours, range(STEPS))
    adams = [torch.optim.SparseAdam(theirs[:1]), torch.optim.Adam(theirs[1:])]
    train(adams, theirs, range(STEPS))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)


def test_the_decay_of_a_group_may_be_decoupled():
    # Without the key, as in PyTorch 2.6, Adam would ignore it in a group.
    assert RowAdam(parameters()).defaults["decoupled_weight_decay"] is False


def test_rows_without_a_gradient_do_not_change():
    tensors = parameters()
    optimizer, before = RowAdam(tensors), tensors[0].detach().clone()
    train([optimizer], tensors, range(2))
    touched = torch.zeros(ROWS, dtype=torch.bool)
    for step in range(2):
        touched[gradients(step)[0].coalesce().indices()[0]] = True
    assert 0 < touched.sum() < ROWS
    assert torch.equal((tensors[0] != before).any(1), touched)
    assert torch.equal((optimizer.state[tensors[0]]["exp_avg"] != 0).any(1), touched)


def test_a_saved_state_continues_with_the_same_bits():
    whole = parameters()
    train([RowAdam(whole)], whole, range(STEPS))
    tensors = parameters()
    first = RowAdam(tensors)
    train([first], tensors, range(10))
    second = RowAdam(tensors)
    second.load_state_dict(first.state_dict())
    train([second], tensors, range(10, STEPS))
    for a, b in zip(tensors, whole, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("limit", [0.5, 1e6])
def test_the_norm_is_that_of_all_gradients(limit):
    ours, theirs = parameters(), parameters()
    for mine, other, gradient in zip(ours, theirs, gradients(0), strict=True):
        mine.grad = gradient
        other.grad = gradient.to_dense().clone()
    clip_gradients(ours, limit)
    nn.utils.clip_grad_norm_(theirs, limit)
    assert ours[0].grad.is_sparse
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad.to_dense(), other.grad)
