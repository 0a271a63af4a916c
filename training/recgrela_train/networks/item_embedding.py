"""Vectors of items: a row of a table each, to which the vectors of the item's features are added.

    E[j] = own[j] + sum over j's categories of values[category] + dense[j] linear

In training the own part is dropped at random, once for each occurrence of an item, so that its
features alone suffice for an item that was never trained (M. Volkovs, G. Yu and T. Poutanen,
*DropoutNet: Addressing Cold Start in Recommender Systems*, NeurIPS 2017).
"""

from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag


class ItemEmbedding(nn.Embedding):
    """The vectors [N + 1, D] of N items, as rows of a table. Row 0 is padding."""

    def table(self) -> Tensor:
        """The vectors of all items, [N + 1, D]."""
        return self.weight


class FeatureSum(nn.Module):
    """From features of items, V categories and F numbers, to their vectors."""

    values: Tensor | None  # [V, D]
    linear: Tensor | None  # [F, D]

    def __init__(self, num_values: int, num_dense: int, size: int):
        super().__init__()
        self.size = size
        for name, rows in (("values", num_values), ("linear", num_dense)):
            weight = nn.Parameter(torch.empty(rows, size)) if rows else None
            self.register_parameter(name, weight)
        for weight in self.parameters():
            nn.init.normal_(weight, std=0.02)

    def forward(self, codes: Tensor, starts: Tensor, dense: Tensor) -> Tensor:
        """codes [C], where those of item i begin [M], dense [M, F] -> [M, D]."""
        vectors = dense.new_zeros(len(dense), self.size)
        if self.values is not None:
            vectors = vectors + embedding_bag(codes, self.values, starts, mode="sum")
        if self.linear is not None:
            vectors = vectors + dense @ self.linear
        return vectors


class FeatureEmbedding(ItemEmbedding):
    """The vectors of items with features; `weight` has their own parts.

    codes [C], offsets [N + 1] and dense [N, F] are as in `data.ItemFeatures`. They are not part of
    the state's dictionary. `feature_only` is how often training drops an own part.
    """

    codes: Tensor  # [C]
    offsets: Tensor  # [N + 2]; row 0 has none
    dense: Tensor  # [N + 1, F]
    some: Tensor  # [N + 1] whether an item has any feature

    def __init__(
        self,
        size: int,
        codes: Tensor,
        offsets: Tensor,
        dense: Tensor,
        num_values: int,
        feature_only: float,
    ):
        super().__init__(len(dense) + 1, size, padding_idx=0)
        nn.init.normal_(self.weight, std=0.02)
        nn.init.zeros_(self.weight.data[0])
        self.feature_only = feature_only
        self.features = FeatureSum(num_values, dense.shape[1], size)
        offsets = torch.cat([offsets.new_zeros(1), offsets])
        dense = torch.cat([dense.new_zeros(1, dense.shape[1]), dense])
        some = (offsets.diff() > 0) | dense.any(1)
        parts = {"codes": codes, "offsets": offsets, "dense": dense, "some": some}
        for name, part in parts.items():
            self.register_buffer(name, part, persistent=False)
        self._table: Tensor | None = None

    def train(self, mode: bool = True) -> Self:
        """Switches between training and evaluation; the table is computed anew after it."""
        self._table = None
        return super().train(mode)

    def forward(self, items: Tensor) -> Tensor:
        """Vectors of items by index: [...] -> [..., D]; the cost is that of the distinct ones."""
        return self._kept(super().forward(items), items) + self._features_of(items)

    def table(self) -> Tensor:
        """The vectors of all items, [N + 1, D]; in inference mode it is computed once."""
        if self._table is not None and torch.is_inference_mode_enabled():
            return self._table
        items = torch.arange(len(self.weight), device=self.weight.device)
        whole = self._kept(self.weight, items) + self._all_features()
        if torch.is_inference_mode_enabled() and not self.training:
            self._table = whole
        return whole

    @torch.no_grad()
    def folded(self) -> Tensor:
        """The vectors of all items, [N + 1, D], nothing dropped."""
        return self.weight + self._all_features()

    def _kept(self, own: Tensor, items: Tensor) -> Tensor:
        """The own parts of items, some of them dropped in training."""
        if not self.training or self.feature_only == 0:
            return own
        dropped = torch.rand(items.shape, device=own.device) < self.feature_only
        return own.masked_fill((dropped & self.some[items]).unsqueeze(-1), 0)

    def _all_features(self) -> Tensor:
        whole: Tensor = self.features(self.codes, self.offsets[:-1], self.dense)
        return whole

    def _features_of(self, items: Tensor) -> Tensor:
        distinct, place = items.unique(return_inverse=True)
        starts = self.offsets[distinct]
        counts = self.offsets[distinct + 1] - starts
        ends = counts.cumsum(0)
        begins = ends - counts
        inside = torch.arange(int(counts.sum()), device=items.device)
        codes = self.codes[inside + (starts - begins).repeat_interleave(counts)]
        rows: Tensor = self.features(codes, begins, self.dense[distinct])
        return rows[place]
