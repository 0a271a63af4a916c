"""Two processes match one: the same batches, gradients, loss curve and metrics."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from recgrela_train import distributed
from recgrela_train.config import ConfigError, ModelConfig, load_config
from recgrela_train.data import EvaluationBatches, Shard, ShardedBatches, WindowBatches
from recgrela_train.evaluation.measurement import read_measurement
from recgrela_train.fitting.fit import RunError, best_checkpoint, fit, last_checkpoint
from recgrela_train.fitting.launch import find_processes
from recgrela_train.networks.grela import RecGrela
from recgrela_train.report.runs import load_runs
from rich.console import Console
from two_processes import free_port, torchrun


@pytest.mark.parametrize("processes", [2, 3])
@pytest.mark.parametrize("carry_state", [True, False])
def test_parts_make_up_the_batches_of_one_process(small_dataset, processes, carry_state):
    batches = WindowBatches(small_dataset, 8, 5, carry_state, seed=1, firsts=True)
    parts = [ShardedBatches(batches, Shard(rank, processes)) for rank in range(processes)]
    assert {len(part) for part in parts} == {len(batches)}
    spare = 0
    for whole, *mine in zip(batches, *parts, strict=True):
        assert sum(part["share"] for part in mine) == pytest.approx(processes * whole["share"])
        firsts = torch.cat([part["firsts"] for part in mine])
        assert sorted(firsts.tolist()) == sorted(whole["firsts"].tolist())
        for rank, part in enumerate(mine):
            if not part["share"]:
                spare += 1
                assert len(part["inputs"]) == 1  # it takes part with weight 0
                assert not len(part["firsts"])
                continue
            length = part["inputs"].shape[1]
            for name in ("inputs", "targets"):
                assert torch.equal(part[name], whole[name][rank::processes, :length])
            assert (whole["targets"][rank::processes, length:] == 0).all()
            assert torch.equal(part["keep"], whole["keep"][rank::processes])
    assert spare or not carry_state  # an epoch ends with fewer rows than processes


def test_one_process_has_whole_batches(small_dataset):
    batches = WindowBatches(small_dataset, 8, 5, True, seed=1)
    for whole, part in zip(batches, ShardedBatches(batches, Shard(0, 1)), strict=True):
        assert part["share"] == whole["share"]
        assert part["carried"] == whole["carried"]
        tensors = ("inputs", "targets", "firsts", "keep")
        assert all(torch.equal(part[name], whole[name]) for name in tensors)


def test_the_mean_over_processes_is_the_gradient_of_one(small_dataset):
    torch.manual_seed(0)
    config = ModelConfig(hidden_size=16, num_heads=2, num_layers=1, dropout=0, drop_path=0)
    model = RecGrela(config, small_dataset.num_items).double()

    def gradients(rank: int, processes: int) -> list[torch.Tensor]:
        """Gradients of the loss summed over an epoch, as the module computes them."""
        batches = WindowBatches(small_dataset, 8, 5, True, seed=1, firsts=True)
        state, total = None, 0.0
        for batch in ShardedBatches(batches, Shard(rank, processes)):
            before = state and state.keep(batch["keep"]) if batch["carried"] else None
            hidden, after = model(batch["inputs"], before)
            state = after.detach() if batch["carried"] else state
            valid = batch["targets"] != 0
            starts = model.start.expand(len(batch["firsts"]), -1)
            scores = model.scores(torch.cat([hidden[valid], starts]))
            targets = torch.cat([batch["targets"][valid], batch["firsts"]])
            loss = torch.nn.functional.cross_entropy(scores, targets - 1)
            total = total + loss * batch["share"]
        return torch.autograd.grad(total, list(model.parameters()))

    two = zip(gradients(0, 2), gradients(1, 2), strict=True)
    for expected, (a, b) in zip(gradients(0, 1), two, strict=True):
        torch.testing.assert_close((a + b) / 2, expected, atol=1e-10, rtol=1e-8)


@pytest.mark.parametrize("batch_size", [5, 7, 39, 100])
def test_every_user_is_evaluated_by_one_process(small_dataset, batch_size):
    places, targets = [], small_dataset.targets("test")
    for rank in range(3):
        batches = EvaluationBatches(small_dataset, targets, batch_size, Shard(rank, 3))
        found = list(batches)
        assert len(found) == len(batches)
        assert all(len(batch.rows) == len(batch.histories) > 0 for batch in found)
        places += [place for batch in found for place in batch.places.tolist()]
    assert sorted(places) == list(range(small_dataset.num_users))


@pytest.fixture(scope="module")
def one_and_two(command, small_settings, tmp_path_factory):
    """A run in one process; and one in two, each way of them taking over from the one before."""
    folder = tmp_path_factory.mktemp("processes")
    changes = ["train.batch_size=5", "model.dropout=0", "model.drop_path=0"]
    changes += ["train.gradient_clip=0.2"]  # below most gradient norms of these steps
    settings = [*small_settings, *(word for change in changes for word in ("--set", change))]
    one = command("fit", "--output", folder / "one", *settings, "--set", "train.max_epochs=4")
    assert one.returncode == 0, one.stderr

    fit_two = ("-m", "recgrela_train", "fit", "--output", folder / "two")
    begun = torchrun(*fit_two, *settings, "--set", "train.max_epochs=1")
    assert begun.stdout.count("epoch   1") == 1  # only one process prints
    sharded = ("--resume", "--set", "train.shard_items=true")
    torchrun(*fit_two, *sharded, "--set", "train.max_epochs=3")
    by_devices = ("--set", "train.devices=2", "--set", "train.max_epochs=4")
    done = command(*fit_two[2:], *sharded, *by_devices)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("NDCG@20") == 1
    return folder / "one", folder / "two"


def test_two_processes_have_the_loss_curve_of_one(one_and_two):
    one, two = (load_runs([run])[0].curves for run in one_and_two)
    for tag in ("train/loss", "validation/ndcg@10"):
        assert len(one[tag]) == 4
        np.testing.assert_allclose(two[tag], one[tag], rtol=0, atol=1e-5)


def test_two_processes_end_at_the_weights_of_one_to_rounding(one_and_two):
    one, two = (
        torch.load(last_checkpoint(run), weights_only=True)["state_dict"] for run in one_and_two
    )
    for name in one:
        torch.testing.assert_close(two[name], one[name], atol=1e-4, rtol=1e-3)


def test_two_processes_train_a_sampled_softmax_like_one(command, small_settings, tmp_path):
    # With all items in every sample: otherwise each process draws its own.
    changes = ["train.loss=sampled", "train.negatives=30", "train.batch_size=5"]
    changes += ["model.dropout=0", "model.drop_path=0", "train.gradient_clip=0.2"]
    settings = [*small_settings, *(word for change in changes for word in ("--set", change))]
    assert command("fit", "--output", tmp_path / "one", *settings).returncode == 0
    torchrun("-m", "recgrela_train", "fit", "--output", tmp_path / "two", *settings)
    one, two = (
        torch.load(last_checkpoint(tmp_path / run), weights_only=True) for run in ("one", "two")
    )
    for name, weight in one["state_dict"].items():
        torch.testing.assert_close(two["state_dict"][name], weight, atol=1e-4, rtol=1e-3)
    assert two["optimizer_states"][0]["state"].keys() == one["optimizer_states"][0]["state"].keys()


def test_metrics_measured_by_two_processes_are_those_of_one(one_and_two, command, tmp_path):
    _, two = one_and_two
    again = tmp_path / "metrics.json"
    result = command("evaluate", best_checkpoint(two), "--output", again)
    assert result.returncode == 0, result.stderr
    expected, got = (json.loads(path.read_text()) for path in (again, two / "metrics.json"))
    assert got == expected
    expected, got = (read_measurement(path) for path in (again, two / "metrics.json"))
    for readout, best in expected.best.items():
        assert np.array_equal(got.best[readout], best)


def test_a_table_in_parts_trains_as_a_whole_one():
    torchrun(Path(__file__).with_name("sharded_worker.py"))


def test_a_loss_that_is_not_finite_stops_all_processes(small_settings, tmp_path):
    worker = Path(__file__).with_name("nonfinite_worker.py")
    torchrun(worker, tmp_path / "run", *small_settings[1::2])
    assert (tmp_path / "run" / "bad-batch.pt").exists()


@pytest.mark.parametrize("rows", [1, 4, 5])
def test_carried_rows_pass_between_numbers_of_processes(monkeypatch, rows):
    whole = torch.arange(rows * 3).view(rows, 3)
    for count in (1, 2, 3):
        parts = []
        for rank in range(count):
            monkeypatch.setattr(distributed, "this_shard", lambda r=rank, c=count: Shard(r, c))
            parts.append(distributed.own_rows(whole))
            assert len(parts[-1])
        monkeypatch.setattr(distributed, "_of_all", lambda _, parts=parts: parts)
        assert torch.equal(distributed.interleaved(whole)[:rows], whole)


def test_more_processes_than_rows_are_refused(small_settings, small_dataset, tmp_path):
    config = load_config(None, [*small_settings[1::2], "train.devices=17"])
    with pytest.raises(RunError, match=r"17 processes cannot share train\.batch_size, 16"):
        fit(config, small_dataset, tmp_path / "run", resume=False, console=Console(quiet=True))


def test_under_slurm_one_process_prints_and_writes(small_settings, tmp_path):
    job = {
        "SLURM_JOB_ID": "1", "SLURM_JOB_NAME": "train", "SLURM_NTASKS": "2",
        "SLURM_NTASKS_PER_NODE": "2", "SLURM_NNODES": "1", "SLURM_NODEID": "0",
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    words = [sys.executable, "-m", "recgrela_train", "fit", "--output", tmp_path / "run"]
    settings = (*small_settings, "--set", "train.devices=2", "--set", "train.max_epochs=1")
    tasks = [
        subprocess.Popen(
            [*words, *settings], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, **job, "SLURM_PROCID": rank, "SLURM_LOCALID": rank},
        )
        for rank in "01"
    ]  # fmt: skip
    said = [task.communicate(timeout=300) for task in tasks]
    assert [task.returncode for task in tasks] == [0, 0], said
    assert "on 2 x CPUAccelerator" in said[0][0]
    assert said[1][0] == ""


def test_ray_train_and_torchrun_say_how_many_processes_there_are(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "6")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
    assert find_processes(1) == (3, 2)


@pytest.mark.parametrize("started_by", ["RANK", "LOCAL_RANK", "SLURM_PROCID"])
def test_one_process_is_the_main_one_before_they_are_connected(monkeypatch, started_by):
    assert distributed.is_main()
    for rank in (0, 1):
        monkeypatch.setenv(started_by, str(rank))
        assert distributed.is_main() == (rank == 0)


def test_slurm_tasks_have_to_be_the_devices_of_each_node(monkeypatch):
    monkeypatch.setenv("SLURM_NTASKS", "4")
    monkeypatch.setenv("SLURM_NTASKS_PER_NODE", "2")
    monkeypatch.setenv("SLURM_JOB_NAME", "train")
    assert find_processes(2) == (2, 2)
    with pytest.raises(
        ConfigError, match=r"srun started 4 processes, not a multiple of train\.devices=3"
    ):
        find_processes(3)
