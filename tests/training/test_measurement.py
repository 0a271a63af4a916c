"""The per-user results that an evaluation stores, and metrics by history length."""

import json

import numpy as np
import pytest
from recgrela_train.evaluation.evaluate import measure
from recgrela_train.evaluation.measurement import (
    MeasurementError,
    length_slices,
    ndcg_by_length,
    read_measurement,
    users_path,
)
from recgrela_train.evaluation.metrics import summarize
from recgrela_train.fitting.checkpoints import load_checkpoint
from recgrela_train.fitting.fit import best_checkpoint
from rich.console import Console


@pytest.fixture(scope="module")
def measured(finished_run, small_dataset):
    trained = load_checkpoint(best_checkpoint(finished_run))
    return measure(trained.model, small_dataset, trained.config.evaluate, Console(quiet=True))


def test_slices_by_length_have_their_borders_below():
    lengths = np.array([1, 49, 50, 99, 100, 199, 200, 201, 499, 500, 9000])
    got = {name: lengths[inside].tolist() for name, inside in length_slices(lengths, 200)}
    assert got == {
        "under 50": [1, 49],
        "50-99": [50, 99],
        "100-199": [100, 199],
        "200-499": [200, 201, 499],
        "500 or more": [500, 9000],
        "over 200, the window": [201, 499, 500, 9000],
    }


def test_ndcg_by_length_by_hand():
    stream, window = np.array([1, 3, 1]), np.array([1, 1, 3])
    lengths = np.array([10, 20, 300])
    short, long, beyond = ndcg_by_length({"stream": stream, "window": window}, lengths, 200)
    assert (short["events"], short["users"], long["events"]) == ("under 50", 2, "200-499")
    assert short["stream"][0] == pytest.approx((1 + 1 / 2) / 2)
    assert short["window"][0] == 1
    assert short["stream-window"][0] == pytest.approx(-1 / 4)
    assert long["stream-window"] == pytest.approx([1 / 2] * 3)
    assert beyond == {**long, "events": "over 200, the window"}


def test_a_single_readout_has_no_difference():
    (row,) = ndcg_by_length({"window": np.array([1, 2])}, np.array([5, 6]), 200)
    assert set(row) == {"events", "users", "window"}


def test_fit_keeps_what_the_figures_came_from(finished_run, measured, small_dataset):
    metrics = finished_run / "metrics.json"
    kept = read_measurement(metrics)
    assert kept.data == small_dataset.fingerprint
    assert kept.users.tolist() == list(range(small_dataset.num_users))
    figures = json.loads(metrics.read_text())
    for split, back in (("validation", 2), ("test", 1)):
        assert np.array_equal(kept.lengths[split], np.diff(small_dataset.offsets) - back)
        for readout in ("stream", "window"):
            assert np.array_equal(kept.ranks[split][readout], measured.ranks[split][readout])
            assert figures[split][readout] == summarize(kept.ranks[split][readout])
            low, high = figures["intervals"][split][readout]["ndcg@10"]
            assert low <= figures[split][readout]["ndcg@10"] <= high
        assert sum(row["users"] for row in figures["by_length"][split][:-1]) == len(kept.users)


def test_recommendations_are_unseen_and_hold_the_target_where_it_ranks(measured, small_dataset):
    for readout, best in measured.best.items():
        assert best.shape == (len(measured.users), 10)
        for user, shown, rank in zip(
            measured.users, best, measured.ranks["test"][readout], strict=True
        ):
            *seen, target = small_dataset.history(user).tolist()
            filled = shown[shown > 0].tolist()
            left = small_dataset.num_items - len(set(seen))
            assert len(filled) == len(set(filled)) == min(10, left)
            assert not set(filled) & set(seen)
            assert 0 not in shown[: len(filled)]
            if target not in seen and rank <= 10:
                assert target in filled


@pytest.mark.parametrize("damage", ["cut", "text", "arrays", "missing"])
def test_damaged_rows_of_users_are_named(finished_run, tmp_path, damage):
    metrics = tmp_path / "metrics.json"
    path = users_path(metrics)
    content = users_path(finished_run / "metrics.json").read_bytes()
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "text":
        path.write_bytes(b"no arrays")
    elif damage == "arrays":
        with np.load(users_path(finished_run / "metrics.json")) as file:
            np.savez(path, **{**file, "test.rank.stream": np.ones(3)})
    with pytest.raises(MeasurementError, match=r"metrics\.users\.npz.*(again|evaluate RUN)"):
        read_measurement(metrics)
