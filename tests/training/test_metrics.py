"""Compares metrics of ranks with fractions computed by hand."""

import math

import numpy as np
import pytest
from recgrela_train.evaluation.metrics import summarize, summarize_users
from recgrela_train.evaluation.ranking import MISS


def test_summary_of_ranks_by_hand():
    # Four targets that rank 1st, 3rd, 7th and 21st.
    got = summarize(np.array([1, 3, 7, 21]))
    assert got["hr@5"] == 2 / 4
    assert got["hr@10"] == 3 / 4
    assert got["hr@20"] == 3 / 4
    assert got["mrr@5"] == pytest.approx((1 + 1 / 3) / 4)
    assert got["mrr@10"] == pytest.approx((1 + 1 / 3 + 1 / 7) / 4)
    assert got["ndcg@5"] == pytest.approx((1 + 1 / 2) / 4)
    assert got["ndcg@10"] == pytest.approx((1 + 1 / 2 + 1 / 3) / 4)
    assert list(got) == [f"{m}@{k}" for k in (5, 10, 20) for m in ("hr", "ndcg", "mrr")]


def test_cutoffs_are_inclusive():
    got = summarize(np.array([5, 10, 20]))
    assert (got["hr@5"], got["hr@10"], got["hr@20"]) == (1 / 3, 2 / 3, 1)
    assert got["ndcg@20"] == pytest.approx(sum(1 / math.log2(r + 1) for r in (5, 10, 20)) / 3)


def test_a_miss_contributes_nothing():
    assert summarize(np.array([MISS, 1])) == {metric: 0.5 for metric in summarize(np.array([1]))}


def test_means_per_user_give_each_user_the_same_weight():
    # User 7 has ranks 1, 3 and a miss, user 2 has rank 1: means 1/2 and 1 of NDCG.
    rank, users = np.array([1, 1, 3, MISS]), np.array([2, 7, 7, 7])
    got = summarize_users(rank, users)
    assert got["hr@10"] == pytest.approx((2 / 3 + 1) / 2)
    assert got["ndcg@10"] == pytest.approx((1 / 2 + 1) / 2)
    assert got["mrr@5"] == pytest.approx((4 / 9 + 1) / 2)
    assert summarize(rank)["ndcg@10"] == pytest.approx((1 + 1 + 1 / 2) / 4)
    # Of two runs, each target has the mean.
    both = summarize_users(np.stack([rank, np.full(4, MISS)]), users)
    assert both == pytest.approx({metric: value / 2 for metric, value in got.items()})
    # With one target per user, both means are the same.
    assert summarize_users(rank, np.arange(4)) == pytest.approx(summarize(rank))
