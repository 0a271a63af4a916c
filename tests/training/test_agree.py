"""`make agree` repeats the metrics of a run with the engine, and finds those that differ."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from recgrela_train.config import load_config
from recgrela_train.data import load_dataset
from recgrela_train.evaluation import bootstrap
from recgrela_train.evaluation.evaluate import measure
from recgrela_train.evaluation.measurement import write_measurement
from recgrela_train.evaluation.summary import summary
from recgrela_train.export.model_file import export_model
from recgrela_train.networks import make_network
from rich.console import Console

from benchmarks import agree

pytest.importorskip("recgrela")

USERS, ITEMS, EVENTS = 30, 60, 900


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch):
    """The intervals, which are not compared, take most of the time."""
    monkeypatch.setattr(bootstrap, "RESAMPLES", 10)


@pytest.fixture(scope="module")
def events_csv(tmp_path_factory):
    """Events with dates, repeats, and users and items that appear after the cuts."""
    random = np.random.default_rng(5)
    lines = ["user_id,item_id,timestamp,event"]
    for number in range(EVENTS):
        newest = 40 if number < 0.7 * EVENTS else ITEMS
        user, item = random.integers(USERS), int(newest * random.random() ** 2)
        if number > 0.8 * EVENTS and number % 4 == 0:
            user += USERS
        kind = ("view", "cart", "buy")[random.integers(3)]
        lines.append(f"u{user},sku-{item:02},{1_700_000_000 + 3600 * number},{kind}")
    path = tmp_path_factory.mktemp("data") / "events.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def exported_run(folder, source, *settings):
    """A run with random weights: its metrics and its exported file."""
    config = load_config(
        None,
        [
            f"data.source={source}", "data.min_events=2", "model.hidden_size=16",
            "model.num_heads=2", "model.num_layers=1", "evaluate.window=2", *settings,
        ],
    )  # fmt: skip
    dataset = load_dataset(config.data)
    torch.manual_seed(0)
    model = make_network(config.model, dataset.num_items, len(dataset.kind_names)).eval()
    with torch.no_grad():  # initial weights are small, so that all items score alike
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
        model.embedding.weight[0] = 0
    measurement = measure(model, dataset, config.evaluate, Console(quiet=True))
    metrics = summary(measurement, config.evaluate.window)
    write_measurement(folder / "metrics.json", measurement, metrics, config)
    export_model(model, dataset.item_ids, folder / "model.safetensors", kinds=dataset.kind_names)
    return metrics


@pytest.mark.parametrize("exclusion", ["none", "window", "history"])
def test_the_engine_yields_every_metric(events_csv, tmp_path, exclusion, capsys):
    metrics = exported_run(tmp_path, events_csv, f"evaluate.exclude_seen={exclusion}")
    assert metrics["targets"]["test"]["repeated"] > 0.2
    assert metrics["targets"]["test"]["unknown"] > 0.05
    assert metrics["slices"]["test"]["events of history"][0]["slice"] == "0"
    assert 0 < metrics["test"]["window"]["mrr@20"] != metrics["test"]["stream"]["mrr@20"]
    assert agree.agree(tmp_path) == 0
    assert "0 otherwise" in capsys.readouterr().out


@pytest.mark.parametrize("split", ["time", "leave_one_out"])
@pytest.mark.parametrize("targets", ["none", "[buy, cart]"])
def test_kinds_of_events(events_csv, tmp_path, split, targets):
    settings = [f"data.split={split}", "data.kind_column=event", f"data.targets={targets}"]
    metrics = exported_run(tmp_path, events_csv, *settings, "evaluate.exclude_seen=none")
    assert metrics["targets"]["test"]["targets"] > 20
    assert agree.agree(tmp_path) == 0


@pytest.mark.parametrize(
    "setting", ["data.split=time", "data.split=leave_one_out", "data.repeats=drop_consecutive"]
)
def test_gaps_between_events(events_csv, tmp_path, setting):
    exported_run(tmp_path, events_csv, setting, "model.gaps=true", "evaluate.exclude_seen=none")
    assert agree.agree(tmp_path) == 0


def test_consecutive_repeats_that_were_dropped(events_csv, tmp_path):
    exported_run(tmp_path, events_csv, "data.repeats=drop_consecutive")
    assert agree.agree(tmp_path) == 0


def test_a_core_and_its_last_events(events_csv, tmp_path):
    exported_run(tmp_path, events_csv, "data.split=leave_one_out", "data.min_events=10")
    assert agree.agree(tmp_path) == 0


@pytest.mark.parametrize("block", [None, "by_user", "other_exclusion"])
def test_a_difference_of_a_millionth_is_found(events_csv, tmp_path, block):
    exported_run(tmp_path, events_csv)
    path = tmp_path / "metrics.json"
    metrics = json.loads(path.read_text())
    (metrics[block] if block else metrics)["test"]["window"]["mrr@20"] += 1e-6
    path.write_text(json.dumps(metrics))
    assert agree.agree(tmp_path) == 1


def test_other_data_is_refused(events_csv, tmp_path):
    source = tmp_path / "events.csv"
    source.write_text(events_csv.read_text())
    exported_run(tmp_path, source)
    *lines, _ = source.read_text().splitlines()
    source.write_text("\n".join(lines))
    with pytest.raises(ValueError, match="its data has changed since"):
        agree.agree(tmp_path)


class Session:
    """An engine with fixed scores."""

    def __init__(self, scores: dict[str, float]):
        self._ranked = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
        self.num_items = len(scores)

    def top_k(self, k: int):
        ids, scores = zip(*self._ranked[:k], strict=True)
        return SimpleNamespace(ids=list(ids), scores=np.array(scores, np.float32))


def test_a_target_ranks_after_items_of_its_score():
    others = {f"{n:02}": 1.0 for n in range(30)}
    first = agree.Query(Session({"best": 2.0, **others}), "00", {})
    assert first.rank() == agree.MISS  # listed second, but 29 more have its score
    pair = agree.Query(Session({"a": 3.0, "b": 2.0, "c": 2.0, **others}), "b", {})
    assert pair.rank() == 3


def test_the_run_may_differ_where_scores_are_near():
    query = agree.Query(Session({"a": 10.0, "b": 9.99995, "c": 9.9}), "b", {})
    assert query.rank() == 2
    assert agree.Ranked.by(query, 0, run=1).settled == 1
    other = agree.Ranked.by(query, 0, run=3)
    assert (other.near_tie, other.settled) == (False, 2)
    beyond = agree.Ranked.by(agree.Query(query.session, "none", {}), 0, run=500)
    assert not beyond.differs
