"""Synthetic events: their sizes, their order, and the optimum that a good model approaches."""

import json
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from recgrela_train.config import DataConfig, EvaluateConfig
from recgrela_train.data import DataError, load_dataset
from recgrela_train.data.synth import FOLLOWED, RING, SHARES, Recipe, generate, optimum
from recgrela_train.data.synth_files import write_synthetic
from recgrela_train.evaluation.counting import COUNTING, measure_counts
from recgrela_train.evaluation.metrics import summarize
from rich.console import Console

SMALL = Recipe(users=400, items=100, events=12_000, seed=3, days=30)


def write(folder, recipe=SMALL, files=1) -> pl.DataFrame:
    write_synthetic(recipe, folder, files, lambda _: None)
    return pl.concat(pl.read_parquet(file) for file in sorted(folder.glob("*.parquet")))


def test_sizes_times_and_sessions(tmp_path):
    table = write(tmp_path / "a")
    assert table.height == SMALL.events
    assert table["user_id"].unique().sort().to_list() == list(range(1, SMALL.users + 1))
    assert table["item_id"].unique().sort().to_list() == list(range(1, SMALL.items + 1))
    assert table["timestamp"].is_sorted()  # as in a log
    assert table.group_by("user_id").len()["len"].min() >= 5
    assert table["timestamp"].max() - table["timestamp"].min() < timedelta(days=30)
    gaps = table.sort("user_id", "timestamp").select(
        pl.col("timestamp").diff().over("user_id").dt.total_microseconds() / 1e6
    )["timestamp"]
    assert gaps.min() > 0  # no ties
    within = (gaps < 600).sum() / gaps.count()
    assert 0.8 < within < 0.95  # seven of eight events follow within minutes


def test_equal_recipes_are_equal_events_in_any_number_of_files(tmp_path):
    one, three = write(tmp_path / "a"), write(tmp_path / "b", files=3)
    assert len(list((tmp_path / "b").glob("*.parquet"))) == 3
    assert one.equals(three)
    other = write(tmp_path / "c", Recipe(400, 100, 12_000, seed=4, days=30))
    assert not one.equals(other)


def test_the_optimum_is_that_of_the_true_probabilities():
    # With one ring of 16 items all items are equally popular: p = 0.4 / 16 each.
    noise = (1 - FOLLOWED) / RING
    best = np.array([*(FOLLOWED * SHARES + noise), *[noise] * 6])
    expected = optimum(RING)
    assert expected["hr@10"] == pytest.approx(best.sum())
    assert expected["ndcg@10"] == pytest.approx((best / np.log2(np.arange(2, 12))).sum())
    assert expected["popularity_hr@10"] == pytest.approx(10 / RING)


def test_markov_approaches_the_optimum_and_popularity_does_not(tmp_path):
    recipe = Recipe(users=3_000, items=320, events=120_000)
    write(tmp_path / "a", recipe)
    best = json.loads((tmp_path / "a" / "synth.json").read_text())["optimum"]
    dataset = load_dataset(DataConfig(source=str(tmp_path / "a" / "part-00000.parquet")))
    assert dataset.report.after == (recipe.users, recipe.items, recipe.events)
    settings = EvaluateConfig(exclude_seen="none")
    got = {}
    for name, kind in COUNTING.items():
        measured = measure_counts(kind(dataset), dataset, settings, Console(quiet=True))
        got[name] = summarize(measured.test.ranks["stream"])
    for metric in ("hr@10", "ndcg@10"):  # standard errors are 0.005
        assert got["markov"][metric] == pytest.approx(best[metric], abs=0.02)
        assert got["popularity"][metric] == pytest.approx(best[f"popularity_{metric}"], abs=0.03)
    assert got["popularity"]["hr@10"] < best["hr@10"] / 2


def test_the_next_item_depends_on_the_kind(tmp_path):
    recipe = Recipe(users=3_000, items=320, events=120_000, kinds=True)
    table = write(tmp_path / "a", recipe).sort("user_id", "timestamp")
    shares = table["kind"].value_counts()
    assert sorted(shares["kind"]) == ["buy", "cart", "view"]
    assert (shares["count"] / len(table)).to_list() == pytest.approx([1 / 3] * 3, abs=0.01)
    best = json.loads((tmp_path / "a" / "synth.json").read_text())["optimum"]
    # The same items without kinds, and each pair of item and kind as an item of its own.
    pairs = table.with_columns(
        before=pl.format("{} {}", "item_id", "kind").shift().over("user_id")
    ).drop_nulls()
    half = len(pairs) // 2
    counts = pairs[:half].group_by("before", "item_id").len().sort("len", descending=True)
    ranked = counts.with_columns(
        rank=pl.int_range(1, pl.len() + 1).over("before"),
    )
    test = pairs[half:].join(ranked, on=["before", "item_id"], how="left")
    hits = (test["rank"] <= 10).fill_null(False).mean()
    assert hits == pytest.approx(best["hr@10"], abs=0.03)
    assert best["without_kinds_hr@10"] < best["hr@10"] - 0.03
    assert best["without_kinds_ndcg@10"] < 0.75 * best["ndcg@10"]
    dataset = load_dataset(DataConfig(source=str(tmp_path / "a" / "part-00000.parquet")))
    measured = measure_counts(
        COUNTING["markov"](dataset),
        dataset,
        EvaluateConfig(exclude_seen="none"),
        Console(quiet=True),
    )
    got = summarize(measured.test.ranks["stream"])
    for metric in ("hr@10", "ndcg@10"):
        assert got[metric] == pytest.approx(best[f"without_kinds_{metric}"], abs=0.03)


def test_the_next_item_depends_on_the_pause_before_the_last(tmp_path):
    recipe = Recipe(users=3_000, items=320, events=120_000, gaps=True)
    table = write(tmp_path / "a", recipe).sort("user_id", "timestamp")
    best = json.loads((tmp_path / "a" / "synth.json").read_text())["optimum"]
    seconds = pl.col("timestamp").diff().over("user_id").dt.total_seconds()
    table = table.with_columns(seconds=seconds, long=(seconds > 3600).fill_null(True))
    pauses = table.drop_nulls()
    assert pauses["long"].mean() == pytest.approx(0.5, abs=0.01)
    for long, low, high in ((False, 10, 100), (True, 86_400, 4 * 86_400)):
        some = pauses.filter(long=long)["seconds"]
        assert low <= some.min() < 1.1 * low
        assert 0.9 * high < some.max() <= high
    pairs = table.with_columns(
        before=pl.format("{} {}", "item_id", "long").shift().over("user_id"),
        item_before=pl.col("item_id").shift().over("user_id"),
    ).drop_nulls()
    for column, optimum_of in (("before", ""), ("item_before", "without_gaps_")):
        half = len(pairs) // 2
        counts = pairs[:half].group_by(column, "item_id").len().sort("len", descending=True)
        ranked = counts.with_columns(rank=pl.int_range(1, pl.len() + 1).over(column))
        test = pairs[half:].join(ranked, on=[column, "item_id"], how="left")
        gain = pl.when(pl.col("rank") <= 10).then(1 / (pl.col("rank") + 1).log(2)).otherwise(0)
        found = test.select(gain.mean()).item()
        assert found == pytest.approx(best[f"{optimum_of}ndcg@10"], abs=0.02)
    assert best["without_gaps_ndcg@10"] < 0.8 * best["ndcg@10"]


def test_kinds_and_gaps_are_not_generated_together():
    with pytest.raises(DataError, match="choose one"):
        Recipe(users=10, items=20, events=100, kinds=True, gaps=True)


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_a_share_of_repeats(share):
    recipe = Recipe(users=500, items=3_000, events=15_000, repeats=share)
    later = again = 0
    for block in generate(recipe):
        for user in np.unique(block.users):
            items = block.items[block.users == user].tolist()
            later += len(items) - 1
            again += len(items) - len(set(items))
    assert again / later == pytest.approx(share, abs=0.015)


def test_more_than_one_block_and_its_repeated_targets(monkeypatch):
    monkeypatch.setattr("recgrela_train.data.synth.BLOCK", 1_000)
    blocks = list(generate(SMALL))
    assert len(blocks) > 10
    assert sum(len(block.users) for block in blocks) == SMALL.events
    repeated = 0
    for block in blocks:
        for user in np.unique(block.users):
            *before, last = block.items[block.users == user].tolist()
            repeated += last in before
    assert sum(block.repeated for block in blocks) == repeated > 0


def test_what_cannot_be_generated_is_refused(tmp_path):
    with pytest.raises(DataError, match="15 items: a ring has 16; use 16 or more"):
        Recipe(users=1, items=15, events=5)
    with pytest.raises(DataError, match="5 events for 6 users: every user has one or more"):
        Recipe(users=6, items=16, events=5)
    write(tmp_path / "a")
    with pytest.raises(FileExistsError, match="a is not empty: name a new folder"):
        write(tmp_path / "a")
    with pytest.raises(FileExistsError, match=r"json is a file: name a folder"):
        write(tmp_path / "a" / "synth.json")


def test_the_command_prints_the_optimum(command, tmp_path):
    sizes = ["--users", 50, "--items", 40, "--events", 900]
    result = command("synth", tmp_path / "a", *sizes, "--files", 2)
    assert result.returncode == 0, result.stderr
    assert "50 users, 40 items, 900 events" in result.stdout
    assert f"best possible: HR@10 {optimum(40)['hr@10']:.4f}, NDCG@10" in result.stdout
    assert sorted(file.name for file in (tmp_path / "a").iterdir()) == [
        "part-00000.parquet",
        "part-00001.parquet",
        "synth.json",
    ]
    result = command("synth", tmp_path / "b", *sizes, "--repeats", 0.4)
    assert result.returncode == 0, result.stderr
    assert "best possible" not in result.stdout
    result = command("synth", tmp_path / "c", *sizes, "--kinds")
    best = optimum(40, kinds=True)
    assert f"without kinds: HR@10 {best['without_kinds_hr@10']:.4f}, NDCG@10" in result.stdout
