"""Compares ranks and metrics with fractions computed by hand."""

import math

import numpy as np
import pytest
import torch
from recgrela_train.config import EvaluateConfig, ModelConfig
from recgrela_train.data import EvaluationBatch
from recgrela_train.evaluation.evaluate import rank_targets
from recgrela_train.evaluation.metrics import ranks, summarize
from recgrela_train.networks.grela import RecGrela


def test_summary_of_ranks_by_hand():
    # Four users whose targets rank 1st, 3rd, 7th and 21st.
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


def test_rank_counts_better_scores_and_ties_against_the_model():
    scores = torch.tensor([[0.5, 0.9, 0.5, 0.1], [0.0, 0.0, 0.0, 0.0], [4.0, 3.0, 2.0, 1.0]])
    got = ranks(scores, torch.tensor([2, 0, 0]))
    assert got.tolist() == [3, 4, 1]


def test_scores_that_are_no_numbers_never_help():
    nan = float("nan")
    got = ranks(torch.tensor([[nan, 1.0, 0.0], [nan, 1.0, 0.0]]), torch.tensor([0, 1]))
    assert got.tolist() == [3, 2]


def test_seen_items_leave_the_ranking_but_never_the_target():
    scores = torch.tensor([[5.0, 4.0, 3.0, 2.0]] * 2)
    seen = torch.tensor([[True, False, True, False], [True, True, True, True]])
    got = ranks(scores, torch.tensor([3, 3]), seen)
    assert got.tolist() == [2, 1]


def test_ranks_are_of_float32_scores_also_where_validation_runs_in_bfloat16():
    torch.manual_seed(0)
    model = RecGrela(ModelConfig(hidden_size=16, num_heads=2, num_layers=1), 2).eval()
    with torch.no_grad():  # scores so close that both round to one bfloat16 value
        model.embedding.weight[2] = model.embedding.weight[1] * (1 + 1e-4)
    history = np.array([1, 2, 1], dtype=np.int32)
    batch = EvaluationBatch(torch.tensor([0, 1]), torch.tensor([1, 2]), [history, history])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = rank_targets(model, batch, "stream", EvaluateConfig())
    assert sorted(got) == [1, 2]
