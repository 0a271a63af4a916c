"""Ranking metrics of next-item prediction, from the rank of one held-out item a user.

HR@k (hit rate, the same as Recall@k with one held-out item), NDCG@k = 1 / log2(1 + rank) inside the
first k and else 0, MRR@k = 1 / rank inside the first k and else 0; each is the mean over users.
Score ties count against the model.
"""

import numpy as np
from torch import Tensor

CUTOFFS = (5, 10, 20)


def ranks(scores: Tensor, targets: Tensor, seen: Tensor | None = None) -> Tensor:
    """Rank (from 1) of each row's target among all items.

    scores [B, N]; targets [B], column indices; seen [B, N], True for items left out of the
    ranking (a row's own target never is). Items that score the same as the target rank before
    it, and so do scores that are not a number.
    """
    target = scores.gather(1, targets[:, None])
    before = ~(scores < target)
    if seen is not None:
        before &= ~seen
    before.scatter_(1, targets[:, None], False)
    return before.sum(1) + 1


def gains(rank: np.ndarray) -> dict[str, np.ndarray]:
    """What each user adds to each metric: {"hr@5": ..., ...}, each of the shape of `rank`."""
    rank = np.asarray(rank, dtype=np.float64)
    result = {}
    for k in CUTOFFS:
        hit = rank <= k
        result[f"hr@{k}"] = hit.astype(np.float64)
        result[f"ndcg@{k}"] = hit / np.log2(1 + rank)
        result[f"mrr@{k}"] = hit / rank
    return result


def summarize(rank: np.ndarray) -> dict[str, float]:
    """Means over users of ranks [U] or [R, U]: {"hr@5": ..., "ndcg@5": ..., "mrr@5": ..., ...}."""
    return {metric: float(values.mean()) for metric, values in gains(rank).items()}
