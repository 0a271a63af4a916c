"""Measures full-ranking evaluation over a large catalogue: users per second and peak memory.

    make bench-evaluation

A model with random weights ranks one target of each user among all items, and finds the best ten
unseen ones, by the stream read-out. Memory is that of the whole process, with the catalogue, its
histories and PyTorch.
"""

import argparse
import resource
import time

import numpy as np
import torch
from recgrela_train.config import DataConfig, EvaluateConfig, ModelConfig
from recgrela_train.data import Dataset, EvaluationBatches, Histories, split
from recgrela_train.evaluation.evaluate import BEST, item_scores, ranked
from recgrela_train.networks.grela import RecGrela
from rich.progress import track

EVENTS = 20  # of each user


def dataset(users: int, items: int) -> Dataset:
    """Histories of items drawn from Zipf's distribution."""
    random = np.random.default_rng(1)
    # The inverse of the log-uniform distribution, which is Zipf's with exponent 1.
    codes = np.exp(random.random(users * EVENTS) * np.log(items + 1)).astype(np.int32) - 1
    every = np.arange(items, dtype=np.int64)
    histories = Histories(
        items=codes,
        times=None,
        dated=False,
        offsets=np.arange(users + 1) * EVENTS,
        item_ids=every,
        user_ids=np.arange(users),
    )
    return split(histories, DataConfig(split="leave_one_out", min_events=1), vocabulary=every)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evaluation", description=__doc__)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--items", type=int, default=1_000_000)
    options = parser.parse_args()

    torch.set_num_threads(1)
    torch.manual_seed(1)
    data = dataset(options.users, options.items)
    model = RecGrela(ModelConfig(), data.num_items).eval()
    settings = EvaluateConfig()
    batches = EvaluationBatches(data, data.targets("test"), settings.batch_size)
    start = time.perf_counter()
    hits = 0
    for batch in track(batches, "ranking"):
        scores = item_scores(model, batch, "stream", settings)
        rows = ranked(scores, batch, data.num_items, settings, BEST)
        hits += int((rows[:, 0] <= BEST).sum())
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{options.users:,} users x {options.items:,} items: {seconds:.0f} s, "
        f"{options.users / seconds:,.0f} users a second on one thread, peak memory {peak:.2f} GiB "
        f"({hits} hits in the top {BEST})"
    )


if __name__ == "__main__":
    main()
