"""The results that an evaluation stores for each target, and metrics by slices of them."""

import json

import numpy as np
import pytest
from datasets import make_dataset
from recgrela_train.config import Config, EvaluateConfig
from recgrela_train.evaluation.counting import Popularity, measure_counts
from recgrela_train.evaluation.evaluate import measure
from recgrela_train.evaluation.measurement import (
    Measurement,
    MeasurementError,
    SplitResult,
    read_measurement,
    targets_path,
)
from recgrela_train.evaluation.metrics import summarize, summarize_users
from recgrela_train.evaluation.ranking import MISS
from recgrela_train.evaluation.results import Metrics
from recgrela_train.evaluation.summary import DAYS, ITEMS, LENGTHS, sliced, slices_of, summary
from recgrela_train.fitting.checkpoints import load_checkpoint
from recgrela_train.fitting.fit import best_checkpoint
from rich.console import Console

QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def measured(finished_run, small_dataset):
    trained = load_checkpoint(best_checkpoint(finished_run))
    return measure(trained.model, small_dataset, trained.config.evaluate, QUIET)


def made(ranks: dict[str, list[int]], **fields) -> SplitResult:
    """Targets of one user each, with 10 events before them, unless `fields` say otherwise."""
    arrays = {readout: np.array(rank) for readout, rank in ranks.items()}
    count = len(next(iter(arrays.values())))
    plain = {
        "users": np.arange(count),
        "lengths": np.full(count, 10),
        "item_events": np.full(count, 50),
        "repeated": np.zeros(count, bool),
        "days": None,
    }
    given = {name: np.array(values) for name, values in fields.items()}
    return SplitResult(**plain | given, ranks=arrays, others=arrays)


def names_of(result: SplitResult, title: str, column: np.ndarray) -> dict[str, list]:
    slices = slices_of(result, 200)[title]
    return {name: column[inside].tolist() for name, inside in slices if inside.any()}


def test_slices_have_their_borders_below():
    lengths = np.array([0, 1, 4, 5, 9, 99, 100, 199, 200, 201, 499, 500, 9000])
    result = made({"window": [1] * 13}, lengths=lengths)
    assert names_of(result, LENGTHS, lengths) == {
        "0": [0],
        "1-4": [1, 4],
        "5-9": [5, 9],
        "50-99": [99],
        "100-199": [100, 199],
        "200-499": [200, 201, 499],
        "500 or more": [500, 9000],
        "over 200, the window": [201, 499, 500, 9000],
    }
    events = np.array([-1, 0, 1, 9, 10, 1000])
    result = made({"window": [1] * 6}, item_events=events)
    assert names_of(result, ITEMS, events) == {
        "unknown to the model": [-1],
        "0": [0],
        "1-9": [1, 9],
        "10-99": [10],
        "1000 or more": [1000],
    }
    days = np.array([0, 1, 2, 3, 4, 30, 31, 91])
    result = made({"window": [1] * 8}, days=days)
    assert names_of(result, DAYS, days) == {
        "under 1": [0],
        "1": [1],
        "2-3": [2, 3],
        "4-7": [4],
        "15-30": [30],
        "31-90": [31],
        "91 or more": [91],
    }
    assert DAYS not in slices_of(made({"window": [1]}), 200)


def test_ndcg_of_slices_by_hand():
    result = made(
        {"stream": [1, 3, 1], "window": [1, 1, 3]}, lengths=[10, 20, 300], users=[4, 4, 7]
    )
    short, long, far, beyond = sliced(result, slices_of(result, 200)[LENGTHS])
    assert (short["slice"], short["targets"], long["slice"]) == ("10-19", 1, "20-49")
    assert far["stream-window"] == pytest.approx([1 / 2] * 3)
    assert beyond == {**far, "slice": "over 200, the window"}
    (row,) = sliced(result, [("all", np.ones(3, bool))])
    assert (row["targets"], row["users"]) == (3, 2)
    assert row["stream"][0] == pytest.approx((1 + 1 / 2 + 1) / 3)
    assert row["stream-window"][0] == pytest.approx(0)


def test_a_single_readout_has_no_difference():
    (row,) = sliced(made({"window": [1, 2]}), [("all", np.ones(2, bool))])
    assert set(row) == {"slice", "targets", "users", "window"}


def test_a_summary_by_hand():
    # User 4 has a hit at rank 1, a repeated target and an unknown one; user 9 has rank 3.
    result = made(
        {"stream": [1, MISS, MISS, 3]},
        users=[4, 4, 4, 9],
        repeated=[False, True, False, False],
        item_events=[5, 5, -1, 5],
    )
    others = {"stream": np.array([1, 2, MISS, 4])}
    result = SplitResult(**{**vars(result), "others": others})
    got = summary(Measurement({"test": result}, np.array([1, 3]), {}, ""), 200)
    assert got["test"]["stream"]["hr@10"] == 2 / 4
    assert got["test"]["stream"]["ndcg@10"] == pytest.approx((1 + 1 / 2) / 4)
    assert got["by_user"]["test"]["stream"]["ndcg@10"] == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert got["other_exclusion"]["test"]["stream"]["hr@10"] == 3 / 4
    assert got["targets"]["test"] == {
        "targets": 4, "users": 2, "repeated": 1 / 4, "unknown": 1 / 4,
    }  # fmt: skip
    assert [row["slice"] for row in got["slices"]["test"][ITEMS]] == ["unknown to the model", "1-9"]
    low, high = got["intervals"]["test"]["stream"]["ndcg@10"]
    assert low == pytest.approx(1 / 3)  # user 4 alone, with the ranks 1, miss, miss
    assert high == pytest.approx(1 / 2)


def test_fit_keeps_what_the_metrics_came_from(finished_run, measured, small_dataset):
    metrics = finished_run / "metrics.json"
    kept = read_measurement(metrics)
    assert kept.data == small_dataset.fingerprint
    stored = json.loads(metrics.read_text())
    for split, back in (("validation", 2), ("test", 1)):
        result = kept.splits[split]
        assert result.users.tolist() == list(range(small_dataset.num_users))
        assert np.array_equal(result.lengths, np.diff(small_dataset.offsets) - back)
        for user, repeated in zip(result.users, result.repeated, strict=True):
            *before, target = small_dataset.history(user)[
                : len(small_dataset.history(user)) + 1 - back
            ]
            assert repeated == (target in before)
        assert result.days is None
        for readout in ("stream", "window"):
            assert np.array_equal(result.ranks[readout], measured.splits[split].ranks[readout])
            assert np.array_equal(result.others[readout], measured.splits[split].others[readout])
            assert stored[split][readout] == summarize(result.ranks[readout])
            other = stored["other_exclusion"][split][readout]
            assert other == summarize(result.others[readout])
            assert stored["by_user"][split][readout] == summarize_users(
                result.ranks[readout], result.users
            )
            low, high = stored["intervals"][split][readout]["ndcg@10"]
            assert low <= stored[split][readout]["ndcg@10"] <= high
        *rows, _ = stored["slices"][split][LENGTHS]
        assert sum(row["targets"] for row in rows) == small_dataset.num_users
    assert kept.last.tolist() == list(range(small_dataset.num_users))


def test_recommendations_are_unseen_and_hold_the_target_where_it_ranks(measured, small_dataset):
    for readout, best in measured.best.items():
        assert best.shape == (len(measured.last), 10)
        ranks, users = measured.test.ranks[readout], measured.test.users
        for place, shown in zip(measured.last, best, strict=True):
            *seen, target = small_dataset.history(users[place]).tolist()
            filled = shown[shown > 0].tolist()
            left = small_dataset.num_items - len(set(seen))
            assert len(filled) == len(set(filled)) == min(10, left)
            assert not set(filled) & set(seen)
            assert 0 not in shown[: len(filled)]
            assert (ranks[place] <= 10) == (target in filled)
            assert (ranks[place] == MISS) == (target in seen)


@pytest.fixture(scope="module")
def several():
    """Users with several test targets; the last one of user 2 is unknown, and all of user 3."""
    day = 86_400
    start = 1_700_000_000
    rows = [(u, i % 6, start + u * 60 + i * day) for u in (1, 2, 3) for i in range(7)]
    rows += [(1, 2, start + 20 * day), (1, 5, start + 22 * day), (1, 5, start + 23 * day + 90)]
    rows += [(2, 3, start + 20 * day + 1), (2, 77, start + 21 * day), (3, 77, start + 25 * day)]
    cuts = {"validation_from": "2023-11-20T12:00", "test_from": "2023-12-04T22:13:20"}
    return make_dataset(rows, split="time", **cuts)


def test_targets_of_a_split_by_time_are_measured_one_by_one(several):
    found = measure_counts(Popularity(several), several, EvaluateConfig(), QUIET)
    test = found.test
    assert test.users.tolist() == [0, 0, 0, 1, 1, 2]
    assert test.item_events.tolist() == [3, 3, 3, 3, -1, -1]
    assert test.repeated.tolist() == [True, True, True, True, False, False]
    assert test.days.tolist() == [0, 2, 3, 0, 1, 5]
    assert test.ranks["stream"].tolist() == [MISS] * 6
    assert test.others["stream"].tolist()[-2:] == [MISS, MISS]
    assert found.last.tolist() == [2, 3]  # each user's last target that is known
    assert found.best["stream"].shape == (2, several.num_items)


@pytest.mark.parametrize("damage", ["cut", "text", "arrays", "lists", "missing"])
def test_damaged_rows_of_targets_are_named(finished_run, tmp_path, damage):
    metrics = tmp_path / "metrics.json"
    path = targets_path(metrics)
    whole = targets_path(finished_run / "metrics.json")
    content = whole.read_bytes()
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "text":
        path.write_bytes(b"no arrays")
    elif damage in ("arrays", "lists"):
        name = "test.rank.stream" if damage == "arrays" else "last"
        with np.load(whole) as file:
            np.savez(path, **{**file, name: np.ones(3, int)})
    with pytest.raises(MeasurementError, match=r"metrics\.targets\.npz.*(again|evaluate RUN)"):
        read_measurement(metrics)


def test_ids_of_users_are_stored_only_if_asked_for(tmp_path):
    events = [(user, item, item) for user in ("eve", "ada", "bob") for item in range(1, 6)]
    dataset = make_dataset([*events, ("al", 1, 0)], split="leave_one_out")
    config = Config(evaluate=EvaluateConfig(exclude_seen="none"))
    counted = measure_counts(Popularity(dataset), dataset, config.evaluate, QUIET)
    metrics = Metrics(counted, config, dataset)
    metrics.save(tmp_path / "plain.json")
    metrics.save(tmp_path / "named.json", user_ids=True)
    assert b"user_ids" not in targets_path(tmp_path / "plain.json").read_bytes()
    with np.load(targets_path(tmp_path / "named.json")) as file:
        # "al" has too few events to be a test user.
        assert file["test.user_ids"].tolist() == ["ada", "bob", "eve"]
        assert len(np.unique(file["test.users"])) == 3
    read_measurement(tmp_path / "named.json")


def test_ids_of_users_need_a_file(command, tmp_path):
    result = command("evaluate", tmp_path, "--user-ids")
    assert result.returncode == 1
    assert "--user-ids adds to the files of --output" in result.stderr
