"""The comparison with other libraries: what they see, how they are ranked, what is reported."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from recgrela_train.config import EvaluateConfig, load_config
from recgrela_train.data import load_dataset
from recgrela_train.evaluation.metrics import summarize
from recgrela_train.fitting.checkpoints import best_checkpoint, load_checkpoint
from recgrela_train.fitting.measure import measure_checkpoint
from rich.console import Console

from benchmarks.models import BenchmarkError
from benchmarks.peers import __main__ as peers
from benchmarks.peers.contenders import CONTENDERS, OURS, Contender
from benchmarks.peers.contest import interpreter, split_of
from benchmarks.peers.exchange import MISS, Answer, Histories, Split
from benchmarks.peers.ours import encoded

SMALL = [
    "model.hidden_size=16", "model.num_heads=2", "model.num_layers=1", "train.window=8",
    "train.batch_size=16", "train.max_epochs=2", "evaluate.window=8", "train.accelerator=cpu",
    "evaluate.exclude_seen=window",
]  # fmt: skip
BROKEN = Contender("broken", "no script", "tests.no_such_script")
FAKE = Contender("fake", "counts of pairs", "tests.fake_peer", settings={"forget": 3})


@pytest.fixture
def walks(tmp_path) -> Path:
    """Forty users who walk around a ring of thirty items."""
    random = np.random.default_rng(1)
    lines = []
    for _ in range(40):
        steps = random.integers(1, 3, size=random.integers(6, 40))
        lines.append(" ".join(map(str, (random.integers(30) + np.cumsum(steps)) % 30)))
    path = tmp_path / "walks.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def run(monkeypatch, source: Path, contenders: tuple[Contender, ...], *more: str) -> int:
    """Run the command on a file of events, with these contenders only."""
    monkeypatch.setattr(peers, "CONTENDERS", contenders)
    settings = [word for setting in SMALL for word in ("--set", setting)]
    output = ["--output", str(source.parent / "out")]
    return peers.main(["--set", f"data.source={source}", *settings, *output, *more])


def test_contenders_train_and_are_ranked_alike(walks, monkeypatch, capsys):
    ours = CONTENDERS[0]
    assert run(monkeypatch, walks, (BROKEN, ours, FAKE)) == 1
    output = walks.parent / "out"
    printed = capsys.readouterr()
    assert "broken failed" in printed.err and "no_such_script" in printed.err
    assert "| recgrela" in printed.out and "| 2 of 3 " in printed.out
    assert BROKEN.label not in printed.out
    results = json.loads((output / "peers.json").read_bytes())["results"]
    for result in results:
        assert result["stopped"] == "epochs"
        assert 0 < result["seconds_to_best"] <= result["seconds"] < result["cpu_seconds"]
        assert 50 < result["peak_mib"] < 20_000
    assert results[1]["difference"][0] == pytest.approx(
        results[1]["ndcg@10"][0] - results[0]["ndcg@10"][0]
    )

    trained = load_checkpoint(best_checkpoint(output / OURS / "run"))
    dataset = load_dataset(trained.config.data)
    measured = measure_checkpoint(trained, trained.config, dataset, torch.device("cpu"), Console())
    split = Split.read(output / "split.npz")
    validated = encoded(trained.model, split.validation, window=8).ranks(
        split.validation, split.targets, split.excluded_events
    )
    assert np.array_equal(validated, measured.splits["validation"].ranks["window"])
    expected = summarize(measured.splits["test"].ranks["window"])
    assert results[0]["ndcg@10"][0] == pytest.approx(expected["ndcg@10"])
    assert results[0]["hr@10"][0] == pytest.approx(expected["hr@10"])

    finished = [path.stat().st_mtime_ns for path in sorted(output.glob("*/usage.json"))]
    assert run(monkeypatch, walks, (ours, FAKE)) == 0  # trains nothing
    assert [path.stat().st_mtime_ns for path in sorted(output.glob("*/usage.json"))] == finished
    assert run(monkeypatch, walks, (FAKE,), "--minutes", "3") == 1
    assert "another --output" in capsys.readouterr().err


def test_the_budget_stops_a_contender(walks, monkeypatch, capsys):
    assert run(monkeypatch, walks, (FAKE,), "--minutes", "1e-9") == 0
    assert "| 1 of 1, cut " in capsys.readouterr().out


def test_an_environment_that_is_not_there(tmp_path):
    with pytest.raises(BenchmarkError, match="make peers"):
        interpreter(CONTENDERS[1], tmp_path)


def test_the_files_hold_no_held_out_event(tmp_path):
    """Each user's last two items are nobody else's, and the second last one is a target."""
    lines = [f"1 2 3 4 {100 + user} {200 + user}" for user in range(6)]
    (tmp_path / "own.txt").write_text("\n".join(lines))
    dataset = load_dataset(
        load_config(
            None,
            [f"data.source={tmp_path}/own.txt", "data.min_events=1", "data.split=leave_one_out"],
        ).data
    )
    ids = np.array([0, *map(int, dataset.item_ids)])
    split_of(dataset, EvaluateConfig()).write(tmp_path / "split.npz")
    with np.load(tmp_path / "split.npz") as file:
        held = {name: ids[file[name]] for name in file.files if name.endswith("items")}
        targets = ids[file["targets"]]
        assert set(file.files) - set(held) == {
            "numbers", "targets", "train.offsets", "validation.offsets", "test.offsets"
        }  # fmt: skip
    assert held["train.items"].max() == held["validation.items"].max() == 4
    assert sorted(targets) == list(range(100, 106))
    assert held["test.items"].max() < 200


def test_split_survives_the_file(tmp_path, walks):
    dataset = load_dataset(
        load_config(None, [f"data.source={walks}", "data.split=leave_one_out"]).data
    )
    split = split_of(dataset, EvaluateConfig(exclude_seen="window", window=7))
    split.write(tmp_path / "split.npz")
    again = Split.read(tmp_path / "split.npz")
    assert (again.num_items, again.excluded_events) == (dataset.num_items, 7)
    for user in range(dataset.num_users):
        history = dataset.history(user).tolist()
        assert again.train[user].tolist() == again.validation[user].tolist() == history[:-2]
        assert again.targets[user] == history[-2]
        assert again.test[user].tolist() == history[:-1]


def test_ranks_exclude_seen_items_and_put_unknown_ones_last():
    inputs = Histories(np.array([1, 2, 3, 3, 2]), np.array([0, 3, 5]))
    items = torch.tensor([[5.0], [4.0], [3.0], [2.0], [9.0]])
    known = torch.tensor([True, True, True, True, False])
    answer = Answer(torch.ones(2, 1), items, known)
    targets = np.array([4, 4])
    assert answer.ranks(inputs, targets, 0).tolist() == [4, 4]
    assert answer.ranks(inputs, targets, 1).tolist() == [3, 3]  # without item 3, without item 2
    assert answer.ranks(inputs, targets, 99).tolist() == [1, 2]
    assert answer.ranks(inputs, np.array([5, 5]), 0).tolist() == [5, 5]
    assert answer.ranks(inputs, np.array([3, 3]), 1).tolist() == [MISS, 2]


def test_inputs_in_the_indices_of_a_contender():
    histories = Histories(np.array([1, 2, 3, 2, 2]), np.array([0, 4, 5]))
    rows = histories.last(2, np.array([0, 7, 0, 9]))  # it does not know item 2
    assert [row.tolist() for row in rows] == [[7, 9], []]
