"""Two processes train on a prepared folder; after one of them is killed, the run is resumed."""

import json
from pathlib import Path

import pytest
from recgrela_train.fitting.checkpoints import best_checkpoint, last_checkpoint, load_checkpoint
from same_bits import assert_same_bits, weights
from two_processes import torchrun

FIT = ("-m", "recgrela_train", "fit", "--output")


def fit_and_kill(rank: int, step: int, *arguments) -> None:
    """Train in two processes, one of which is killed in its training step `step`."""
    worker = Path(__file__).with_name("killed_process_worker.py")
    ended = torchrun(worker, rank, step, "fit", "--output", *arguments, check=False)
    assert ended.returncode == 1
    assert "exitcode  : -9" in ended.stderr


@pytest.fixture(scope="module")
def whole_and_killed(command, events_file, small_settings, tmp_path_factory):
    """An uninterrupted run; and one that lost first the second process, then the first."""
    folder = tmp_path_factory.mktemp("killed")
    prepared = command("prepare", folder / "data", "-s", f"data.source={events_file}")
    assert prepared.returncode == 0, prepared.stderr
    changes = (f"data.source={folder / 'data'}", "train.checkpoint_steps=3")
    settings = [*small_settings, *(word for change in changes for word in ("--set", change))]
    whole, killed = folder / "whole", folder / "killed"
    torchrun(*FIT, whole, *settings)

    fit_and_kill(1, 8, killed, *settings)
    checkpoint = load_checkpoint(last_checkpoint(killed))
    assert checkpoint.epochs == 0
    assert weights(checkpoint.path)["global_step"] == 6
    fit_and_kill(0, 11, killed, "--resume")
    assert load_checkpoint(last_checkpoint(killed)).epochs == 1
    torchrun(*FIT, killed, "--resume")
    return whole, killed


def test_the_resumed_run_ends_at_the_bits_of_an_uninterrupted_one(whole_and_killed):
    for path in (last_checkpoint, best_checkpoint):
        expected, got = (weights(path(run)) for run in whole_and_killed)
        for part in ("epoch", "global_step", "state_dict", "optimizer_states", "lr_schedulers"):
            assert_same_bits(got[part], expected[part])


def test_the_resumed_run_has_the_metrics_of_an_uninterrupted_one(whole_and_killed):
    expected, got = (json.loads((run / "metrics.json").read_text()) for run in whole_and_killed)
    assert got == expected
