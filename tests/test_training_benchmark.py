"""The training benchmark measures what it claims: whole steps, equal blocks, the loss alone."""

import pytest
import torch
from recgrela_train.fitting.loss import full_softmax_loss

from benchmarks import large_catalogue, training_step
from benchmarks.training_step import Shape, events_per_second, loss_memory, whole_loss


def test_made_up_histories_have_the_shape_of_the_data_set():
    dataset = Shape(items=300, users=2000, mean_length=80).dataset()
    lengths = dataset.offsets[1:] - dataset.offsets[:-1]
    assert dataset.num_users == 2000
    assert dataset.num_items == 300
    assert lengths.min() >= 20
    assert abs(lengths.mean() - 80) < 1
    assert lengths.max() > 400  # some much longer than the window


def test_steps_train_and_their_events_are_counted():
    dataset = Shape(items=30, users=300, mean_length=40).dataset()
    counts = [count for count, seconds in training_step.training_steps(dataset) if seconds > 0]
    starts, stops = dataset.train_bounds()
    assert sum(counts) == (stops - starts - 1).sum()
    assert events_per_second(dataset, steps=1) > 0


def test_both_blocks_are_timed_on_the_same_positions(monkeypatch):
    monkeypatch.setattr(training_step, "POSITIONS", 256)
    assert all(0 < cost < 1e9 for cost in training_step.nanoseconds_per_position(64, rounds=1))


def test_the_two_losses_are_one_function():
    hidden, weight = torch.randn(50, 64), torch.randn(21, 64)
    targets = torch.randint(1, 21, (50,))
    torch.testing.assert_close(
        full_softmax_loss(hidden, weight, targets), whole_loss(hidden, weight, targets)
    )


@pytest.mark.parametrize(
    ("loss", "fewest", "most"), [(full_softmax_loss, 0, 60), (whole_loss, 140, 500)]
)
def test_memory_of_the_loss(loss, fewest, most):
    # 4,000 positions of 5,000 items: 76 MiB of logits. Hidden, table and gradients take 5 MiB.
    assert fewest <= loss_memory(loss, 4000, 5000) <= most


@pytest.mark.parametrize("loss", ["full", "sampled"])
def test_a_step_over_a_large_catalogue_is_the_trainer_s(loss):
    step = large_catalogue.training_step(large_catalogue.Case(loss, 9_000), 1)
    step(0)
