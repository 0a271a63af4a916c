"""Ranking metrics of next-item prediction, with one relevant item per target.

For a rank of at most k, HR@k (hit rate; here the same as Recall@k) is 1, NDCG@k is
1 / log2(1 + rank) and MRR@k is 1 / rank; otherwise all are 0. A metric is the mean over targets.
Ties in score count against the model.
"""

import numpy as np

CUTOFFS = (5, 10, 20)


def gains(rank: np.ndarray) -> dict[str, np.ndarray]:
    """Each target's contribution to each metric: {"hr@5": ..., ...}, each of `rank`'s shape."""
    rank = np.asarray(rank, dtype=np.float64)
    result = {}
    for k in CUTOFFS:
        hit = rank <= k
        result[f"hr@{k}"] = hit.astype(np.float64)
        result[f"ndcg@{k}"] = hit / np.log2(1 + rank)
        result[f"mrr@{k}"] = hit / rank
    return result


def summarize(rank: np.ndarray) -> dict[str, float]:
    """Metrics of ranks [M] or [R, M]: {"hr@5": ..., "ndcg@5": ..., "mrr@5": ..., ...}."""
    return {metric: float(values.mean()) for metric, values in gains(rank).items()}


def summarize_users(rank: np.ndarray, users: np.ndarray) -> dict[str, float]:
    """As `summarize`, but each of the `users` [M] counts the same, whatever their targets."""
    _, number, counts = np.unique(users, return_inverse=True, return_counts=True)
    weight = 1 / (counts[number] * len(counts))
    return {
        metric: float((np.atleast_2d(values).mean(0) * weight).sum())
        for metric, values in gains(rank).items()
    }
