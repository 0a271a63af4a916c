"""Compares the learning rate schedule with values computed by hand."""

import pytest
from recgrela_train.config import TrainConfig
from recgrela_train.fitting.training_module import learning_rate_factor


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", {0: 0.25, 3: 1, 4: 1, 8: 1, 100: 1}),
        ("cosine", {0: 0.25, 3: 1, 4: 1, 6: 0.8535534, 8: 0.5, 10: 0.1464466, 12: 0, 13: 0}),
    ],
)
def test_the_learning_rate_rises_and_follows_its_schedule(schedule, expected):
    train = TrainConfig(warmup_steps=4, schedule=schedule)
    for step, factor in expected.items():
        assert learning_rate_factor(step, 12, train) == pytest.approx(factor, abs=1e-6)


def test_without_warm_up_the_first_step_is_whole():
    assert learning_rate_factor(0, 10, TrainConfig(schedule="cosine")) == 1
