"""This project's own contender: `recgrela-train fit` with a config, in its own environment."""

import signal
import sys
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from recgrela_train.config import parse_config
from recgrela_train.data import EvaluationBatch, load_dataset
from recgrela_train.evaluation.hidden import hidden_before
from recgrela_train.fitting.checkpoints import best_checkpoint, last_checkpoint, load_checkpoint
from recgrela_train.fitting.fit import fit
from recgrela_train.networks.network import Network
from rich.console import Console

from .exchange import Answer, Histories
from .training import Task, read_task, validation_ndcg, write_result

ROWS = 256  # users scored at a time


class EpochClock(Console):
    """Notes the CPU time when `fit` prints its line of an epoch."""

    def __init__(self, task: Task):
        super().__init__(width=100)
        self.seconds: list[float] = []
        self._task = task

    def print(self, *objects: object, **options: Any) -> None:
        """Print, and note the time of an epoch's line."""
        super().print(*objects, **options)
        if str(objects[0]).startswith("epoch "):
            self.seconds.append(self._task.elapsed)


def encoded(model: Network, histories: Histories, window: int) -> Answer:
    """Score users by the window read-out."""
    users = []
    for start in range(0, len(histories), ROWS):
        rows = [histories[user] for user in range(start, min(start + ROWS, len(histories)))]
        number, stops = np.arange(len(rows)), np.array([len(row) for row in rows])
        batch = EvaluationBatch(rows, number, stops, torch.zeros(len(rows)), number)
        users.append(hidden_before(model, batch, window))
    items = model.embedding.weight.detach()[1:]
    return Answer(torch.cat(users), items, torch.ones(len(items), dtype=torch.bool))


def main() -> None:
    """Train within the budget, and score by the window read-out of the best checkpoint."""
    task = read_task()
    config = parse_config(task.settings)
    run = task.folder / "run"
    clock = EpochClock(task)
    signal.signal(signal.SIGPROF, signal.default_int_handler)  # as Ctrl-C
    signal.setitimer(signal.ITIMER_PROF, task.seconds)  # of CPU time
    stopped = "epochs"
    try:
        fit(config, load_dataset(config.data), run, overwrite=True, console=clock)
    except KeyboardInterrupt:
        stopped = "budget"
    signal.setitimer(signal.ITIMER_PROF, 0)
    seconds = task.elapsed
    if not best_checkpoint(run).exists():
        sys.exit("no epoch ended within the budget: raise --minutes")
    best, last = (load_checkpoint(place(run)) for place in (best_checkpoint, last_checkpoint))
    if stopped == "epochs" and last.epochs < config.train.max_epochs:
        stopped = "patience"
    encode = partial(encoded, best.model, window=config.evaluate.window)
    write_result(
        task,
        encode(task.split.test),
        validation=validation_ndcg(encode, task.split),
        best_epoch=best.epochs,
        epochs=last.epochs,
        stopped=stopped,
        seconds_to_best=[*clock.seconds, seconds][best.epochs - 1],
        seconds=seconds,
        parameters=sum(p.numel() for p in best.model.parameters()),
        versions={name: version(name) for name in ("recgrela-train", "torch", "numpy")},
    )


if __name__ == "__main__":
    main()
