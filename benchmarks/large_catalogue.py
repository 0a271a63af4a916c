"""Times a training step by the number of items, with the full and the sampled softmax.

    make bench-training

One step (forward, backward, clipping, Adam) of the default model on 6,400 positions. Items are
log-uniform over the order of frequency. Cases are interleaved, on one thread, and the time is the
CPU's, which other processes affect least. Memory is measured in a process per case, and includes
the weights and the optimiser's state.
"""

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from recgrela_train.config import Config, DataConfig, TrainConfig
from recgrela_train.data import Dataset, Histories, TrainBatch, split
from recgrela_train.device import fast_products
from recgrela_train.fitting.training_module import TrainingModule
from rich.console import Console
from rich.table import Table

from .training_step import resident

ROWS, WINDOW = 32, 200
MEMORY_STEPS = 3


class Case(NamedTuple):
    """A loss and a number of items."""

    loss: str
    items: int


CASES = [
    Case("full", 3_416), Case("full", 10_000), Case("full", 20_000), Case("full", 100_000),
    Case("sampled", 20_000), Case("sampled", 100_000), Case("sampled", 1_000_000),
]  # fmt: skip


def log_uniform(items: int, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Items 1..N, each with a probability proportional to log((i + 1) / i)."""
    uniform = np.random.default_rng(seed).random(shape)
    return np.minimum((items + 1.0) ** uniform, items).astype(np.int32)


def dataset(items: int) -> Dataset:
    """A few histories; the model knows all items."""
    rows = log_uniform(items, (ROWS, WINDOW + 3), seed=0)
    offsets = np.arange(0, rows.size + 1, rows.shape[1])
    users, ids = np.arange(ROWS), np.arange(items)
    histories = Histories(rows.ravel() - 1, None, False, offsets, ids, users)
    return split(histories, DataConfig(split="leave_one_out", min_events=1), ids)


def batch(items: int, seed: int) -> TrainBatch:
    """A full batch of histories."""
    rows = torch.from_numpy(log_uniform(items, (ROWS, WINDOW + 1), seed)).long()
    return TrainBatch(
        inputs=rows[:, :-1],
        kinds=None,
        gaps=None,
        earlier=None,
        targets=rows[:, 1:],
        firsts=rows[:, 0],
        keep=torch.zeros(ROWS, dtype=torch.bool),
        carried=False,
        share=1.0,
    )


def training_step(case: Case, count: int) -> Callable[[int], Any]:
    """A training step on each of `count` batches, by number."""
    torch.manual_seed(1)
    config = Config(train=TrainConfig(loss=case.loss, exclude_seen="none"))
    module = TrainingModule(config, dataset(case.items)).train()
    module.log = lambda *_, **__: None  # there is no trainer
    optimizer = module.configure_optimizers()["optimizer"]
    batches = [batch(case.items, seed) for seed in range(count)]

    def step(number: int) -> None:
        optimizer.zero_grad()
        module.training_step(batches[number], number).backward()
        module.on_after_backward()
        module.configure_gradient_clipping(optimizer, config.train.gradient_clip)
        optimizer.step()

    return step


def peak_memory(case: Case) -> float:
    """MiB of model, optimiser and training steps, in this process."""
    torch.set_num_threads(1)
    training_step(Case("full", 8), 1)(0)  # one-time allocations of the libraries
    Path("/proc/self/clear_refs").write_text("5")  # reset the peak, which includes imports
    before = resident("VmRSS")
    step = training_step(case, MEMORY_STEPS)
    for number in range(MEMORY_STEPS):
        step(number)
    return resident("VmHWM") - before


def step_seconds(rounds: int) -> list[list[float]]:
    """CPU seconds of each case's steps, after a warm-up step."""
    steps = [training_step(case, rounds + 1) for case in CASES]
    seconds: list[list[float]] = [[] for _ in CASES]
    for number in range(rounds + 1):
        for step, elapsed in zip(steps, seconds, strict=True):
            start = time.process_time()
            step(number)
            elapsed.append(time.process_time() - start)
    return [elapsed[1:] for elapsed in seconds]


def main() -> None:
    """Measure every case and print one table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.large_catalogue", description="Time steps by number of items."
    )
    parser.add_argument("--rounds", type=int, default=5, help="timed steps per case (5)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        memory = pool.map(peak_memory, CASES, chunksize=1)
    with fast_products(torch.device("cpu")):
        seconds = step_seconds(arguments.rounds)
    base = statistics.median(seconds[0])
    table = Table(title=f"training step, {ROWS * WINDOW:,} positions, one thread")
    for name in ("loss", "items", "ms (least to most)", "ratio", "peak MiB"):
        table.add_column(name, justify="right")
    for case, elapsed, peak in zip(CASES, seconds, memory, strict=True):
        median, low, high = statistics.median(elapsed), min(elapsed), max(elapsed)
        times = f"{median * 1e3:,.0f} ({low * 1e3:,.0f} to {high * 1e3:,.0f})"
        table.add_row(case.loss, f"{case.items:,}", times, f"{median / base:.2f}", f"{peak:,.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
