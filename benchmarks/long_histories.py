"""Tests whether histories far longer than any in training cost accuracy.

Test users of a run are evaluated at their last target, ranked among all items, with three
histories. `own` is the user's history. `repeated` is that history repeated, and `concatenated` has
the histories of other users before it. Both are `TIMES` times as long as the longest training
history. They do no harm if the interval of the paired difference in NDCG@10 from `own` includes 0.
`make long-histories RUN=runs/mine` runs it.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from recgrela_train.data import Dataset, EvaluationBatch, load_dataset
from recgrela_train.evaluation.bootstrap import Interval, differences, intervals
from recgrela_train.evaluation.evaluate import rank_targets
from recgrela_train.fitting.checkpoints import load_checkpoint
from recgrela_train.fitting.fit import best_checkpoint
from rich.progress import track

TIMES = 100
METRIC = "ndcg@10"
Lengthen = Callable[[np.ndarray, int], np.ndarray]


def repeated(history: np.ndarray, events: int) -> np.ndarray:
    """Repeat the history to at least `events` events; it ends with a complete copy."""
    return np.tile(history, -(-events // len(history)))


def concatenated(others: list[np.ndarray]) -> Lengthen:
    """Return a function that puts random histories of `others` before a history."""
    generator = np.random.default_rng(0)

    def lengthen(history: np.ndarray, events: int) -> np.ndarray:
        parts = [history]
        while sum(map(len, parts)) < events:
            parts.insert(0, others[generator.integers(len(others))])
        return np.concatenate(parts)

    return lengthen


def ranks_by_history(model, dataset: Dataset, settings, users: int) -> dict[str, np.ndarray]:
    """Rank of each user's last test target after each kind of history, stream read-out, [users]."""
    # The histories of other users have seen other items, so none are excluded.
    settings = settings.model_copy(update={"exclude_seen": "none"})
    targets = dataset.targets("test")
    targets = targets.take(targets.known)
    targets = targets.take(targets.last)
    bounds = zip(targets.starts, targets.stops, strict=True)
    histories = [dataset.items[start:stop] for start, stop in bounds]
    events = TIMES * max(len(history) - 1 for history in histories)
    chosen = np.random.default_rng(0).permutation(len(histories))[:users]
    forms = {
        "own": lambda history, _: history,
        "repeated": repeated,
        "concatenated": concatenated(histories),
    }
    result: dict[str, list] = {name: [] for name in forms}
    for part in track(np.array_split(chosen, -(-len(chosen) // 64)), "evaluating"):
        for name, lengthen in forms.items():
            longer = [lengthen(histories[user], events) for user in part]
            batch = batch_of(longer, targets.items[part])
            ranks = np.empty(len(part), np.int64)
            ranks[batch.places] = rank_targets(model, batch, "stream", settings)
            result[name].append(ranks)
    return {name: np.concatenate(parts) for name, parts in result.items()}


def batch_of(histories: list[np.ndarray], items: np.ndarray) -> EvaluationBatch:
    """The batch with one target after each history; its places are those in the list."""
    lengths = np.array([len(history) for history in histories])
    order = np.argsort(lengths, kind="stable")  # a batch has the shortest histories first
    return EvaluationBatch(
        histories=[histories[place] for place in order],
        rows=np.arange(len(order)),
        stops=lengths[order],
        items=torch.from_numpy(items[order]).long(),
        places=order,
    )


def compare(ranks: dict[str, np.ndarray]) -> dict[str, tuple[Interval, Interval]]:
    """NDCG@10 of each kind of history, and its paired difference from `own`."""
    return {
        name: (intervals(rank)[METRIC], differences(rank, ranks["own"])[METRIC])
        for name, rank in ranks.items()
    }


def main() -> int:
    """Measure and print; return exit status 1 if longer histories do harm."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.long_histories", description=__doc__
    )
    parser.add_argument(
        "run", type=Path, help="folder of a run; its data must still be at their path"
    )
    parser.add_argument("--users", type=int, default=128, help="number of test users (%(default)s)")
    options = parser.parse_args()

    _, model, config, *_ = load_checkpoint(best_checkpoint(options.run))
    dataset = load_dataset(config.data)
    result = compare(ranks_by_history(model, dataset, config.evaluate, options.users))
    print(
        json.dumps(
            {name: {"ndcg@10": a, "difference from own": b} for name, (a, b) in result.items()}
        )
    )
    return int(any(difference.high < 0 for _, difference in result.values()))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
