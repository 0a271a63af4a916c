"""Compares ranks and recommendations, computed over blocks, with a plain sort of all scores."""

import numpy as np
import pytest
import torch
from recgrela_train.config import EvaluateConfig, ModelConfig
from recgrela_train.data import EvaluationBatch
from recgrela_train.evaluation import ranking
from recgrela_train.evaluation.evaluate import item_scores, rank_targets, ranked
from recgrela_train.evaluation.ranking import MISS, Seen, rank
from recgrela_train.networks.grela import RecGrela

TARGETS, ITEMS = 12, 50


def ranked_by(scores: torch.Tensor, targets: list[int], seen=(), best: int = 0) -> ranking.Ranked:
    """`rank` of a matrix of scores [T, N], with (target, item) pairs seen; items from 1."""
    pairs = torch.tensor(sorted(seen, key=lambda pair: pair[1]), dtype=torch.int64)
    of, items = pairs.reshape(-1, 2).T.contiguous()
    return rank(
        lambda items: scores[:, items - 1],
        torch.tensor(targets),
        Seen(of, items),
        scores.shape[1],
        best,
    )


def plain(scores: np.ndarray, target: int, seen: set[int], best: int):
    """Rank among all and among unseen items, and the unseen items by descending score."""
    order = sorted(
        range(1, len(scores) + 1),
        key=lambda item: (not np.isnan(scores[item - 1]), -scores[item - 1], item == target),
    )
    unseen = [item for item in order if item not in seen]
    here = unseen.index(target) + 1 if target in unseen else MISS
    return order.index(target) + 1, here, unseen[:best]


def test_rank_counts_better_scores_and_ties_against_the_model():
    scores = torch.tensor([[0.5, 0.9, 0.5, 0.1], [0.0, 0.0, 0.0, 0.0], [4.0, 3.0, 2.0, 1.0]])
    assert ranked_by(scores, [3, 1, 1]).among_all.tolist() == [3, 4, 1]


def test_scores_that_are_not_numbers_never_help():
    nan = float("nan")
    scores = torch.tensor([[nan, 1.0, 0.0], [nan, 1.0, 0.0]])
    assert ranked_by(scores, [1, 2]).among_all.tolist() == [3, 2]


def test_seen_items_leave_the_ranking_and_a_seen_target_is_a_miss():
    scores = torch.tensor([[5.0, 4.0, 3.0, 2.0]] * 3)
    seen = [(0, 1), (0, 3), (1, 1), (1, 2), (1, 3), (1, 4)]
    got = ranked_by(scores, [4, 4, 4], seen, best=3)
    assert got.among_all.tolist() == [4, 4, 4]
    assert got.among_unseen.tolist() == [2, MISS, 4]
    assert got.best.tolist() == [[2, 4, 0], [0, 0, 0], [1, 2, 3]]


@pytest.mark.parametrize("block", [1, 7, 50, 64])
@pytest.mark.parametrize("levels", [None, 6, 1], ids=["no ties", "many", "only ties"])
@pytest.mark.parametrize("nans", [False, True])
def test_a_plain_sort_agrees_for_every_size_of_block(monkeypatch, block, levels, nans):
    monkeypatch.setattr(ranking, "BLOCK", block)
    random = np.random.default_rng([levels or 0, nans])
    scores = random.standard_normal((TARGETS, ITEMS)).astype(np.float32)
    if levels is not None:
        scores = random.integers(levels, size=(TARGETS, ITEMS)).astype(np.float32)
    if nans:
        scores[random.random((TARGETS, ITEMS)) < 0.1] = np.nan
    targets = random.integers(1, ITEMS + 1, TARGETS)
    some = random.random((TARGETS, ITEMS)) < 0.3
    some[0] = True  # one target has seen all items, another none
    some[1] = False
    seen = [(int(t), int(item) + 1) for t, item in np.argwhere(some)]
    got = ranked_by(torch.from_numpy(scores), targets.tolist(), seen, best=10)
    for number, target in enumerate(targets.tolist()):
        before = {item for t, item in seen if t == number}
        among_all, among_unseen, best = plain(scores[number], target, before, 10)
        if np.isnan(scores[number, target - 1]):  # all others are before it
            among_all, among_unseen = ITEMS, MISS if target in before else ITEMS - len(before)
        assert got.among_all[number] == among_all
        assert got.among_unseen[number] == among_unseen
        found = got.best[number].tolist()
        filled = found[: len(best)]
        assert found[len(best) :] == [0] * (10 - len(best))
        assert len(set(filled) - before) == len(best)  # distinct and unseen
        values = [scores[number, np.array(items, int) - 1] for items in (filled, best)]
        np.testing.assert_array_equal(*values)  # ties may be in any order


def batch_of(*histories: list[int], targets: list[int]) -> EvaluationBatch:
    """One target after each history, which starts with the others' events where it is longer."""
    arrays = [np.array(history, np.int32) for history in histories]
    rows, stops = np.arange(len(arrays)), np.array([len(history) for history in arrays])
    return EvaluationBatch(arrays, rows, stops, torch.tensor(targets), rows)


def test_pairs_of_seen_items_are_distinct_and_ascend_by_item():
    batch = batch_of([3, 1, 3, 2], [2, 2], targets=[1, 1])
    seen = Seen.before(batch, None)
    assert list(zip(seen.targets.tolist(), seen.items.tolist(), strict=True)) == [
        (0, 1), (0, 2), (1, 2), (0, 3),
    ]  # fmt: skip
    seen = Seen.before(batch, 2)
    assert list(zip(seen.targets.tolist(), seen.items.tolist(), strict=True)) == [
        (0, 2), (1, 2), (0, 3),
    ]  # fmt: skip
    assert [part.tolist() for part in seen.inside(2, 3)] == [[0, 1], [0, 0]]


@pytest.mark.parametrize("batch_size", [1, 2, 128])
@pytest.mark.parametrize(
    ("exclude_seen", "first", "other", "best"),
    [  # scores descend with the item: 1 is the best of 5
        ("none", [2, 4], [MISS, 2], [[3, 4, 5], [3, 4, 5]]),
        ("window", [1, 3], [2, 4], [[2, 3, 4], [1, 3, 4]]),
        ("history", [MISS, 2], [2, 4], [[3, 4, 5], [3, 4, 5]]),
    ],
)
def test_the_other_choice_is_ranked_too(batch_size, exclude_seen, first, other, best):
    batch = batch_of([2, 1], [1, 2], targets=[2, 4])
    settings = EvaluateConfig(exclude_seen=exclude_seen, window=1, batch_size=batch_size)

    def scores(targets: slice, items: torch.Tensor) -> torch.Tensor:
        return -items.repeat(len(batch.stops[targets]), 1).float()

    got = ranked(scores, batch, 5, settings, best=3)
    assert got[:, 0].tolist() == first
    assert got[:, 1].tolist() == other
    assert got[:, 2:].tolist() == best


def test_ranks_are_of_float32_scores_also_where_validation_runs_in_bfloat16():
    torch.manual_seed(0)
    model = RecGrela(ModelConfig(hidden_size=16, num_heads=2, num_layers=1), 2).eval()
    with torch.no_grad():  # scores so close that both round to one bfloat16 value
        model.embedding.weight[2] = model.embedding.weight[1] * (1 + 1e-4)
    batch = batch_of([1, 2, 1], [1, 2, 1], targets=[1, 2])
    settings = EvaluateConfig(exclude_seen="none")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = rank_targets(model, batch, "stream", settings)
        scores = item_scores(model, batch, "stream", settings)(slice(None), torch.tensor([1, 2]))
    assert sorted(got) == [1, 2]
    assert scores.dtype == torch.float32
