"""Compares the time of a training epoch: one prefix per target, as in the paper, or all positions.

All forms train a model of the same size on the same data, and an epoch of each predicts the same
events. The paper's bidirectional form uses one prefix per event. The causal form and the baselines
use all positions of a window at once. Forms are interleaved step by step, so that a busy machine
slows all of them. An epoch's time is extrapolated from the time per target of these steps.
"""

import argparse
import json
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from recgrela_train.config import Config, change_config, load_config
from recgrela_train.data import Dataset, TrainBatch, load_dataset
from recgrela_train.files import write_atomically
from recgrela_train.fitting.training_module import TrainingModule
from rich.console import Console
from rich.progress import track
from rich.table import Table

WARM_UP = 2  # steps of each form that are not timed
TARGET = 50  # times cheaper
KINDS = (
    "grela",
    "sasrec",
    "gru4rec",
    "lrurec",
)  # train on all positions; the first is the causal form


class Form:
    """A model that trains step by step, with the time of its steps."""

    def __init__(self, name: str, config: Config, dataset: Dataset):
        torch.manual_seed(config.seed)
        self.name = name
        self._module = TrainingModule(config, dataset).train()
        self._optimizer = self._module.configure_optimizers()["optimizer"]
        self._batches = self._endless()
        self.steps = 0
        self.targets = 0
        self.positions = 0
        self.seconds = 0.0

    def _endless(self) -> Iterator[TrainBatch]:
        while True:
            self._module.on_train_epoch_end()  # forgets the state
            yield from self._module.train_dataloader()

    def step(self, *, counted: bool) -> None:
        """Run the next step, including loading its batch."""
        start = time.perf_counter()
        batch = next(self._batches)
        self._module.training_step(batch, 0).backward()
        self._optimizer.step()
        self._optimizer.zero_grad()
        if counted:
            self.seconds += time.perf_counter() - start
            self.steps += 1
            self.targets += int((batch["targets"] != 0).sum())
            self.positions += int((batch["inputs"] != 0).sum())

    def result(self, epoch_targets: int) -> dict:
        """The timings, and the extrapolated time of an epoch of `epoch_targets`."""
        return {
            "form": self.name,
            "steps": self.steps,
            "targets": self.targets,
            "positions": self.positions,
            "seconds": self.seconds,
            "epoch_seconds": self.seconds / self.targets * epoch_targets,
        }


def measure(config: Config, prefixes: int, steps: int) -> dict:
    """Time `steps` steps of each form; `prefixes` is the batch size of the paper's form."""
    dataset = load_dataset(config.data)
    paper = ["model.kind=bidirectional", "model.decay=none", f"train.batch_size={prefixes}"]
    forms = [
        Form("bidirectional, prefixes", change_config(config, paper), dataset),
        *(Form(kind, change_config(config, [f"model.kind={kind}"]), dataset) for kind in KINDS),
    ]
    for number in track(range(WARM_UP + steps), "steps of each form", console=Console(stderr=True)):
        for form in forms:
            form.step(counted=number >= WARM_UP)
    targets = len(dataset.train_targets()[0])
    results = [form.result(targets) for form in forms]
    return {
        "source": config.data.source,
        "epoch_targets": targets,
        "threads": torch.get_num_threads(),
        "times_cheaper": results[0]["epoch_seconds"] / results[1]["epoch_seconds"],
        "results": results,
        "config": config.model_dump(),
    }


def print_report(report: dict) -> None:
    """Print one line per form."""
    table = Table(title=f"{report['source']}: an epoch of {report['epoch_targets']:,} targets")
    columns = ("form", "steps", "targets", "positions", "seconds", "seconds per epoch")
    for column in columns:
        table.add_column(column, justify="left" if column == "form" else "right")
    for row in report["results"]:
        counts = (f"{row[key]:,}" for key in columns[1:4])
        table.add_row(row["form"], *counts, f"{row['seconds']:.1f}", f"{row['epoch_seconds']:,.0f}")
    console = Console()
    console.print(table)
    console.print(
        f"{KINDS[0]} is {report['times_cheaper']:.0f} times cheaper (target: {TARGET})",
        highlight=False,
    )


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; return exit status 1 if the target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.epoch_cost", description=__doc__)
    parser.add_argument("--config", type=Path, help="YAML of the causal form, as for fit")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--prefixes", type=int, default=128, help="batch size of the paper's form")
    parser.add_argument("--steps", type=int, default=20, help="timed steps per form")
    parser.add_argument("--output", type=Path, help="also write the measurements to this JSON file")
    options = parser.parse_args(arguments)
    # The steps run without a Trainer, which would log their loss.
    warnings.filterwarnings("ignore", message=".*`self.trainer` reference is not registered.*")
    try:
        report = measure(load_config(options.config, options.set), options.prefixes, options.steps)
        if options.output:
            write_atomically(options.output, json.dumps(report, indent=2).encode())
    except (OSError, ValueError) as error:
        print(f"epoch_cost: error: {error}", file=sys.stderr)
        return 1
    print_report(report)
    return int(report["times_cheaper"] < TARGET)


if __name__ == "__main__":
    sys.exit(main())
