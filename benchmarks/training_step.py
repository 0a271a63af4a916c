"""Measures training throughput, time per position by length, and memory and time of the loss.

    make bench-training

`step` times whole training steps (forward, backward, clipping, Adam) on synthetic histories. Their
lengths are distributed as in a data set, so that padding costs the same. `position` times one
block, forward and backward, on a fixed number of positions in rows of growing length, against a
block of causal softmax attention (PyTorch's fused kernel) of the same size. `memory` compares the
chunked loss with cross-entropy over all logits, each in its own process. `loss` times it against
PyTorch's `linear_cross_entropy`. `exclusion` times it by `train.exclude_seen`. `accelerations`
times the same step with bfloat16 and with torch.compile.
"""

import argparse
import multiprocessing
import re
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import polars as pl
import torch
from recgrela_train.config import Config, DataConfig, ModelConfig, change_config
from recgrela_train.data import Dataset, prepare, split
from recgrela_train.device import fast_products
from recgrela_train.fitting.loss import full_softmax_loss
from recgrela_train.fitting.seen import Histories
from recgrela_train.fitting.training_module import TrainingModule
from recgrela_train.networks.attention import rotary_frequency, rotation
from recgrela_train.networks.grela import Block, RecGrela
from recgrela_train.networks.sasrec import SoftmaxBlock
from rich.console import Console
from rich.table import Table

LENGTHS = (256, 512, 1024, 2048, 4096)
POSITIONS = 16_384  # over all rows


@dataclass(frozen=True)
class Shape:
    """Size of a data set; history lengths are 20 plus a log-normal number."""

    items: int
    users: int
    mean_length: float

    def dataset(self) -> Dataset:
        """Synthetic histories of uniformly drawn items."""
        random = np.random.default_rng(1)
        extra = random.lognormal(0, 1.2, self.users)
        lengths = (20 + extra * (self.mean_length - 20) / extra.mean()).astype(int)
        items = random.integers(1, self.items + 1, lengths.sum())
        users = np.repeat(np.arange(self.users), lengths)
        events = pl.DataFrame({"user": users, "item": items})
        histories = prepare(events.with_columns(time=pl.int_range(pl.len())), "file", 0)
        return split(histories, DataConfig(split="leave_one_out", min_events=1))


SHAPES = {"ml-1m": Shape(3416, 6040, 165.5), "ml-100k": Shape(1349, 943, 105.3)}


def training_steps(dataset: Dataset, compiled: bool = False) -> Iterator[tuple[int, float]]:
    """Yield events and seconds per training step, over the epoch's batches."""
    torch.manual_seed(1)
    module = TrainingModule(Config(), dataset).train()
    module.log = lambda *_, **__: None  # there is no trainer
    if compiled:
        module.model.compile(dynamic=True)
    optimizer = module.configure_optimizers()["optimizer"]
    for index, batch in enumerate(module.train_dataloader()):
        start = time.perf_counter()
        optimizer.zero_grad()
        module.training_step(batch, index).backward()
        module.configure_gradient_clipping(optimizer, 1.0)
        optimizer.step()
        yield int((batch["inputs"] != 0).sum()), time.perf_counter() - start


def events_per_second(dataset: Dataset, steps: int, **options) -> float:
    """Throughput over `steps` training steps, after three warm-up steps."""
    events, seconds = 0, 0.0
    for index, (count, elapsed) in enumerate(training_steps(dataset, **options)):
        if index >= 3:
            events, seconds = events + count, seconds + elapsed
        if index == steps + 2:
            break
    return events / seconds


def grela_block(rows: int, length: int) -> Callable[[], None]:
    """Forward and backward of one block of the default model on [rows, length]."""
    config = ModelConfig(dropout=0, drop_path=0)
    block = Block(config)
    position = torch.arange(length)[None]
    by = rotation(position, rotary_frequency(config.hidden_size), torch.float32)
    before = RecGrela(config, 1).empty_state(rows).blocks[0]
    mask = torch.ones(rows, length, dtype=torch.bool)
    h = torch.randn(rows, length, config.hidden_size, requires_grad=True)
    return lambda: block(h, mask, by, before, "chunked")[0].sum().backward()


def softmax_block(rows: int, length: int) -> Callable[[], None]:
    """Forward and backward of one block of causal softmax attention on [rows, length]."""
    config = ModelConfig(dropout=0, drop_path=0)
    block = SoftmaxBlock(config)
    h = torch.randn(rows, length, config.hidden_size, requires_grad=True)
    return lambda: block(h).sum().backward()


def nanoseconds_per_position(length: int, rounds: int) -> tuple[float, float]:
    """Time of both blocks, interleaved: the fastest round, which noise affects least."""
    rows = POSITIONS // length
    blocks = (grela_block(rows, length), softmax_block(rows, length))
    best = [float("inf")] * 2
    for _ in range(rounds + 1):
        for which, run in enumerate(blocks):
            start = time.perf_counter()
            run()
            best[which] = min(best[which], time.perf_counter() - start)
    return best[0] / POSITIONS * 1e9, best[1] / POSITIONS * 1e9


def whole_loss(hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Cross-entropy over all logits at once."""
    return torch.nn.functional.cross_entropy(hidden @ weight[1:].T, targets - 1)


def loss_memory(loss: Callable, positions: int, items: int) -> float:
    """Peak memory of forward and backward in MiB, measured in a separate process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak, (loss, positions, items))


def loss_seconds(items: int, positions: int, rounds: int) -> dict[str, float]:
    """Median seconds of forward and backward of each loss, interleaved; D = 64."""
    fused = torch.nn.functional.linear_cross_entropy
    options = torch.nn.LinearCrossEntropyOptions()
    losses = {
        "ours": full_softmax_loss,
        "chunked": lambda h, w, t: fused(h, w[1:], t - 1, options=options),
        "all logits": lambda h, w, t: fused(h, w[1:], t - 1),
    }
    hidden = torch.randn(positions, 64, requires_grad=True)
    weight = torch.randn(items + 1, 64, requires_grad=True)
    targets = torch.randint(1, items + 1, (positions,))
    seconds: dict[str, list[float]] = {name: [] for name in losses}
    for _ in range(rounds + 1):
        for name, loss in losses.items():
            start = time.perf_counter()
            torch.autograd.grad(loss(hidden, weight, targets), (hidden, weight))
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values[1:]) for name, values in seconds.items()}


def exclusion_seconds(dataset: Dataset, steps: int) -> dict[str, float]:
    """Seconds per position of the loss, forward and backward, by train.exclude_seen; D = 64.

    The median of an epoch's first steps, which are interleaved.
    """
    loaders = {}
    for choice in ("none", "window", "history"):
        config = change_config(Config(), [f"train.exclude_seen={choice}"])
        batches = TrainingModule(config, dataset).train_dataloader()
        loaders[choice] = config.seen_events, islice(batches, steps + 1)
    weight = torch.randn(dataset.num_items + 1, 64, requires_grad=True)
    seconds: dict[str, list[float]] = {choice: [] for choice in loaders}
    for batches in zip(*(loader for _, loader in loaders.values()), strict=True):
        for (choice, (window, _)), batch in zip(loaders.items(), batches, strict=True):
            valid = batch["targets"] > 0
            targets = batch["targets"][valid]
            hidden = torch.randn(len(targets), 64, requires_grad=True)
            start = time.perf_counter()
            loss = full_softmax_loss(hidden, weight, targets, Histories.of(batch, valid, 0, window))
            torch.autograd.grad(loss, (hidden, weight))
            seconds[choice].append((time.perf_counter() - start) / len(targets))
    return {choice: statistics.median(values[1:]) for choice, values in seconds.items()}


def _peak(loss: Callable, positions: int, items: int) -> float:
    def run(positions: int, items: int) -> None:
        hidden = torch.randn(positions, 64, requires_grad=True)
        weight = torch.randn(items + 1, 64, requires_grad=True)
        loss(hidden, weight, torch.randint(1, items + 1, (positions,))).backward()

    torch.set_num_threads(1)
    run(8, 8)  # one-time allocations of the libraries
    Path("/proc/self/clear_refs").write_text("5")  # reset the peak, which includes imports
    before = resident("VmRSS")
    run(positions, items)
    return resident("VmHWM") - before


def resident(name: str) -> float:
    """Resident MiB of this process: VmRSS is current, VmHWM the peak."""
    (line,) = re.findall(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(line) / 1024


def print_steps(console: Console, steps: int) -> None:
    """Print events per second for each shape."""
    table = Table(title="training step, 2 layers, D = 64, window 200, 32 rows")
    for name in ("shape", "events per second"):
        table.add_column(name, justify="right")
    for name, shape in SHAPES.items():
        table.add_row(name, f"{events_per_second(shape.dataset(), steps):,.0f}")
    console.print(table)


def print_accelerations(console: Console, steps: int) -> None:
    """Print events per second of the ml-1m shape with bfloat16 and with torch.compile."""
    dataset = SHAPES["ml-1m"].dataset()
    console.print(
        f"compiled: {events_per_second(dataset, steps, compiled=True):,.0f} events per second"
    )
    with torch.autocast("cpu", dtype=torch.bfloat16):
        console.print(f"bfloat16: {events_per_second(dataset, steps):,.0f} events per second")


def print_positions(console: Console, rounds: int) -> None:
    """Print nanoseconds per position of both blocks by length."""
    table = Table(
        title=f"one block, forward and backward, {POSITIONS:,} positions: ns per position"
    )
    for name in ("length", "GRELA", "softmax"):
        table.add_column(name, justify="right")
    for length in LENGTHS:
        ours, softmax = nanoseconds_per_position(length, rounds)
        table.add_row(f"{length:,}", f"{ours:,.0f}", f"{softmax:,.0f}")
    console.print(table)


def print_memory(console: Console) -> None:
    """Print the loss's peak memory by the number of items."""
    table = Table(title="loss of 6,400 positions: peak MiB")
    for name in ("items", "chunked", "all logits"):
        table.add_column(name, justify="right")
    for items in (3_416, 20_000):
        peaks = (loss_memory(loss, 6400, items) for loss in (full_softmax_loss, whole_loss))
        table.add_row(f"{items:,}", *(f"{peak:,.0f}" for peak in peaks))
    console.print(table)


def print_losses(console: Console, rounds: int) -> None:
    """Print time per position of each loss by the number of items, and its ratio to ours."""
    table = Table(title="loss, forward and backward: us per position (ratio to ours)")
    table.add_column("items", justify="right")
    for name in ("ours", "chunked", "all logits"):
        table.add_column(name if name == "ours" else f"linear_cross_entropy, {name}")
    for items, positions in ((3_416, 6_400), (20_000, 2_048), (100_000, 512), (1_000_000, 64)):
        seconds = loss_seconds(items, positions, rounds)
        cells = (
            f"{s / positions * 1e6:,.0f} ({s / seconds['ours']:.2f})" for s in seconds.values()
        )
        table.add_row(f"{items:,}", *cells)
    console.print(table)


def print_exclusion(console: Console, steps: int) -> None:
    """Print time per position of the loss by train.exclude_seen, and its ratio to `none`."""
    table = Table(title="loss, forward and backward: us per position (ratio to none)")
    for name in ("shape", "none", "window", "history"):
        table.add_column(name, justify="right")
    for name, shape in SHAPES.items():
        seconds = exclusion_seconds(shape.dataset(), steps)
        cells = (f"{s * 1e6:,.1f} ({s / seconds['none']:.2f})" for s in seconds.values())
        table.add_row(name, *cells)
    console.print(table)


PARTS = ("step", "position", "memory", "loss", "exclusion", "accelerations")


def main() -> None:
    """Run the requested parts and print their tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.training_step", description="Time the training step."
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS[:3])
    parser.add_argument("--threads", type=int, default=1, help="PyTorch's threads (1)")
    parser.add_argument("--steps", type=int, default=40, help="timed training steps (40)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds per block or loss (5)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    console = Console()
    runs = {
        "step": lambda: print_steps(console, arguments.steps),
        "position": lambda: print_positions(console, arguments.rounds),
        "memory": lambda: print_memory(console),
        "loss": lambda: print_losses(console, arguments.rounds),
        "exclusion": lambda: print_exclusion(console, arguments.steps),
        "accelerations": lambda: print_accelerations(console, arguments.steps),
    }
    with fast_products(torch.device("cpu")):
        for part in arguments.parts:
            runs[part]()


if __name__ == "__main__":
    main()
