"""Recommendations after whole histories, as the engine makes them."""

from collections.abc import Iterable
from functools import partial

import numpy as np
import polars as pl

from ..config import EvaluateConfig
from ..data import Dataset, EvaluationBatches, Targets
from ..networks.network import Network
from .evaluate import item_scores
from .ranking import Seen, best_unseen

Users = Iterable[int] | Iterable[str]


def recommend(
    model: Network, dataset: Dataset, users: Users | None, k: int, settings: EvaluateConfig
) -> pl.DataFrame:
    """The best `k` items for the next event of users, or of all: user, item, score and rank.

    The model, in evaluation mode, is fed by the first of its read-outs. Items of a user's history
    are excluded. A user without a history gets the answer of the start vector. Ranks are from 1.
    Raises ValueError for a user of another type than the data's, and for one without a history if
    the network has no start vector.
    """
    if k < 1:
        raise ValueError(f"k is {k}, expected at least 1")
    ids = pl.Series("user", dataset.user_ids[:])
    asked = ids if users is None else pl.Series("user", users)
    index = np.arange(len(ids)) if users is None else _indices(ids, asked)
    if model.start is None:
        _check_known(asked, index)
    unique, places = np.unique(index, return_inverse=True)
    size = min(k, dataset.num_items)
    items, scores = best_items(model, dataset, unique, size, settings)
    found = pl.DataFrame(
        {
            "user": asked.cast(ids.dtype).gather(np.repeat(np.arange(len(index)), size)),
            "item": items[places].ravel(),
            "score": scores[places].ravel(),
            "rank": np.tile(np.arange(1, size + 1), len(index)),
        }
    ).filter(pl.col("item") > 0)
    return found.with_columns(pl.Series("item", dataset.item_ids).gather(found["item"] - 1))


def best_items(
    model: Network, dataset: Dataset, users: np.ndarray, size: int, settings: EvaluateConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Items [U, size], best first, and their scores [U, size], for ascending user indices [U].

    The user index -1 means an empty history. Items are indices; unused places are 0.
    """
    starts, stops = np.where(users < 0, 0, dataset.offsets[users]), dataset.offsets[users + 1]
    rows = np.arange(len(users))
    targets = Targets(rows, starts, stops, np.zeros(len(users), np.int32), None)
    items = np.zeros((len(users), size), np.int64)
    values = np.zeros((len(users), size), np.float32)
    gaps = model.gaps is not None
    for batch in EvaluationBatches(dataset, targets, settings.batch_size, gaps=gaps):
        scores = partial(item_scores(model, batch, model.readouts[0], settings), slice(None))
        seen = Seen.before(batch, None).to(model.embedding.weight.device)
        found = best_unseen(scores, seen, len(batch.stops), model.num_items, size)
        items[batch.places], values[batch.places] = (part.cpu().numpy() for part in found)
    return items, values


def _indices(known: pl.Series, users: pl.Series) -> np.ndarray:
    """The user index of each id; -1 if it is unknown. Raises ValueError for another type."""
    if users.is_empty():
        return np.zeros(0, np.int64)
    if users.dtype.is_integer() != known.dtype.is_integer():
        raise ValueError(f"users are {users.dtype}, expected {known.dtype} as in the data")
    places = pl.DataFrame({"user": known}).with_row_index("index")
    found = pl.DataFrame({"user": users.cast(known.dtype)}).join(
        places, on="user", how="left", maintain_order="left"
    )["index"]
    return found.cast(pl.Int64).fill_null(-1).to_numpy()


def _check_known(users: pl.Series, index: np.ndarray) -> None:
    """Raises ValueError if a user has no history."""
    unknown = index < 0
    if unknown.any():
        raise ValueError(
            f"{unknown.sum():,} of {len(users):,} users are unknown, such as "
            f"{users.filter(pl.Series(unknown))[0]!r}: they have no events, or none at items that "
            "the model knows, and the network has no start vector"
        )
