"""Compares ranks and metrics with ranx, which sorts the scores itself."""

import numpy as np
import pytest
import torch
from ranx import Qrels, Run, evaluate
from recgrela_train.evaluation.metrics import CUTOFFS, summarize
from recgrela_train.evaluation.ranking import Seen, rank

USERS, ITEMS = 40, 60
THEIRS = {"hr": "hit_rate", "ndcg": "ndcg", "mrr": "mrr"}


def ranx_metrics(scores: np.ndarray, targets: np.ndarray, seen: np.ndarray) -> dict[str, float]:
    """ranx's metrics under our names. Scores are float32 and differ from each user's target."""
    names = [str(item) for item in range(scores.shape[1])]
    qrels = Qrels({f"u{user}": {names[target]: 1} for user, target in enumerate(targets)})
    run = Run(
        {
            f"u{user}": {
                names[item]: float(score) for item, score in enumerate(row) if not seen[user, item]
            }
            for user, row in enumerate(scores)
        }
    )
    wanted = {f"{ours}@{k}": f"{name}@{k}" for ours, name in THEIRS.items() for k in CUTOFFS}
    figures = evaluate(qrels, run, list(wanted.values()))
    return {ours: float(figures[name]) for ours, name in wanted.items()}


@pytest.mark.filterwarnings("ignore:unsafe cast from uint64")  # of ranx's own counters
@pytest.mark.parametrize("levels", [None, 8, 2, 1], ids=["no ties", "some", "many", "only ties"])
@pytest.mark.parametrize("mask_seen", [False, True])
def test_ranx_agrees_on_random_cases(levels, mask_seen):
    generator = np.random.default_rng([levels or 0, mask_seen])
    scores = generator.standard_normal((USERS, ITEMS)).astype(np.float32)
    if levels is not None:  # few distinct values, so most targets tie
        scores = generator.integers(levels, size=(USERS, ITEMS)).astype(np.float32)
    targets = generator.integers(ITEMS, size=USERS)
    seen = generator.random((USERS, ITEMS)) < 0.4 * mask_seen
    items, users = (torch.from_numpy(part) for part in np.nonzero(seen.T))
    table = torch.from_numpy(scores)
    found = rank(
        lambda items: table[:, items - 1],
        torch.from_numpy(targets + 1),
        Seen(users, items + 1),
        ITEMS,
    )
    got = summarize(found.among_unseen.numpy())

    # ranx breaks ties by sort order, so lower the target slightly to rank it after its ties.
    lowered = scores.astype(np.float64)
    users = np.arange(USERS)
    lowered[users, targets] = np.nextafter(scores[users, targets], -np.inf, dtype=np.float32)
    assert got == pytest.approx(ranx_metrics(lowered, targets, seen), abs=1e-12)
