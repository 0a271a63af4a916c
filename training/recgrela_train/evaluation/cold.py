"""How well items that were never trained are ranked, beside what needs no training of them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from ..config import EvaluateConfig
from ..data import SPLITS, Dataset, ItemFeatures, Targets, sampled
from ..networks.network import N, Network, with_table
from .bootstrap import intervals
from .counting import Popularity, measure_counts
from .evaluate import BEST, measure
from .measurement import Measurement, on_equal_targets
from .nearest import nearest_items

METRIC = "ndcg@10"
Interval = tuple[float, float, float]
"""Value, and the bounds of its 95% interval."""


@dataclass(frozen=True)
class ColdSplit:
    """NDCG@10 of the targets of a split, ranked among all items."""

    targets: int  # at cold items
    users: int  # of these
    cold: dict[str, Interval]  # by vectors or scores of cold items: of the targets at cold items
    trained: dict[str, Interval]  # of the other targets
    random: float  # at cold items, the expectation of a random order


@dataclass(frozen=True)
class ColdMetrics:
    """NDCG@10 on items that the model was not trained on."""

    trained_items: int
    cold_items: int
    splits: dict[str, ColdSplit]

    def to_json(self) -> str:
        """All of it as an object."""
        splits = {
            name: {
                "targets": split.targets,
                "users": split.users,
                METRIC: {"cold": {**split.cold, "random": split.random}, "trained": split.trained},
            }
            for name, split in self.splits.items()
        }
        return json.dumps({"trained": self.trained_items, "cold": self.cold_items, **splits})

    def tables(self) -> Iterator[Table]:
        """A table per split."""
        total = self.trained_items + self.cold_items
        for name, split in self.splits.items():
            table = Table(
                title=f"{name}: {split.targets:,} targets of {split.users:,} users at the "
                f"{self.cold_items:,} cold items, ranked among all {total:,}"
            )
            table.add_column("vectors or scores of cold items")
            table.add_column("NDCG@10 (95%)\nat cold items", justify="right")
            table.add_column("at trained items", justify="right")
            for ranker, interval in split.cold.items():
                table.add_row(ranker, _text(interval), _text(split.trained[ranker]))
            table.add_row("random order of all items", f"{split.random:.4f}", "")
            yield table


def measure_cold(
    model: Network,
    vectors: np.ndarray,
    features: ItemFeatures,
    dataset: Dataset,
    settings: EvaluateConfig,
    console: Console,
    boost: float,
) -> ColdMetrics:
    """Ranks the held-out events, among all items.

    `vectors` [A, D] are those of the cold items, which follow the model's N in `dataset` and in
    `features`; they are multiplied by `boost`. Events at cold items are inputs too, as on a device
    that has their overlay.
    """
    count = model.num_items
    nearest = model.embedding.table().detach().cpu().numpy()[1:][nearest_items(features, count)]
    found: dict[str, Measurement] = {}
    by_features = "sum of their features" + (f", times {boost:g}" if boost != 1 else "")
    for name, rows in ((by_features, boost * vectors), ("nearest trained item", nearest)):
        console.print(f"measuring with vectors of cold items: {name}", highlight=False)
        found[name] = measure(extended(model, rows), dataset, settings, console)
    counts = dataset.train_counts
    unseen = np.where(np.arange(len(counts)) < count, counts, 0)
    for name, known in (("popularity", unseen), ("popularity, had it seen their events", counts)):
        popularity = Popularity(dataset, known)
        found[name] = measure_counts(popularity, dataset, settings, console)
    found = dict(zip(found, on_equal_targets([*found.values()]), strict=True))
    splits: dict[str, ColdSplit] = {}
    for split in SPLITS:
        firsts = model.start is not None
        targets = sampled(dataset.targets(split), settings.max_users, firsts=firsts)
        cold = targets.items > count
        if not cold.any():
            continue
        ranks = {name: each.splits[split].ranks for name, each in found.items()}
        users = targets.users
        warm = targets.known & ~cold
        splits[split] = ColdSplit(
            int(cold.sum()),
            len(np.unique(users[cold])),
            {name: _metric(each, users, cold) for name, each in ranks.items()},
            {name: _metric(each, users, warm) for name, each in ranks.items()},
            _random(dataset, targets.take(cold), settings),
        )
    return ColdMetrics(count, len(vectors), splits)


def extended(model: N, vectors: np.ndarray) -> N:
    """A copy of the model with more items, of the vectors [A, D]."""
    table = model.embedding.table().detach()
    added = torch.from_numpy(vectors).to(table.device, table.dtype)
    return with_table(model, torch.cat([table, added])).eval()


def _metric(ranks: dict[str, np.ndarray], users: np.ndarray, some: np.ndarray) -> Interval:
    """By the deployed read-out, the first."""
    rank = next(iter(ranks.values()))
    value, low, high = intervals(rank[some], users[some])[METRIC]
    return float(value), float(low), float(high)


def _text(interval: Interval) -> str:
    value, low, high = interval
    return f"{value:.4f} ({low:.4f}, {high:.4f})"


def _random(dataset: Dataset, targets: Targets, settings: EvaluateConfig) -> float:
    """The expectation of NDCG@10 if all items that are ranked are in a random order."""
    gain = (1 / np.log2(1 + np.arange(1, BEST + 1))).sum()
    total = 0.0
    for start, stop, item in zip(targets.starts, targets.stops, targets.items, strict=True):
        seen_events = settings.seen_events
        first = start if seen_events is None else max(start, stop - seen_events)
        seen = np.unique(dataset.items[first:stop])
        if item not in seen:
            total += gain / (dataset.num_items - len(seen))
    return float(total / len(targets))
