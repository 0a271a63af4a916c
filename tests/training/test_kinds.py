"""Networks, training and measurements with kinds of events."""

import numpy as np
import polars as pl
import pytest
import torch
from conftest import SMALL
from datasets import make_dataset
from in_process import changed, error, go
from recgrela_train.config import Config, EvaluateConfig, ModelConfig, change_config
from recgrela_train.data import load_dataset
from recgrela_train.data.batches import NO_FIRSTS
from recgrela_train.evaluation.counting import Markov, Popularity
from recgrela_train.evaluation.evaluate import measure
from recgrela_train.evaluation.measurement import read_measurement, write_measurement
from recgrela_train.evaluation.summary import KINDS, summary
from recgrela_train.fitting.checkpoints import best_checkpoint, load_checkpoint
from recgrela_train.fitting.training_module import TrainingModule
from recgrela_train.networks import NETWORKS, make_network
from rich.console import Console

ITEMS = 20
NAMES = ("view", "cart", "buy")


def make(kind: str, num_kinds: int = 3):
    torch.manual_seed(3)
    decay = "none" if kind == "bidirectional" else "learned"
    config = ModelConfig(kind=kind, hidden_size=16, num_heads=2, num_layers=2, decay=decay)
    network = make_network(config, ITEMS, num_kinds).double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
        network.embedding.weight[0] = 0
    return network


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_kind_is_a_vector_added_to_the_item_s(kind):
    network, items = make(kind), torch.randint(1, ITEMS + 1, (2, 7))
    kinds = torch.randint(3, (2, 7))
    found, _ = network(items, kinds=kinds)
    plain = make(kind, 0)
    assert network.state_dict().keys() - plain.state_dict().keys() == {"kinds.weight"}
    weights = {k: v for k, v in network.state_dict().items() if k != "kinds.weight"}
    plain.load_state_dict(weights)
    vectors = network.embedding.weight[items] + network.kinds.weight[kinds]
    with torch.no_grad():  # each event an item of its own
        plain.embedding = torch.nn.Embedding.from_pretrained(
            torch.cat([torch.zeros(1, 16).double(), vectors.flatten(0, 1)]), padding_idx=0
        )
        expected, _ = plain(torch.arange(1, 15).view(2, 7))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_network_wants_kinds_exactly_if_it_has_them(kind):
    items = torch.ones(1, 3).long()
    with pytest.raises(ValueError, match="expected the kind of every event"):
        make(kind)(items)
    with pytest.raises(ValueError, match="expected no kinds of events"):
        make(kind, 0)(items, kinds=items)


def test_forms_and_pieces_agree_with_kinds():
    network = make("grela")
    items, kinds = torch.randint(1, ITEMS + 1, (3, 50)), torch.randint(3, (3, 50))
    whole, state = network(items, kinds=kinds)
    recurrent, _ = network(items, form="recurrent", kinds=kinds)
    torch.testing.assert_close(whole, recurrent, atol=1e-9, rtol=1e-9)
    first, between = network(items[:, :21], kinds=kinds[:, :21])
    rest, after = network(items[:, 21:], between, kinds=kinds[:, 21:])
    torch.testing.assert_close(torch.cat([first, rest], 1), whole, atol=1e-9, rtol=1e-9)
    for a, b in zip(after.tensors(), state.tensors(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-9, rtol=1e-9)


def test_only_grela_has_a_start_vector():
    assert {kind for kind in NETWORKS if make(kind, 0).start is not None} == {"grela"}


@pytest.fixture(scope="module")
def rows() -> list[tuple]:
    random = np.random.default_rng(2)
    return [
        (user, f"i{random.integers(12):02}", 10 * time + user, NAMES[random.integers(3)])
        for user in range(30)
        for time in range(random.integers(3, 30))
    ]


def test_metrics_by_kind(rows, tmp_path):
    table = pl.DataFrame(rows, schema=["user", "item", "time", "kind"], orient="row")
    cuts = {"split": "time", "validation_from": "150", "test_from": "200"}
    data = make_dataset(table, kind_column="kind", targets=["buy", "cart"], **cuts)
    model = make_network(
        ModelConfig(hidden_size=16, num_heads=2), data.num_items, len(data.kind_names)
    ).eval()
    measurement = measure(model, data, EvaluateConfig(), Console(quiet=True))
    config = Config()
    found = summary(measurement, 200)
    by_kind = found["slices"]["test"][KINDS]
    assert [row["slice"] for row in by_kind] == ["buy", "cart"]
    assert sum(row["targets"] for row in by_kind) == found["targets"]["test"]["targets"]
    write_measurement(tmp_path / "metrics.json", measurement, found, config)
    again = read_measurement(tmp_path / "metrics.json")
    assert again.test.kind_names == ("buy", "cart", "view")
    assert np.array_equal(again.test.kinds, measurement.test.kinds)
    assert summary(again, 200) == found
    assert again.successive.test.kinds.tolist() == [
        kind for kind, n in zip(again.test.kinds, again.test.lengths, strict=True) if n
    ]


def test_counting_baselines_count_what_is_predicted():
    rows = [(1, "a", 0, "view"), (1, "b", 1, "view"), (1, "a", 2, "buy"), (1, "b", 3, "view")]
    rows += [(2, "b", 0, "view"), (2, "b", 1, "view"), (2, "a", 2, "buy")]
    table = pl.DataFrame(rows, schema=["user", "item", "time", "kind"], orient="row")
    data = make_dataset(table, kind_column="kind", targets=["buy"], split="none")
    items = torch.arange(1, 3)
    a, b = (list(data.item_ids).index(name) for name in "ab")
    popular = Popularity(data).scores(np.array([0]), items)[0]
    assert (popular[a], popular[b]) == (2, 0)
    markov = Markov(data).scores(np.array([b + 1, a + 1]), items)
    assert int(markov[0, a]) == 2  # bought after b
    assert int(markov[0, b]) == int(markov[1, b]) == 0


def test_a_batch_without_targets_changes_nothing(rows):
    table = pl.DataFrame(rows, schema=["user", "item", "time", "kind"], orient="row")
    data = make_dataset(table, kind_column="kind", targets=["buy"], split="none")
    for loss in ("full", "sampled"):
        settings = {"train.loss": loss, "train.negatives": 5, "model.hidden_size": 16}
        module = TrainingModule(change_config(Config(), settings), data)
        module.log = lambda *_, **__: None
        batch = next(iter(module.train_dataloader()))
        empty = {**batch, "targets": torch.zeros_like(batch["targets"]), "firsts": NO_FIRSTS}
        module.training_step({**empty, "share": 0.0}, 0).backward()
        for parameter in module.parameters():
            gradient = parameter.grad
            dense = gradient.to_dense() if gradient.is_sparse else gradient
            assert (dense == 0).all()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A process whose next item depends on the kind: view 1, cart 2 items further on a ring."""
    random = np.random.default_rng(1)
    rows = []
    for user in range(60):
        place = int(random.integers(20))
        for time in range(random.integers(8, 30)):
            kind = int(random.integers(2))
            rows.append((user, 100 + place, 1000 * time + user, NAMES[kind]))
            place = (place + 1 + kind) % 20
    columns = ["user_id", "item_id", "timestamp", "event"]
    events = pl.DataFrame(rows, columns, orient="row")
    folder = tmp_path_factory.mktemp("files")
    events.write_csv(folder / "old.csv")
    pl.concat(
        [events, events[:40].with_columns(event=pl.lit("buy"), user_id=pl.lit(999, pl.Int64))]
    ).write_csv(folder / "new.csv")
    return folder


SETTINGS = [*SMALL, "data.kind_column=event", "data.split=time", "train.learning_rate=0.02"]


@pytest.fixture(scope="module")
def base(files, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "base"
    go("fit", "-o", run, *changed(f"data.source={files / 'old.csv'}", *SETTINGS))
    return run


def test_a_checkpoint_knows_its_kinds_and_measures_the_same(base):
    trained = load_checkpoint(best_checkpoint(base))
    assert trained.kinds == ("cart", "view")
    assert trained.model.kinds.weight.shape == (2, 16)
    assert trained.model.start.abs().max() > 0
    assert "kind of the event" in go("evaluate", base, "--test")


def test_newer_data_needs_the_kinds_of_the_model(base, files):
    new = changed(f"data.source={files / 'new.csv'}")
    assert "events of the kind 'buy', but the model knows only cart, view" in error(
        "evaluate", base, *new
    )
    assert "set data.kind_column to the column" in error(
        "evaluate", base, *changed("data.kind_column=none")
    )


def test_a_warm_start_keeps_kinds_by_name_and_starts_new_ones_at_zero(base, files, tmp_path):
    new = changed(f"data.source={files / 'new.csv'}", "data.split=none", "train.max_epochs=1")
    still = changed("train.learning_rate=1e-12")
    go("fit", "--from", base, "-o", tmp_path / "warm", *new, *still)
    old, warm = (load_checkpoint(best_checkpoint(run)) for run in (base, tmp_path / "warm"))
    assert warm.kinds == ("cart", "view", "buy")
    assert warm.model.kinds.weight[:2].tolist() == pytest.approx(
        old.model.kinds.weight.detach().numpy(), abs=1e-6
    )
    assert warm.model.kinds.weight[2].abs().max() < 1e-6
    assert warm.model.start.tolist() == pytest.approx(old.model.start.tolist(), abs=1e-6)
    assert "does not know the kind of events 'buy'" in error(
        "fit", "--from", base, "--freeze", "-o", tmp_path / "frozen", *new,
        *changed("data.min_events=1"),
    )  # fmt: skip


def test_a_run_with_kinds_resumes(base, files, tmp_path):
    settings = changed(f"data.source={files / 'old.csv'}", *SETTINGS)
    run = tmp_path / "run"
    go("fit", "-o", run, *settings, *changed("train.max_epochs=1"))
    go("fit", "--resume", "-o", run, *changed("train.max_epochs=2"))
    whole, resumed = (load_checkpoint(best_checkpoint(each)) for each in (base, run))
    assert whole.epochs == resumed.epochs
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(weight, resumed.model.state_dict()[name]), name


def test_the_data_of_a_run_has_its_kinds(base):
    trained = load_checkpoint(best_checkpoint(base))
    data = load_dataset(trained.config.data, trained.item_ids, trained.kinds)
    assert data.fingerprint == trained.data
