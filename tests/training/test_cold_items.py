"""Items that were never trained: runs with features, overlays, held-out items, later runs."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from conftest import SMALL
from in_process import best, changed, error, go
from recgrela import EdgeScorer
from recgrela_train import Recommender
from recgrela_train.config import change_config, load_config
from recgrela_train.data import load_dataset, load_features
from recgrela_train.evaluation.nearest import nearest_items
from recgrela_train.networks.item_embedding import FeatureEmbedding
from recgrela_train.networks.network import with_table

SHELVES, EACH = 4, 15
ITEMS = range(100, 100 + SHELVES * EACH)
pytestmark = pytest.mark.filterwarnings("ignore:.*(no row|share a value|time of another)")


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    """Users who stay at one shelf of four; items with their shelf and its vector; new items."""
    random = np.random.default_rng(3)
    folder = tmp_path_factory.mktemp("files")
    rows = [
        (user, ITEMS[user % SHELVES * EACH + int(random.integers(EACH))], 1_700_000_000 + 60 * time)
        for user in range(120)
        for time in range(user * 7, user * 7 + 20)
    ]
    events = pl.DataFrame(rows, ["user_id", "item_id", "timestamp"], orient="row")
    ids = [*ITEMS, *range(500, 506)]
    shelves = [n // EACH if n < len(ITEMS) else n % SHELVES for n in range(len(ids))]
    vectors = np.eye(SHELVES, dtype=np.float32)[shelves].tolist()
    table = pl.DataFrame({"item_id": ids, "shelf": [f"s{n}" for n in shelves], "text": vectors})
    written = {"events": events, "items": table.head(len(ITEMS)), "all": table}
    for name, frame in written.items():
        frame.write_parquet(folder / f"{name}.parquet")
    return {name: folder / f"{name}.parquet" for name in written}


@pytest.fixture(scope="module")
def settings(files) -> list[str]:
    return [
        *SMALL, "data.split=time", f"data.source={files['events']}", "train.learning_rate=0.01",
        "data.min_events=1", "train.max_epochs=6", f"data.items={files['items']}",
        "train.exclude_seen=none",  # users come back to the items of their shelf
    ]  # fmt: skip


@pytest.fixture(scope="module")
def cold(settings, tmp_path_factory) -> Path:
    """A run without a fifth of the items, and its exported file."""
    run = tmp_path_factory.mktemp("cold") / "run"
    go("fit", "-o", run, *changed(*settings, "data.hold_out_items=20%"))
    go("export", run)
    return run


def test_held_out_items_are_unknown_and_chosen_by_their_ids_alone(settings):
    config = load_config(None, [*settings, "data.hold_out_items=20%"])
    dataset = load_dataset(config.data)
    count = dataset.report.held_out_items
    assert 5 <= count <= 20 and dataset.num_items + count == len(ITEMS)
    assert f"{count} more items are held out of training" in "\n".join(dataset.describe())
    other = change_config(config, ["seed=1", "data.tie_seed=7", "data.validation_from=70%"])
    assert set(load_dataset(other.data).item_ids) == set(dataset.item_ids)
    more = change_config(config, ["data.hold_out_items=50%"])
    assert set(load_dataset(more.data).item_ids) < set(dataset.item_ids)


def test_a_checkpoint_has_the_sum_and_the_engine_its_scores(cold, files):
    trained = best(cold)
    found = load_features(trained.config.data, trained.item_ids, trained.features.columns)
    features = torch.from_numpy(trained.features.vectors(found))
    own = trained.features.own[1:]
    torch.testing.assert_close(trained.model.embedding.weight[1:], own + features)
    assert own.norm() > 0 and features.norm() > 0
    scorer = EdgeScorer.load(cold / "model.safetensors")
    scorer.extend(trained.item_ids[:5].tolist())
    expected = (own + features) @ torch.from_numpy(scorer.user_vector())
    scores = scorer.score(trained.item_ids.tolist())
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)


def test_cold_items_are_recommended_at_their_shelf(cold):
    result = json.loads(go("cold", cold, "--json").splitlines()[-1])
    assert result["trained"] + result["cold"] == len(ITEMS)
    test = result["test"]
    assert test["targets"] > 20
    found = {name: each[0] for name, each in test["ndcg@10"]["cold"].items() if name != "random"}
    chance = test["ndcg@10"]["cold"]["random"]
    ours = found["sum of their features"]
    assert found["popularity"] == 0
    assert ours > 2 * found["popularity, had it seen their events"] > 0
    assert ours > 1.5 * chance
    table = go("cold", cold, "--boost", "1.5")
    assert "sum of their features, times 1.5" in " ".join(table.split())


def test_new_items_become_an_overlay(cold, files, tmp_path):
    path = tmp_path / "new.overlay"
    out = go("cold", cold, files["all"], "-o", path)
    trained = best(cold)
    new = sorted({*ITEMS, *range(500, 506)} - set(trained.item_ids.tolist()))
    assert f"wrote {path}, {len(new)} new items" in out
    assert "verified by the engine" in out
    scorer = EdgeScorer.load(cold / "model.safetensors")
    scorer.catalog.load(path)
    assert sorted(scorer.catalog.added) == new
    scorer.extend([ITEMS[n] for n in (0, 3, 5, 7) if ITEMS[n] in scorer])
    scores = scorer.score([500, 501, 502, 503, 504])  # 60 % 4 == 0: 500 and 504 are at shelf 0
    assert set(np.argsort(-scores)[:2]) == {0, 4}
    go("cold", cold, files["all"], "-o", path, "--boost", "2")
    twice = EdgeScorer.load(cold / "model.safetensors")
    twice.catalog.load(path)
    twice.restore(scorer.snapshot())
    np.testing.assert_allclose(twice.score([500, 503]), 2 * scorer.score([500, 503]), rtol=1e-6)


def test_what_cold_refuses(cold, files, finished_run, settings, tmp_path):
    assert "was trained without features of items" in error("cold", finished_run)
    assert "name their file" in error("cold", cold, "-o", tmp_path / "x")
    path = tmp_path / "items.parquet"
    known = best(cold).item_ids
    items = pl.read_parquet(files["items"])
    items.filter(pl.col("item_id").is_in(known.tolist())).write_parquet(path)
    assert "the model knows all of its" in error("cold", cold, path)
    other = pl.DataFrame({"item_id": [900], "shelf": ["attic"], "text": [[0.0] * SHELVES]})
    other.write_parquet(path)
    assert "no new item has a value that the model knows" in error("cold", cold, path)
    mixed = pl.concat([other, pl.read_parquet(files["all"]).tail(1)])
    mixed.write_parquet(path)
    assert "no model" not in go("cold", cold, path, "-o", tmp_path / "mixed.overlay")
    other.with_columns(item_id=pl.lit("a")).write_parquet(path)
    assert "item ids are text, such as 'a'" in error("cold", cold, path)
    assert "is a file that is read" in error("cold", cold, files["all"], "-o", files["all"])


def test_a_share_that_holds_out_no_item_is_named(settings, tmp_path):
    run = tmp_path / "run"
    small = ["train.max_epochs=1", "data.hold_out_items=0.1%"]  # of 60 items
    go("fit", "-o", run, *changed(*settings, *small))
    assert "data.hold_out_items=0.1% held out none" in error("cold", run)


def test_a_resumed_run_needs_the_same_features(settings, files, tmp_path):
    run = tmp_path / "run"
    go("fit", "-o", run, *changed(*settings, "train.max_epochs=1"))
    path = tmp_path / "items.parquet"
    pl.read_parquet(files["items"]).with_columns(shelf=pl.lit("s0")).write_parquet(path)
    more = changed("train.max_epochs=2")
    assert "the features of items in data.items=" in error(
        "fit", "-o", run, "--resume", *more, *changed(f"data.items={path}")
    )
    go("fit", "-o", run, "--resume", *more)
    assert best(run).features is not None


def test_later_runs_start_new_items_from_their_features(cold, files, tmp_path):
    before = best(cold)
    more = changed("data.hold_out_items=none", "train.max_epochs=1", "train.stop_after=1")
    more += changed("train.learning_rate=1e-9", "data.validation_from=85%", "data.split=none")
    for kind in ("--freeze", None):
        run = tmp_path / str(kind)
        go("fit", "--from", cold, *([kind] if kind else []), "-o", run, *more)
        after = best(run)
        ids = after.item_ids[len(before.item_ids) :]
        assert len(ids) == len(ITEMS) - len(before.item_ids) > 0
        features = load_features(after.config.data, ids, before.features.columns)
        new = before.features.vectors(features)
        rows = after.model.embedding.weight[len(before.item_ids) + 1 :]
        np.testing.assert_allclose(rows.detach(), new, atol=1e-6)
    assert "was trained without features" in error(
        "fit", "--from", _without(cold, files, tmp_path), "-o", tmp_path / "x",
        *changed(f"data.items={files['items']}"),
    )  # fmt: skip


def _without(cold: Path, files, tmp_path) -> Path:
    run = tmp_path / "without"
    plain = [*SMALL, "data.split=time", f"data.source={files['events']}", "train.max_epochs=1"]
    go("fit", "-o", run, *changed(*plain))
    return run


def test_the_sampled_softmax_looks_up_its_rows_alone(settings, tmp_path, monkeypatch):
    def table(_):
        raise AssertionError("the whole table was computed")

    events = pl.read_parquet(settings_value(settings, "data.source"))
    items = pl.read_parquet(settings_value(settings, "data.items"))
    monkeypatch.setattr(FeatureEmbedding, "table", table)
    recommender = Recommender(
        [*settings, "train.loss=sampled", "train.negatives=20", "train.max_epochs=1",
         "data.split=none"],
        verbose=False,
    )  # fmt: skip
    recommender.fit(events, run=tmp_path / "run")
    assert len(items) == recommender._trained().checkpoint.model.num_items


def settings_value(settings: list[str], key: str) -> str:
    return next(s.partition("=")[2] for s in settings if s.startswith(f"{key}="))


def test_nearest_items(files):
    config = load_config(None, [f"data.items={files['all']}"]).data
    ids = np.array([100, 116, 101, 131, 145, 160 - 1, 500, 503, 117, 133])
    features = load_features(config, ids)
    assert nearest_items(features, 6).tolist() == [0, 4, 1, 3]


def test_another_table_leaves_the_network_as_it_was(cold):
    model = best(cold).model
    before = model.embedding.weight.clone()
    other = with_table(model, torch.ones(4, before.shape[1]))
    assert other.num_items == 3 and model.num_items == len(before) - 1
    assert torch.equal(model.embedding.weight, before)
