"""Ranking metrics of next-item prediction, with one held-out item per user.

For a rank of at most k, HR@k (hit rate; here the same as Recall@k) is 1, NDCG@k is
1 / log2(1 + rank) and MRR@k is 1 / rank; otherwise all are 0. A metric is the mean over users.
Ties in score count against the model.
"""

import numpy as np
from torch import Tensor

CUTOFFS = (5, 10, 20)


def ranks(scores: Tensor, targets: Tensor, seen: Tensor | None = None) -> Tensor:
    """Rank (from 1) of each row's target among all items.

    scores [B, N]; targets [B], column indices; seen [B, N], True for items to exclude (the
    target is never excluded). Items with the target's score, or with NaN, rank before it.
    """
    target = scores.gather(1, targets[:, None])
    before = ~(scores < target)
    if seen is not None:
        before &= ~seen
    before.scatter_(1, targets[:, None], False)
    return before.sum(1) + 1


def gains(rank: np.ndarray) -> dict[str, np.ndarray]:
    """Each user's contribution to each metric: {"hr@5": ..., ...}, each of `rank`'s shape."""
    rank = np.asarray(rank, dtype=np.float64)
    result = {}
    for k in CUTOFFS:
        hit = rank <= k
        result[f"hr@{k}"] = hit.astype(np.float64)
        result[f"ndcg@{k}"] = hit / np.log2(1 + rank)
        result[f"mrr@{k}"] = hit / rank
    return result


def summarize(rank: np.ndarray) -> dict[str, float]:
    """Metrics of ranks [U] or [R, U]: {"hr@5": ..., "ndcg@5": ..., "mrr@5": ..., ...}."""
    return {metric: float(values.mean()) for metric, values in gains(rank).items()}
