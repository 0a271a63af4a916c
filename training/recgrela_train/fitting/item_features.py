"""Features of items in training: the module that adds them, and what a checkpoint has of them."""

from typing import Any, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from ..data import Columns, ItemFeatures, loaded_columns
from ..networks.item_embedding import FeatureEmbedding, FeatureSum

TABLE = "embedding.weight"
FEATURES = "embedding.features."
"""Where a network's state has the weights of features."""


def feature_embedding(features: ItemFeatures, size: int, feature_only: float) -> FeatureEmbedding:
    """The vectors [N + 1, D] of items with features, drawn from torch's default generator."""
    return FeatureEmbedding(size, *_tensors(features), features.num_values, feature_only)


class TrainedFeatures(NamedTuple):
    """What a checkpoint knows of features, beside the vectors of its items."""

    columns: Columns
    digest: str  # of the items' features
    own: Tensor  # [N + 1, D] the items' own parts
    sum: FeatureSum

    @classmethod
    def of(cls, saved: dict[str, Any], weights: dict[str, Tensor]) -> Self:
        """The content of a checkpoint; `weights` is the network's state as trained."""
        columns = loaded_columns(saved["columns"])
        values = sum(len(column.values) for column in columns)
        dense = sum(column.size for column in columns)
        own = weights[TABLE]
        network = FeatureSum(values, dense, own.shape[1])
        trained = {n.removeprefix(FEATURES): w for n, w in weights.items() if FEATURES in n}
        network.load_state_dict(trained)
        return cls(columns, saved["digest"], own, network)

    @torch.no_grad()
    def vectors(self, features: ItemFeatures) -> np.ndarray:
        """The vectors of items by their features alone, [M, D]."""
        codes, offsets, dense = _tensors(features)
        found: np.ndarray = self.sum(codes, offsets[:-1], dense).numpy()
        return found


def folded(saved: dict[str, Any], weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """A network's state with one vector per item, the sum of its own part and its features."""
    others = {name: w for name, w in weights.items() if not name.startswith(FEATURES)}
    return {**others, TABLE: saved["table"]}


def _tensors(features: ItemFeatures) -> tuple[Tensor, Tensor, Tensor]:
    codes, offsets = torch.from_numpy(features.codes), torch.from_numpy(features.offsets)
    return codes, offsets, torch.from_numpy(features.dense)
