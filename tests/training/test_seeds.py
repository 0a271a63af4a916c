"""Mean and standard deviation of runs that differ only in the seed."""

import json

import numpy as np
import pytest
from recgrela_train.config import load_config
from recgrela_train.evaluation.measurement import Measurement, SplitResult, write_measurement
from recgrela_train.evaluation.summary import summary

from benchmarks import seeds

USERS = 3


@pytest.fixture
def make_run(tmp_path):
    """Write the output of `fit` for a run in which all targets have the same rank."""

    def make(name: str, rank: int, *settings: str, data: str = "the same data"):
        ranks = {readout: np.full(USERS, rank) for readout in ("stream", "window")}
        result = SplitResult(
            users=np.arange(USERS),
            lengths=np.array([10, 15, 300]),
            item_events=np.full(USERS, 7),
            repeated=np.zeros(USERS, bool),
            days=None,
            ranks=ranks,
            others=ranks,
        )
        lists = {readout: np.ones((USERS, 10), int) for readout in ranks}
        splits = {"validation": result, "test": result}
        measurement = Measurement(splits, np.arange(USERS), lists, data)
        folder = tmp_path / name
        folder.mkdir()
        config = load_config(None, ["data.source=folder/events.csv", *settings])
        metrics = summary(measurement, config.evaluate.window)
        write_measurement(folder / "metrics.json", measurement, metrics, config)
        return folder

    return make


def run(capsys, monkeypatch, *arguments) -> str:
    monkeypatch.setattr("sys.argv", ["seeds", *map(str, arguments)])
    assert seeds.main() == 0
    return " ".join(capsys.readouterr().out.split())


def test_means_and_spread_by_hand(make_run, capsys, monkeypatch, tmp_path):
    runs = [make_run(f"run-{rank}", rank, f"seed={rank}") for rank in (1, 3)]
    written, picture = tmp_path / "list.json", tmp_path / "lengths.png"
    shown = run(capsys, monkeypatch, *runs, "--output", written, "--picture", picture)
    # NDCG is 1 and 1/2: mean .75, standard deviation of the two .3536; MRR is 1 and 1/3
    assert "test stream 1.0000 +- 0.0000 0.7500 +- 0.3536 0.6667 +- 0.4714" in shown
    assert "10-19 2 2 0.7500 0.7500 +0.0000 (+0.0000 to +0.0000)" in shown
    listed = json.loads(written.read_text())
    assert [each["seed"] for each in listed] == [1, 3]
    assert [each["test"]["stream"]["ndcg@10"] for each in listed] == [1, 0.5]
    assert listed[0]["config"]["data"]["source"] == "events.csv"
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_one_run_has_no_spread(make_run, capsys, monkeypatch):
    assert "0.5000 +- 0.0000" in run(capsys, monkeypatch, make_run("run", 3))


def test_runs_of_other_settings_or_data_are_refused(make_run):
    first = make_run("first", 1)
    with pytest.raises(ValueError, match=r"train.window is 200 in .*first and 9 in .*other"):
        seeds.read_runs([first, make_run("other", 1, "train.window=9")])
    with pytest.raises(ValueError, match="fewer was evaluated on other data"):
        seeds.read_runs([first, make_run("fewer", 1, "seed=1", data="others")])
    with pytest.raises(OSError, match=r"metrics.json"):
        seeds.read_runs([first / "nowhere"])
