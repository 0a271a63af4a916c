"""Positions and histories far beyond those of training do not reduce a small model's accuracy.

This is measured: the 95% interval of the paired difference in NDCG@10 must include 0, and the
difference must be at least -0.02.
"""

import numpy as np
import pytest
import torch
from recgrela_train.config import load_config
from recgrela_train.data import load_dataset
from recgrela_train.fitting.checkpoints import load_checkpoint
from recgrela_train.fitting.fit import fit
from rich.console import Console

from benchmarks.long_histories import TIMES, compare, ranks_by_history, repeated

WORST = -0.02


@pytest.fixture(scope="module", params=["learned", "none"])
def trained(request, tmp_path_factory):
    """A model trained on walks of at most 38 events on a ring, in windows of 8, and its data."""
    folder = tmp_path_factory.mktemp("walks")
    random = np.random.default_rng(1)
    lines = []
    for _ in range(120):
        steps = random.integers(1, 3, size=random.integers(6, 40))
        lines.append(" ".join(map(str, (random.integers(30) + np.cumsum(steps)) % 30)))
    (folder / "walks.txt").write_text("\n".join(lines) + "\n")
    config = load_config(
        None,
        [
            f"data.source={folder / 'walks.txt'}", "data.split=leave_one_out",
            f"model.decay={request.param}", "model.hidden_size=16", "model.num_heads=2",
            "model.num_layers=1", "model.dropout=0.1", "train.window=8", "train.batch_size=16",
            "train.max_epochs=12", "train.learning_rate=0.02", "train.accelerator=cpu",
        ],
    )  # fmt: skip
    dataset = load_dataset(config.data)
    best = fit(config, dataset, folder / "run", resume=False, console=Console(quiet=True))
    return load_checkpoint(best).model, dataset, config.evaluate


def test_a_history_a_hundred_times_longer_than_any_trained_on_does_no_harm(trained):
    model, dataset, settings = trained
    ranks = ranks_by_history(model, dataset, settings, users=dataset.num_users)
    result = compare(ranks)
    assert result["own"][0].value > 0.7  # it has learned: chance is 0.15
    for form in ("repeated", "concatenated"):
        _, difference = result[form]
        assert difference.high >= 0, form
        assert difference.value >= WORST, form


def test_lengthened_histories_are_as_long_as_they_say_and_end_as_before():
    history = np.array([3, 1, 2])
    longer = repeated(history, TIMES * 10)
    assert len(longer) >= TIMES * 10
    assert np.array_equal(longer[-6:], [3, 1, 2, 3, 1, 2])


@pytest.mark.parametrize("position", [10**4, 10**6, 10**9])
def test_a_position_far_outside_the_training_range_changes_nothing(trained, position):
    # Rotation is relative: the same history from another position has the same scores.
    model, dataset, _ = trained
    history = torch.from_numpy(dataset.history(0)).long()[None]
    with torch.inference_mode():
        expected, _ = model(history)
        state = model.empty_state(1)
        state.position += position
        got, _ = model(history, state)
        scores = model.scores(expected)
        difference = (model.scores(got) - scores).abs().max() / scores.abs().max()
    assert difference < 1e-5
